//! Deliveries that an entry sets off, and where they go.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    value::{EmailAddress, EndpointCode, Invalid},
    workflow::ActionPath,
};

/// Something that an entry set off to be sent after the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetOff {
    /// The action that wants it.
    pub action: ActionPath,
    /// Where it goes.
    pub to: Destination,
}

/// Where something goes that an entry set off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// To an endpoint of webhooks.
    Endpoint(EndpointCode),
    /// To readers of mails.
    Readers(Readers),
    /// To NATS.
    Subject,
}

/// Who reads a mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readers {
    /// The customer, and the others as blind copies where the action says so.
    Customer,
    /// The customer alone.
    CustomerAlone,
    /// The customer alone, whose address the mail server has refused. The copies of later mails of
    /// the order do not wait for this one.
    CustomerRefused,
    /// The others alone, as blind copies.
    Copies,
    /// One other, in a mail of its own.
    Copy(EmailAddress),
}

impl Destination {
    /// The word for what is sent there, as documents have it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Endpoint(_) => "webhook",
            Self::Readers(_) => "email",
            Self::Subject => "publish",
        }
    }

    /// The lane: the ordering key of deliveries of one order. Each endpoint has one, mails to the
    /// customer, mails to others alone, and NATS.
    pub fn lane(&self) -> String {
        match self {
            Self::Endpoint(code) => format!("webhook.{code}"),
            Self::Readers(
                Readers::Customer | Readers::CustomerAlone | Readers::CustomerRefused,
            ) => "email".to_owned(),
            Self::Readers(Readers::Copies | Readers::Copy(_)) => "email.copies".to_owned(),
            Self::Subject => "publish".to_owned(),
        }
    }

    /// The text under which it is stored: as it is shown, but with what is to be known of a mail
    /// to the customer.
    pub fn stored(&self) -> String {
        match self {
            Self::Readers(Readers::CustomerAlone) => "customer_alone".to_owned(),
            Self::Readers(Readers::CustomerRefused) => "customer_refused".to_owned(),
            Self::Readers(Readers::Customer | Readers::Copies | Readers::Copy(_))
            | Self::Endpoint(_)
            | Self::Subject => self.to_string(),
        }
    }

    /// Reads what [`Self::kind`] and [`Self::stored`] say.
    ///
    /// # Errors
    /// Returns [`Invalid`] for what no destination says.
    pub fn parse(kind: &str, text: &str) -> Result<Self, Invalid> {
        match (kind, text) {
            ("webhook", code) => EndpointCode::new(code).map(Self::Endpoint),
            ("email", "customer") => Ok(Self::Readers(Readers::Customer)),
            ("email", "customer_alone") => Ok(Self::Readers(Readers::CustomerAlone)),
            ("email", "customer_refused") => Ok(Self::Readers(Readers::CustomerRefused)),
            ("email", "copies") => Ok(Self::Readers(Readers::Copies)),
            ("email", address) => {
                EmailAddress::new(address).map(|address| Self::Readers(Readers::Copy(address)))
            }
            ("publish", "") => Ok(Self::Subject),
            _ => Err(Invalid::Malformed {
                expected: "a destination of a webhook, a mail or an event",
            }),
        }
    }
}

/// The code of an endpoint, `customer`, `copies` or an address; nothing for NATS.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(code) => code.fmt(f),
            Self::Readers(
                Readers::Customer | Readers::CustomerAlone | Readers::CustomerRefused,
            ) => f.write_str("customer"),
            Self::Readers(Readers::Copies) => f.write_str("copies"),
            Self::Readers(Readers::Copy(address)) => address.fmt(f),
            Self::Subject => Ok(()),
        }
    }
}
