//! Changing what the shop knows about an order.

use std::collections::BTreeMap;

use super::{draft::Draft, operation, rights};
use crate::{
    history::{Change, Detail, Recorded},
    order::{
        AttributesPatch, Context, Customer, CustomerPatch, Line, NewLine, NewOrder, Order, Patch,
        Rejection,
    },
    value::{Attributes, EmailAddress, Invalid, LINES_MAX, LineId, Money, OperationCode},
};

/// The operation that a state must allow for lines and grand total to change, and whose role and
/// guard are asked for it.
const EDIT: &str = "edit";

/// Changes an order; what is already so leaves no change in the entry. Where nothing changes and
/// the call says nothing else, there is no entry.
pub(super) fn update(draft: &mut Draft<'_>, patch: &Patch) -> Result<(), Rejection> {
    if let Some(stated) = &patch.stated {
        let fields = stated.differing(&draft.order);
        if !fields.is_empty() {
            return Err(Rejection::FieldsFixed { fields });
        }
    }
    let mut changes = Vec::new();
    attributes(draft, patch.attributes.as_ref(), &mut changes)?;
    customer(draft, &patch.customer, &mut changes)?;
    let order = &draft.order;
    if let Some(after) = &patch.store_view
        && *after != order.store_view
    {
        changes.push(Change::StoreView {
            before: order.store_view.clone(),
            after: after.clone(),
        });
    }
    edits(draft, patch, &mut changes)?;
    if !changes.is_empty() || says_something(draft.context) {
        draft.write(draft.order.standing.clone(), None, Detail::Updated(changes));
    }
    Ok(())
}

/// Whether a call has something to say beside what it changes.
fn says_something(context: &Context) -> bool {
    let is_silent = context.comment.is_empty() && context.metadata.is_empty();
    !is_silent || context.notify_customer || context.visible_to_customer
}

/// The changes that need the state's permission; lines and grand total may always be given as they
/// stand.
fn edits(draft: &Draft<'_>, patch: &Patch, changes: &mut Vec<Change>) -> Result<(), Rejection> {
    let order = &draft.order;
    if let Some(new) = &patch.lines {
        let after = merge_lines(order, new);
        if after.as_ref() != Ok(&order.lines) {
            editable(draft)?;
            changes.push(Change::Lines {
                before: order.lines.clone(),
                after: after?,
            });
        }
    }
    if let Some(after) = patch.grand_total
        && after != order.grand_total
    {
        editable(draft)?;
        changes.push(Change::GrandTotal {
            before: order.grand_total,
            after,
        });
    }
    costs_fit(order, changes)
}

pub(super) fn created_lines(new: &NewOrder) -> Result<Vec<Line>, Rejection> {
    let lines = new_lines(&new.lines)?;
    if cost(&lines) > new.grand_total.minor_units() {
        return Err(too_dear());
    }
    Ok(lines)
}

fn too_dear() -> Rejection {
    let expected = "lines whose totals together are at most grand_total";
    Rejection::malformed("order.lines", expected)
}

/// Refuses a change after which the lines would cost more than the order.
fn costs_fit(order: &Order, changes: &[Change]) -> Result<(), Rejection> {
    let (mut new_lines, mut new_total) = (None, None);
    for change in changes {
        match change {
            Change::Lines { after, .. } => new_lines = Some(after),
            Change::GrandTotal { after, .. } => new_total = Some(*after),
            Change::Attribute { .. } | Change::Customer { .. } | Change::StoreView { .. } => {}
        }
    }
    let has_changed = new_lines.is_some() || new_total.is_some();
    let lines = new_lines.unwrap_or(&order.lines);
    let grand_total = new_total.unwrap_or(order.grand_total);
    if !has_changed || cost(lines) <= grand_total.minor_units() {
        return Ok(());
    }
    if new_lines.is_some() {
        return Err(too_dear());
    }
    let expected = "at least what the totals of the lines come to";
    Err(Rejection::malformed("order.grand_total", expected))
}

/// The cost of lines together in minor units, as far as that is known. 500 times the largest
/// amount is far below the largest number.
fn cost(lines: &[Line]) -> i64 {
    let totals = lines.iter().filter_map(|line| line.total);
    totals.map(Money::minor_units).sum()
}

