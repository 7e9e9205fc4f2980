//! The cost of units: the amount of a cancellation or a refund, reckoned from the totals of the
//! lines that it touches.
//!
//! A line's share of what was cancelled or refunded of it so far is rounded once, and a step
//! costs the share after it less the share before it. So steps add up to the minor unit, and
//! taking one back gives the same again.

use std::collections::BTreeMap;

use super::{Line, LineQuantity, Order};
use crate::{
    value::{LineId, Money, Quantity},
    workflow::Effect,
};

#[derive(Debug, Clone, Copy, Default)]
struct Shares {
    before: Money,
    after: Money,
}

/// The amount of a cancellation or refund of these quantities; of its reversal, the amount given
/// back.
///
/// # Errors
/// Returns the first line whose total is not known.
pub(crate) fn reckoned(
    order: &Order,
    effect: Effect,
    moved: &[LineQuantity],
    reverse: bool,
) -> Result<Money, LineId> {
    if reverse && effect == Effect::Cancel && open(order).is_zero() {
        // The step that cancelled the last of it cancelled all else of the grand total too.
        let remaining = remaining(order, moved)?;
        return Ok(order.total_canceled.minus(remaining));
    }
    if !reverse && effect == Effect::Cancel && open(order) == sum(moved) {
        return Ok(order.grand_total.minus(order.total_canceled));
    }
    let Shares { before, after } = shares(order, effect, moved, reverse)?;
    Ok(if reverse {
        before.minus(after)
    } else {
        after.minus(before)
    })
}

/// The amount that a reversal of these units, or of the whole, gives back: that of the newest step
/// where it moved just them, else what is reckoned, of invoices all.
pub(crate) fn given_back(
    order: &Order,
    effect: Effect,
    moved: &[LineQuantity],
    whole: bool,
) -> Money {
    let left = order.money_reversible(effect);
    let newest = order.unreckoned.as_deref();
    let newest = newest.filter(|newest| newest.effect == effect && same(&newest.lines, moved));
    if let Some(newest) = newest {
        return newest.amount.min(left);
    }
    match effect {
        Effect::None | Effect::Ship => Money::ZERO,
        Effect::Invoice | Effect::Pay => left,
        Effect::Refund | Effect::Cancel if whole => left,
        Effect::Refund | Effect::Cancel => {
            let reckoned = reckoned(order, effect, moved, true);
            reckoned.unwrap_or_default().min(left)
        }
    }
}

fn same(one: &[LineQuantity], other: &[LineQuantity]) -> bool {
    let quantities = |moved: &[LineQuantity]| -> BTreeMap<_, _> {
        let moved = moved
            .iter()
            .map(|moved| (moved.line_id.clone(), moved.quantity));
        moved.collect()
    };
    one.len() == other.len() && quantities(one) == quantities(other)
}

fn shares(
    order: &Order,
    effect: Effect,
    moved: &[LineQuantity],
    reverse: bool,
) -> Result<Shares, LineId> {
    let lines: BTreeMap<_, _> = order.lines.iter().map(|line| (&line.id, line)).collect();
    let mut shares = Shares::default();
    for moved in moved {
        let Some(line) = lines.get(&moved.line_id) else {
            continue;
        };
        let total = total(order, line)?;
        let before = line.units().done(effect);
        let after = if reverse {
            before.minus(moved.quantity)
        } else {
            before.plus(moved.quantity)
        };
        shares.before = shares.before.plus(total.share(before, line.ordered));
        shares.after = shares.after.plus(total.share(after, line.ordered));
    }
    Ok(shares)
}

/// The cost of the units that stay cancelled when these are taken back.
fn remaining(order: &Order, moved: &[LineQuantity]) -> Result<Money, LineId> {
    let back = moved.iter().map(|moved| (&moved.line_id, moved.quantity));
    let back: BTreeMap<_, _> = back.collect();
    let mut remaining = Money::ZERO;
    for line in &order.lines {
        let back = back.get(&line.id).copied().unwrap_or_default();
        let canceled = line.canceled.minus(back);
        if !canceled.is_zero() {
            remaining = remaining.plus(total(order, line)?.share(canceled, line.ordered));
        }
    }
    Ok(remaining)
}

/// The cost of a line. The single line of an order costs all of it where nothing else is said.
fn total(order: &Order, line: &Line) -> Result<Money, LineId> {
    let single = (order.lines.len() == 1).then_some(order.grand_total);
    line.total.or(single).ok_or_else(|| line.id.clone())
}

/// How much is not cancelled yet.
fn open(order: &Order) -> Quantity {
    let open = order.lines.iter().map(|l| l.ordered.minus(l.canceled));
    open.fold(Quantity::ZERO, Quantity::plus)
}

fn sum(moved: &[LineQuantity]) -> Quantity {
    let quantities = moved.iter().map(|moved| moved.quantity);
    quantities.fold(Quantity::ZERO, Quantity::plus)
}
