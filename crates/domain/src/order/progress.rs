//! How far an order has come: what may still be done with it, read off its lines
//! and totals.

use super::{Line, Order};
use crate::{
    value::{Money, OperationCode, Quantity},
    workflow::{Effect, Operation, State, Workflow},
};

/// How far an order has come, as guards and callers see it.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    workflow: &'a Workflow,
    order: &'a Order,
}

impl<'a> Progress<'a> {
    /// Looks at an order through its workflow.
    pub fn new(workflow: &'a Workflow, order: &'a Order) -> Self {
        Self { workflow, order }
    }

    /// How much of a line an operation with this effect can still move.
    pub fn left(&self, line: &Line, effect: Effect) -> Quantity {
        line.left(effect, self.workflow.refunded_units)
    }

    /// What has yet to be paid.
    pub fn total_due(&self) -> Money {
        self.order.grand_total.minus(self.order.total_paid)
    }

    /// What was paid and not paid back.
    pub fn total_refundable(&self) -> Money {
        self.order.total_paid.minus(self.order.total_refunded)
    }

    /// The codes of the operations that may be recorded now and would change something.
    pub fn allowed_operations(&self) -> Vec<OperationCode> {
        let operations = self.workflow.operations.iter();
        operations
            .filter(|o| self.allows(o))
            .map(|o| o.code.clone())
            .collect()
    }

    /// Whether something is left to invoice and the present state allows it.
    pub fn can_invoice(&self) -> bool {
        self.can(Effect::Invoice)
    }

    /// Whether something is left to ship and the present state allows it.
    pub fn can_ship(&self) -> bool {
        self.can(Effect::Ship)
    }

    /// Whether something is left to refund and the present state allows it: money, of an
    /// order that was paid, else quantities.
    pub fn can_refund(&self) -> bool {
        let was_paid = self.order.total_paid > Money::ZERO;
        self.can(Effect::Refund) && (!was_paid || self.total_refundable() > Money::ZERO)
    }

    /// Whether every line that was not cancelled is invoiced, and at least one is.
    pub fn fully_invoiced(&self) -> bool {
        let lines = &self.order.lines;
        self.nothing_left(Effect::Invoice) && lines.iter().any(|line| !line.invoiced.is_zero())
    }

    /// Whether the order has lines and none has anything left to ship.
    pub fn fully_shipped(&self) -> bool {
        self.nothing_left(Effect::Ship)
    }

    /// Whether every line that was not cancelled is refunded, and at least one is.
    pub fn fully_refunded(&self) -> bool {
        let lines = &self.order.lines;
        let done = |line: &Line| line.refunded.plus(line.canceled) == line.ordered;
        lines.iter().all(done) && lines.iter().any(|line| !line.refunded.is_zero())
    }

    /// Whether the order has lines and none is ever shipped.
    pub fn is_virtual(&self) -> bool {
        !self.order.lines.is_empty() && self.order.lines.iter().all(|line| line.is_virtual)
    }

    fn nothing_left(&self, effect: Effect) -> bool {
        let lines = &self.order.lines;
        !lines.is_empty() && lines.iter().all(|line| self.left(line, effect).is_zero())
    }

    fn can(&self, effect: Effect) -> bool {
        let mut operations = self
            .workflow
            .operations
            .iter()
            .filter(|o| o.effect == effect);
        operations.any(|operation| self.allows(operation))
    }

    fn allows(&self, operation: &Operation) -> bool {
        let state = self.workflow.state(&self.order.standing.state);
        let may = |state: &State| !state.terminal && state.operations.contains(&operation.code);
        self.order.return_to.is_none()
            && state.is_some_and(may)
            && self.would_change(operation.effect)
    }

    fn would_change(&self, effect: Effect) -> bool {
        let quantities = self
            .order
            .lines
            .iter()
            .any(|line| !self.left(line, effect).is_zero());
        match effect {
            Effect::None => true,
            Effect::Pay => self.total_due() > Money::ZERO,
            Effect::Refund => quantities || self.total_refundable() > Money::ZERO,
            Effect::Invoice | Effect::Ship | Effect::Cancel => quantities,
        }
    }
}
