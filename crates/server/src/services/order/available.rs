//! What a call may do with an order now.

use std::sync::Arc;

use waymark_domain::{
    actor::Actor,
    guard::CostBudget,
    judge,
    order::{Order, Rejection},
    value::{StatusCode, Timestamp, TransitionCode},
    workflow::{Standing, Transition},
};
use waymark_persistence::{Published, Refusal};
use waymark_proto::{
    convert::{
        order::{ListAvailableTransitions, available_status_to_wire, available_to_wire},
        transition::transition_to_wire,
    },
    v1,
};

use super::view::{self, listed_bytes};
use crate::{App, Error, limits::ANSWER_BYTES_SOFT_MAX, page, telemetry};

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
    let include_blocked = call.include_blocked;
    telemetry::note_order(&call.order_id);
    let (published, order) = view::find(app, &call.workflow, &call.order_id).await?;
    if let Some(finding) = published.unusable() {
        let (workflow, finding) = (call.workflow, finding.to_owned());
        let refusal = Refusal::WorkflowUnusable { workflow, finding };
        let blocked = blocked(&published, &order, &refusal).filter(|_| include_blocked);
        return Ok(fitted(blocked.collect(), Vec::new()));
    }
    let (actor, now) = (call.actor, app.store().clock().now());
    // At once, where that does not take long.
    let budget = CostBudget::of(STEPS_HERE_MAX);
    let mut judged = judge(&budget, &published, &order, &actor, now);
    if budget.is_exhausted() {
        let published = Arc::clone(&published);
        let work = async move {
            let budget = CostBudget::new();
            Ok(judge(&budget, &published, &order, &actor, now))
        };
        judged = app.read_many(work).await?;
    }
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
    Ok(fitted(transitions.collect(), statuses.collect()))
}

fn judge(
    budget: &CostBudget,
    published: &Published,
    order: &Order,
    actor: &Actor,
    now: Timestamp,
) -> Judged {
    let graph = &published.graph;
    Judged {
        transitions: judge::available_within(budget, graph, order, actor, now),
        statuses: judge::comment_statuses_within(budget, graph, order, actor, now),
    }
}

/// What is blocked where no step can be judged: every transition from where the order stands.
fn blocked<'a>(
    published: &'a Published,
    order: &'a Order,
    refusal: &'a Refusal,
) -> impl Iterator<Item = v1::AvailableTransition> + 'a {
    let Standing { state, status } = &order.standing;
    let leaves = move |transition: &&Transition| {
        let (states, statuses) = (&transition.from_states, &transition.from_statuses);
        (states.is_empty() || states.contains(state))
            && (statuses.is_empty() || statuses.contains(status))
    };
    let blocked = published.graph.manual_transitions().filter(leaves);
    blocked.map(move |transition| v1::AvailableTransition {
        transition: Some(transition_to_wire(&published.record, transition)),
        allowed: false,
        reasons: vec![v1::BlockReason {
            reason: refusal.reason().to_owned(),
            message: refusal.to_string(),
        }],
    })
}

/// The answer, as far as clients take it: the last of the transitions have their codes and labels
/// alone where all are larger than that together with the statuses, of which the last have no
/// messages beyond a quarter of the answer.
fn fitted(
    mut transitions: Vec<v1::AvailableTransition>,
    mut comment_statuses: Vec<v1::AvailableStatus>,
) -> v1::ListAvailableTransitionsResponse {
    let mut room = ANSWER_BYTES_SOFT_MAX / 4;
    let whole = page::fitting_in(&mut room, &comment_statuses);
    for status in comment_statuses.iter_mut().skip(whole) {
        for reason in &mut status.reasons {
            reason.message.clear();
        }
    }
    let bytes: usize = comment_statuses.iter().map(listed_bytes).sum();
    let max = ANSWER_BYTES_SOFT_MAX.saturating_sub(bytes);
    let all: usize = transitions.iter().map(listed_bytes).sum();
    if all > max {
        // With all of them short, the first ones have the rest of the room.
        let short: Vec<_> = transitions.iter().map(shortened).collect();
        let mut room = max.saturating_sub(short.iter().map(listed_bytes).sum());
        let whole = page::fitting_in(&mut room, &transitions);
        for (place, short) in transitions.iter_mut().zip(short).skip(whole) {
            *place = short;
        }
    }
    v1::ListAvailableTransitionsResponse {
        transitions,
        comment_statuses,
    }
}

fn shortened(available: &v1::AvailableTransition) -> v1::AvailableTransition {
    let transition = available.transition.as_ref();
    let reasons = available.reasons.iter().map(|reason| v1::BlockReason {
        reason: reason.reason.clone(),
        ..v1::BlockReason::default()
    });
    v1::AvailableTransition {
        transition: transition.map(|transition| v1::Transition {
            code: transition.code.clone(),
            label: transition.label.clone(),
            ..v1::Transition::default()
        }),
        allowed: available.allowed,
        reasons: reasons.collect(),
    }
}
