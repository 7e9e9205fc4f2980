//! The memory that a unit takes while it waits, reckoned from its texts and lines. It
//! decides how many may wait, so it need not be exact.

use waymark_domain::order::{Action, AttributesPatch, Command, Context, OperationLines, Patch};
use waymark_persistence::{Step, StepChange, Unit};

/// The most that units may take together while they wait or are under way, in KiB: 64 MiB.
pub(super) const WEIGHT_MAX: usize = 64 * 1024;

/// Bytes of a line of an order, with its texts.
const LINE_BYTES: usize = 512;
/// Bytes of the quantity of a line, with the line's id.
const QUANTITY_BYTES: usize = 160;
/// Bytes of a hold, with its reason and who placed it.
const HOLD_BYTES: usize = 2_048;
/// Bytes of an entry of a map beside its texts.
const ENTRY_BYTES: usize = 64;

/// The weight of a unit, in KiB; at least one, and never more than all units may.
pub(super) fn of_unit(unit: &Unit) -> u32 {
    let bytes: usize = unit.steps.iter().map(of_step).sum();
    let weight = bytes.div_ceil(1024).clamp(1, WEIGHT_MAX);
    u32::try_from(weight).unwrap_or(u32::MAX)
}

fn of_step(step: &Step) -> usize {
    let texts = match &step.change {
        StepChange::Create(order, context) => {
            let attributes = order.attributes.as_map();
            order.lines.len() * LINE_BYTES + of_map(attributes) + of_context(context)
        }
        StepChange::Change(Command {
            context,
            expected_version: _,
            action,
        }) => of_action(action) + of_context(context),
    };
    size_of::<Step>() + step.order_id.as_str().len() + texts
}

fn of_context(context: &Context) -> usize {
    context.comment.as_str().len() + of_map(context.metadata.as_map())
}

fn of_action(action: &Action) -> usize {
    match action {
        Action::RecordOperation { lines, .. } => match lines {
            OperationLines::Given(lines) => lines.len() * QUANTITY_BYTES,
            OperationLines::AllLeft | OperationLines::AmountOnly => 0,
        },
        Action::Update(Patch {
            attributes,
            lines,
            stated,
            ..
        }) => {
            let attributes = match attributes {
                Some(AttributesPatch::Replace(attributes)) => of_map(attributes.as_map()),
                Some(AttributesPatch::Merge(merged)) => merged
                    .iter()
                    .map(|(key, value)| of_entry(key, value.as_deref().unwrap_or_default()))
                    .sum(),
                None => 0,
            };
            let stated = stated.as_ref().map_or(0, |stated| {
                stated.holds.len() * HOLD_BYTES + stated.lines.len() * QUANTITY_BYTES
            });
            attributes + lines.as_ref().map_or(0, Vec::len) * LINE_BYTES + stated
        }
        Action::Hold { reason, .. } => reason.as_str().len(),
        Action::Transition(_)
        | Action::Release { .. }
        | Action::Comment { .. }
        | Action::Settle
        | Action::TimeUp => 0,
    }
}

fn of_map(map: &std::collections::BTreeMap<String, String>) -> usize {
    map.iter().map(|(key, value)| of_entry(key, value)).sum()
}

fn of_entry(key: &str, value: &str) -> usize {
    key.len() + value.len() + ENTRY_BYTES
}
