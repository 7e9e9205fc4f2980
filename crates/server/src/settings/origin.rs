//! Origins of pages that a browser may let call the server.

use http::HeaderValue;
use url::Url;

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
