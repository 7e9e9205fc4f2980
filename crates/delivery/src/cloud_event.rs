//! What an event says about itself, in the words of `CloudEvents` 1.0.

/// The attributes of one event. `subject` and `time` may be empty, the others not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudEvent {
    /// Tells it from every other event of the same source.
    pub id: String,
    /// Where it happened, a URI reference.
    pub source: String,
    /// What happened, such as `dev.waymark.order.transitioned`.
    pub kind: String,
    /// To what it happened, within the source.
    pub subject: String,
    /// When it happened, as RFC 3339 writes it.
    pub time: String,
    /// What its data is, such as `application/json`.
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
}
