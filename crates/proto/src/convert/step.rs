//! One mutation of one order, ready to be committed: alone, in a batch, or from a stream.

use std::vec;

use bytes::Bytes;
use prost::Message;
use waymark_domain::{
    order::{Action, Command, Context, NewOrder},
    value::{Invalid, OrderId, StoreView, WorkflowCode},
};

use super::{
    call::{RequestKey, StepCall, ValidateOnly},
    command, created, patch,
    taken::Taken,
    violations::{Noted, Path, Violations},
};
use crate::{
    encoded::StepsMessage,
    invalid::{InvalidRequest, Problem},
    shape::{self, Shaped, Unfit},
    v1::{self, step::Command as Kind},
};

/// The most steps of one batch.
pub(crate) const STEPS_MAX: usize = 1_000;
/// What the lists and maps of the steps of a batch may take together, once they are read: so much for each byte of the
/// steps, and so much in any case, which is enough for 50,000 lines however short they are.
const TAKEN_PER_BYTE: usize = 5;
const TAKEN_FREE: usize = 4 * 1024 * 1024;
/// The most bytes that a correlation id may have.
const CORRELATION_ID_BYTES_MAX: usize = 128;
/// How much of one that has more is repeated in the result.
const CORRELATION_ID_REPEATED_MAX: usize = 1_024;

/// One mutation of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedStep {
    /// The workflow of the order.
    pub workflow: WorkflowCode,
    /// The order.
    pub order_id: OrderId,
    /// What makes a repeated call recognisable; none if it shall not be.
    pub request: Option<RequestKey>,
    /// What shall be done.
    pub change: ParsedChange,
    /// The store view whose labels the answer shows; none for the order's own.
    pub store_view: Option<StoreView>,
    /// Whether the call only asks what would happen. Steps of batches and streams say no.
    pub validate_only: ValidateOnly,
    /// What the mutation is called as a field of [`v1::Step`].
    pub command: &'static str,
}

/// What shall be done with an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParsedChange {
    /// Place it.
    Create {
        /// The order.
        order: Box<NewOrder>,
        /// What goes into its first entry.
        context: Context,
    },
    /// Change it.
    Change(Command),
}

/// A batch of steps.
#[derive(Debug, Clone)]
pub struct ExecuteSteps {
    /// The steps.
    pub steps: Steps,
    /// Whether all or none are carried out.
    pub atomic: bool,
    /// Whether results carry the order.
    pub return_orders: bool,
    /// Whether the call only asks what would happen.
    pub validate_only: ValidateOnly,
}

/// The steps of a batch, or what is wrong with each. They are read one after the other, when they are asked for: messages
/// are larger than what is made of them, and so are lists of violations.
#[derive(Debug, Clone)]
pub struct Steps {
    encoded: vec::IntoIter<Bytes>,
    count: usize,
    /// What the lists and maps of those to come may take.
    room: usize,
    default: WorkflowCode,
}

/// A step of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamedStep {
    /// What the result is to be called.
    pub correlation_id: String,
    /// The step, or what is wrong with it.
    pub step: Result<ParsedStep, InvalidRequest>,
}

