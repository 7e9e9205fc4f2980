//! Deliveries: requests about them, and how they are shown with their attempts and the decisions
//! about them.

mod filter;

use waymark_domain::{
    delivery::{Attempt, Decision, Delivery, DeliveryId, DeliveryState, Verdict},
    value::{Invalid, Reason},
};

pub use self::filter::DeliveryFilter;
use super::{
    actor::actor_to_wire,
    call::{EditCall, PageRequest},
    instant::duration_to_wire,
    violations::{Path, Read},
};
use crate::v1;

request! {
    /// Asks for a page of deliveries.
    ListDeliveries: ListDeliveriesRequest;
    arguments = "ListDeliveries" without page_size, page_token;
    /// The filter of deliveries.
    filter: DeliveryFilter = with(workflows, filter; |at| {
        DeliveryFilter::read(at, &workflows, filter)
    }),
    /// The page.
    page: PageRequest = page(page_size, page_token; arguments),
}

request! {
    /// Asks for one delivery.
    GetDelivery: GetDeliveryRequest;
    /// Its id.
    id: DeliveryId = text(delivery_id),
}

request! {
    /// Asks that a delivery be tried again.
    RetryDelivery: RetryDeliveryRequest;
    hash = "RetryDelivery" without request_id, validate_only;
    /// Its id.
    id: DeliveryId = text(delivery_id),
    /// The actor and the key of the call; without an etag.
    edit: EditCall = edit(actor, request_id, validate_only; hash),
}

request! {
    /// Asks that many deliveries be tried again.
    RetryDeliveries: RetryDeliveriesRequest;
    hash = "RetryDeliveries" without request_id, validate_only;
    /// The filter; it names at least one state, and not that of those that succeeded.
    filter: DeliveryFilter = with(workflows, filter; |at| {
        DeliveryFilter::read(at, &workflows, filter)?.retryable(at)
    }),
    /// The actor and the key of the call; without an etag.
    edit: EditCall = edit(actor, request_id, validate_only; hash),
}

request! {
    /// Asks that a delivery be not sent.
    SkipDelivery: SkipDeliveryRequest;
    hash = "SkipDelivery" without request_id, validate_only;
    /// Its id.
    id: DeliveryId = text(delivery_id),
    /// The reason; not empty.
    reason: Reason = borrowed(reason; why),
    /// The actor and the key of the call; without an etag.
    edit: EditCall = edit(actor, request_id, validate_only; hash),
}

request! {
    /// Asks that many deliveries be not sent.
    SkipDeliveries: SkipDeliveriesRequest;
    hash = "SkipDeliveries" without request_id, validate_only;
    /// The filter; it names at least one state, and something besides, but neither that of
    /// those that succeeded nor that of those that are skipped.
    filter: DeliveryFilter = with(workflows, filter; |at| {
        DeliveryFilter::read(at, &workflows, filter)?.skippable(at)
    }),
    /// The reason; not empty.
    reason: Reason = borrowed(reason; why),
    /// The actor and the key of the call; without an etag.
    edit: EditCall = edit(actor, request_id, validate_only; hash),
}

/// Reads the reason why something is not sent, which must be given.
fn why(at: Path<'_>, reason: &str) -> Read<Reason> {
    if reason.trim().is_empty() {
        return Err(at.note(Invalid::Empty));
    }
    at.text(reason)
}

/// Writes a delivery, without its attempts and decisions.
pub fn delivery_to_wire(delivery: &Delivery) -> v1::Delivery {
    message!(Delivery from delivery: Delivery { to, lane, attempts };
        text: id, workflow, order_id, action;
        same: sequence, order_version;
        optional: transition;
        number: state;
        clone: problem;
        optional_time: due_time;
        time: create_time, update_time;
        .. kind: delivery.to.kind().to_owned(),
        destination: delivery.to.to_string(),
        attempt_count: i32::try_from(delivery.attempts).unwrap_or(i32::MAX),
        attempts: Vec::new(),
        decisions: Vec::new(),
    )
}

/// Writes an attempt with its number.
pub fn attempt_to_wire(number: u32, attempt: &Attempt) -> v1::DeliveryAttempt {
    message!(DeliveryAttempt from attempt: Attempt { duration, code };
        time: start_time;
        number: outcome;
        clone: problem, answer;
        .. number: i32::try_from(number).unwrap_or(i32::MAX),
        duration: Some(duration_to_wire(attempt.duration)),
        code: attempt.code.map_or(0, i32::from),
    )
}

/// Writes a decision about a delivery.
pub fn decision_to_wire(decision: &Decision) -> v1::DeliveryDecision {
    let (action, reason) = match &decision.verdict {
        Verdict::Retried => (v1::DecisionAction::Retried, String::new()),
        Verdict::Skipped(reason) => (v1::DecisionAction::Skipped, reason.to_string()),
    };
    message!(DeliveryDecision from decision: Decision { verdict, actor };
        time: time;
        .. action: action.into(),
        actor: Some(actor_to_wire(&decision.actor)),
        reason,
    )
}

/// Writes the state of a delivery.
pub fn state_to_wire(state: DeliveryState) -> v1::DeliveryState {
    state.into()
}
