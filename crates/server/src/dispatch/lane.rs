//! A lane, which is the ordering key of deliveries: those of an order that share a lane are sent
//! one after the other. `Destination::lane` writes it; it is read here alone.

/// A lane by its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane<'l> {
    /// Webhooks to the endpoint with this code.
    Webhook(&'l str),
    Email,
    Publish,
    /// A kind that this version does not know.
    Unknown,
}

impl<'l> Lane<'l> {
    pub(super) fn parse(text: &'l str) -> Self {
        match text {
            "email" | "email.copies" => Self::Email,
            "publish" => Self::Publish,
            _ => match text.strip_prefix("webhook.") {
                Some(code) => Self::Webhook(code),
                None => Self::Unknown,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use waymark_domain::{
        history::{Destination, Readers},
        value::EndpointCode,
    };

    use super::*;

    #[test]
    fn lanes_are_read_as_destinations_write_them() {
        let endpoint = EndpointCode::new("erp").unwrap();
        for (to, expected) in [
            (Destination::Endpoint(endpoint), Lane::Webhook("erp")),
            (Destination::Readers(Readers::Customer), Lane::Email),
            (Destination::Readers(Readers::Copies), Lane::Email),
            (Destination::Subject, Lane::Publish),
        ] {
            assert_eq!(Lane::parse(&to.lane()), expected);
        }
        assert_eq!(Lane::parse("fax"), Lane::Unknown);
    }
}
