//! One mutation of one order as it was read.

use waymark_domain::{
    order::{Action, Command, Context, NewOrder},
    value::{OrderId, StoreView, WorkflowCode},
};

use super::call::{RequestKey, StepCall, ValidateOnly};

/// One mutation of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedStep {
    /// The workflow of the order.
    pub workflow: WorkflowCode,
    /// The order.
    pub order_id: OrderId,
    /// The key of a repeated call; none where the call shall not be recognised.
    pub request: Option<RequestKey>,
    /// The change.
    pub change: ParsedChange,
    /// The store view whose labels the answer shows; none for the order's own.
    pub store_view: Option<StoreView>,
    /// Whether the call only asks what would happen. Steps of batches and streams say no.
    pub validate_only: ValidateOnly,
    /// The name of the mutation as a field of [`v1::Step`](crate::v1::Step).
    pub command: &'static str,
}

/// A change of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParsedChange {
    /// Place it.
    Create {
        /// The order.
        order: Box<NewOrder>,
        /// The context of its first entry.
        context: Context,
    },
    /// Change it.
    Change(Command),
}

impl ParsedStep {
    pub(crate) fn new(
        (workflow, order_id): (WorkflowCode, OrderId),
        call: StepCall,
        change: impl FnOnce(Context, Option<i64>) -> ParsedChange,
    ) -> Self {
        Self {
            workflow,
            order_id,
            request: call.request,
            change: change(call.context, call.expected_version),
            store_view: call.store_view,
            validate_only: call.validate_only,
            command: "",
        }
    }

    pub(crate) fn change(order: (WorkflowCode, OrderId), call: StepCall, action: Action) -> Self {
        Self::new(order, call, |context, expected_version| {
            ParsedChange::Change(Command {
                context,
                expected_version,
                action,
            })
        })
    }

    pub(crate) fn named(self, command: &'static str) -> Self {
        Self { command, ..self }
    }
}
