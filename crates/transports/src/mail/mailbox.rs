//! A name and an address that are safe in headers and in SMTP commands.

use lettre::{Address, address::AddressError, message};

const ADDRESS_BYTES_MAX: usize = 254;
const NAME_CHARS_MAX: usize = 128;

/// A mail address with the name of whom it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox(message::Mailbox);

/// The problem of a mail address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMailbox {
    /// It is longer than 254 bytes, which no mail server has to take.
    #[error("a mail address has at most {ADDRESS_BYTES_MAX} bytes")]
    TooLong,
    /// It has line breaks or other control characters.
    #[error("the mail address has U+{:04X} at character {position}, a control character, which is refused", u32::from(*character))]
    ControlCharacter {
        /// The character.
        character: char,
        /// Its position, in characters from 1.
        position: usize,
    },
    /// What follows the `@` is no name of a domain.
    #[error("`{domain}` is no domain")]
    Domain {
        /// The text after the last `@`.
        domain: String,
    },
    /// It is not of the form `somebody@somewhere.example`.
    #[error("`{address}` is no mail address")]
    Syntax {
        /// The whole address.
        address: String,
        /// The part of it that is wrong.
        #[source]
        source: AddressError,
    },
}

impl Mailbox {
    /// Takes `address`, whose domain may have letters beyond ASCII, and `name`, which may be empty.
    ///
    /// White space around both is dropped. In the name each run of control characters and white
    /// space becomes one space, and what goes beyond 128 characters is cut off: a name is
    /// decoration, so a strange one does not keep a mail from its customer.
    ///
    /// # Errors
    /// Says what is wrong with the address.
    pub fn new(name: &str, address: &str) -> Result<Self, InvalidMailbox> {
        let name = one_line(name, NAME_CHARS_MAX);
        let name = Some(name).filter(|name| !name.is_empty());
        Ok(Self(message::Mailbox::new(name, parse(address.trim())?)))
    }

    /// The name; empty where there is none.
    pub fn name(&self) -> &str {
        self.0.name.as_deref().unwrap_or_default()
    }

    /// The address, its domain in ASCII.
    pub fn address(&self) -> &str {
        self.0.email.as_ref()
    }

    pub(super) fn domain(&self) -> &str {
        self.0.email.domain()
    }

    pub(super) fn path(&self) -> &Address {
        &self.0.email
    }

    pub(super) fn header(&self) -> message::Mailbox {
        self.0.clone()
    }
}

fn parse(address: &str) -> Result<Address, InvalidMailbox> {
    if address.len() > ADDRESS_BYTES_MAX {
        return Err(InvalidMailbox::TooLong);
    }
    let mut numbered = address.chars().zip(1_usize..);
    if let Some((character, position)) = numbered.find(|(character, _)| character.is_control()) {
        return Err(InvalidMailbox::ControlCharacter {
            character,
            position,
        });
    }
    let syntax = |source| InvalidMailbox::Syntax {
        address: address.to_owned(),
        source,
    };
    let (user, domain) = address
        .rsplit_once('@')
        .ok_or_else(|| syntax(AddressError::MissingParts))?;
    // Few servers take addresses beyond ASCII, and for a domain there is no need to ask them.
    let domain = if domain.is_ascii() {
        domain.to_owned()
    } else {
        // Its error says nothing more.
        idna::domain_to_ascii(domain).map_err(|_| InvalidMailbox::Domain {
            domain: domain.to_owned(),
        })?
    };
    Address::new(user, domain).map_err(syntax)
}

/// `text` in one line of at most `chars_max` characters.
pub(super) fn one_line(text: &str, chars_max: usize) -> String {
    let words = text.split(|char: char| char.is_whitespace() || char.is_control());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(chars_max).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_smtp_cannot_carry_are_refused() {
        for address in [
            "",
            "nobody",
            "@shop.example",
            "anna@",
            "anna@shop example",
            "an na@shop.example",
            "anna@shop.example>\r\nRCPT TO:<eve@evil.example",
            "anna\r\n@shop.example",
            "\"a\nb\"@shop.example",
            "anna@shop.example\0",
            "anna@shop.example, eve@evil.example",
            "<anna@shop.example>",
            "anna@shop.example> SIZE=1",
        ] {
            assert!(Mailbox::new("", address).is_err(), "{address:?}");
        }
        let long = format!("{}@shop.example", "a".repeat(250));
        assert_eq!(Mailbox::new("", &long), Err(InvalidMailbox::TooLong));
        let problem = Mailbox::new("", "anna\r@shop.example").unwrap_err();
        assert_eq!(
            problem.to_string(),
            "the mail address has U+000D at character 5, a control character, which is refused"
        );
    }

    #[test]
    fn a_domain_beyond_ascii_is_written_in_ascii() {
        let mailbox = Mailbox::new("", " anna@m\u{fc}ller.example ").unwrap();
        assert_eq!(mailbox.address(), "anna@xn--mller-kva.example");
    }

    #[test]
    fn a_name_becomes_one_line() {
        let name = "Anna\r\nBcc: eve@evil.example\0\t Nym";
        let mailbox = Mailbox::new(name, "anna@shop.example").unwrap();
        assert_eq!(mailbox.name(), "Anna Bcc: eve@evil.example Nym");
        let mailbox = Mailbox::new(&"x".repeat(500), "anna@shop.example").unwrap();
        assert_eq!(mailbox.name().len(), NAME_CHARS_MAX);
        assert_eq!(Mailbox::new(" \n", "anna@shop.example").unwrap().name(), "");
    }
}
