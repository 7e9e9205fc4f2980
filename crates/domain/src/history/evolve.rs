//! Applying entries that were already accepted. Nothing here can fail.

use std::collections::BTreeMap;

use super::{
    entry::{Change, Detail, Entry, Recorded},
    moment::{Moment, clock_of},
    unreckoned::keep,
};
use crate::{
    order::{Credits, Order, Units, Wait},
    value::{Attributes, Money, Quantity, Timestamp},
    workflow::{Effect, Standing},
};

/// Applies one entry to the order before it.
#[must_use]
pub fn evolve(mut order: Order, entry: &Entry) -> Order {
    apply(&mut order, entry);
    order
}

/// Applies one entry to the order before it, in place.
pub(crate) fn apply(order: &mut Order, entry: &Entry) {
    match &entry.detail {
        Detail::Created(created) => *order = (**created).clone(),
        Detail::Commented | Detail::Transitioned(None) => {}
        Detail::Transitioned(Some(recorded)) | Detail::Recorded(recorded) => {
            record(order, recorded);
        }
        Detail::Held(hold) => {
            if order.return_to.is_none() {
                put_right(order, entry);
                order.return_to = Some(order.standing.clone());
                order.wait = Some(Wait::paused(order, clock(entry)));
            }
            order.holds.push(hold.clone());
        }
        Detail::Released(released) => {
            order.holds.retain(|hold| !released.contains(&hold.id));
            if order.holds.is_empty() {
                order.return_to = None;
                order.wait = Wait::resumed(order, clock(entry));
            }
        }
        Detail::Updated(changes) => changes.iter().for_each(|change| update(order, change)),
    }
    stand(order, &entry.to, entry);
}

/// Replays the history of an order from its first entry; none when there is none.
pub fn replay<'e>(entries: impl IntoIterator<Item = &'e Entry>) -> Option<Order> {
    entries
        .into_iter()
        .fold(None, |order, entry| match (&entry.detail, order) {
            (Detail::Created(created), None) => Some(evolve((**created).clone(), entry)),
            (_, Some(order)) => Some(evolve(order, entry)),
            (_, None) => None,
        })
}

fn clock(entry: &Entry) -> Timestamp {
    clock_of(entry).unwrap_or(entry.create_time)
}

/// An order cannot have waited since an instant that is yet to come. The first entry after the
/// clock was put right tells by how much it was ahead, and its wait is moved back by that.
fn put_right(order: &mut Order, entry: &Entry) {
    if let Some(clock) = clock_of(entry) {
        let time = entry.create_time;
        Moment { time, clock }.put_wait_right(order);
    }
}

fn stand(order: &mut Order, to: &Standing, entry: &Entry) {
    if order.standing.status != to.status {
        order.status_time = entry.create_time;
        if !matches!(entry.detail, Detail::Held(_) | Detail::Released(_)) {
            order.wait = clock_of(entry).map(Wait::Since);
        }
    }
    put_right(order, entry);
    order.standing = to.clone();
    order.version = entry.sequence;
    order.update_time = entry.create_time;
}

/// Moves the quantities and totals that an operation moves, or moves them back.
pub(crate) fn record(order: &mut Order, recorded: &Recorded) {
    move_money(order, recorded);
    move_units(order, recorded);
    keep(order, recorded);
}

fn move_units(order: &mut Order, recorded: &Recorded) {
    let by: fn(Quantity, Quantity) -> Quantity = if recorded.reverse {
        Quantity::minus
    } else {
        Quantity::plus
    };
    let moved: BTreeMap<_, _> = recorded.lines.iter().map(|m| (&m.line_id, m)).collect();
    for line in &mut order.lines {
        if let Some(moved) = moved.get(&line.id) {
            let units = line.units();
            line.set_moved(&units.moved(recorded.effect, moved.quantity, moved.returned, by));
        }
    }
    if recorded.whole {
        let units = order.whole_units();
        let moved = units.moved(recorded.effect, Quantity::ONE, Quantity::ZERO, by);
        order.whole = Some(moved).filter(|units| *units != Units::WHOLE);
    }
}

fn move_money(order: &mut Order, recorded: &Recorded) {
    let Recorded {
        amount, counted, ..
    } = *recorded;
    let by: fn(Money, Money) -> Money = if recorded.reverse {
        Money::minus
    } else {
        Money::plus
    };
    match recorded.effect {
        Effect::Pay => order.total_paid = by(order.total_paid, amount),
        Effect::Invoice => order.total_invoiced = by(order.total_invoiced, counted),
        Effect::Cancel => order.total_canceled = by(order.total_canceled, counted),
        Effect::Refund => {
            if recorded.lines.is_empty() && !recorded.whole {
                credit(order, recorded);
            }
            order.total_refunded = by(order.total_refunded, amount);
            if order.total_refunded.is_zero() {
                order.credits = Credits::default();
            }
            order.credited = by(order.credited, counted);
        }
        Effect::None | Effect::Ship => {}
    }
}

/// Keeps what a refund without lines gave back of an overpayment, for its reversal.
fn credit(order: &mut Order, recorded: &Recorded) {
    if recorded.reverse {
        order.credits.take_back(recorded.amount);
        return;
    }
    // Entries that were written before credits were kept count nothing of their amounts.
    let overpaid = recorded.amount.minus(recorded.counted);
    let overpaid = overpaid.min(order.total_overpaid());
    order.credits.add(overpaid, recorded.counted);
}

fn update(order: &mut Order, change: &Change) {
    match change {
        Change::Attribute { key, after, .. } => {
            let mut map = order.attributes.as_map().clone();
            match after {
                Some(value) => map.insert(key.clone(), value.clone()),
                None => map.remove(key),
            };
            order.attributes = Attributes::from_accepted(map);
        }
        Change::Customer { after, .. } => order.customer = after.clone(),
        Change::StoreView { after, .. } => order.store_view.clone_from(after),
        Change::Lines { after, .. } => order.lines.clone_from(after),
        Change::GrandTotal { after, .. } => order.grand_total = *after,
    }
}
