//! The query of a list of orders, and the cursor of its next page.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use waymark_domain::{
    order::Order,
    value::{ActorId, OrderId, StatusCode, Timestamp, WorkflowCode},
    workflow::Standing,
};

/// A filter of orders and their order; all that is given must match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderQuery {
    /// Of these workflows; empty for all.
    pub workflows: Vec<WorkflowCode>,
    /// With one of these ids; empty for any.
    pub ids: Vec<OrderId>,
    /// On one of these places; none for anywhere, an empty list for nowhere.
    pub standings: Option<Vec<(WorkflowCode, Standing)>>,
    /// On hold, and returning to one of these statuses; empty for any order.
    pub return_statuses: Vec<StatusCode>,
    /// Of this customer.
    pub customer: Option<ActorId>,
    /// With a last entry later than this.
    pub updated_after: Option<Timestamp>,
    /// With a last entry earlier than this.
    pub updated_before: Option<Timestamp>,
    /// With all of these attributes. There is no index of them: a page looks at a bounded
    /// number of orders, and of bytes, and may be short and still have a next one. All other
    /// pages but the last are full, or have as many bytes as a page may.
    pub attributes: BTreeMap<String, String>,
    /// In which order.
    pub sort: OrderSort,
}

/// By what orders are sorted; orders that are equal in it have a fixed order too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OrderSort {
    /// The key.
    pub by: SortKey,
    /// Up or down.
    pub direction: Direction,
}

/// The key that orders are sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SortKey {
    /// The time of the last entry.
    #[default]
    UpdateTime,
    /// The time of the first entry.
    CreateTime,
    /// The id, as bytes.
    Id,
}

/// Up or down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Direction {
    /// The smallest, oldest or first one first.
    #[default]
    Ascending,
    /// The largest, newest or last one first.
    Descending,
}

/// Where the next page goes on: behind the last order that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderCursor {
    /// In a list by update time.
    UpdateTime {
        /// The update time.
        update_time: Timestamp,
        /// The partition.
        partition: i32,
        /// The key of the order in its partition.
        order_key: i64,
    },
    /// In a list by creation time: the key of the last order of each partition that gave any.
    CreateTime {
        /// Key by partition.
        after: BTreeMap<i32, i64>,
    },
    /// In a list by id.
    Id {
        /// The id.
        id: OrderId,
        /// The workflow.
        workflow: WorkflowCode,
    },
}

/// The parts of an order that are read to see whether it may be asked for.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Searched {
    attributes: BTreeMap<String, String>,
    customer: SearchedCustomer,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SearchedCustomer {
    id: String,
}

impl OrderQuery {
    /// The instants that the last entry must lie between, in microseconds.
    pub(super) fn times(&self) -> (i64, i64) {
        let after = self.updated_after.map_or(i64::MIN, Timestamp::micros);
        let before = self.updated_before.map_or(i64::MAX, Timestamp::micros);
        (after, before)
    }

    /// Whether an order may be asked for, by its attributes and its customer: reading all of it
    /// costs several times as much. What cannot be read is not passed over: it is logged when all of
    /// it is read.
    pub(super) fn may_admit(&self, body: &str) -> bool {
        if self.attributes.is_empty() && self.customer.is_none() {
            return true;
        }
        let Ok(Searched {
            attributes,
            customer,
        }) = serde_json::from_str(body)
        else {
            return true;
        };
        let has = |(key, value): (&String, &String)| attributes.get(key) == Some(value);
        let of = |asked: &ActorId| asked.as_str() == customer.id;
        self.attributes.iter().all(has) && self.customer.as_ref().is_none_or(of)
    }

    pub(super) fn admits(&self, order: &Order) -> bool {
        let place = |(workflow, standing): &(WorkflowCode, Standing)| {
            *workflow == order.workflow && *standing == order.standing
        };
        let returns = || {
            order
                .return_to
                .as_ref()
                .is_some_and(|back| self.return_statuses.contains(&back.status))
        };
        let has =
            |(key, value): (&String, &String)| order.attributes.as_map().get(key) == Some(value);
        (self.workflows.is_empty() || self.workflows.contains(&order.workflow))
            && (self.ids.is_empty() || self.ids.contains(&order.id))
            && self
                .standings
                .as_ref()
                .is_none_or(|places| places.iter().any(place))
            && (self.return_statuses.is_empty() || returns())
            && self
                .customer
                .as_ref()
                .is_none_or(|customer| *customer == order.customer.id)
            && self
                .updated_after
                .is_none_or(|after| order.update_time > after)
            && self
                .updated_before
                .is_none_or(|before| order.update_time < before)
            && self.attributes.iter().all(has)
    }
}
