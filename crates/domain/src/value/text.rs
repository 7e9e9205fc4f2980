//! Free text with a limit: labels, comments, reasons, descriptions.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::Invalid;

/// Text of at most `MAX` bytes that may be empty. Line breaks and tabs are
/// allowed, other control characters are not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text<const MAX: usize>(Arc<str>);

/// A comment on a step: at most 4 KiB.
pub type Comment = Text<4096>;
/// A description of a part of a workflow: at most 4 KiB.
pub type Description = Text<4096>;
/// Why an order is held: at most 512 bytes.
pub type Reason = Text<512>;
/// The id of an actor or customer: at most 128 bytes.
pub type ActorId = Text<128>;
/// A stock keeping unit: at most 128 bytes.
pub type Sku = Text<128>;
/// The name of a product or customer: at most 256 bytes.
pub type ProductName = Text<256>;

impl<const MAX: usize> Text<MAX> {
    /// Checks a text against the limit.
    ///
    /// # Errors
    /// Returns [`Invalid`] for a text that is too large or has control characters.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        if text.len() > MAX {
            return Err(Invalid::TooLarge {
                max: MAX,
                actual: text.len(),
            });
        }
        if text
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        {
            return Err(Invalid::ControlCharacter);
        }
        Ok(Self(Arc::from(text)))
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<const MAX: usize> Default for Text<MAX> {
    fn default() -> Self {
        Self(Arc::from(""))
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl<const MAX: usize> FromStr for Text<MAX> {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

impl<const MAX: usize> TryFrom<String> for Text<MAX> {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::new(&text)
    }
}

impl<const MAX: usize> From<Text<MAX>> for String {
    fn from(text: Text<MAX>) -> Self {
        text.0.as_ref().to_owned()
    }
}

/// What people read: 1 to 128 characters on one line. Duplicates are allowed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(Arc<str>);

impl Label {
    /// Checks a text against the rule of labels.
    ///
    /// # Errors
    /// Returns [`Invalid`] for a blank or too long text, or control characters.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let characters = text.chars().count();
        if text.trim().is_empty() {
            return Err(Invalid::Empty);
        }
        if text.chars().any(char::is_control) {
            return Err(Invalid::ControlCharacter);
        }
        if characters > 128 {
            return Err(Invalid::TooLong {
                max: 128,
                actual: characters,
            });
        }
        Ok(Self(Arc::from(text)))
    }

    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl FromStr for Label {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

impl TryFrom<String> for Label {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::new(&text)
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0.as_ref().to_owned()
    }
}
