//! Why a value was refused.

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
        /// The length of what was given, in characters.
        actual: usize,
    },
    /// More than the allowed number of bytes.
    #[error("must have at most {max} bytes in all, has {actual}")]
    TooLarge {
        /// The limit, in bytes.
        max: usize,
        /// The size of what was given, in bytes.
        actual: usize,
    },
    /// More than the allowed number of elements.
    #[error("must have at most {max} entries, has {actual}")]
    TooMany {
        /// The limit, in elements.
        max: usize,
        /// The number that was given, in elements.
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
        /// Its fault.
        fault: Fault,
    },
    /// An entry of a map whose key or value is wrong.
    #[error("has an entry `{key}` that is refused: {problem}")]
    Entry {
        /// Its key, with a space in place of each control character.
        key: String,
        /// The fault.
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
        /// Its fault, and where it stands.
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

/// Refuses what is not of the form that `expected` tells in words.
pub(crate) fn formed(is_right: bool, expected: &'static str) -> Result<(), Invalid> {
    is_right
        .then_some(())
        .ok_or(Invalid::Malformed { expected })
}

/// Refuses more than so many characters.
pub(crate) fn characters_at_most(max: usize, actual: usize) -> Result<(), Invalid> {
    let is_right = actual <= max;
    is_right
        .then_some(())
        .ok_or(Invalid::TooLong { max, actual })
}

/// The fault of a character where it stands; completes "the character … ".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It controls a device, as a bell or an escape does.
    #[error("is a control character, which is refused")]
    Control,
    /// Nobody sees it, so two names would read alike.
    #[error("is an invisible character, which is refused")]
    Invisible,
    /// It turns the direction of what comes after it, so a name would read as another.
    #[error("turns the direction of what is read, which is refused")]
    Turning,
    /// Nobody sees it, and there is nothing else to see.
    #[error("is an invisible character, and nothing else stands there")]
    Alone,
}
