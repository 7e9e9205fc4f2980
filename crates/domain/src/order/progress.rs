//! How far an order has come: what may still be done with it, read off its lines
//! and totals.

use super::{Counting, Line, Order, Refundable, Units};
use crate::{
    value::{Currency, Money, OperationCode, Quantity},
    workflow::{Category, Effect, Operation, Overpayment, State, Workflow},
};

/// How far an order has come, as guards and callers see it.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    workflow: &'a Workflow,
    order: &'a Order,
    counting: Counting,
}

impl<'a> Progress<'a> {
    /// Looks at an order through its workflow.
    pub fn new(workflow: &'a Workflow, order: &'a Order) -> Self {
        let mut operations = workflow.operations.iter();
        let refundable = if operations.any(|operation| operation.effect == Effect::Invoice) {
            Refundable::Invoiced
        } else if order.total_paid.is_zero() {
            Refundable::Shipped
        } else {
            Refundable::Ordered
        };
        let counting = Counting {
            refunded_units: workflow.refunded_units,
            refundable,
        };
        Self {
            workflow,
            order,
            counting,
        }
    }

    /// How much of a line an operation with this effect can still move.
    pub fn left(&self, line: &Line, effect: Effect) -> Quantity {
        line.left(effect, self.counting)
    }

    /// How much of these units an operation with this effect can still move, or take back again.
    pub(crate) fn movable(&self, units: &Units, effect: Effect, reverse: bool) -> Quantity {
        if reverse {
            units.reversible(effect, self.counting)
        } else {
            units.left(effect, self.counting)
        }
    }

    /// How much money an operation with this effect can still move: none for any amount, which
    /// is a note.
    pub(crate) fn money_left(&self, effect: Effect) -> Option<Money> {
        let order = self.order;
        let uncanceled = order.grand_total.minus(order.total_canceled);
        match effect {
            Effect::None => None,
            Effect::Ship => Some(Money::ZERO),
            Effect::Invoice => Some(uncanceled.minus(order.total_invoiced)),
            Effect::Refund => Some(order.total_refundable()),
            Effect::Cancel => Some(uncanceled),
            Effect::Pay => Some(match self.workflow.overpayment {
                Overpayment::Record => Money::MAX.minus(order.total_paid),
                Overpayment::Refuse => order.total_due(),
            }),
        }
    }

    /// The amount that has yet to be paid.
    pub fn total_due(&self) -> Money {
        self.order.total_due()
    }

    /// The amount that was paid beyond what is owed.
    pub fn total_overpaid(&self) -> Money {
        self.order.total_overpaid()
    }

    /// The amount that was paid and not paid back.
    pub fn total_refundable(&self) -> Money {
        self.order.total_refundable()
    }

    /// Whether less than one whole unit of the order's currency is due; without a currency of
    /// which ISO 4217 knows the digits, whether nothing is.
    pub fn fully_paid(&self) -> bool {
        let due = self.total_due();
        let unit = self.order.currency.as_ref().and_then(Currency::whole_unit);
        due.is_zero() || unit.is_some_and(|unit| due < unit)
    }

    /// Whether more was paid than is owed.
    pub fn overpaid(&self) -> bool {
        !self.total_overpaid().is_zero()
    }

    /// The codes of the operations that some call may record now, taking back not counted.
    pub fn allowed_operations(&self) -> Vec<OperationCode> {
        let Some(state) = self.state() else {
            return Vec::new();
        };
        let operations = self.workflow.operations.iter();
        operations
            .filter(|operation| state.operations.contains(&operation.code))
            .filter(|operation| self.would_change(operation.effect))
            .map(|operation| operation.code.clone())
            .collect()
    }

    /// Whether the present state lists an operation. What the held state lists is what a hold
    /// lets through.
    pub(crate) fn lists(&self, code: &OperationCode) -> bool {
        self.state()
            .is_some_and(|state| state.operations.contains(code))
    }

