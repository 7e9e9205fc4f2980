//! The query of a list of deliveries, and the cursor of its next page.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use waymark_domain::{
    delivery::DeliveryState,
    history::Destination,
    partition::Partition,
    value::{EndpointCode, OrderId, TransitionCode, WorkflowCode},
    workflow::ActionPath,
};

use super::StoredDelivery;
use crate::rows::{
    StoredNumber, StoredText,
    delivery::{DeliveryKey, DeliveryRow},
};

/// A filter of deliveries; all that is given must match, an empty list matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryQuery {
    /// Of these workflows.
    pub workflows: Vec<WorkflowCode>,
    /// Of these orders; they are found by their entry indexes.
    pub orders: Vec<(WorkflowCode, OrderId)>,
    /// In one of these states. There is an index of deliveries that did not succeed.
    pub states: Vec<DeliveryState>,
    /// Of these kinds, such as `webhook`.
    pub kinds: Vec<&'static str>,
    /// Set off by entries of these transitions.
    pub transitions: Vec<TransitionCode>,
    /// Of these actions.
    pub actions: Vec<ActionPath>,
    /// Webhooks to these endpoints.
    pub endpoints: Vec<EndpointCode>,
}

/// Where the next page goes on: by partition, behind the last delivery that was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryCursor(BTreeMap<i32, (i64, StoredNumber)>);

/// A page of deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryPage {
    /// The deliveries, the newest first; perhaps none, although there is a next page.
    pub deliveries: Vec<StoredDelivery>,
    /// Where the next page goes on; none at the end.
    pub next: Option<DeliveryCursor>,
}

impl DeliveryQuery {
    /// Whether a delivery is asked for, by what its row says, whether or not that can be read.
    pub(super) fn admits(&self, row: &DeliveryRow) -> bool {
        fn among<T>(wanted: &[T], is_it: impl Fn(&T) -> bool) -> bool {
            wanted.is_empty() || wanted.iter().any(is_it)
        }
        let of_order = |(workflow, order_id): &(WorkflowCode, OrderId)| {
            workflow.as_str() == row.workflow.lossy() && order_id.as_str() == row.order_id.lossy()
        };
        let (kind, action) = (row.kind.lossy(), row.action.lossy());
        let transition = row.transition.as_ref().map(StoredText::lossy);
        let goes = |code: &EndpointCode| {
            let to = Destination::Endpoint(code.clone());
            to.kind() == kind && code.as_str() == row.destination.lossy()
        };
        among(&self.workflows, |code| {
            code.as_str() == row.workflow.lossy()
        }) && among(&self.orders, of_order)
            && among(&self.states, |state| state.word() == row.state.lossy())
            && among(&self.kinds, |wanted| *wanted == kind)
            && among(&self.transitions, |code| Some(code.as_str()) == transition)
            && among(&self.actions, |wanted| wanted.to_string() == action)
            && among(&self.endpoints, goes)
    }
}

impl DeliveryCursor {
    /// Where a partition goes on: before this offset and number.
    pub(super) fn of(&self, partition: Partition) -> (i64, StoredNumber) {
        let place = self.0.get(&partition.number()).copied();
        place.unwrap_or((i64::MAX, i32::MAX.into()))
    }

    pub(super) fn pass(&mut self, (partition, log_offset, number): DeliveryKey) {
        self.0.insert(partition, (log_offset, number));
    }
}
