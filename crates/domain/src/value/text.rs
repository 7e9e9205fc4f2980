//! Free text with a limit: labels, names, comments, reasons, descriptions.

use std::{borrow::Borrow, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Invalid, character, characters_at_most, text_type};

/// Text of at most `MAX` bytes that may be empty. Line breaks and tabs are
/// allowed, other control characters are not. What is a `NAME` has no characters
/// that would make it read as another one; other texts may have them beside
/// something that can be seen.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text<const MAX: usize, const NAME: bool = false>(Arc<str>);

/// Marks texts by which people tell one thing from another.
const AS_NAME: bool = true;

/// A comment on a step: at most 4 KiB.
pub type Comment = Text<4096>;
/// A description of a part of a workflow: at most 4 KiB.
pub type Description = Text<4096, AS_NAME>;
/// Why an order is held: at most 512 bytes.
pub type Reason = Text<512>;
/// The id of an actor or customer: at most 128 bytes.
pub type ActorId = Text<128>;
/// A stock keeping unit: at most 128 bytes.
pub type Sku = Text<128, AS_NAME>;
/// The name of a product or customer: at most 256 bytes.
pub type ProductName = Text<256, AS_NAME>;

impl<const MAX: usize, const NAME: bool> Text<MAX, NAME> {
    /// Checks a text against the limit.
    ///
    /// # Errors
    /// Returns [`Invalid`] for a text that is too large, has control characters, or characters that
    /// nobody sees: in a name anywhere, else where nothing else stands.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let (max, actual) = (MAX, text.len());
        if actual > max {
            return Err(Invalid::TooLarge { max, actual });
        }
        character::no_controls_in_lines(text)?;
        if NAME {
            character::legible(text)?;
        } else {
            character::not_alone(text)?;
        }
        // Most texts of most orders are empty.
        Ok(if text.is_empty() {
            Self::default()
        } else {
            Self(Arc::from(text))
        })
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<const MAX: usize, const NAME: bool> Default for Text<MAX, NAME> {
    fn default() -> Self {
        // Which does not allocate.
        Self(Arc::default())
    }
}

text_type!(impl[const MAX: usize, const NAME: bool] Text<MAX, NAME>);

text_type! {
    /// A label for people: 1 to 128 characters on one line. Duplicates are allowed.
    Label, label
}

impl Label {
    /// A code as a label: a poor one, but never none.
    pub(crate) fn of_code(code: &impl Borrow<str>) -> Self {
        let text: &str = code.borrow();
        Self(Arc::from(text))
    }
}

fn label(text: &str) -> Result<(), Invalid> {
    if text.trim().is_empty() {
        return Err(Invalid::Empty);
    }
    character::no_controls(text)?;
    character::legible(text)?;
    characters_at_most(128, text.chars().count())
}
