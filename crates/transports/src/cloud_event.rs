//! The attributes of an event, as `CloudEvents` 1.0 names them.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// The ASCII characters that `CloudEvents` wants written as `%XX` in a header, beside all others.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// The attributes of one event. `subject` and `time` may be empty, the others not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudEvent {
    /// The id, unique among the events of the same source.
    pub id: String,
    /// The place where it happened, a URI reference.
    pub source: String,
    /// The kind of event, such as `dev.waymark.order.transitioned`.
    pub kind: String,
    /// The thing to which it happened, within the source.
    pub subject: String,
    /// The time when it happened, as RFC 3339 writes it.
    pub time: String,
    /// The media type of its data, such as `application/json`.
    pub content_type: String,
}

impl CloudEvent {
    /// Its attributes by their names in the specification, `specversion` included, those without a value left out.
    pub fn attributes(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let attributes = [
            ("specversion", "1.0"),
            ("id", self.id.as_str()),
            ("source", self.source.as_str()),
            ("type", self.kind.as_str()),
            ("subject", self.subject.as_str()),
            ("time", self.time.as_str()),
            ("datacontenttype", self.content_type.as_str()),
        ];
        attributes
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
    }

    /// The same attributes, written as headers have them in binary mode.
    pub(crate) fn encoded(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.attributes()
            .map(|(name, value)| (name, utf8_percent_encode(value, ENCODED).to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_may_hold_any_character() {
        let event = CloudEvent {
            id: "17".to_owned(),
            source: "/workflows/order".to_owned(),
            kind: "order.held".to_owned(),
            subject: "50% \"Euro € 😀\"\r\nx: y".to_owned(),
            time: String::new(),
            content_type: "application/json".to_owned(),
        };
        let encoded: Vec<_> = event.encoded().collect();
        let encoded: Vec<_> = encoded
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        assert_eq!(
            encoded,
            [
                ("specversion", "1.0"),
                ("id", "17"),
                ("source", "/workflows/order"),
                ("type", "order.held"),
                (
                    "subject",
                    "50%25%20%22Euro%20%E2%82%AC%20%F0%9F%98%80%22%0D%0Ax:%20y"
                ),
                ("datacontenttype", "application/json"),
            ]
        );
    }
}
