//! Addresses of the web: the one at which the world reaches a port of the server, perhaps through a
//! proxy, and origins of pages that a browser may let call the server.

use std::{fmt, net::SocketAddr};

use http::{HeaderValue, Uri};
use url::Url;

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

/// An origin of pages, as browsers name it: `http` or `https`, a host and perhaps a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(HeaderValue);

impl Origin {
    /// Reads an origin and writes it as browsers do: in small letters, without the port that its scheme means anyway and
    /// without a slash at its end. None for what is no origin, such as an address with a path, and for `*`, patterns and
    /// `null`, which stand for many.
    pub fn parse(text: &str) -> Option<Self> {
        let url: Url = text.parse().ok()?;
        let is_web = matches!(url.scheme(), "http" | "https");
        let is_plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let has_user = !url.username().is_empty() || url.password().is_some();
        if !is_web || !is_plain || has_user || text.contains('*') {
            return None;
        }
        let origin = url.origin().ascii_serialization();
        origin.parse().ok().map(Self)
    }

    /// The origin as the header of a browser has it.
    pub fn header(&self) -> &HeaderValue {
        &self.0
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
    fn other_addresses_are_not() {
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

    #[test]
    fn origins_are_written_as_browsers_do() {
        for (text, origin) in [
            ("https://shop.example", "https://shop.example"),
            ("HTTPS://Shop.Example:443/", "https://shop.example"),
            ("http://shop.example:80", "http://shop.example"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://[::1]:8080/", "http://[::1]:8080"),
            ("https://läden.example", "https://xn--lden-loa.example"),
        ] {
            let read = Origin::parse(text).unwrap();
            assert_eq!(read.header(), origin, "{text}");
        }
    }

    #[test]
    fn what_is_no_origin_or_many_is_not_read() {
        for text in [
            "",
            "*",
            "null",
            "shop.example",
            "//shop.example",
            "https://",
            "https://*.shop.example",
            "https://shop.example/orders",
            "https://shop.example?",
            "https://shop.example/#",
            "https://anna:secret@shop.example",
            "https://shop.example:port",
            "ftp://shop.example",
            "file:///index.html",
        ] {
            assert_eq!(Origin::parse(text), None, "{text}");
        }
    }
}
