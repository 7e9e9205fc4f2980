//! The URL of an endpoint.

use std::fmt;

use url::{Host, Url};

/// The longest URL of an endpoint, in bytes.
pub const URL_BYTES_MAX: usize = 2048;

/// An `http` or `https` URL without user and password. Hosts are brought to one
/// form: names in lower case and Punycode, addresses as four decimal numbers or
/// as the shortest IPv6, whatever way they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    url: Url,
    host: Host,
}

/// The error for a text that is no URL of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// It is no URL at all.
    #[error("this is not a URL")]
    Malformed(#[source] url::ParseError),
    /// It has another scheme than `http` and `https`, or no host.
    #[error("the URL must begin with https:// or http:// and a host")]
    Scheme,
    /// It holds a user or a password, which whoever sees the URL would see.
    #[error("the URL must not hold a user or a password")]
    Credentials,
    /// It is too long.
    #[error("the URL has {actual} bytes, {URL_BYTES_MAX} are allowed")]
    TooLong {
        /// Its number of bytes.
        actual: usize,
    },
}

impl WebhookUrl {
    /// Reads a URL of at most 2,048 bytes.
    ///
    /// ```
    /// use waymark_transports::WebhookUrl;
    ///
    /// let url = WebhookUrl::parse("https://Shop.example/hooks?from=waymark")?;
    /// assert_eq!(url.as_str(), "https://shop.example/hooks?from=waymark");
    /// # Ok::<(), waymark_transports::InvalidUrl>(())
    /// ```
    ///
    /// # Errors
    /// Returns [`InvalidUrl`] when it is no such URL.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        if text.len() > URL_BYTES_MAX {
            return Err(InvalidUrl::TooLong { actual: text.len() });
        }
        let url = Url::parse(text).map_err(InvalidUrl::Malformed)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidUrl::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidUrl::Credentials);
        }
        let host = url.host().ok_or(InvalidUrl::Scheme)?.to_owned();
        Ok(Self { url, host })
    }

    /// The URL as text, in its one form.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// The host: a name or an address.
    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    /// Whether it is reached by TLS.
    pub(crate) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_urls_are_refused() {
        for (text, expected) in [
            ("ftp://shop.example/", InvalidUrl::Scheme),
            ("file:///etc/passwd", InvalidUrl::Scheme),
            ("gopher://shop.example/", InvalidUrl::Scheme),
            ("unix:/run/docker.sock", InvalidUrl::Scheme),
            ("https://user@shop.example/", InvalidUrl::Credentials),
            ("https://user:word@shop.example/", InvalidUrl::Credentials),
            ("https://:word@shop.example/", InvalidUrl::Credentials),
            (
                "https://",
                InvalidUrl::Malformed(url::ParseError::EmptyHost),
            ),
            (
                "/hooks",
                InvalidUrl::Malformed(url::ParseError::RelativeUrlWithoutBase),
            ),
            (
                "https://256.1.1.1/",
                InvalidUrl::Malformed(url::ParseError::InvalidIpv4Address),
            ),
            (
                "https://[fe80::1%25eth0]/",
                InvalidUrl::Malformed(url::ParseError::InvalidIpv6Address),
            ),
        ] {
            assert_eq!(WebhookUrl::parse(text).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn a_url_has_at_most_2048_bytes() {
        let of = |bytes: usize| format!("https://a.example/{}", "x".repeat(bytes - 18));
        assert!(WebhookUrl::parse(&of(2048)).is_ok());
        let refused = WebhookUrl::parse(&of(2049)).unwrap_err();
        assert_eq!(refused, InvalidUrl::TooLong { actual: 2049 });
    }
}
