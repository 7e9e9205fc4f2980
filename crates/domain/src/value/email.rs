//! Addresses of mails.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Invalid, no_controls};

/// An address of mails such as `warehouse@example.com`, by the grammar of RFC 5321.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(Arc<str>);

impl EmailAddress {
    /// Checks a text against the grammar; spaces around it are left out.
    ///
    /// # Errors
    /// Returns [`Invalid`] for an empty text, for control characters and for what is no address.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Invalid::Empty);
        }
        no_controls(text)?;
        let options = email_address::Options::default()
            .without_display_text()
            .with_domain_literal();
        match email_address::EmailAddress::parse_with_options(text, options) {
            Ok(_) => Ok(Self(Arc::from(text))),
            Err(_) => Err(Invalid::Malformed {
                expected: "an address such as warehouse@example.com",
            }),
        }
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl FromStr for EmailAddress {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::new(&text)
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_addresses_and_refuses_the_rest() {
        let trimmed = EmailAddress::new(" a@example.com ").unwrap();
        assert_eq!(trimmed.as_str(), "a@example.com");
        for bad in [
            "",
            "a",
            "a@",
            "@b",
            "a b@c.d",
            "A <a@b.c>",
            "a@b.c\nBcc: d@e.f",
            "a@b.c,d@e.f",
        ] {
            assert!(EmailAddress::new(bad).is_err(), "{bad}");
        }
    }
}
