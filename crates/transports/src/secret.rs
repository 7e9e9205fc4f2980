//! The secret that signs the webhooks of an endpoint, in the form of Standard Webhooks.

use std::fmt;

use base64::{DecodeError, Engine, engine::general_purpose::STANDARD};

/// The fewest bytes of a secret.
pub const SECRET_BYTES_MIN: usize = 24;
/// The most bytes of a secret.
pub const SECRET_BYTES_MAX: usize = 64;

/// The beginning of every secret, so that tools that search for leaked ones know it.
const PREFIX: &str = "whsec_";

/// A secret of 24 to 64 bytes. `Debug` does not show it; [`Secret::reveal`] does.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

/// The error for a text that is no secret. It does not show the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// It does not begin with `whsec_`.
    #[error("a secret begins with whsec_")]
    Prefix,
    /// What follows `whsec_` is not base64 with padding.
    #[error("what follows whsec_ is not base64")]
    Base64,
    /// It has too few or too many bytes.
    #[error("a secret has {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes, this one has {actual}")]
    Length {
        /// Its number of bytes.
        actual: usize,
    },
}

impl From<DecodeError> for InvalidSecret {
    fn from(_: DecodeError) -> Self {
        // The cause names a byte of the secret, so it goes no further.
        Self::Base64
    }
}

impl Secret {
    /// Reads `whsec_` and base64 with padding.
    ///
    /// ```
    /// use waymark_transports::Secret;
    ///
    /// assert!(Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_ok());
    /// assert!(Secret::parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_err());
    /// ```
    ///
    /// # Errors
    /// Returns [`InvalidSecret`] when the text is something else, or has fewer than 24 or more than 64 bytes.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidSecret::Prefix)?;
        let bytes = STANDARD.decode(encoded)?;
        if !(SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&bytes.len()) {
            return Err(InvalidSecret::Length {
                actual: bytes.len(),
            });
        }
        Ok(Self(bytes))
    }

    /// Makes a new secret of 32 bytes, which must come from a generator for keys.
    pub fn from_random(random: [u8; 32]) -> Self {
        Self(random.to_vec())
    }

    /// The secret as text, to store it and to show it to its owner.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_length(bytes: usize) -> String {
        format!("{PREFIX}{}", STANDARD.encode(vec![7; bytes]))
    }

    #[test]
    fn a_secret_has_24_to_64_bytes() {
        for length in [24, 32, 64] {
            assert_eq!(
                Secret::parse(&of_length(length)).unwrap().reveal(),
                of_length(length)
            );
        }
        for actual in [0, 23, 65] {
            let refused = Secret::parse(&of_length(actual)).unwrap_err();
            assert_eq!(refused, InvalidSecret::Length { actual });
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for (text, expected) in [
            ("", InvalidSecret::Prefix),
            (
                "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                InvalidSecret::Prefix,
            ),
            (
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La!aSw",
                InvalidSecret::Base64,
            ),
            (
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
                InvalidSecret::Base64,
            ),
        ] {
            assert_eq!(Secret::parse(text).unwrap_err(), expected, "{text:?}");
        }
    }

    #[test]
    fn no_secret_is_shown_by_debug_or_by_an_error() {
        let secret = Secret::from_random([7; 32]);
        assert_eq!(format!("{secret:?}"), "Secret(..)");
        let refused = Secret::parse("whsec_AAECAwQ!").unwrap_err();
        assert!(!format!("{refused:?} {refused}").contains("AAEC"));
    }
}
