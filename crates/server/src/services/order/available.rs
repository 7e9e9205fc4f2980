//! What a call may do with an order now.

use std::sync::Arc;

use waymark_domain::{
    actor::Actor,
    guard::CostBudget,
    order::{self, Order, Rejection, Standing},
    value::{Timestamp, TransitionCode},
};
use waymark_persistence::Published;
use waymark_proto::{
    convert::order::{ListAvailableTransitions, available_to_wire},
    v1,
};

use super::view;
use crate::{App, Error, telemetry};

/// What guards may cost on a thread that serves calls, in steps of evaluation: a millisecond.
const STEPS_HERE_MAX: u64 = 20_000;

/// The transitions, each with where it leads or why it may not be taken.
type Judged = Vec<(TransitionCode, Result<Standing, Rejection>)>;

/// Lists the transitions that may be taken.
pub(super) async fn list(
    app: &App,
    call: ListAvailableTransitions,
) -> Result<Vec<v1::AvailableTransition>, Error> {
    let ListAvailableTransitions {
        workflow,
        order_id,
        actor,
        include_blocked,
    } = call;
    telemetry::note_order(&order_id);
    let (published, order) = view::find(app, &workflow, &order_id).await?;
    let now = app.store().clock().now();
    let judged = if let Some(judged) = judge_here(&published, &order, &actor, now) {
        judged
    } else {
        let published = Arc::clone(&published);
        let judge = async move { Ok(order::available(&published.graph, &order, &actor, now)) };
        app.read_many(judge).await?
    };
    let listed = judged
        .iter()
        .filter(|(_, judgement)| view::is_listed(judgement, include_blocked));
    let transitions = listed.filter_map(|(code, judgement)| {
        let transition = published.graph.workflow().transition(code)?;
        Some(available_to_wire(&published.record, transition, judgement))
    });
    let mut transitions: Vec<_> = transitions.collect();
    view::fit_available(&mut transitions);
    Ok(transitions)
}

/// Judges them at once, where that does not take long.
fn judge_here(
    published: &Published,
    order: &Order,
    actor: &Actor,
    now: Timestamp,
) -> Option<Judged> {
    let budget = CostBudget::of(STEPS_HERE_MAX);
    let judged = order::available_within(&budget, &published.graph, order, actor, now);
    (!budget.is_exhausted()).then_some(judged)
}
