//! One mutation of one order as it was read, and the memory of its lists and maps. A step alone is
//! bounded by what it takes while it is decoded; of many steps with as many short entries as each may
//! have, a batch keeps all at once.

use std::collections::BTreeMap;

use waymark_domain::{
    order::{
        Action, AttributesPatch, Command, Context, LineQuantity, NewLine, NewOrder, OperationLines,
        Patch,
    },
    value::{OrderId, StoreView, WorkflowCode},
};

use super::call::{RequestKey, StepCall, ValidateOnly};

/// The memory of a text besides its bytes: the counts of an `Arc`.
const COUNTS_BYTES: usize = 16;
/// The memory of an entry of a map besides its bytes, in nodes that are half empty.
const ENTRY_BYTES: usize = 96;

/// One mutation of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedStep {
    /// The workflow of the order.
    pub workflow: WorkflowCode,
    /// The order.
    pub order_id: OrderId,
    /// The key of a repeated call; none where the call shall not be recognised.
    pub request: Option<RequestKey>,
    /// The change.
    pub change: ParsedChange,
    /// The store view whose labels the answer shows; none for the order's own.
    pub store_view: Option<StoreView>,
    /// Whether the call only asks what would happen. Steps of batches and streams say no.
    pub validate_only: ValidateOnly,
    /// The name of the mutation as a field of [`v1::Step`](crate::v1::Step).
    pub command: &'static str,
}

/// A change of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParsedChange {
    /// Place it.
    Create {
        /// The order.
        order: Box<NewOrder>,
        /// The context of its first entry.
        context: Context,
    },
    /// Change it.
    Change(Command),
}

impl ParsedStep {
    pub(crate) fn new(
        (workflow, order_id): (WorkflowCode, OrderId),
        call: StepCall,
        change: impl FnOnce(Context, Option<i64>) -> ParsedChange,
    ) -> Self {
        Self {
            workflow,
            order_id,
            request: call.request,
            change: change(call.context, call.expected_version),
            store_view: call.store_view,
            validate_only: call.validate_only,
            command: "",
        }
    }

    pub(crate) fn change(order: (WorkflowCode, OrderId), call: StepCall, action: Action) -> Self {
        Self::new(order, call, |context, expected_version| {
            ParsedChange::Change(Command {
                context,
                expected_version,
                action,
            })
        })
    }

    pub(crate) fn named(self, command: &'static str) -> Self {
        Self { command, ..self }
    }
}

/// The memory of a step, and of its lists and maps the one that takes most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The memory of all of them.
    pub(crate) bytes: usize,
    /// The path of the largest in the request of the step.
    pub(crate) largest: &'static str,
    /// The number of its entries.
    pub(crate) entries: usize,
    largest_bytes: usize,
}

impl Taken {
    /// Reckons the memory of a step.
    pub(crate) fn by(step: &ParsedStep) -> Self {
        let mut taken = Self::default();
        match &step.change {
            ParsedChange::Create { order, context } => {
                taken.context(context);
                taken.lines(&order.lines);
                taken.map("order.attributes", order.attributes.as_map());
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

    /// Adds a list or map whose entries take so much.
    fn add(&mut self, path: &'static str, entries: impl Iterator<Item = usize>) {
        let (mut count, mut bytes) = (0, 0);
        for entry in entries {
            count += 1;
            bytes += entry;
        }
        self.bytes += bytes;
        if bytes > self.largest_bytes {
            (self.largest, self.entries, self.largest_bytes) = (path, count, bytes);
        }
    }

    fn context(&mut self, context: &Context) {
        self.map("metadata", context.metadata.as_map());
        let roles = context.actor.roles.iter();
        let roles = roles.map(|role| size_of_val(role) + text(role.as_str()));
        self.add("actor.roles", roles);
    }

    fn action(&mut self, action: &Action) {
        match action {
            Action::Update(patch) => self.patch(patch),
            Action::RecordOperation {
                lines: OperationLines::Given(quantities),
                ..
            } => {
                let quantities = quantities.iter();
                let quantities = quantities.map(|LineQuantity { line_id, .. }| {
                    size_of::<LineQuantity>() + text(line_id.as_str())
                });
                self.add("lines", quantities);
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
            Some(AttributesPatch::Replace(attributes)) => {
                self.map("order.attributes", attributes.as_map());
            }
            Some(AttributesPatch::Merge(merged)) => {
                let merged = merged.iter().map(|(key, value)| {
                    ENTRY_BYTES + key.len() + value.as_deref().map_or(0, str::len)
                });
                self.add("order.attributes", merged);
            }
            None => {}
        }
        if let Some(stated) = &patch.stated {
            let holds = stated.holds.iter().map(|hold| {
                size_of_val(hold) + text(hold.id.as_str()) + text(hold.reason.as_str())
            });
            self.add("order.holds", holds);
            self.add("order.lines", stated.lines.iter().map(size_of_val));
        }
    }

    fn lines(&mut self, lines: &[NewLine]) {
        let lines = lines.iter().map(|line| {
            let texts = [line.id.as_str(), line.sku.as_str(), line.name.as_str()];
            size_of_val(line) + texts.into_iter().map(text).sum::<usize>()
        });
        self.add("order.lines", lines);
    }

    fn map(&mut self, path: &'static str, map: &BTreeMap<String, String>) {
        let entries = map
            .iter()
            .map(|(key, value)| ENTRY_BYTES + key.len() + value.len());
        self.add(path, entries);
    }
}

/// The memory of a text on the heap; an empty one shares what all empty ones have.
fn text(text: &str) -> usize {
    match text.len() {
        0 => 0,
        bytes => COUNTS_BYTES + bytes.next_multiple_of(8),
    }
}
