//! The id by which receivers know a webhook again.

use std::fmt;

/// The id of a message: 1 to 128 visible ASCII characters other than a full
/// stop, which parts the id from the time in what is signed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MessageId(String);

/// The error for a text that is no id of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a message has 1 to 128 visible ASCII characters and no full stop")]
pub struct InvalidMessageId;

impl MessageId {
    /// Checks an id.
    ///
    /// # Errors
    /// Returns [`InvalidMessageId`] when it is empty, too long, or has a space, a full stop, a control
    /// character or something that is not ASCII.
    pub fn new(text: &str) -> Result<Self, InvalidMessageId> {
        let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'.';
        if text.is_empty() || text.len() > 128 || !text.bytes().all(fits) {
            return Err(InvalidMessageId);
        }
        Ok(Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_no_full_stop_and_no_space() {
        for good in ["a", "order-4711/17", &"x".repeat(128)] {
            assert_eq!(MessageId::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "a.1", "a b", "a\n", "é", &"x".repeat(129)] {
            assert_eq!(MessageId::new(bad), Err(InvalidMessageId), "{bad:?}");
        }
    }
}
