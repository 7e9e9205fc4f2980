//! Instants and spans of time.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Invalid, stored_as_text};

/// The longest period: ten years.
const MILLIS_MAX: u64 = 10 * 366 * 24 * 60 * 60 * 1_000;

/// An instant in microseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant this many microseconds after 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }
}

/// A span of time in whole milliseconds, from 1 ms to ten years; its text is such as `8h`,
/// `90s` or `1day 12h`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period(u64);

impl Period {
    /// Checks a span against the limits; parts of a millisecond are refused.
    ///
    /// # Errors
    /// Returns [`Invalid`] for a span outside the limits.
    pub fn new(span: Duration) -> Result<Self, Invalid> {
        let whole = span.subsec_nanos().is_multiple_of(1_000_000);
        let millis = u64::try_from(span.as_millis()).ok();
        let millis = millis.filter(|millis| whole && (1..=MILLIS_MAX).contains(millis));
        let expected = "a period of whole milliseconds, from 1 ms to ten years";
        millis.map(Self).ok_or(Invalid::Malformed { expected })
    }

    /// This many seconds; a constant that is zero counts as one second.
    pub(crate) const fn of_seconds(seconds: u32) -> Self {
        Self(if seconds == 0 { 1 } else { seconds as u64 } * 1_000)
    }

    /// The span.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// The span in microseconds.
    pub fn micros(self) -> i64 {
        i64::try_from(self.0).map_or(i64::MAX, |millis| millis.saturating_mul(1_000))
    }

    /// The instant that lies this far behind another.
    pub fn after(self, instant: Timestamp) -> Timestamp {
        Timestamp::from_micros(instant.micros().saturating_add(self.micros()))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&humantime::format_duration(self.duration()), f)
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Period {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let expected = "a period such as 8h, 90s or 1day 12h";
        let span = humantime::parse_duration(text).map_err(|_| Invalid::Malformed { expected })?;
        Self::new(span)
    }
}

stored_as_text!(Period);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_periods_and_writes_them_short() {
        for (text, written) in [
            ("480m", "8h"),
            ("90s", "1m 30s"),
            ("10ms", "10ms"),
            ("1day", "1day"),
        ] {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.to_string(), written);
            assert_eq!(period.to_string().parse(), Ok(period));
        }
        for bad in ["", "8", "0s", "-1s", "1us", "11years", "tomorrow"] {
            assert!(bad.parse::<Period>().is_err(), "{bad}");
        }
    }
}
