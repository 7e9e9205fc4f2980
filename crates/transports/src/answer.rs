//! The meaning of an endpoint's answer.

use std::{
    pin::Pin,
    time::{Duration, UNIX_EPOCH},
};

use http::{HeaderMap, Response, StatusCode, header::RETRY_AFTER};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::Sleep;

use crate::{ANSWER_BYTES_MAX, Attempt, Outcome};

/// The longest rest that an endpoint may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// Judges an answer by its status alone, and keeps the beginning of its body.
/// `now` is in seconds since 1970.
pub(crate) async fn attempt(
    response: Response<Incoming>,
    now: u64,
    deadline: Pin<&mut Sleep>,
) -> Attempt {
    let status = response.status();
    Attempt {
        outcome: outcome(status, response.headers(), now),
        code: Some(status.as_u16()),
        answer: beginning(response.into_body(), deadline).await,
        addressee_refused: false,
    }
}

fn outcome(status: StatusCode, headers: &HeaderMap, now: u64) -> Outcome {
    let failed = |problem, retry_after| Outcome::Failed {
        problem,
        retry_after,
    };
    match status.as_u16() {
        200..=299 => Outcome::Accepted,
        410 => Outcome::Gone,
        code @ 300..=399 => failed(
            format!("the endpoint answered {code}; redirects are not followed"),
            None,
        ),
        code @ (429 | 503) => failed(
            format!("the endpoint answered {code}: it asks to be called later"),
            retry_after(headers, now),
        ),
        code => failed(format!("the endpoint answered {code}"), None),
    }
}

/// Reads either form of `Retry-After`, at most 24 hours. Something else in its
/// place is as if nothing were there.
fn retry_after(headers: &HeaderMap, now: u64) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let rest = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // A number that fits nowhere is a very long time.
        text.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs)
    } else {
        let until = httpdate::parse_http_date(text).ok()?;
        let until = until.duration_since(UNIX_EPOCH).ok()?;
        until.saturating_sub(Duration::from_secs(now))
    };
    Some(rest.min(RETRY_AFTER_MAX))
}

/// Reads at most [`ANSWER_BYTES_MAX`] bytes. What comes after is not read: the
/// connection is dropped, and the peer can send no more.
async fn beginning(mut body: Incoming, mut deadline: Pin<&mut Sleep>) -> Vec<u8> {
    let mut kept = Vec::new();
    // An answer that breaks off or takes too long keeps what came of it: the
    // status has come, so the endpoint has taken the webhook or refused it.
    while kept.len() < ANSWER_BYTES_MAX {
        let frame = tokio::select! {
            biased;
            () = deadline.as_mut() => break,
            frame = body.frame() => frame,
        };
        let Some(Ok(frame)) = frame else {
            break;
        };
        // After the body come trailers at most.
        let Ok(mut chunk) = frame.into_data() else {
            break;
        };
        chunk.truncate(ANSWER_BYTES_MAX.saturating_sub(kept.len()));
        kept.extend_from_slice(&chunk);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_retry_after_are_read() {
        let now = 784_111_777; // Sun, 06 Nov 1994 08:49:37 GMT
        let hours = Duration::from_hours;
        for (text, expected) in [
            ("0", Some(Duration::ZERO)),
            ("120", Some(Duration::from_mins(2))),
            ("86400", Some(hours(24))),
            ("86401", Some(hours(24))),
            ("99999999999999999999999", Some(hours(24))),
            ("Sun, 06 Nov 1994 09:49:37 GMT", Some(hours(1))),
            ("Sunday, 06-Nov-94 09:49:37 GMT", Some(hours(1))),
            ("Sun Nov  6 09:49:37 1994", Some(hours(1))),
            ("Sun, 06 Nov 1994 08:49:36 GMT", Some(Duration::ZERO)),
            ("Sat, 06 Nov 2094 08:49:37 GMT", Some(hours(24))),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            assert_eq!(retry_after(&headers, now), expected, "{text:?}");
        }
    }
}
