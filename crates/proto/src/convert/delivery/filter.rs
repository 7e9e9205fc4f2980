//! Which deliveries a call is about.

use waymark_domain::{
    delivery::DeliveryState,
    value::{EndpointCode, Invalid, OrderId, TransitionCode, WorkflowCode},
    workflow::ActionPath,
};

use crate::{
    convert::{
        listing::FILTER_VALUES_MAX,
        violations::{Noted, Path, Violations},
    },
    invalid::Problem,
    v1,
};

/// How many orders a filter may name.
const ORDERS_MAX: usize = 100;

/// Which deliveries are wanted: all that is given must match, of a list one value; an empty list
/// matches everything.
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
        found: &mut Violations,
        workflows: &[String],
        filter: Option<v1::DeliveryFilter>,
    ) -> Result<Self, Noted> {
        let v1::DeliveryFilter {
            order_ids,
            states,
            kinds,
            transitions,
            actions,
            endpoints,
        } = filter.unwrap_or_default();
        let (request, max) = (Path::REQUEST, FILTER_VALUES_MAX);
        let at = request.field("workflows");
        let workflows = match (order_ids.is_empty(), workflows.len()) {
            (false, 0) => Err(found.note(at, Problem::WorkflowOfOrders)),
            (false, actual @ 2..) => Err(found.note(at, Invalid::TooMany { max: 1, actual })),
            (true, _) | (false, 1) => found.list(at, workflows, max),
        };
        let at = request.field("filter");
        let order_ids = found.list(at.field("order_ids"), &order_ids, ORDERS_MAX);
        let states = each(found, at.field("states"), states.into_iter(), state);
        let kinds = {
            let kinds = kinds.iter().map(String::as_str);
            each(found, at.field("kinds"), kinds, kind)
        };
        let transitions = found.list(at.field("transitions"), &transitions, max);
        let actions = found.list(at.field("actions"), &actions, max);
        let endpoints = found.list(at.field("endpoints"), &endpoints, max);
        Ok(Self {
            workflows: workflows?,
            order_ids: order_ids?,
            states: states?,
            kinds: kinds?,
            transitions: transitions?,
            actions: actions?,
            endpoints: endpoints?,
        })
    }

    /// The filter of what shall be tried again: dead ones where no states are named.
    pub(super) fn retryable(self, found: &mut Violations) -> Result<Self, Noted> {
        let done = [DeliveryState::Succeeded];
        self.of_states(found, &done, Problem::NotRetryable, DeliveryState::Dead)
    }

    /// The filter of what shall not be sent: pending ones where no states are named. It must say
    /// more than that.
    pub(super) fn skippable(self, found: &mut Violations) -> Result<Self, Noted> {
        let Self {
            workflows,
            order_ids,
            states: _,
            kinds,
            transitions,
            actions,
            endpoints,
        } = &self;
        let is_open = workflows.is_empty()
            && order_ids.is_empty()
            && kinds.is_empty()
            && transitions.is_empty()
            && actions.is_empty()
            && endpoints.is_empty();
        if is_open {
            return Err(found.note(Path::REQUEST.field("filter"), Problem::Unfiltered));
        }
        let done = [DeliveryState::Succeeded, DeliveryState::Skipped];
        self.of_states(found, &done, Problem::NotSkippable, DeliveryState::Pending)
    }

    /// The same without these states, and of another one where no states are named.
    fn of_states(
        mut self,
        found: &mut Violations,
        refused: &[DeliveryState],
        problem: Problem,
        usual: DeliveryState,
    ) -> Result<Self, Noted> {
        let wrong = self.states.iter().position(|state| refused.contains(state));
        if let Some(index) = wrong {
            let at = Path::REQUEST;
            let at = at.field("filter");
            let at = at.field("states");
            return Err(found.note(at.index(index), problem));
        }
        if self.states.is_empty() {
            self.states.push(usual);
        }
        Ok(self)
    }
}

fn each<V, T>(
    found: &mut Violations,
    at: Path<'_>,
    values: impl ExactSizeIterator<Item = V>,
    read: fn(&mut Violations, Path<'_>, V) -> Result<T, Noted>,
) -> Result<Vec<T>, Noted> {
    found.count(at, values.len(), FILTER_VALUES_MAX)?;
    let read: Vec<_> = values
        .enumerate()
        .map(|(index, value)| read(found, at.index(index), value))
        .collect();
    read.into_iter().collect()
}

fn state(found: &mut Violations, at: Path<'_>, number: i32) -> Result<DeliveryState, Noted> {
    Ok(match found.number(at, number)? {
        v1::DeliveryState::Unspecified => return Err(found.note(at, Problem::Required)),
        v1::DeliveryState::Pending => DeliveryState::Pending,
        v1::DeliveryState::Succeeded => DeliveryState::Succeeded,
        v1::DeliveryState::Dead => DeliveryState::Dead,
        v1::DeliveryState::Skipped => DeliveryState::Skipped,
    })
}

fn kind(found: &mut Violations, at: Path<'_>, kind: &str) -> Result<&'static str, Noted> {
    match kind {
        "webhook" => Ok("webhook"),
        "email" => Ok("email"),
        "publish" => Ok("publish"),
        _ => {
            let expected = "webhook, email or publish";
            Err(found.note(at, Invalid::Malformed { expected }))
        }
    }
}
