//! Whether a client has a feed already: its `ETag`, which changes with every byte,
//! and its time of change, for clients that know no better.

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, HeaderName, header};
use waymark_domain::value::Timestamp;

/// 9999-12-31T23:59:59Z: no later second has a date in HTTP.
const SECONDS_MAX: u64 = 253_402_300_799;

/// The marks that tell one state of a feed from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Freshness {
    /// A strong tag, with its quotes.
    pub(super) tag: String,
    /// When the feed last changed; none while that second has not passed, since it may change
    /// again within it.
    pub(super) modified: Option<SystemTime>,
}

impl Freshness {
    /// The freshness of these bytes, which changed last at `change_time`.
    pub(super) fn of(body: &[u8], change_time: Timestamp, now: Timestamp) -> Self {
        let hash = blake3::hash(body).to_hex();
        let modified = second(change_time);
        Self {
            tag: format!("\"{hash:.32}\""),
            modified: (modified < second(now)).then_some(modified),
        }
    }

    /// Whether a client that sends these headers has the feed as it is. A tag decides alone.
    pub(super) fn is_known_to(&self, headers: &HeaderMap) -> bool {
        if headers.contains_key(header::IF_NONE_MATCH) {
            let tags = texts(headers, &header::IF_NONE_MATCH).flat_map(|text| text.split(','));
            let mut tags = tags.map(str::trim);
            return tags.any(|tag| tag == "*" || tag.trim_start_matches("W/") == self.tag);
        }
        let since = texts(headers, &header::IF_MODIFIED_SINCE)
            .next()
            .and_then(|text| httpdate::parse_http_date(text).ok());
        match (self.modified, since) {
            (Some(modified), Some(since)) => modified <= since,
            (_, None) | (None, _) => false,
        }
    }
}

/// The second in which an instant lies, within the dates that HTTP can write.
pub(super) fn second(instant: Timestamp) -> SystemTime {
    let seconds = u64::try_from(instant.micros().div_euclid(1_000_000)).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.min(SECONDS_MAX))
}

fn texts<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let values = headers.get_all(name).into_iter();
    values.filter_map(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const CHANGED: Timestamp = Timestamp::from_micros(784_111_777_900_000);
    const LATER: Timestamp = Timestamp::from_micros(784_111_778_000_000);

    fn is_known(freshness: &Freshness, name: &HeaderName, values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        freshness.is_known_to(&headers)
    }

    #[test]
    fn a_tag_is_found_among_others() {
        let fresh = Freshness::of(b"feed", CHANGED, LATER);
        let own = fresh.tag.as_str();
        assert_eq!(own.len(), 34);
        let weak = format!("W/{own}");
        let list = format!("\"a\" , {own}");
        let is_known = |values: &[&str]| is_known(&fresh, &header::IF_NONE_MATCH, values);
        for values in [&[own][..], &[&weak], &[&list], &["\"a\"", own], &["*"]] {
            assert!(is_known(values), "{values:?}");
        }
        for values in [&["\"a\""][..], &[""], &["é"], &[own.trim_matches('"')]] {
            assert!(!is_known(values), "{values:?}");
        }
        assert_ne!(own, Freshness::of(b"feed.", CHANGED, LATER).tag);
    }

    #[test]
    fn a_time_counts_only_without_a_tag() {
        let fresh = Freshness::of(b"feed", CHANGED, LATER);
        let is_known = |values: &[&str]| is_known(&fresh, &header::IF_MODIFIED_SINCE, values);
        assert!(is_known(&["Sun, 06 Nov 1994 08:49:37 GMT"]));
        assert!(is_known(&["Sunday, 06-Nov-94 08:49:38 GMT"]));
        assert!(!is_known(&["Sun, 06 Nov 1994 08:49:36 GMT"]));
        assert!(!is_known(&["yesterday"]));
        assert!(!is_known(&[]));
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static("\"a\""));
        let date = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:38 GMT");
        headers.insert(header::IF_MODIFIED_SINCE, date);
        assert!(!fresh.is_known_to(&headers));
    }

    #[test]
    fn the_present_second_is_not_over() {
        let fresh = Freshness::of(b"feed", CHANGED, CHANGED);
        assert_eq!(fresh.modified, None);
        let date = ["Sun, 06 Nov 1994 08:49:37 GMT"];
        assert!(!is_known(&fresh, &header::IF_MODIFIED_SINCE, &date));
    }

    #[test]
    fn no_instant_is_outside_of_the_calendar() {
        for micros in [i64::MIN, -1, 0, i64::MAX] {
            let date = httpdate::fmt_http_date(second(Timestamp::from_micros(micros)));
            assert!(date.ends_with(" GMT"), "{date}");
        }
    }
}