fn new_lines(lines: &[NewLine]) -> Result<Vec<Line>, Rejection> {
    let field = "order.lines";
    let refuse = |problem| Err(Rejection::Field { field, problem });
    let (max, actual) = (LINES_MAX, lines.len());
    if actual > max {
        return refuse(Invalid::TooMany { max, actual });
    }
    let mut ids: Vec<&LineId> = lines.iter().map(|line| &line.id).collect();
    ids.sort();
    ids.dedup();
    if ids.len() < lines.len() {
        return refuse(Invalid::Duplicate);
    }
    if lines.iter().any(|line| line.ordered.is_zero()) {
        let expected = "lines with a quantity_ordered above zero";
        return refuse(Invalid::Malformed { expected });
    }
    Ok(lines.iter().cloned().map(Line::new).collect())
}

fn editable(draft: &Draft<'_>) -> Result<(), Rejection> {
    let Ok(edit) = OperationCode::new(EDIT) else {
        return Ok(());
    };
    operation::listed(draft, &edit)?;
    let Some(edit) = draft.workflow().operation(&edit) else {
        return Ok(());
    };
    rights::operation_role(draft, edit)?;
    let nothing = Recorded {
        operation: edit.code.clone(),
        effect: edit.effect,
        lines: Vec::new(),
        amount: Money::ZERO,
        reverse: false,
        whole: false,
        counted: Money::ZERO,
    };
    rights::operation_guard(draft, edit, &nothing)
}

pub(super) fn attributes(
    draft: &Draft<'_>,
    patch: Option<&AttributesPatch>,
    changes: &mut Vec<Change>,
) -> Result<(), Rejection> {
    let before = draft.order.attributes.as_map();
    let after: BTreeMap<String, String> = match patch {
        None => return Ok(()),
        Some(AttributesPatch::Replace(all)) => all.as_map().clone(),
        Some(AttributesPatch::Merge(some)) => {
            let mut merged = before.clone();
            for (key, value) in some {
                match value {
                    Some(value) => merged.insert(key.clone(), value.clone()),
                    None => merged.remove(key),
                };
            }
            merged
        }
    };
    let field = "order.attributes";
    let after = Attributes::new(after).map_err(|problem| Rejection::Field { field, problem })?;
    let mut keys: Vec<&String> = before.keys().chain(after.as_map().keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let (before, after) = (before.get(key).cloned(), after.as_map().get(key).cloned());
        if before != after {
            changes.push(Change::Attribute {
                key: key.clone(),
                before,
                after,
            });
        }
    }
    Ok(())
}

/// An address that stands already may be sent back as it was read, whatever it is.
fn customer(
    draft: &Draft<'_>,
    patch: &CustomerPatch,
    changes: &mut Vec<Change>,
) -> Result<(), Rejection> {
    let before = &draft.order.customer;
    if let Some(email) = &patch.email
        && *email != before.email
    {
        let field = "order.customer.email";
        EmailAddress::check(email.as_str())
            .map_err(|problem| Rejection::Field { field, problem })?;
    }
    let after = Customer {
        id: patch.id.clone().unwrap_or_else(|| before.id.clone()),
        email: patch.email.clone().unwrap_or_else(|| before.email.clone()),
        name: patch.name.clone().unwrap_or_else(|| before.name.clone()),
        guest: patch.guest.unwrap_or(before.guest),
    };
    if after != *before {
        changes.push(Change::Customer {
            before: before.clone(),
            after,
        });
    }
    Ok(())
}

/// Lines that exist keep what was done with them.
fn merge_lines(order: &Order, new: &[NewLine]) -> Result<Vec<Line>, Rejection> {
    let (old, fresh) = (&order.lines, new_lines(new)?);
    if order.whole.is_some() && !fresh.is_empty() {
        let expected = "empty: the order was invoiced, shipped, refunded or canceled as one whole";
        return Err(Rejection::malformed("order.lines", expected));
    }
    let done = |line: &Line| {
        let moved = line.invoiced.max(line.shipped).max(line.refunded);
        moved.plus(line.canceled)
    };
    let in_use = |line: &Line| Rejection::LineInUse {
        line: line.id.clone(),
        done: done(line),
    };
    let is_touched = |line: &&Line| !done(line).is_zero();
    let stays = |line: &Line| fresh.iter().any(|other| other.id == line.id);
    if let Some(line) = old.iter().filter(is_touched).find(|line| !stays(line)) {
        return Err(in_use(line));
    }
    fresh
        .iter()
        .map(|line| {
            let Some(before) = old.iter().find(|before| before.id == line.id) else {
                return Ok(line.clone());
            };
            let was_shipped = !before.shipped.is_zero() && line.is_virtual;
            if line.ordered < done(before) || was_shipped {
                return Err(in_use(before));
            }
            Ok(Line {
                invoiced: before.invoiced,
                shipped: before.shipped,
                refunded: before.refunded,
                canceled: before.canceled,
                returned: before.returned,
                ..line.clone()
            })
        })
        .collect()
}
