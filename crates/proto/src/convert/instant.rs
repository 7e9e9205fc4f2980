//! Instants and periods: microseconds and milliseconds in the domain, seconds and nanoseconds
//! on the wire.

use std::time::Duration;

use waymark_domain::value::{Invalid, Period, Timestamp};

use super::violations::{Path, Read};

const MICROS_PER_SECOND: i64 = 1_000_000;
const NANOS_PER_MICRO: i32 = 1_000;
/// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z, the bounds of a protobuf timestamp.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Writes an instant as protobuf has it.
pub fn timestamp_to_wire(timestamp: Timestamp) -> prost_types::Timestamp {
    let micros = timestamp.micros();
    let below_second = micros.rem_euclid(MICROS_PER_SECOND);
    prost_types::Timestamp {
        seconds: micros.div_euclid(MICROS_PER_SECOND),
        // Less than a million, so it fits.
        nanos: i32::try_from(below_second).unwrap_or_default() * NANOS_PER_MICRO,
    }
}

/// Reads an instant that something must be later than; what is finer than microseconds is cut off.
pub(crate) fn lower_bound(
    at: Path<'_>,
    timestamp: Option<prost_types::Timestamp>,
) -> Read<Option<Timestamp>> {
    let parts = split(at, timestamp)?;
    Ok(parts.map(|(micros, _)| Timestamp::from_micros(micros)))
}

/// Reads an instant that something must be earlier than; what is finer than microseconds is
/// rounded up, so that no instant before it is left out.
pub(crate) fn upper_bound(
    at: Path<'_>,
    timestamp: Option<prost_types::Timestamp>,
) -> Read<Option<Timestamp>> {
    let parts = split(at, timestamp)?;
    Ok(parts.map(|(micros, rest)| Timestamp::from_micros(micros + i64::from(rest.min(1)))))
}

/// Writes a period as protobuf has it.
pub(crate) fn period_to_wire(period: Period) -> prost_types::Duration {
    duration_to_wire(period.duration())
}

/// Writes a duration as protobuf has it.
pub(crate) fn duration_to_wire(span: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        // Less than a second, so it fits.
        nanos: i32::try_from(span.subsec_nanos()).unwrap_or_default(),
    }
}

/// Reads a period.
pub(crate) fn period_from_wire(at: Path<'_>, span: prost_types::Duration) -> Read<Period> {
    // No period is as short as that of what is no duration.
    at.check(Period::new(duration_from_wire(span).unwrap_or_default()))
}

/// Reads a duration; none for a negative one and for what no duration is.
pub(crate) fn duration_from_wire(span: prost_types::Duration) -> Option<Duration> {
    let prost_types::Duration { seconds, nanos } = span;
    match (u64::try_from(seconds), u32::try_from(nanos)) {
        (Ok(seconds), Ok(nanos @ 0..1_000_000_000)) => Some(Duration::new(seconds, nanos)),
        _ => None,
    }
}

/// Splits an instant into whole microseconds and the nanoseconds that are left.
fn split(at: Path<'_>, timestamp: Option<prost_types::Timestamp>) -> Read<Option<(i64, i32)>> {
    let Some(prost_types::Timestamp { seconds, nanos }) = timestamp else {
        return Ok(None);
    };
    if !SECONDS.contains(&seconds) || !(0..1_000_000_000).contains(&nanos) {
        let expected = "an instant between 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999999Z";
        return Err(at.note(Invalid::Malformed { expected }));
    }
    let micros = seconds * MICROS_PER_SECOND + i64::from(nanos / NANOS_PER_MICRO);
    Ok(Some((micros, nanos % NANOS_PER_MICRO)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::convert::violations::Violations;

    fn read(timestamp: prost_types::Timestamp) -> Option<(i64, i64)> {
        let both = Violations::collect(|at| {
            let lower = lower_bound(at, Some(timestamp))?;
            Ok((lower, upper_bound(at, Some(timestamp))?))
        });
        let (lower, upper) = both.ok()?;
        Some((lower?.micros(), upper?.micros()))
    }

    proptest! {
        #[test]
        fn wire_and_back(micros in SECONDS.start() * MICROS_PER_SECOND..SECONDS.end() * MICROS_PER_SECOND) {
            let wire = timestamp_to_wire(Timestamp::from_micros(micros));
            prop_assert_eq!(read(wire), Some((micros, micros)));
        }
    }

    #[test]
    fn refuses_what_no_calendar_has() {
        let of = |seconds, nanos| read(prost_types::Timestamp { seconds, nanos });
        assert_eq!(of(*SECONDS.end() + 1, 0), None);
        assert_eq!(of(*SECONDS.start() - 1, 0), None);
        assert_eq!(of(0, -1), None);
        assert_eq!(of(0, 1_000_000_000), None);
        assert_eq!(of(1, 1_500), Some((1_000_001, 1_000_002)));
    }
}
