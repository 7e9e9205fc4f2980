//! One webhook as it goes out: where to, what, signed with what, and the headers
//! of Standard Webhooks and of CloudEvents in binary mode.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};

use crate::{CloudEvent, Secret, WebhookUrl, signature::signature};

/// One webhook, for one attempt.
#[derive(Debug, Clone)]
pub struct Post {
    /// Where it goes.
    pub url: WebhookUrl,
    /// What it is known by; the same at every attempt.
    pub id: MessageId,
    /// When this attempt is made, in seconds since 1970.
    pub timestamp: u64,
    /// Every secret that is valid now, the newest first. One at least.
    pub secrets: Vec<Secret>,
    /// What the body tells, as `CloudEvents` has it, with its media type.
    pub event: CloudEvent,
    /// What is sent and signed, byte for byte.
    pub body: Bytes,
    /// How long the whole attempt may take, from the search for the address to the last byte read.
    pub timeout: Duration,
}

/// The id of a message: 1 to 128 visible ASCII characters other than a full
/// stop, which parts the id from the time in what is signed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MessageId(String);

/// Why a text is no id of a message.
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

impl Post {
    /// The headers that say what this is and who sends it.
    pub(crate) fn headers(&self) -> Result<HeaderMap, http::Error> {
        let signature = signature(&self.id, self.timestamp, &self.body, &self.secrets);
        let mut headers = HeaderMap::new();
        for (name, value) in self.event.encoded() {
            // HTTP has a header of its own for the type of what is sent.
            let name = match name {
                "datacontenttype" => CONTENT_TYPE,
                name => HeaderName::try_from(format!("ce-{name}"))?,
            };
            headers.insert(name, HeaderValue::try_from(value)?);
        }
        headers.insert("webhook-id", HeaderValue::try_from(self.id.as_str())?);
        headers.insert("webhook-timestamp", self.timestamp.into());
        headers.insert("webhook-signature", HeaderValue::try_from(signature)?);
        Ok(headers)
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
