//! Deliveries: requests about them with their filter, and how they are shown with their attempts and
//! the decisions about them.

use waymark_domain::{
    delivery::{Attempt, Decision, Delivery, DeliveryId, DeliveryState, Verdict},
    value::{EndpointCode, Invalid, OrderId, Reason, TransitionCode, WorkflowCode},
    workflow::ActionPath,
};

use super::{
    actor::actor_to_wire,
    call::{EditCall, FILTER_VALUES_MAX, PageRequest},
    instant::duration_to_wire,
    violations::{Path, Read},
};
use crate::{invalid::Problem, v1};

/// The most orders that a filter may name.
const ORDERS_MAX: usize = 100;

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

/// A filter of deliveries: all that is given must match, of a list one value; an empty list matches
/// everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// The workflows; exactly one where orders are given.
    pub workflows: Vec<WorkflowCode>,
    /// Ids of orders.
    pub order_ids: Vec<OrderId>,
    /// States.
    pub states: Vec<DeliveryState>,
    /// Kinds: `webhook`, `email` or `publish`.
    pub kinds: Vec<&'static str>,
    /// Transitions of entries.
    pub transitions: Vec<TransitionCode>,
    /// Actions.
    pub actions: Vec<ActionPath>,
    /// Endpoints, which only webhooks have.
    pub endpoints: Vec<EndpointCode>,
}

impl DeliveryFilter {
    /// Reads the workflows and the filter of a request.
    fn read(at: Path<'_>, workflows: &[String], filter: Option<v1::DeliveryFilter>) -> Read<Self> {
        let filter = filter.unwrap_or_default();
        let workflows_at = at.field("workflows");
        let workflows = match (filter.order_ids.is_empty(), workflows.len()) {
            (false, 0) => Err(workflows_at.note(Problem::WorkflowOfOrders)),
            (false, actual @ 2..) => Err(workflows_at.note(Invalid::TooMany { max: 1, actual })),
            (true, _) | (false, 1) => workflows_at.list(workflows, FILTER_VALUES_MAX),
        };
        read_filter(at.field("filter"), filter, workflows)
    }

    /// The filter of what shall be tried again: dead ones where no states are named.
    fn retryable(self, at: Path<'_>) -> Read<Self> {
        let done = [DeliveryState::Succeeded];
        self.of_states(at, &done, Problem::NotRetryable, DeliveryState::Dead)
    }

    /// The filter of what shall not be sent: pending ones where no states are named. It must say
    /// more than that.
    fn skippable(self, at: Path<'_>) -> Read<Self> {
        let open = Self {
            states: self.states.clone(),
            ..Self::default()
        };
        if self == open {
            return Err(at.field("filter").note(Problem::Unfiltered));
        }
        let done = [DeliveryState::Succeeded, DeliveryState::Skipped];
        self.of_states(at, &done, Problem::NotSkippable, DeliveryState::Pending)
    }

    /// The same without these states, and of another one where no states are named.
    fn of_states(
        mut self,
        at: Path<'_>,
        refused: &[DeliveryState],
        problem: Problem,
        usual: DeliveryState,
    ) -> Read<Self> {
        let wrong = self.states.iter().position(|state| refused.contains(state));
        if let Some(index) = wrong {
            let at = at.field("filter");
            return Err(at.field("states").index(index).note(problem));
        }
        if self.states.is_empty() {
            self.states.push(usual);
        }
        Ok(self)
    }
}

reader! {
    fn read_filter(
        DeliveryFilter,
        workflows: Read<Vec<WorkflowCode>>
    ) -> DeliveryFilter {
        workflows: with(; |_| workflows),
        order_ids: list(order_ids; ORDERS_MAX),
        states: with(states; |at| {
            at.field("states").each(states, FILTER_VALUES_MAX, state)
        }),
        kinds: with(kinds; |at| {
            let kinds = kinds.iter().map(String::as_str);
            at.field("kinds").each(kinds, FILTER_VALUES_MAX, kind)
        }),
        transitions: list(transitions; FILTER_VALUES_MAX),
        actions: list(actions; FILTER_VALUES_MAX),
        endpoints: list(endpoints; FILTER_VALUES_MAX),
    }
}

fn state(at: Path<'_>, number: i32) -> Read<DeliveryState> {
    Ok(match at.number(number)? {
        v1::DeliveryState::Unspecified => return Err(at.note(Problem::Required)),
        v1::DeliveryState::Pending => DeliveryState::Pending,
        v1::DeliveryState::Succeeded => DeliveryState::Succeeded,
        v1::DeliveryState::Dead => DeliveryState::Dead,
        v1::DeliveryState::Skipped => DeliveryState::Skipped,
    })
}

fn kind(at: Path<'_>, kind: &str) -> Read<&'static str> {
    match kind {
        "webhook" => Ok("webhook"),
        "email" => Ok("email"),
        "publish" => Ok("publish"),
        _ => {
            let expected = "webhook, email or publish";
            Err(at.note(Invalid::Malformed { expected }))
        }
    }
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
