//! The time that the client of a call waits for the answer, as gRPC writes it into a header.

use std::time::Duration;

use http::HeaderMap;
use tonic::Status;

const HEADER: &str = "grpc-timeout";
/// More digits are not gRPC.
const DIGITS_MAX: usize = 8;

/// The deadline of a call; one that cannot be read is none.
pub(super) fn of(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(HEADER)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > DIGITS_MAX {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 60 * 60)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// The status for a client that has given up by then; nobody knows what of the call was carried out.
pub(super) fn passed() -> Status {
    Status::cancelled("the deadline of the call has passed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_read_as_grpc_writes_them() {
        for (text, expected) in [
            ("3H", Some(Duration::from_hours(3))),
            ("1M", Some(Duration::from_mins(1))),
            ("42S", Some(Duration::from_secs(42))),
            ("0m", Some(Duration::ZERO)),
            ("13m", Some(Duration::from_millis(13))),
            ("2u", Some(Duration::from_micros(2))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("123456789S", None),
            ("82f", None),
            ("oneH", None),
            ("-1S", None),
            ("S", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, text.parse().unwrap());
            assert_eq!(of(&headers), expected, "{text}");
        }
        assert_eq!(of(&HeaderMap::new()), None);
    }
}
