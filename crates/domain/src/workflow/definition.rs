//! The definition of a workflow as plain data. [`super::lint`] says what is wrong
//! with one, [`super::Graph`] makes one ready for orders.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Action;
use crate::{
    guard::Expression,
    value::{
        Color, Description, Label, OperationCode, Period, Role, StateCode, StatusCode, StoreView,
        TransitionCode, WorkflowCode,
    },
};

/// A kind of order: its states, statuses, assignments and transitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workflow {
    /// Its code, immutable.
    pub code: WorkflowCode,
    /// Its label.
    pub label: Label,
    /// Its purpose.
    pub description: Description,
    /// Where an order starts that names no state.
    pub initial_state: StateCode,
    /// The store view whose labels are used when neither the call nor the order names one.
    pub default_store_view: Option<StoreView>,
    /// Whether a comment may move the status inside a state.
    pub comment_status: CommentStatus,
    /// Whether a status may be assigned to several states.
    pub status_sharing: StatusSharing,
    /// Whether refunded units have yet to be shipped.
    pub refunded_units: RefundedUnits,
    /// The treatment of payments beyond what is due.
    pub overpayment: Overpayment,
    /// The operations that may be recorded on its orders.
    pub operations: Vec<Operation>,
    /// How many automatic steps one step may set off: 1 to 100, usually 16.
    pub max_cascade: u32,
    /// The states, by position, then code.
    pub states: Vec<State>,
    /// The statuses, by position, then code.
    pub statuses: Vec<Status>,
    /// Which status belongs to which state; exactly one default for each state that has any.
    pub assignments: Vec<Assignment>,
    /// The transitions, by position, then code.
    pub transitions: Vec<Transition>,
    /// The actions of the creation of an order.
    pub on_create: Vec<Action>,
    /// The actions of a comment on an order.
    pub on_comment: Vec<Action>,
}

/// Whether a comment may move the status inside a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommentStatus {
    /// To any status assigned to the present state.
    AnyInState,
    /// Never: the status moves by transitions alone.
    Never,
}

/// Whether a status may be assigned to several states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusSharing {
    /// To one state only.
    Exclusive,
    /// To several.
    Shared,
}

/// Whether refunded units have yet to be shipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundedUnits {
    /// They do, as Adobe's documentation has it.
    StillShip,
    /// They count as shipped, as the code of Magento 2.4 has it.
    Fulfilled,
}

/// The treatment of payments beyond what is due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overpayment {
    /// It is recorded: money that arrived is a fact.
    #[default]
    Record,
    /// It is refused.
    Refuse,
}

/// Something that may be recorded on an order, such as an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its code.
    pub code: OperationCode,
    /// Its label.
    pub label: Label,
    /// Its effect on quantities and amounts.
    pub effect: Effect,
    /// The roles of which the actor needs one; empty means anybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    /// The condition under which it is recorded; it sees what the call moves.
    #[serde(
        default,
        deserialize_with = "crate::guard::stored",
        skip_serializing_if = "Option::is_none"
    )]
    pub guard: Option<Expression>,
    /// The actions of recording it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Action>,
}

/// The effect of an operation on an order's quantities and amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing: the entry itself is the record.
    None,
    /// Raises the invoiced quantity and the total invoiced.
    Invoice,
    /// Raises the shipped quantity of lines that are not virtual.
    Ship,
    /// Raises the refunded quantity and the total refunded.
    Refund,
    /// Raises the cancelled quantity and the total cancelled.
    Cancel,
    /// Raises the total paid.
    Pay,
}

/// A programmatic state. It decides what may be done with an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Its code.
    pub code: StateCode,
    /// Its label.
    pub label: Label,
    /// The categories of states.
    pub category: Category,
    /// Whether an order may be created here.
    pub can_start: bool,
    /// The operations that may be recorded here. Of the held state: those that a hold lets
    /// through. Of a terminal one: those that may be recorded late, which leave it as it is.
    pub operations: Vec<OperationCode>,
    /// Whether an order may be put on hold from here.
    pub holdable: bool,
    /// Whether no step leaves it.
    pub terminal: bool,
    /// The condition for an order that enters, however it does, but by a release.
    pub entry_guard: Option<Expression>,
    /// Its place in lists.
    pub position: i32,
    /// The actions of an order that enters.
    pub on_enter: Vec<Action>,
    /// The actions of an order that leaves.
    pub on_leave: Vec<Action>,
}

/// The categories of states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// The order was placed and nothing was done yet.
    Initial,
    /// The order is being worked on.
    Active,
    /// The order is on hold. At most one state of a workflow is of this category.
    Held,
    /// Everything was delivered.
    Completed,
    /// Everything was refunded or archived.
    Closed,
    /// The order will not be carried out.
    Canceled,
}

