//! Addresses of mails.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Invalid, formed, no_controls, text_type};

/// The length of an address that mail servers have to take, in bytes (RFC 5321, 4.5.3.1.3).
const BYTES_MAX: usize = 254;
/// The form of an address, for messages.
const EXPECTED: &str = "an address such as warehouse@example.com";

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
        let parsed = email_address::EmailAddress::parse_with_options(text, options);
        formed(parsed.is_ok(), EXPECTED)?;
        Ok(Self(Arc::from(text)))
    }

    /// Checks that a text names nobody or is one address that a mail can go to, without spaces
    /// around it. Orders keep what they were given before this was asked, so it is asked where a
    /// call brings an address, and not where an order is read.
    ///
    /// # Errors
    /// Returns [`Invalid`] for what is no address, for several, and for one of more than 254 bytes.
    pub fn check(text: &str) -> Result<(), Invalid> {
        if text.is_empty() {
            return Ok(());
        }
        no_controls(text)?;
        let address = Self::new(text).map_err(|problem| match problem {
            // Of spaces alone.
            Invalid::Empty => Invalid::Malformed { expected: EXPECTED },
            problem => problem,
        })?;
        formed(address.as_str() == text, EXPECTED)?;
        let (max, actual) = (BYTES_MAX, text.len());
        if actual > max {
            return Err(Invalid::TooLarge { max, actual });
        }
        Ok(())
    }
}

text_type!(impl[] EmailAddress);

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

    #[test]
    fn a_call_brings_no_address_or_one_that_mails_can_go_to() {
        let longest = format!("{}@{}.example", "a".repeat(64), "b.".repeat(90) + "b");
        assert_eq!(longest.len(), 254);
        for good in [
            "",
            "ada@example.com",
            "ada+1@mail.example.com",
            "ada@m\u{fc}ller.example",
            &longest,
        ] {
            assert_eq!(EmailAddress::check(good), Ok(()), "{good}");
        }
        let too_long = longest.replace(".example", ".examples");
        for bad in [
            " ",
            " ada@example.com",
            "ada@example.com ",
            "ada@example.com\u{a0}",
            "postmaster",
            "ada@example.com.",
            "ada@example.com\nBcc: eve@example.com",
            "ada@example.com\r\n",
            "ada@example.com, eve@example.com",
            "ada@example.com;eve@example.com",
            "Ada <ada@example.com>",
            &too_long,
        ] {
            assert!(EmailAddress::check(bad).is_err(), "{bad:?}");
        }
    }
}
