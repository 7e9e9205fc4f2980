//! An entry: what one step changed of an order, and its place in the log of its partition.

use serde::{Deserialize, Serialize};

use super::destination::SetOff;
use crate::{
    actor::Actor,
    order::{Customer, Hold, Line, LineQuantity, Order},
    partition::Partition,
    value::{
        Comment, HoldId, Metadata, Money, OperationCode, OrderId, RequestId, StoreView, Timestamp,
        TransitionCode, WorkflowCode,
    },
    workflow::{Effect, Standing},
};

/// One entry in the history of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// 1, 2, 3 … for each order, without gaps.
    pub sequence: i64,
    /// Where the order stood before; none for its first entry.
    pub from: Option<Standing>,
    /// Where the order stands after.
    pub to: Standing,
    /// The transition taken, if any.
    pub transition: Option<TransitionCode>,
    /// The comment of the caller; may be empty.
    pub comment: Comment,
    /// Whether the caller asked to tell the customer.
    pub notify_customer: bool,
    /// Whether the customer may read the entry.
    pub visible_to_customer: bool,
    /// Who did it.
    pub actor: Actor,
    /// The request id of the call; automatic entries have none.
    pub request_id: Option<RequestId>,
    /// The sequence of the entry that set this one off; 0 for the call itself.
    pub caused_by: i64,
    /// The version of the workflow that judged it.
    pub workflow_version: i64,
    /// The notes of the caller, and those of Waymark under keys that begin with `waymark.`.
    pub metadata: Metadata,
    /// When it was written.
    pub create_time: Timestamp,
    /// The rest of what it says, by kind.
    pub detail: Detail,
    /// The deliveries that it set off, in the order in which it did.
    pub set_off: Vec<SetOff>,
}

/// Where an entry stands in the log of its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition {
    /// The partition.
    pub partition: Partition,
    /// 1, 2, 3 … for each partition, without gaps, in commit order.
    pub offset: i64,
}

/// An entry as it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The workflow of its order.
    pub workflow: WorkflowCode,
    /// Its order.
    pub order_id: OrderId,
    /// Its place in the log.
    pub position: LogPosition,
    /// The offset of the first entry of its step; reads and tokens end only before such an offset.
    pub step_offset: i64,
    /// The entry.
    pub entry: Entry,
}

/// The part of an entry that differs by kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// The order as it was created.
    Created(Box<Order>),
    /// A transition was taken, and perhaps an operation recorded with it.
    Transitioned(Option<Recorded>),
    /// A comment, perhaps with another status of the same state.
    Commented,
    /// A hold was placed.
    Held(Hold),
    /// Holds were released.
    Released(Vec<HoldId>),
    /// An operation was recorded.
    Recorded(Recorded),
    /// The shop's data on the order were changed.
    Updated(Vec<Change>),
}

/// An operation as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Its code.
    pub operation: OperationCode,
    /// Its effect on the quantities and the amount.
    pub effect: Effect,
    /// The quantities that it moved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<LineQuantity>,
    /// The amount that it moved.
    #[serde(default)]
    pub amount: Money,
    /// Whether it took back what had been recorded: quantities and amounts went down.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reverse: bool,
    /// Whether it moved an order without lines as one whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    /// By how much it changed the total cancelled (cancel), the total invoiced (invoice) or what
    /// is credited (refund); nothing for other effects, and in entries that were written before
    /// this was kept, whose amounts are notes.
    #[serde(default, skip_serializing_if = "crate::value::is_default")]
    pub counted: Money,
}

/// A change of one part of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// One attribute.
    Attribute {
        /// Its key.
        key: String,
        /// The value before; none for nothing.
        before: Option<String>,
        /// The value after; none for nothing.
        after: Option<String>,
    },
    /// The customer.
    Customer {
        /// As it was.
        before: Customer,
        /// As it is now.
        after: Customer,
    },
    /// The store view.
    StoreView {
        /// As it was.
        before: Option<StoreView>,
        /// As it is now.
        after: Option<StoreView>,
    },
    /// The lines.
    Lines {
        /// As they were.
        before: Vec<Line>,
        /// As they are now.
        after: Vec<Line>,
    },
    /// The grand total.
    GrandTotal {
        /// As it was.
        before: Money,
        /// As it is now.
        after: Money,
    },
}

/// The kinds of entries, as filters name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// [`Detail::Created`].
    Created,
    /// [`Detail::Transitioned`].
    Transitioned,
    /// [`Detail::Commented`].
    Commented,
    /// [`Detail::Held`].
    Held,
    /// [`Detail::Released`].
    Released,
    /// [`Detail::Recorded`].
    OperationRecorded,
    /// [`Detail::Updated`].
    Updated,
}

impl Detail {
    /// The operation that was recorded, if any.
    pub fn recorded(&self) -> Option<&Recorded> {
        match self {
            Self::Recorded(recorded) | Self::Transitioned(Some(recorded)) => Some(recorded),
            Self::Created(_)
            | Self::Transitioned(None)
            | Self::Commented
            | Self::Held(_)
            | Self::Released(_)
            | Self::Updated(_) => None,
        }
    }
}

impl Kind {
    /// The word of the kind, in `snake_case`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Transitioned => "transitioned",
            Self::Commented => "commented",
            Self::Held => "held",
            Self::Released => "released",
            Self::OperationRecorded => "operation_recorded",
            Self::Updated => "updated",
        }
    }
}

impl Entry {
    /// The kind of the entry.
    pub fn kind(&self) -> Kind {
        match self.detail {
            Detail::Created(_) => Kind::Created,
            Detail::Transitioned(_) => Kind::Transitioned,
            Detail::Commented => Kind::Commented,
            Detail::Held(_) => Kind::Held,
            Detail::Released(_) => Kind::Released,
            Detail::Recorded(_) => Kind::OperationRecorded,
            Detail::Updated(_) => Kind::Updated,
        }
    }

    /// Whether the status after differs from the status before.
    pub fn status_changed(&self) -> bool {
        self.from
            .as_ref()
            .is_none_or(|from| from.status != self.to.status)
    }

    /// Whether a call wrote it, and not another entry.
    pub fn starts_step(&self) -> bool {
        self.caused_by == 0
    }
}
