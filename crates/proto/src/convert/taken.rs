//! What the lists and maps of a step take in memory once it is read. A step alone is bounded by what it takes while it
//! is decoded; of many steps with as many short entries as each may have, a batch keeps all at once.

use std::collections::BTreeMap;

use waymark_domain::{
    order::{
        Action, AttributesPatch, Command, Context, LineQuantity, NewLine, NewOrder, OperationLines,
        Patch,
    },
    value::Attributes,
};

use super::step::{ParsedChange, ParsedStep};

/// What a text takes besides its bytes: the counts of an `Arc`.
const COUNTS_BYTES: usize = 16;
/// What an entry of a map takes besides its bytes, in nodes that are half empty.
const ENTRY_BYTES: usize = 96;

/// Entries and what they take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

impl Taken {
    /// What a step takes.
    pub(crate) fn by(step: &ParsedStep) -> Self {
        let mut taken = Self::default();
        match &step.change {
            ParsedChange::Create { order, context } => {
                taken.context(context);
                taken.order(order);
            }
            ParsedChange::Change(Command {
                context,
                expected_version: _,
                action,
            }) => {
                taken.context(context);
                taken.action(action);
            }
        }
        taken
    }

    fn add(&mut self, bytes: usize) {
        self.entries += 1;
        self.bytes += bytes;
    }

    fn context(&mut self, context: &Context) {
        self.map(context.metadata.as_map());
        for role in &context.actor.roles {
            self.add(size_of_val(role) + text(role.as_str()));
        }
    }

    fn order(&mut self, order: &NewOrder) {
        self.lines(&order.lines);
        self.attributes(&order.attributes);
    }

    fn action(&mut self, action: &Action) {
        match action {
            Action::Update(patch) => self.patch(patch),
            Action::RecordOperation {
                lines: OperationLines::Given(quantities),
                ..
            } => {
                for LineQuantity { line_id, .. } in quantities {
                    self.add(size_of::<LineQuantity>() + text(line_id.as_str()));
                }
            }
            Action::RecordOperation { .. }
            | Action::Transition(_)
            | Action::Hold { .. }
            | Action::Release { .. }
            | Action::Comment { .. }
            | Action::Settle
            | Action::TimeUp => {}
        }
    }

    fn patch(&mut self, patch: &Patch) {
        self.lines(patch.lines.as_deref().unwrap_or_default());
        match &patch.attributes {
            Some(AttributesPatch::Replace(attributes)) => self.attributes(attributes),
            Some(AttributesPatch::Merge(merged)) => {
                for (key, value) in merged {
                    self.add(ENTRY_BYTES + key.len() + value.as_deref().map_or(0, str::len));
                }
            }
            None => {}
        }
        if let Some(stated) = &patch.stated {
            for hold in &stated.holds {
                self.add(size_of_val(hold) + text(hold.id.as_str()) + text(hold.reason.as_str()));
            }
            for line in &stated.lines {
                self.add(size_of_val(line));
            }
        }
    }

    fn lines(&mut self, lines: &[NewLine]) {
        for line in lines {
            let texts = [line.id.as_str(), line.sku.as_str(), line.name.as_str()];
            self.add(size_of_val(line) + texts.into_iter().map(text).sum::<usize>());
        }
    }

    fn attributes(&mut self, attributes: &Attributes) {
        self.map(attributes.as_map());
    }

    fn map(&mut self, map: &BTreeMap<String, String>) {
        for (key, value) in map {
            self.add(ENTRY_BYTES + key.len() + value.len());
        }
    }
}

/// What a text takes on the heap; an empty one shares what all empty ones have.
fn text(text: &str) -> usize {
    match text.len() {
        0 => 0,
        bytes => COUNTS_BYTES + bytes.next_multiple_of(8),
    }
}
