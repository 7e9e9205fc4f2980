//! Amounts that do not follow from the totals of lines: what an order and an entry keep of them.

use super::entry::{Entry, Recorded};
use crate::{
    order::{Order, Unreckoned, given_back, reckoned},
    workflow::Effect,
};

/// The note of an entry whose amount could not be reckoned: why.
const NOT_RECKONED: &str = "waymark.not_reckoned";

/// Keeps of a step that was just applied what a reversal has to know. In entries of old, amounts
/// of units were notes.
pub(super) fn keep(order: &mut Order, recorded: &Recorded) {
    let effect = recorded.effect;
    let is_kept = match effect {
        Effect::None | Effect::Ship | Effect::Pay => return,
        Effect::Invoice | Effect::Refund | Effect::Cancel => {
            let has_units = recorded.whole || !recorded.lines.is_empty();
            !recorded.reverse && has_units && recorded.counted == recorded.amount
        }
    };
    if order
        .unreckoned
        .as_ref()
        .is_some_and(|u| u.effect == effect)
    {
        order.unreckoned = None;
    }
    if is_kept && given_back(order, effect, &recorded.lines, recorded.whole) != recorded.amount {
        order.unreckoned = Some(Box::new(Unreckoned {
            effect,
            lines: recorded.lines.clone(),
            amount: recorded.amount,
        }));
    }
}

/// Notes on an entry that is about to be written that its amount could not be reckoned.
pub(crate) fn note_unreckoned(order: &Order, entry: &mut Entry) {
    let Some(recorded) = entry.detail.recorded() else {
        return;
    };
    let Recorded {
        operation: _,
        effect,
        lines,
        amount,
        reverse,
        whole: _,
        counted: _,
    } = recorded;
    let is_reckoned = match effect {
        Effect::Refund | Effect::Cancel => true,
        Effect::None | Effect::Invoice | Effect::Ship | Effect::Pay => false,
    };
    if !is_reckoned || lines.is_empty() || !amount.is_zero() || order.grand_total.is_zero() {
        return;
    }
    if let Err(line) = reckoned(order, *effect, lines, *reverse) {
        let why = format!("line {line} has no total");
        entry.metadata.note(NOT_RECKONED, &why);
    }
}
