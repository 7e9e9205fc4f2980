//! Guards whose answers are known behind a transition, since no step changes what they speak of.

use crate::{
    guard::Expression,
    workflow::{Transition, Trigger, Workflow},
};

/// The facts of an order that no step changes that records nothing, whatever state it enters.
const STEADY: &[&str] = &[
    "order",
    "fully_canceled",
    "fully_invoiced",
    "fully_paid",
    "fully_refunded",
    "fully_shipped",
    "grand_total",
    "is_virtual",
    "overpaid",
    "total_canceled",
    "total_due",
    "total_invoiced",
    "total_overpaid",
    "total_paid",
    "total_refunded",
    "units_canceled",
    "units_invoiced",
    "units_open",
    "units_ordered",
    "units_refunded",
    "units_returned",
    "units_shipped",
];

/// The facts that are known of an order that has just taken a transition by itself: the guards that
/// let it through, where they speak of what no step changes.
pub(super) fn known<'a>(workflow: &'a Workflow, transition: &'a Transition) -> Vec<&'a str> {
    if transition.trigger != Trigger::Automatic {
        return Vec::new();
    }
    let entered = workflow.state(&transition.to_state);
    let entry_guard = entered.and_then(|state| state.entry_guard.as_ref());
    // A guard is asked before the step records something, an entry guard after it.
    let is_silent = transition.operation.is_none();
    let own = transition.guard.as_ref().filter(|_| is_silent);
    let known = entry_guard.into_iter().chain(own).map(Expression::as_str);
    known.filter(|known| is_steady(known)).collect()
}

/// Whether an expression speaks only of what no step changes that records nothing.
fn is_steady(expression: &str) -> bool {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let mut words = words.filter(|word| !word.is_empty());
    words.all(|word| STEADY.contains(&word) || word.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether an expression ends in the opposite of another one, alone or after `&&`.
pub(super) fn denies(asked: &str, known: &str) -> bool {
    let is_plain = |known: &str| {
        let mut bytes = known.bytes();
        bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
    };
    let bracketed = || {
        let inner = asked.strip_suffix(')')?.strip_suffix(known)?;
        inner.strip_suffix("!(")
    };
    let bare = || {
        let inner = asked.strip_suffix(known)?.strip_suffix('!')?;
        is_plain(known).then_some(inner)
    };
    let before = bracketed().or_else(bare);
    before.map(str::trim_end).is_some_and(|before| {
        let is_last = before.is_empty() || before.ends_with("&&");
        is_last && !before.contains("||") && !before.contains('?')
    })
}
