//! What a call may do with an order now.

use std::sync::Arc;

use waymark_domain::{
    actor::Actor,
    guard::CostBudget,
    order::{self, Order, Rejection, Standing},
    value::{StatusCode, Timestamp, TransitionCode},
    workflow::Transition,
};
use waymark_persistence::{Published, Refusal};
use waymark_proto::{
    convert::{
        order::{ListAvailableTransitions, available_status_to_wire, available_to_wire},
        transition::transition_to_wire,
    },
    v1,
};

use super::view;
use crate::{App, Error, telemetry};

/// What guards may cost on a thread that serves calls, in steps of evaluation: a millisecond.
const STEPS_HERE_MAX: u64 = 20_000;

/// What was judged for an order.
struct Judged {
    /// The transitions, each with where it leads or why it may not be taken.
    transitions: Vec<(TransitionCode, Result<Standing, Rejection>)>,
    /// The statuses that a comment may set, each with the transition that is taken for it.
    statuses: Vec<(StatusCode, Result<Option<TransitionCode>, Rejection>)>,
}

/// Lists the transitions that may be taken, and the statuses that a comment may set.
pub(super) async fn list(
    app: &App,
    call: ListAvailableTransitions,
) -> Result<v1::ListAvailableTransitionsResponse, Error> {
    let ListAvailableTransitions {
        workflow,
        order_id,
        actor,
        include_blocked,
    } = call;
    telemetry::note_order(&order_id);
    let (published, order) = view::find(app, &workflow, &order_id).await?;
    if let Some(finding) = published.unusable() {
        let refusal = Refusal::WorkflowUnusable {
            workflow,
            finding: finding.to_owned(),
        };
        return Ok(none_of(&published, &order, &refusal, include_blocked));
    }
    let now = app.store().clock().now();
    let judged = if let Some(judged) = judge_here(&published, &order, &actor, now) {
        judged
    } else {
        let published = Arc::clone(&published);
        let work = async move {
            let budget = CostBudget::new();
            Ok(judge(&budget, &published, &order, &actor, now))
        };
        app.read_many(work).await?
    };
    Ok(answer(&published, &judged, include_blocked))
}

/// Judges them at once, where that does not take long.
fn judge_here(
    published: &Published,
    order: &Order,
    actor: &Actor,
    now: Timestamp,
) -> Option<Judged> {
    let budget = CostBudget::of(STEPS_HERE_MAX);
    let judged = judge(&budget, published, order, actor, now);
    (!budget.is_exhausted()).then_some(judged)
}

/// Judges all of them within one budget.
fn judge(
    budget: &CostBudget,
    published: &Published,
    order: &Order,
    actor: &Actor,
    now: Timestamp,
) -> Judged {
    let graph = &published.graph;
    Judged {
        transitions: order::available_within(budget, graph, order, actor, now),
        statuses: order::comment_statuses_within(budget, graph, order, actor, now),
    }
}

/// The answer where no step can be judged: nothing is possible, and every transition from where the
/// order stands is blocked by that.
fn none_of(
    published: &Published,
    order: &Order,
    refusal: &Refusal,
    include_blocked: bool,
) -> v1::ListAvailableTransitionsResponse {
    let Standing { state, status } = &order.standing;
    let leaves = |transition: &&Transition| {
        let (states, statuses) = (&transition.from_states, &transition.from_statuses);
        (states.is_empty() || states.contains(state))
            && (statuses.is_empty() || statuses.contains(status))
    };
    let blocked = published.graph.manual_transitions().filter(leaves);
    let blocked = blocked.map(|transition| v1::AvailableTransition {
        transition: Some(transition_to_wire(&published.record, transition)),
        allowed: false,
        reasons: vec![v1::BlockReason {
            reason: refusal.reason().to_owned(),
            message: refusal.to_string(),
        }],
    });
    let mut answer = v1::ListAvailableTransitionsResponse {
        transitions: blocked.filter(|_| include_blocked).collect(),
        comment_statuses: Vec::new(),
    };
    view::fit_available(&mut answer);
    answer
}

fn answer(
    published: &Published,
    judged: &Judged,
    include_blocked: bool,
) -> v1::ListAvailableTransitionsResponse {
    let workflow = published.graph.workflow();
    let transitions = judged.transitions.iter();
    let transitions = transitions.filter(|(_, it)| view::is_listed(it, include_blocked));
    let transitions = transitions.filter_map(|(code, judgement)| {
        let transition = workflow.transition(code)?;
        Some(available_to_wire(&published.record, transition, judgement))
    });
    let statuses = judged.statuses.iter();
    let statuses = statuses.filter(|(_, it)| view::is_listed(it, include_blocked));
    let statuses = statuses.map(|(code, judgement)| available_status_to_wire(code, judgement));
    let mut answer = v1::ListAvailableTransitionsResponse {
        transitions: transitions.collect(),
        comment_statuses: statuses.collect(),
    };
    view::fit_available(&mut answer);
    answer
}
