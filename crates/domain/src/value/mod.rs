//! Values with a rule: each is checked once, where it is made, and trusted from
//! then on. Limits come from the contract, section "Conventions".

mod character;
mod code;
mod email;
mod identifier;
mod map;
mod money;
mod nearest;
mod period;
mod quantity;
mod text;
mod timestamp;

pub(crate) use character::no_controls_in_lines;
pub use character::{Fault, is_hidden, legible, no_controls};
pub use code::{
    ActionCode, EndpointCode, OperationCode, StateCode, StatusCode, TemplateName, TransitionCode,
    WorkflowCode,
};
pub(crate) use code::{CODE, legal_code};
pub use email::EmailAddress;
pub use identifier::{Color, Currency, HoldId, LineId, OrderId, RequestId, Role, StoreView};
pub use map::{Attributes, Metadata};
pub use money::Money;
pub use nearest::nearest;
pub use period::Period;
pub use quantity::Quantity;
pub use text::{ActorId, Comment, Description, Label, ProductName, Reason, Sku, Text};
pub use timestamp::Timestamp;

/// Why a value was refused; [`sentence`] makes a sentence of it and the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A value is needed and none was given.
    #[error("must not be empty")]
    Empty,
    /// More than the allowed number of characters.
    #[error("must have at most {max} characters, has {actual}")]
    TooLong {
        /// The limit, in characters.
        max: usize,
        /// What was given, in characters.
        actual: usize,
    },
    /// More than the allowed number of bytes.
    #[error("must have at most {max} bytes in all, has {actual}")]
    TooLarge {
        /// The limit, in bytes.
        max: usize,
        /// What was given, in bytes.
        actual: usize,
    },
    /// More than the allowed number of elements.
    #[error("must have at most {max} entries, has {actual}")]
    TooMany {
        /// The limit, in elements.
        max: usize,
        /// What was given, in elements.
        actual: usize,
    },
    /// Not of the required form.
    #[error("must be {expected}")]
    Malformed {
        /// The form in words, such as `a colour like #3697cd`.
        expected: &'static str,
    },
    /// A character that may not stand where it does.
    #[error("U+{:04X} at character {position} {fault}", u32::from(*character))]
    Character {
        /// The character.
        character: char,
        /// Where it stands, in characters from 1.
        position: usize,
        /// What is wrong with it.
        fault: Fault,
    },
    /// An entry of a map whose key or value is wrong.
    #[error("has an entry `{key}` that is refused: {problem}")]
    Entry {
        /// Its key, with a space in place of each control character.
        key: String,
        /// What is wrong.
        problem: Box<Self>,
    },
    /// A number outside its range.
    #[error("must lie between {min} and {max}")]
    OutOfRange {
        /// The smallest allowed value.
        min: i64,
        /// The largest allowed value.
        max: i64,
    },
    /// A text with placeholders that cannot be filled in.
    #[error("cannot be filled in: {problem}")]
    Template {
        /// What is wrong with it, and where.
        problem: String,
    },
    /// Something that may appear once appears again.
    #[error("must not be given twice")]
    Duplicate,
}

/// A field and what is wrong with it as one sentence. A problem that begins with the character at
/// fault stands after a colon.
pub fn sentence(field: &str, problem: &str) -> String {
    let colon = if problem.starts_with("U+") { ":" } else { "" };
    format!("{field}{colon} {problem}")
}
