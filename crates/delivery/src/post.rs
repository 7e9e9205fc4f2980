//! One webhook as it goes out: where to, what, signed with what, and the headers
//! of Standard Webhooks and of CloudEvents in binary mode.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONTENT_TYPE, InvalidHeaderValue},
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{Secret, WebhookUrl, signature::signature};

/// What a CloudEvents header writes as `%XX`, beside everything that is not ASCII.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

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
    /// What the body tells, as CloudEvents has it.
    pub event: CloudEvent,
    /// The media type of the body.
    pub content_type: HeaderValue,
    /// What is sent and signed, byte for byte.
    pub body: Bytes,
    /// How long the whole attempt may take, from the search for the address to the last byte read.
    pub timeout: Duration,
}

/// The attributes of an event, CloudEvents 1.0. Texts may hold any character;
/// they are encoded for headers here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudEvent {
    /// `id`: unique together with the source, not empty.
    pub id: String,
    /// `source`: a URI reference, not empty.
    pub source: String,
    /// `type`: dotted words, not empty.
    pub kind: String,
    /// `subject`: what it is about.
    pub subject: Option<String>,
    /// `time`: when it happened, RFC 3339.
    pub time: String,
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
    pub(crate) fn headers(&self) -> Result<HeaderMap, InvalidHeaderValue> {
        let signature = signature(&self.id, self.timestamp, &self.body, &self.secrets);
        let mut headers = self.event.headers()?;
        headers.insert(CONTENT_TYPE, self.content_type.clone());
        headers.insert("webhook-id", self.id.as_str().try_into()?);
        headers.insert("webhook-timestamp", self.timestamp.into());
        headers.insert("webhook-signature", signature.try_into()?);
        Ok(headers)
    }
}

impl CloudEvent {
    fn headers(&self) -> Result<HeaderMap, InvalidHeaderValue> {
        let attributes = [
            ("ce-id", Some(&self.id)),
            ("ce-source", Some(&self.source)),
            ("ce-type", Some(&self.kind)),
            ("ce-subject", self.subject.as_ref()),
            ("ce-time", Some(&self.time)),
        ];
        let mut headers = HeaderMap::new();
        headers.insert("ce-specversion", HeaderValue::from_static("1.0"));
        for (name, value) in attributes {
            if let Some(value) = value {
                let encoded = utf8_percent_encode(value, ENCODED).to_string();
                headers.insert(HeaderName::from_static(name), encoded.try_into()?);
            }
        }
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

    #[test]
    fn attributes_may_hold_any_character() {
        let event = CloudEvent {
            id: "17".to_owned(),
            source: "/workflows/order".to_owned(),
            kind: "order.held".to_owned(),
            subject: Some("50% \"Euro € 😀\"\r\nx: y".to_owned()),
            time: "2026-11-22T06:00:00Z".to_owned(),
        };
        let headers = event.headers().unwrap();
        assert_eq!(
            headers.get("ce-subject").unwrap(),
            "50%25%20%22Euro%20%E2%82%AC%20%F0%9F%98%80%22%0D%0Ax:%20y"
        );
        assert_eq!(headers.get("ce-source").unwrap(), "/workflows/order");
    }
}
