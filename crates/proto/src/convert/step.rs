//! One mutation of one order, ready to be committed: alone, in a batch, or from a stream.

use std::vec;

use bytes::Bytes;
use prost::Message;
use waymark_domain::value::{Invalid, WorkflowCode};

pub use super::parsed::{ParsedChange, ParsedStep};
use super::{
    call::ValidateOnly,
    command, created,
    parsed::Taken,
    patch,
    violations::{Path, Read, Violations},
};
use crate::{
    encoded::StepsMessage,
    invalid::{InvalidRequest, Problem},
    shape::{self, STEPS_MAX, Shaped, Unfit},
    v1::{self, step::Command as Kind},
};

/// The memory that the lists and maps of the steps of a batch may take together, once they are read: so much for each
/// byte of the steps, and so much in any case, which is enough for 50,000 lines however short they are.
const TAKEN_PER_BYTE: usize = 5;
const TAKEN_FREE: usize = 4 * 1024 * 1024;
/// The most bytes that a correlation id may have.
const CORRELATION_ID_BYTES_MAX: usize = 128;
/// The most bytes of a longer one that are repeated in the result.
const CORRELATION_ID_REPEATED_MAX: usize = 1_024;

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
    /// The memory that the lists and maps of those to come may take.
    room: usize,
    default: WorkflowCode,
}

/// A step of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamedStep {
    /// The name of the result.
    pub correlation_id: String,
    /// The step, or what is wrong with it.
    pub step: Result<ParsedStep, InvalidRequest>,
}

/// Every mutation of an order may be a call of its own and a step of many.
macro_rules! mutations {
    ($($name:ident($kind:ident: $request:ident) by $read:path;)+) => {
        impl ParsedStep {
            $(
                #[doc = concat!("Reads a call of `", stringify!($kind), "`.")]
                ///
                /// # Errors
                /// Returns [`InvalidRequest`] with every field that breaks a rule.
                pub fn $name(request: v1::$request, default: &WorkflowCode) -> Result<Self, InvalidRequest> {
                    let step = Violations::collect(|at| $read(at, request, default));
                    step.map(|step| step.named(stringify!($name)))
                }
            )+

            /// Reads the mutation of a step, and says what its field is called.
            fn read_kind(
                at: Path<'_>,
                kind: Kind,
                default: &WorkflowCode,
            ) -> (&'static str, Read<Self>) {
                match kind {
                    $(Kind::$kind(request) => {
                        let name = stringify!($name);
                        let step = $read(at.field(name), request, default);
                        (name, step.map(|step| step.named(name)))
                    })+
                }
            }
        }
    };
}

mutations! {
    create_order(CreateOrder: CreateOrderRequest) by created::read;
    update_order(UpdateOrder: UpdateOrderRequest) by patch::read;
    transition_order(TransitionOrder: TransitionOrderRequest) by command::transition;
    record_operation(RecordOperation: RecordOperationRequest) by command::operation;
    hold_order(HoldOrder: HoldOrderRequest) by command::hold;
    release_order(ReleaseOrder: ReleaseOrderRequest) by command::release;
    add_comment(AddComment: AddCommentRequest) by command::comment;
}

impl ParsedStep {
    /// Reads a step of a batch or stream.
    fn read(at: Path<'_>, step: Option<v1::Step>, default: &WorkflowCode) -> Read<Self> {
        let command = step.and_then(|v1::Step { command }| command);
        let kind = at.field("command").required(command)?;
        let (name, step) = Self::read_kind(at, kind, default);
        let step = step?;
        match step.validate_only {
            ValidateOnly::No => Ok(step),
            ValidateOnly::Yes => {
                let command = at.field(name);
                Err(command.field("validate_only").note(Problem::NotPerStep))
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
            let problem = Problem::Count { min, max, actual };
            return Err(InvalidRequest::new("steps", problem));
        }
        let bytes: usize = steps.iter().map(Bytes::len).sum();
        Ok(Self {
            steps: Steps {
                count: steps.len(),
                room: TAKEN_FREE.saturating_add(bytes.saturating_mul(TAKEN_PER_BYTE)),
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
        let fits = match shape::weigh(v1::Step::shape(), &encoded) {
            Ok(()) => true,
            Err(Unfit::Malformed) => false,
            Err(Unfit::Dense(invalid)) => {
                return Some(Err(invalid.below(&format!("steps[{index}]"))));
            }
        };
        let (room, default) = (&mut self.room, &self.default);
        Some(Violations::collect(|request| {
            let list = request.field("steps");
            let at = list.index(index);
            let step = fits.then(|| v1::Step::decode(encoded).ok()).flatten();
            let step = step.ok_or_else(|| at.note(Problem::Malformed))?;
            let step = ParsedStep::read(at, Some(step), default)?;
            let taken = Taken::by(&step);
            let Some(left) = room.checked_sub(taken.bytes) else {
                let (command, count) = (at.field(step.command), taken.entries);
                return Err(command
                    .field(taken.largest)
                    .note(Problem::Crowded { count }));
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

impl StreamedStep {
    /// Reads a message of a stream; what is wrong with it is part of the result, so that the
    /// stream can go on.
    pub fn read(request: v1::StreamStepsRequest, default: &WorkflowCode) -> Self {
        let v1::StreamStepsRequest {
            mut correlation_id,
            step,
        } = request;
        let (max, actual) = (CORRELATION_ID_BYTES_MAX, correlation_id.len());
        let step = Violations::collect(|request| {
            if actual > max {
                let at = request.field("correlation_id");
                at.note(Invalid::TooLarge { max, actual });
            }
            ParsedStep::read(request.field("step"), step, default)
        });
        correlation_id.truncate(correlation_id.floor_char_boundary(CORRELATION_ID_REPEATED_MAX));
        Self {
            correlation_id,
            step,
        }
    }
}
