//! The order itself, as it is stored, its balance, and how long it has waited in its status.

use serde::{Deserialize, Serialize};

use super::{Credits, Hold, Line, Units, Unreckoned, Wait};
use crate::{
    value::{
        ActorId, Attributes, Currency, Money, OrderId, ProductName, StoreView, Text, Timestamp,
        WorkflowCode,
    },
    workflow::{Effect, Standing},
};

/// An order as it stands after its last entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The workflow that it obeys.
    pub workflow: WorkflowCode,
    /// Its id within the workflow.
    pub id: OrderId,
    /// Its state and status.
    pub standing: Standing,
    /// The sequence of its last entry.
    pub version: i64,
    /// The lines, 0 to 500.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
    /// Of an order without lines, how far it has come as one whole; none for nowhere yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<Units>,
    /// The currency of all its amounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// The amount that it costs.
    #[serde(default)]
    pub grand_total: Money,
    /// The amount that was paid.
    #[serde(default)]
    pub total_paid: Money,
    /// The amount that was paid back.
    #[serde(default)]
    pub total_refunded: Money,
    /// How much of what it costs was cancelled and is not owed.
    #[serde(default, skip_serializing_if = "crate::value::is_default")]
    pub total_canceled: Money,
    /// The amount that was invoiced, as far as invoices gave amounts.
    #[serde(default, skip_serializing_if = "crate::value::is_default")]
    pub total_invoiced: Money,
    /// How much less is owed since refunds: all of those with lines, and of those without what
    /// exceeded an overpayment.
    #[serde(default, skip_serializing_if = "crate::value::is_default")]
    pub credited: Money,
    /// The refunds without lines, as far as a reversal has to know.
    #[serde(default, skip_serializing_if = "Credits::is_empty")]
    pub credits: Credits,
    /// The newest step of an effect whose amount does not follow from the totals, as far as a
    /// reversal has to know; none for most orders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreckoned: Option<Box<Unreckoned>>,
    /// Where it was placed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_view: Option<StoreView>,
    /// Who placed it.
    #[serde(default, skip_serializing_if = "Customer::is_empty")]
    pub customer: Customer,
    /// The notes of the shop on it.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
    /// The holds that stand on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// Where it returns to when the last hold is released; set while it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_to: Option<Standing>,
    /// When it was created.
    pub create_time: Timestamp,
    /// When its last entry was written.
    pub update_time: Timestamp,
    /// Since when it is in this status.
    pub status_time: Timestamp,
    /// How long it has waited in this status, where a hold came between; none for since
    /// [`Self::status_time`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
}

/// Who placed an order. All parts may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Customer {
    /// The shop's id of the customer.
    #[serde(skip_serializing_if = "ActorId::is_empty")]
    pub id: ActorId,
    /// Where mail goes.
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub email: Text<320>,
    /// The name of the customer.
    #[serde(skip_serializing_if = "ProductName::is_empty")]
    pub name: ProductName,
    /// Whether the customer has no account.
    pub guest: bool,
}

impl Customer {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The balance: what it costs less what was cancelled and credited, against what was paid less what
/// was paid back.
impl Order {
    /// The amount that has yet to be paid.
    pub fn total_due(&self) -> Money {
        self.owed().minus(self.kept())
    }

    /// The amount that was paid beyond what is owed.
    pub fn total_overpaid(&self) -> Money {
        self.kept().minus(self.owed())
    }

    /// The amount that was paid and not paid back.
    pub fn total_refundable(&self) -> Money {
        self.kept()
    }

    /// How much money can be taken back of what operations with this effect moved.
    pub(crate) fn money_reversible(&self, effect: Effect) -> Money {
        match effect {
            Effect::None | Effect::Ship => Money::ZERO,
            Effect::Invoice => self.total_invoiced,
            Effect::Refund => self.total_refunded,
            Effect::Cancel => self.total_canceled,
            Effect::Pay => self.total_refundable(),
        }
    }

    /// The quantities of its lines; those of the whole where it has none.
    pub(crate) fn units(&self) -> impl Iterator<Item = Units> + '_ {
        let whole = self.lines.is_empty().then(|| self.whole_units());
        self.lines.iter().map(Line::units).chain(whole)
    }

    /// The quantities of an order without lines.
    pub(crate) fn whole_units(&self) -> Units {
        self.whole.unwrap_or(Units::WHOLE)
    }

    fn owed(&self) -> Money {
        self.grand_total
            .minus(self.total_canceled)
            .minus(self.credited)
    }

    fn kept(&self) -> Money {
        self.total_paid.minus(self.total_refunded)
    }
}

impl Wait {
    /// The wait of an order that is put on hold now.
    pub(crate) fn paused(order: &Order, now: Timestamp) -> Self {
        let waited = now.micros().saturating_sub(wait_start(order).micros());
        // After a clock that was ahead, it has begun at an instant that is yet to come.
        Self::Paused(waited.max(0))
    }

    /// The wait of an order that is released now.
    pub(crate) fn resumed(order: &Order, now: Timestamp) -> Option<Self> {
        match order.wait {
            Some(Self::Paused(waited)) => {
                let start = now.micros().saturating_sub(waited);
                Some(Self::Since(Timestamp::from_micros(start)))
            }
            // Orders that were held before waits were kept begin anew.
            Some(Self::Since(_)) | None => None,
        }
    }
}

/// The instant from which the time in the present status counts. It is yet to come where the
/// order entered its status under a clock that was ahead.
pub fn wait_start(order: &Order) -> Timestamp {
    match order.wait {
        Some(Wait::Since(instant)) => instant,
        Some(Wait::Paused(_)) | None => order.status_time,
    }
}
