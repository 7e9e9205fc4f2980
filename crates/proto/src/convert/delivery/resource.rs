//! Deliveries, their attempts and the decisions about them, shown.

use std::time::Duration;

use waymark_domain::delivery::{Attempt, Decision, Delivery, DeliveryState, Outcome, Verdict};

use crate::{
    convert::{actor::actor_to_wire, instant::timestamp_to_wire, order::text},
    v1,
};

/// Writes a delivery, without its attempts and decisions.
pub fn delivery_to_wire(delivery: &Delivery) -> v1::Delivery {
    let Delivery {
        id,
        workflow,
        order_id,
        sequence,
        order_version,
        transition,
        action,
        to,
        lane: _,
        state,
        attempts,
        problem,
        due_time,
        create_time,
        update_time,
    } = delivery;
    v1::Delivery {
        id: id.to_string(),
        workflow: workflow.to_string(),
        order_id: order_id.to_string(),
        sequence: *sequence,
        order_version: *order_version,
        transition: text(transition.as_ref()),
        action: action.to_string(),
        kind: to.kind().to_owned(),
        destination: to.to_string(),
        state: state_to_wire(*state).into(),
        attempt_count: i32::try_from(*attempts).unwrap_or(i32::MAX),
        problem: problem.clone(),
        due_time: due_time.map(timestamp_to_wire),
        create_time: Some(timestamp_to_wire(*create_time)),
        update_time: Some(timestamp_to_wire(*update_time)),
        attempts: Vec::new(),
        decisions: Vec::new(),
    }
}

/// Writes an attempt with its number.
pub fn attempt_to_wire(number: u32, attempt: &Attempt) -> v1::DeliveryAttempt {
    let Attempt {
        start_time,
        duration,
        outcome,
        code,
        problem,
        answer,
    } = attempt;
    v1::DeliveryAttempt {
        number: i32::try_from(number).unwrap_or(i32::MAX),
        start_time: Some(timestamp_to_wire(*start_time)),
        duration: Some(duration_to_wire(*duration)),
        outcome: outcome_to_wire(*outcome).into(),
        code: code.map_or(0, i32::from),
        problem: problem.clone(),
        answer: answer.clone(),
    }
}

/// Writes what somebody decided about a delivery.
pub fn decision_to_wire(decision: &Decision) -> v1::DeliveryDecision {
    let Decision {
        verdict,
        actor,
        time,
    } = decision;
    let (action, reason) = match verdict {
        Verdict::Retried => (v1::DecisionAction::Retried, String::new()),
        Verdict::Skipped(reason) => (v1::DecisionAction::Skipped, reason.to_string()),
    };
    v1::DeliveryDecision {
        action: action.into(),
        actor: Some(actor_to_wire(actor)),
        time: Some(timestamp_to_wire(*time)),
        reason,
    }
}

/// Writes the state of a delivery.
pub fn state_to_wire(state: DeliveryState) -> v1::DeliveryState {
    match state {
        DeliveryState::Pending => v1::DeliveryState::Pending,
        DeliveryState::Succeeded => v1::DeliveryState::Succeeded,
        DeliveryState::Dead => v1::DeliveryState::Dead,
        DeliveryState::Skipped => v1::DeliveryState::Skipped,
    }
}

fn outcome_to_wire(outcome: Outcome) -> v1::AttemptOutcome {
    match outcome {
        Outcome::Accepted => v1::AttemptOutcome::Accepted,
        Outcome::Failed => v1::AttemptOutcome::Failed,
        Outcome::Refused => v1::AttemptOutcome::Refused,
    }
}

fn duration_to_wire(span: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        // Less than a second, so it fits.
        nanos: i32::try_from(span.subsec_nanos()).unwrap_or_default(),
    }
}
