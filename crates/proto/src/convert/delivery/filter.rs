//! Filters of deliveries.

use waymark_domain::{
    delivery::DeliveryState,
    value::{EndpointCode, Invalid, OrderId, TransitionCode, WorkflowCode},
    workflow::ActionPath,
};

use crate::{
    convert::{
        listing::FILTER_VALUES_MAX,
        violations::{Path, Read},
    },
    invalid::Problem,
    v1,
};

/// The most orders that a filter may name.
const ORDERS_MAX: usize = 100;

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
    pub(super) fn read(
        at: Path<'_>,
        workflows: &[String],
        filter: Option<v1::DeliveryFilter>,
    ) -> Read<Self> {
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
    pub(super) fn retryable(self, at: Path<'_>) -> Read<Self> {
        let done = [DeliveryState::Succeeded];
        self.of_states(at, &done, Problem::NotRetryable, DeliveryState::Dead)
    }

    /// The filter of what shall not be sent: pending ones where no states are named. It must say
    /// more than that.
    pub(super) fn skippable(self, at: Path<'_>) -> Read<Self> {
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
