//! Statements of an update on fields that it cannot change. An order may be read, changed and sent
//! back: such fields are taken where they are as they stand, and refused by name where not.

use std::fmt;

use super::{Hold, Line, Order, Units};
use crate::{
    value::{Currency, LineId, Money, Quantity, StateCode, StatusCode, Timestamp},
    workflow::Standing,
};

/// The statements of an update on fields that it cannot change; parts that are none state nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stated {
    /// The state.
    pub state: Option<StateCode>,
    /// The status.
    pub status: Option<StatusCode>,
    /// The currency.
    pub currency: Option<Currency>,
    /// The amount that was paid.
    pub total_paid: Option<Money>,
    /// The amount that was paid back.
    pub total_refunded: Option<Money>,
    /// The part of the grand total that was cancelled.
    pub total_canceled: Option<Money>,
    /// The amount that was invoiced.
    pub total_invoiced: Option<Money>,
    /// The holds, in their order; empty for nothing. Whom they tell is not stated.
    pub holds: Vec<Hold>,
    /// The state to which the order returns.
    pub return_state: Option<StateCode>,
    /// The status to which it returns.
    pub return_status: Option<StatusCode>,
    /// When it was created.
    pub create_time: Option<Timestamp>,
    /// Lines of which something is said to be done.
    pub lines: Vec<StatedLine>,
}

/// The statements of an update on quantities of a line; parts that are none state nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedLine {
    /// Its place among the lines of the update, from 0.
    pub index: usize,
    /// Its id.
    pub id: LineId,
    /// How much was invoiced.
    pub invoiced: Option<Quantity>,
    /// How much was shipped.
    pub shipped: Option<Quantity>,
    /// How much was refunded.
    pub refunded: Option<Quantity>,
    /// How much was cancelled.
    pub canceled: Option<Quantity>,
    /// How much came back.
    pub returned: Option<Quantity>,
}

/// A field that an update cannot change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedField {
    /// Its path in the call, such as `order.state`.
    pub path: String,
    /// Why not.
    pub why: Fixed,
}

/// Why an update cannot change a field; completes "the field … ".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fixed {
    /// It never changes.
    #[error("is immutable")]
    Immutable,
    /// Only the server changes it.
    #[error("is output only")]
    OutputOnly,
    /// Steps change it.
    #[error("is changed by steps of the workflow only")]
    Stepwise,
}

impl fmt::Display for FixedField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.why)
    }
}

impl Stated {
    pub(crate) fn differing(&self, order: &Order) -> Vec<FixedField> {
        use Fixed::{Immutable, OutputOnly, Stepwise};
        let Standing { state, status } = &order.standing;
        let back = order.return_to.as_ref();
        let (back_state, back_status) = (back.map(|to| &to.state), back.map(|to| &to.status));
        let (own_state, own_status) = (self.state.as_ref(), self.status.as_ref());
        let (return_state, return_status) =
            (self.return_state.as_ref(), self.return_status.as_ref());
        let currency = differs(self.currency.as_ref(), order.currency.as_ref());
        let holds = !self.holds.is_empty() && !same_holds(&self.holds, &order.holds);
        let create_time = differs(self.create_time.as_ref(), Some(&order.create_time));
        let fields = [
            ("state", Stepwise, differs(own_state, Some(state))),
            ("status", Stepwise, differs(own_status, Some(status))),
            ("currency", Immutable, currency),
            ("holds", Stepwise, holds),
            (
                "return_state",
                OutputOnly,
                differs(return_state, back_state),
            ),
            (
                "return_status",
                OutputOnly,
                differs(return_status, back_status),
            ),
            ("create_time", OutputOnly, create_time),
        ];
        let wrong = fields.into_iter().chain(self.totals(order));
        let wrong = wrong.filter(|(_, _, differs)| *differs);
        let wrong = wrong.map(|(field, why, _)| FixedField {
            path: format!("order.{field}"),
            why,
        });
        let of_lines = self.lines.iter().flat_map(|line| line.differing(order));
        wrong.chain(of_lines).collect()
    }

    /// The totals, each with whether it is stated and not as it stands.
    fn totals(&self, order: &Order) -> [(&'static str, Fixed, bool); 4] {
        let totals = [
            ("total_paid", self.total_paid, order.total_paid),
            ("total_refunded", self.total_refunded, order.total_refunded),
            ("total_canceled", self.total_canceled, order.total_canceled),
            ("total_invoiced", self.total_invoiced, order.total_invoiced),
        ];
        totals.map(|(field, stated, stands)| {
            let differs = differs(stated.as_ref(), Some(&stands));
            (field, Fixed::Stepwise, differs)
        })
    }
}

impl StatedLine {
    /// The quantities that are not as they stand; with a line that is not there, nothing was done.
    fn differing(&self, order: &Order) -> Vec<FixedField> {
        let line = order.lines.iter().find(|line| line.id == self.id);
        let units = line.map_or(Units::WHOLE, Line::units);
        let fields = [
            ("quantity_invoiced", self.invoiced, units.invoiced),
            ("quantity_shipped", self.shipped, units.shipped),
            ("quantity_refunded", self.refunded, units.refunded),
            ("quantity_canceled", self.canceled, units.canceled),
            ("quantity_returned", self.returned, units.returned),
        ];
        let wrong = fields.into_iter();
        let wrong = wrong.filter(|(_, stated, it)| differs(stated.as_ref(), Some(it)));
        let wrong = wrong.map(|(field, _, _)| FixedField {
            path: format!("order.lines[{}].{field}", self.index),
            why: Fixed::OutputOnly,
        });
        wrong.collect()
    }
}

fn differs<T: PartialEq>(stated: Option<&T>, stands: Option<&T>) -> bool {
    stated.is_some() && stated != stands
}

fn same_holds(stated: &[Hold], stand: &[Hold]) -> bool {
    let same = |(stated, stands): (&Hold, &Hold)| {
        let stands = Hold {
            visible_to_customer: stated.visible_to_customer,
            notify_customer: stated.notify_customer,
            ..stands.clone()
        };
        *stated == stands
    };
    stated.len() == stand.len() && stated.iter().zip(stand).all(same)
}
