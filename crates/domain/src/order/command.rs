//! Commands of callers: a new order, or an action on an existing one.

use std::collections::BTreeMap;

use super::{Customer, LineQuantity, NewLine, Rejection, Stated};
use crate::{
    actor::Actor,
    value::{
        Attributes, Comment, Currency, HoldId, Metadata, Money, OperationCode, OrderId, Reason,
        RequestId, StateCode, StatusCode, StoreView, Text, Timestamp, TransitionCode, WorkflowCode,
    },
};

/// The part that all commands have besides their action; it goes into the entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Who asks.
    pub actor: Actor,
    /// The comment of the caller; may be empty.
    pub comment: Comment,
    /// Whether the customer shall be told.
    pub notify_customer: bool,
    /// Whether the customer may read the entry.
    pub visible_to_customer: bool,
    /// The notes of the caller on the entry.
    pub metadata: Metadata,
    /// The idempotency key; none for a call that has none.
    pub request_id: Option<RequestId>,
}

/// An order that shall be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    /// The workflow that it will obey.
    pub workflow: WorkflowCode,
    /// Its id within the workflow.
    pub id: OrderId,
    /// Where it starts; none for the initial state.
    pub state: Option<StateCode>,
    /// The status it starts in; none for the default of the state.
    pub status: Option<StatusCode>,
    /// The lines, at most 500, with ids of their own.
    pub lines: Vec<NewLine>,
    /// The currency of its amounts.
    pub currency: Option<Currency>,
    /// The amount that it costs.
    pub grand_total: Money,
    /// Where it was placed.
    pub store_view: Option<StoreView>,
    /// Who placed it.
    pub customer: Customer,
    /// The notes of the shop on it.
    pub attributes: Attributes,
    /// A version that the caller expects, which an order that is not there yet cannot have.
    pub expected_version: Option<i64>,
}

impl NewOrder {
    /// Refuses a version that is expected of an order that is yet to be placed.
    ///
    /// # Errors
    /// Returns [`Rejection::VersionMismatch`] where one is.
    pub fn check_version(&self) -> Result<(), Rejection> {
        match self.expected_version {
            Some(expected) => Err(Rejection::VersionMismatch {
                expected,
                current: 0,
            }),
            None => Ok(()),
        }
    }
}

/// Something that shall be done with an existing order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The part that goes into the entry.
    pub context: Context,
    /// The version that the caller has seen; none for any.
    pub expected_version: Option<i64>,
    /// The action.
    pub action: Action,
}

/// An action on an existing order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Go a declared way.
    Transition(Target),
    /// Record an operation.
    RecordOperation {
        /// Its code.
        operation: OperationCode,
        /// How much of which lines.
        lines: OperationLines,
        /// The amount of money; none for what is due (pay), what the lines come to (cancel,
        /// refund) or nothing (others).
        amount: Option<Money>,
        /// Whether what was recorded by mistake is taken back. Without lines that is all that
        /// nothing builds on, and the amount is none for what was paid and not refunded (pay),
        /// all (invoice) or what the lines come to (cancel, refund).
        reverse: bool,
    },
    /// Put on hold.
    Hold {
        /// Why.
        reason: Reason,
        /// The status of the held state; none for its default.
        status: Option<StatusCode>,
        /// When the hold is released by itself; none for never.
        expire_time: Option<Timestamp>,
    },
    /// Release one hold, or all.
    Release {
        /// Which; none for all.
        hold: Option<HoldId>,
    },
    /// Comment, and perhaps move to another status of the present state.
    Comment {
        /// The status to move to; none to stay.
        status: Option<StatusCode>,
    },
    /// Change what the shop knows about the order.
    Update(Patch),
    /// Take the automatic transitions that apply as the order stands: the first as the call's own
    /// entry, the others as ever. Where none applies, nothing is written.
    Settle,
    /// Do what has become due by time alone; Waymark itself asks for it. Where the order waits
    /// since an instant that is yet to come, as after a clock that was ahead, and nothing is due,
    /// an entry without changes says so and puts its wait right.
    TimeUp,
}

/// How much of which lines an operation moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationLines {
    /// All that is left of all lines; an order without lines as one whole.
    AllLeft,
    /// These quantities; not empty, every line at most once, every quantity more than zero.
    Given(Vec<LineQuantity>),
    /// No quantity: money only.
    AmountOnly,
}

/// Where a transition shall lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Along the transition with this code.
    Transition {
        /// Its code.
        code: TransitionCode,
        /// The status to land on, where the transition leaves it open.
        land_on: Option<StatusCode>,
    },
    /// To this status.
    Status(StatusCode),
    /// To this state, on its default or on what the transition says.
    State(StateCode),
    /// To this state and status.
    Standing(StateCode, StatusCode),
    /// To this state, with the present status kept.
    KeepStatus(StateCode),
}

/// Changes of an order; parts that are none stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch {
    /// The attributes.
    pub attributes: Option<AttributesPatch>,
    /// The customer.
    pub customer: CustomerPatch,
    /// The store view; `Some(None)` clears it.
    pub store_view: Option<Option<StoreView>>,
    /// The lines. Lines that exist keep what was done with them. Where they are not as they
    /// stand, only if the state allows the operation `edit`.
    pub lines: Option<Vec<NewLine>>,
    /// The grand total. Where it is not as it stands, only if the state allows the operation
    /// `edit`.
    pub grand_total: Option<Money>,
    /// The values that are stated of fields that no update changes; none for nothing.
    pub stated: Option<Box<Stated>>,
}

/// How attributes change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributesPatch {
    /// All are replaced.
    Replace(Attributes),
    /// The given ones are set, `None` removes one, others stay.
    Merge(BTreeMap<String, Option<String>>),
}

/// Changes of the customer; parts that are none stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerPatch {
    /// The id.
    pub id: Option<crate::value::ActorId>,
    /// The address.
    pub email: Option<Text<320>>,
    /// The name.
    pub name: Option<crate::value::ProductName>,
    /// Whether there is no account.
    pub guest: Option<bool>,
}