    /// Whether something is left to invoice and the present state goes on invoicing: neither a
    /// terminal one nor one of category COMPLETED, which lists it to take invoices back.
    pub fn can_invoice(&self) -> bool {
        let is_over = |state: &State| state.category == Category::Completed;
        !self.state().is_some_and(is_over) && self.can(Effect::Invoice)
    }

    /// Whether something is left to ship and the present state, unless terminal, allows it.
    pub fn can_ship(&self) -> bool {
        self.can(Effect::Ship)
    }

    /// Whether something is left to refund and the present state, unless terminal, allows it:
    /// money, of an order that was paid, else units.
    pub fn can_refund(&self) -> bool {
        if self.order.total_paid.is_zero() {
            return self.can(Effect::Refund);
        }
        !self.total_refundable().is_zero() && self.goes_on_with(Effect::Refund)
    }

    /// Whether all that was not cancelled is invoiced, and something is.
    pub fn fully_invoiced(&self) -> bool {
        let is_invoiced = |units: Units| !units.invoiced.is_zero();
        !self.has_left(Effect::Invoice) && self.order.units().any(is_invoiced)
    }

    /// Whether nothing is left to ship.
    pub fn fully_shipped(&self) -> bool {
        !self.has_left(Effect::Ship)
    }

    /// Whether all that was not cancelled is refunded, and something is.
    pub fn fully_refunded(&self) -> bool {
        let is_done = |units: Units| units.refunded.plus(units.canceled) == units.ordered;
        let is_refunded = |units: Units| !units.refunded.is_zero();
        self.order.units().all(is_done) && self.order.units().any(is_refunded)
    }

    /// Whether everything is cancelled.
    pub fn fully_canceled(&self) -> bool {
        let is_canceled = |units: Units| units.canceled == units.ordered;
        self.order.units().all(is_canceled)
    }

    /// Whether the order has lines and none is ever shipped.
    pub fn is_virtual(&self) -> bool {
        !self.order.lines.is_empty() && self.order.lines.iter().all(|line| line.is_virtual)
    }

    /// The sum of a quantity over all lines; that of the whole where there are none.
    pub(crate) fn sum(&self, of: impl Fn(&Units) -> Quantity) -> Quantity {
        let units = self.order.units();
        units.fold(Quantity::ZERO, |sum, units| sum.plus(of(&units)))
    }

    /// How many units can still be shipped in all; those of virtual lines never are.
    pub(crate) fn units_open(&self) -> Quantity {
        self.sum(|units| units.left(Effect::Ship, self.counting))
    }

    fn state(&self) -> Option<&'a State> {
        self.workflow.state(&self.order.standing.state)
    }

    pub(crate) fn has_left(&self, effect: Effect) -> bool {
        let left = |units: Units| !units.left(effect, self.counting).is_zero();
        self.order.units().any(left)
    }

    /// The operation that has to come before units can be refunded: where the workflow invoices, an
    /// invoice, as long as something is left to invoice.
    pub(crate) fn awaited_invoice(&self) -> Option<OperationCode> {
        let mut operations = self.workflow.operations.iter();
        let invoice = operations.find(|operation| operation.effect == Effect::Invoice)?;
        self.has_left(Effect::Invoice).then(|| invoice.code.clone())
    }

    fn can(&self, effect: Effect) -> bool {
        self.goes_on_with(effect) && self.has_left(effect)
    }

    /// Whether the order is on its way, where operations with this effect are recorded.
    fn goes_on_with(&self, effect: Effect) -> bool {
        let Some(state) = self.state().filter(|state| !state.terminal) else {
            return false;
        };
        let listed = |operation: &Operation| {
            operation.effect == effect && state.operations.contains(&operation.code)
        };
        self.order.return_to.is_none() && self.workflow.operations.iter().any(listed)
    }

    fn would_change(&self, effect: Effect) -> bool {
        let has_money = self.money_left(effect).is_none_or(|left| !left.is_zero());
        has_money || self.has_left(effect)
    }
}
