//! One webhook as it is sent: its URL, its body, the secrets that sign it, and the
//! headers of Standard Webhooks and of CloudEvents in binary mode.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};

use crate::{CloudEvent, MessageId, Secret, WebhookUrl, signature::signature};

/// One webhook, for one attempt.
#[derive(Debug, Clone)]
pub struct Post {
    /// Where it goes.
    pub url: WebhookUrl,
    /// The id that receivers know it by; the same at every attempt.
    pub id: MessageId,
    /// The time of this attempt, in seconds since 1970.
    pub timestamp: u64,
    /// Every secret that is valid now, the newest first. One at least.
    pub secrets: Vec<Secret>,
    /// The attributes of the event in its body, with its media type.
    pub event: CloudEvent,
    /// The body that is sent and signed, byte for byte.
    pub body: Bytes,
    /// The longest that the whole attempt may take, from the search for the address to the last byte read.
    pub timeout: Duration,
}

impl Post {
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
