//! What a list of deliveries asks for, and where its next page goes on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use waymark_domain::{
    delivery::{Delivery, DeliveryId, DeliveryState},
    history::Destination,
    partition::Partition,
    value::{EndpointCode, OrderId, TransitionCode, WorkflowCode},
    workflow::ActionPath,
};

/// Which deliveries; all that is given must match, an empty list matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryQuery {
    /// Of these workflows.
    pub workflows: Vec<WorkflowCode>,
    /// Of these orders; they are found by their journals.
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
pub struct DeliveryCursor(BTreeMap<i32, (i64, i32)>);

/// A page of deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryPage {
    /// The deliveries, the newest first; perhaps none, although there is a next page.
    pub deliveries: Vec<Delivery>,
    /// Where the next page goes on; none at the end.
    pub next: Option<DeliveryCursor>,
}

impl DeliveryQuery {
    /// Whether a delivery is asked for.
    pub(super) fn admits(&self, delivery: &Delivery) -> bool {
        fn among<T: PartialEq>(wanted: &[T], value: &T) -> bool {
            wanted.is_empty() || wanted.contains(value)
        }
        let of_order = |(workflow, order_id): &(WorkflowCode, OrderId)| {
            *workflow == delivery.workflow && *order_id == delivery.order_id
        };
        let took = |code: &TransitionCode| delivery.transition.as_ref() == Some(code);
        let goes =
            |code: &EndpointCode| matches!(&delivery.to, Destination::Endpoint(to) if to == code);
        among(&self.workflows, &delivery.workflow)
            && (self.orders.is_empty() || self.orders.iter().any(of_order))
            && among(&self.states, &delivery.state)
            && among(&self.kinds, &delivery.to.kind())
            && (self.transitions.is_empty() || self.transitions.iter().any(took))
            && among(&self.actions, &delivery.action)
            && (self.endpoints.is_empty() || self.endpoints.iter().any(goes))
    }
}

impl DeliveryCursor {
    /// Where a partition goes on: before this offset and number.
    pub(super) fn of(&self, partition: Partition) -> (i64, i32) {
        let place = self.0.get(&partition.number()).copied();
        place.unwrap_or((i64::MAX, i32::MAX))
    }

    /// Goes past a delivery.
    pub(super) fn pass(&mut self, id: DeliveryId) {
        let (partition, log_offset, number) = super::key(id);
        self.0.insert(partition, (log_offset, number));
    }
}