/// Every mutation of an order may be a call of its own and a step of many.
macro_rules! mutations {
    ($($(#[$doc:meta])* $name:ident($kind:ident: $request:ident) by $read:path;)+) => {
        impl ParsedStep {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// Returns [`InvalidRequest`] with every field that breaks a rule.
                pub fn $name(request: v1::$request, default: &WorkflowCode) -> Result<Self, InvalidRequest> {
                    let step = Violations::collect(|found| $read(found, Path::REQUEST, request, default));
                    step.map(|step| step.named(stringify!($name)))
                }
            )+

            /// Reads the mutation of a step, and says what its field is called.
            fn read_kind(
                found: &mut Violations,
                at: Path<'_>,
                kind: Kind,
                default: &WorkflowCode,
            ) -> (&'static str, Result<Self, Noted>) {
                match kind {
                    $(Kind::$kind(request) => {
                        let name = stringify!($name);
                        let step = $read(found, at.field(name), request, default);
                        (name, step.map(|step| step.named(name)))
                    })+
                }
            }
        }
    };
}

mutations! {
    /// Reads a call that places an order.
    create_order(CreateOrder: CreateOrderRequest) by created::read;
    /// Reads a call that changes fields of an order.
    update_order(UpdateOrder: UpdateOrderRequest) by patch::read;
    /// Reads a call that takes a transition.
    transition_order(TransitionOrder: TransitionOrderRequest) by command::transition;
    /// Reads a call that records an operation.
    record_operation(RecordOperation: RecordOperationRequest) by command::operation;
    /// Reads a call that puts an order on hold.
    hold_order(HoldOrder: HoldOrderRequest) by command::hold;
    /// Reads a call that ends holds.
    release_order(ReleaseOrder: ReleaseOrderRequest) by command::release;
    /// Reads a call that adds a comment.
    add_comment(AddComment: AddCommentRequest) by command::comment;
}

impl ParsedStep {
    pub(crate) fn change(
        (workflow, order_id): (WorkflowCode, OrderId),
        call: StepCall,
        action: Action,
    ) -> Self {
        let StepCall {
            context,
            store_view,
            expected_version,
            request,
            validate_only,
        } = call;
        let command = Command {
            context,
            expected_version,
            action,
        };
        Self {
            workflow,
            order_id,
            request,
            change: ParsedChange::Change(command),
            store_view,
            validate_only,
            command: "",
        }
    }

    fn named(self, command: &'static str) -> Self {
        Self { command, ..self }
    }

    /// Reads a step of a batch or stream.
    fn read(
        found: &mut Violations,
        at: Path<'_>,
        step: Option<v1::Step>,
        default: &WorkflowCode,
    ) -> Result<Self, Noted> {
        let command = step.and_then(|v1::Step { command }| command);
        let kind = found.required(at.field("command"), command)?;
        let (name, step) = Self::read_kind(found, at, kind, default);
        let step = step?;
        match step.validate_only {
            ValidateOnly::No => Ok(step),
            ValidateOnly::Yes => {
                let command = at.field(name);
                Err(found.note(command.field("validate_only"), Problem::NotPerStep))
            }
        }
    }
}

impl ExecuteSteps {
    /// Reads a batch. A step that is wrong stands in its place and does not touch the others.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] for a batch without steps or with more than 1,000.
    pub fn read(request: StepsMessage, default: &WorkflowCode) -> Result<Self, InvalidRequest> {
        let StepsMessage {
            steps,
            atomic,
            return_orders,
            validate_only,
        } = request;
        let (min, max, actual) = (1, STEPS_MAX, steps.len());
        if !(min..=max).contains(&actual) {
            return Err(InvalidRequest::new(
                "steps",
                Problem::Count { min, max, actual },
            ));
        }
        Ok(Self {
            steps: Steps {
                count: steps.len(),
                room: room_of(&steps),
                encoded: steps.into_iter(),
                default: default.clone(),
            },
            atomic,
            return_orders,
            validate_only: validate_only.into(),
        })
    }
}

impl Iterator for Steps {
    type Item = Result<ParsedStep, InvalidRequest>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.count - self.encoded.len();
        let encoded = self.encoded.next()?;
        let request = Path::REQUEST;
        let list = request.field("steps");
        let at = list.index(index);
        let fits = match shape::weigh(v1::Step::shape(), &encoded) {
            Ok(()) => true,
            Err(Unfit::Malformed) => false,
            Err(Unfit::Dense(invalid)) => return Some(Err(invalid.below(&at.to_string()))),
        };
        let (room, default) = (&mut self.room, &self.default);
        Some(Violations::collect(|found| {
            let step = fits.then(|| v1::Step::decode(encoded).ok()).flatten();
            let step = step.ok_or_else(|| found.note(at, Problem::Malformed))?;
            let step = ParsedStep::read(found, at, Some(step), default)?;
            let taken = Taken::by(&step);
            let Some(left) = room.checked_sub(taken.bytes) else {
                let (command, count) = (at.field(step.command), taken.entries);
                return Err(found.note(command.field(taken.largest), Problem::Crowded { count }));
            };
            *room = left;
            Ok(step)
        }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.encoded.size_hint()
    }
}

impl ExactSizeIterator for Steps {}

/// What the lists and maps of steps may take together.
fn room_of(steps: &[Bytes]) -> usize {
    let bytes: usize = steps.iter().map(Bytes::len).sum();
    TAKEN_FREE.saturating_add(bytes.saturating_mul(TAKEN_PER_BYTE))
}

impl StreamedStep {
    /// Reads a message of a stream; what is wrong with it is part of the result, so that the
    /// stream can go on.
    pub fn read(request: v1::StreamStepsRequest, default: &WorkflowCode) -> Self {
        let v1::StreamStepsRequest {
            mut correlation_id,
            step,
        } = request;
        let (max, actual) = (CORRELATION_ID_BYTES_MAX, correlation_id.len());
        let step = Violations::collect(|found| {
            let request = Path::REQUEST;
            if actual > max {
                let at = request.field("correlation_id");
                found.note(at, Invalid::TooLarge { max, actual });
            }
            ParsedStep::read(found, request.field("step"), step, default)
        });
        correlation_id.truncate(correlation_id.floor_char_boundary(CORRELATION_ID_REPEATED_MAX));
        Self {
            correlation_id,
            step,
        }
    }
}
