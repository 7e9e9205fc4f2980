//! Changing what the shop knows about an order.

use std::collections::BTreeMap;

use super::{
    AttributesPatch, Customer, CustomerPatch, LINES_MAX, Line, NewLine, Patch, Rejection,
    draft::Draft, transition::movable,
};
use crate::{
    history::{Change, Detail},
    value::{Attributes, Invalid, LineId, OperationCode},
};

/// The operation that a state must allow for lines and grand total to change.
const EDIT: &str = "edit";

/// Changes an order; what is already so leaves no change in the entry.
pub(super) fn update(draft: &mut Draft<'_>, patch: &Patch) -> Result<(), Rejection> {
    if patch.lines.is_some() || patch.grand_total.is_some() {
        editable(draft)?;
    }
    let mut changes = Vec::new();
    attributes(draft, patch.attributes.as_ref(), &mut changes)?;
    customer(draft, &patch.customer, &mut changes);
    let order = &draft.order;
    if let Some(after) = patch
        .store_view
        .as_ref()
        .filter(|after| **after != order.store_view)
    {
        changes.push(Change::StoreView {
            before: order.store_view.clone(),
            after: after.clone(),
        });
    }
    if let Some(new) = &patch.lines {
        let after = merge_lines(&order.lines, new)?;
        if after != order.lines {
            changes.push(Change::Lines {
                before: order.lines.clone(),
                after,
            });
        }
    }
    if let Some(after) = patch
        .grand_total
        .filter(|after| *after != order.grand_total)
    {
        changes.push(Change::GrandTotal {
            before: order.grand_total,
            after,
        });
    }
    draft.write(draft.order.standing.clone(), None, Detail::Updated(changes));
    Ok(())
}

/// Makes the lines of a new order.
pub(super) fn new_lines(lines: &[NewLine]) -> Result<Vec<Line>, Rejection> {
    let refuse = |problem| {
        Err(Rejection::Field {
            field: "order.lines",
            problem,
        })
    };
    if lines.len() > LINES_MAX {
        return refuse(Invalid::TooMany {
            max: LINES_MAX,
            actual: lines.len(),
        });
    }
    let mut ids: Vec<&LineId> = lines.iter().map(|line| &line.id).collect();
    ids.sort();
    ids.dedup();
    if ids.len() < lines.len() {
        return refuse(Invalid::Duplicate);
    }
    if lines.iter().any(|line| line.ordered.is_zero()) {
        return refuse(Invalid::Malformed {
            expected: "lines with a quantity_ordered above zero",
        });
    }
    Ok(lines.iter().cloned().map(Line::new).collect())
}

fn editable(draft: &Draft<'_>) -> Result<(), Rejection> {
    movable(draft)?;
    let state = draft.state();
    if state.is_some_and(|state| state.operations.iter().any(|code| code.as_str() == EDIT)) {
        return Ok(());
    }
    let Ok(operation) = OperationCode::new(EDIT) else {
        return Ok(());
    };
    Err(Rejection::OperationNotAllowed {
        operation,
        state: draft.order.standing.state.clone(),
        allowed: super::Progress::new(draft.workflow(), &draft.order).allowed_operations(),
    })
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

fn customer(draft: &Draft<'_>, patch: &CustomerPatch, changes: &mut Vec<Change>) {
    let before = &draft.order.customer;
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
}

/// Lines that exist keep what was done with them.
fn merge_lines(old: &[Line], new: &[NewLine]) -> Result<Vec<Line>, Rejection> {
    let fresh = new_lines(new)?;
    let in_use = |line: &Line| Rejection::LineInUse {
        line: line.id.clone(),
        done: line.invoiced.max(line.shipped).plus(line.canceled),
    };
    let is_touched = |line: &&Line| !line.invoiced.max(line.shipped).max(line.canceled).is_zero();
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
            let done = before.invoiced.max(before.shipped).plus(before.canceled);
            let was_shipped = !before.shipped.is_zero() && line.is_virtual;
            if line.ordered < done || was_shipped {
                return Err(in_use(before));
            }
            Ok(Line {
                invoiced: before.invoiced,
                shipped: before.shipped,
                refunded: before.refunded,
                canceled: before.canceled,
                ..line.clone()
            })
        })
        .collect()
}