/// How many store views may have a label of their own for a status.
pub const LABELS_MAX: usize = 1_000;

/// A status: what merchants and customers read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its code, immutable.
    pub code: StatusCode,
    /// Its label where their store view has no label of its own.
    pub label: Label,
    /// Labels by store view.
    pub store_view_labels: BTreeMap<StoreView, Label>,
    /// Its meaning.
    pub description: Description,
    /// The colour of its badge.
    pub color: Option<Color>,
    /// Its place in lists.
    pub position: i32,
    /// Whether it is no longer entered, except by release.
    pub retired: bool,
    /// The actions of an order that comes to it, however it does, but by a release.
    pub on_enter: Vec<Action>,
}

/// That a status belongs to a state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Assignment {
    /// The state.
    pub state: StateCode,
    /// The status.
    pub status: StatusCode,
    /// Whether the state lands on this status when no other is named.
    pub is_default: bool,
    /// Whether customers see an order that stands here.
    pub visible_on_storefront: bool,
}

/// A state and a status that is assigned to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Standing {
    /// The state.
    pub state: StateCode,
    /// The status.
    pub status: StatusCode,
}

/// A declared way from somewhere to a state and status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Its code, immutable.
    pub code: TransitionCode,
    /// Its label.
    pub label: Label,
    /// Its purpose.
    pub description: Description,
    /// The statuses it leaves; empty means any.
    pub from_statuses: Vec<StatusCode>,
    /// The states it leaves; empty means any that is not terminal.
    pub from_states: Vec<StateCode>,
    /// The state it enters.
    pub to_state: StateCode,
    /// The status it enters, or none for the default of the state.
    pub to_status: Option<StatusCode>,
    /// The condition for the order that leaves.
    pub guard: Option<Expression>,
    /// Its trigger.
    pub trigger: Trigger,
    /// The operation that it records for all that is left.
    pub operation: Option<OperationCode>,
    /// Whether it takes back what was recorded of the operation, instead of recording it.
    pub reverse: bool,
    /// Whether the customer may read the entry of a step that no call makes.
    pub visible_to_customer: bool,
    /// Whether a step that no call makes asks to tell the customer.
    pub notify_customer: bool,
    /// The roles of which the actor needs one; empty means anybody.
    pub roles: Vec<Role>,
    /// The actions of an order that takes it.
    pub actions: Vec<Action>,
    /// Its place among several that match: the lowest goes first, then the code.
    pub position: i32,
}

/// The trigger of a transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// A call.
    Manual,
    /// The recording of one of these operations.
    OnOperations(Vec<OperationCode>),
    /// Any step, as soon as the guard holds.
    Automatic,
    /// Time: the order has been in its status for this long, holds not counted. The guard is
    /// asked when it is due, and where it refuses, again after every change of the order.
    After(Period),
    /// Time: the instant has come that this reckons from the order. It is reckoned anew after every
    /// change of the order; where it cannot be, the order waits.
    At(Expression),
}

impl Transition {
    /// Whether the transition starts where an order stands.
    pub(crate) fn leaves(&self, from: &Standing) -> bool {
        let (states, statuses) = (&self.from_states, &self.from_statuses);
        (states.is_empty() || states.contains(&from.state))
            && (statuses.is_empty() || statuses.contains(&from.status))
    }

    /// Whether a step may set it off that stays in this state and leaves this status: it has a
    /// guard and names the place. A rule from anywhere never touches a status inside a state,
    /// which may be the shop's own.
    pub(crate) fn may_follow_inside(&self, state: &StateCode, status: &StatusCode) -> bool {
        let by_status = self.from_states.is_empty() && self.from_statuses.contains(status);
        self.guard.is_some() && (self.from_states.contains(state) || by_status)
    }
}

impl Trigger {
    /// Whether a step sets it off, and neither a call nor time.
    pub fn is_automatic(&self) -> bool {
        matches!(self, Self::Automatic | Self::OnOperations(_))
    }

    /// Whether time sets it off.
    pub fn is_timed(&self) -> bool {
        matches!(self, Self::After(_) | Self::At(_))
    }

    /// The date that it waits for, if any.
    pub fn date(&self) -> Option<&Expression> {
        match self {
            Self::At(date) => Some(date),
            Self::Manual | Self::OnOperations(_) | Self::Automatic | Self::After(_) => None,
        }
    }

    /// The operations that set it off.
    pub fn operations(&self) -> &[OperationCode] {
        match self {
            Self::OnOperations(operations) => operations,
            Self::Manual | Self::Automatic | Self::After(_) | Self::At(_) => &[],
        }
    }
}
