//! The address at which the world reaches a port of the server, perhaps through a proxy.

use std::{fmt, net::SocketAddr};

use http::Uri;

/// An `http` or `https` address that paths are put behind: no user, query or fragment, no slash
/// at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    text: String,
    host: String,
}

impl BaseUrl {
    /// Reads an address; none for what cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        // The parser cuts fragments off and keeps users.
        let is_plain = uri.query().is_none() && !text.contains(['#', '@', '?']);
        let host = uri.host().filter(|host| !host.is_empty())?;
        (is_web && is_plain).then(|| Self {
            text: text.trim_end_matches('/').to_owned(),
            host: host.to_owned(),
        })
    }

    /// The base of a port that is reached at its own address.
    pub fn of_address(address: SocketAddr) -> Self {
        Self {
            text: format!("http://{address}"),
            host: address.ip().to_string(),
        }
    }

    /// The name or address of the host.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_web_are_taken() {
        for (text, base, host) in [
            (
                "https://shop.example",
                "https://shop.example",
                "shop.example",
            ),
            (
                "http://shop.example:8080/",
                "http://shop.example:8080",
                "shop.example",
            ),
            (
                "https://shop.example/a/b/",
                "https://shop.example/a/b",
                "shop.example",
            ),
            ("http://[::1]:80", "http://[::1]:80", "[::1]"),
        ] {
            let read = BaseUrl::parse(text).unwrap();
            assert_eq!((read.to_string().as_str(), read.host()), (base, host));
        }
    }

    #[test]
    fn others_are_not() {
        for text in [
            "",
            "shop.example",
            "/feeds",
            "ftp://shop.example",
            "https://",
            "https://shop.example?a=b",
            "https://shop.example/?",
            "https://shop.example/#a",
            "https://anna:secret@shop.example",
            "https://shop example",
        ] {
            assert_eq!(BaseUrl::parse(text), None, "{text}");
        }
    }
}
