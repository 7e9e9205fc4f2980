//! Secrets of endpoints: given or made, rotated, and shown by what tells them apart.

use std::time::Duration;

use waymark_domain::value::Timestamp;
use waymark_persistence::{Endpoint, EndpointSecret};
use waymark_proto::{
    convert::{call::ValidateOnly, endpoint::GivenSecret, timestamp_to_wire},
    invalid::{InvalidRequest, Problem},
    v1,
};
use waymark_transports::Secret;

use crate::Error;

/// How many secrets of an endpoint may sign at once.
const SECRETS_MAX: usize = 8;
/// How many digits of a hash tell secrets apart.
const FINGERPRINT_DIGITS: usize = 8;

/// A secret that an endpoint gets.
pub(super) struct NewSecret {
    /// The secret; none in a dry run, which makes none.
    pub(super) stored: Option<String>,
    /// The secret where the server made it, which the caller is shown; else empty.
    pub(super) shown: String,
}

impl NewSecret {
    /// Takes the secret that was given, or makes one.
    pub(super) fn of(
        given: Option<GivenSecret>,
        validate_only: ValidateOnly,
    ) -> Result<Self, Error> {
        let (stored, shown) = match (given, validate_only) {
            (Some(given), _) => {
                let secret = Secret::parse(given.as_str()).map_err(|error| {
                    let problem = Problem::Text(format!("is refused: {error}"));
                    InvalidRequest::new("secret", problem)
                })?;
                (Some(secret.reveal()), String::new())
            }
            (None, ValidateOnly::Yes) => (None, String::new()),
            (None, ValidateOnly::No) => {
                let mut random = [0; 32];
                let what = "the system gives no random bytes";
                getrandom::fill(&mut random).map_err(|_| Error::Internal { what })?;
                let text = Secret::from_random(random).reveal();
                (Some(text.clone()), text)
            }
        };
        Ok(Self { stored, shown })
    }
}

/// A secret that is new now.
pub(super) fn fresh(text: &str, now: Timestamp) -> EndpointSecret {
    EndpointSecret {
        secret: text.to_owned(),
        create_time: now,
        expire_time: None,
    }
}

/// The endpoint with a new secret, and with an end to its old ones.
pub(super) fn rotated(
    endpoint: &Endpoint,
    secret: Option<&str>,
    grace_period: Duration,
    now: Timestamp,
) -> Endpoint {
    let grace_micros = i64::try_from(grace_period.as_micros()).unwrap_or(i64::MAX);
    let end = Timestamp::from_micros(now.micros().saturating_add(grace_micros));
    let old = endpoint.secrets.iter();
    let old = old.filter(|old| secret != Some(old.secret.as_str()));
    let ending = old.map(|old| EndpointSecret {
        expire_time: Some(old.expire_time.map_or(end, |expires| expires.min(end))),
        ..old.clone()
    });
    let fresh = secret.map(|text| fresh(text, now));
    let secrets = fresh.into_iter().chain(ending).take(SECRETS_MAX);
    Endpoint {
        secrets: secrets.collect(),
        ..endpoint.clone()
    }
}

/// Writes a secret by a hash of it.
pub(super) fn secret_to_wire(secret: &EndpointSecret) -> v1::EndpointSecret {
    let hash = blake3::hash(secret.secret.as_bytes()).to_hex();
    v1::EndpointSecret {
        create_time: Some(timestamp_to_wire(secret.create_time)),
        expire_time: secret.expire_time.map(timestamp_to_wire),
        fingerprint: hash.chars().take(FINGERPRINT_DIGITS).collect(),
    }
}

#[cfg(test)]
mod tests {
    use waymark_domain::value::EndpointCode;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);
    const HOUR: Duration = Duration::from_hours(1);

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_micros(NOW.micros() + hours * 3_600_000_000)
    }

    fn endpoint(secrets: &[(&str, Option<Timestamp>)]) -> Endpoint {
        let secrets = secrets.iter().map(|(text, expire_time)| EndpointSecret {
            expire_time: *expire_time,
            ..fresh(text, NOW)
        });
        Endpoint {
            code: EndpointCode::new("erp").unwrap(),
            url: "https://erp.example/".to_owned(),
            description: waymark_domain::value::Description::default(),
            active: true,
            problem: String::new(),
            secrets: secrets.collect(),
            version: 1,
            create_time: NOW,
            update_time: NOW,
        }
    }

    fn ends(endpoint: &Endpoint) -> Vec<(&str, Option<Timestamp>)> {
        let secrets = endpoint.secrets.iter();
        secrets
            .map(|secret| (secret.secret.as_str(), secret.expire_time))
            .collect()
    }

    #[test]
    fn old_secrets_end_after_the_grace_period_or_before() {
        let before = endpoint(&[("b", None), ("a", Some(at(1)))]);
        let after = rotated(&before, Some("c"), 2 * HOUR, NOW);
        let expected = [("c", None), ("b", Some(at(2))), ("a", Some(at(1)))];
        assert_eq!(ends(&after), expected);
        let at_once = rotated(&before, Some("c"), Duration::ZERO, NOW);
        let valid = at_once.secrets.iter().filter(|secret| secret.is_valid(NOW));
        assert_eq!(valid.count(), 1);
    }

    #[test]
    fn a_secret_that_comes_again_lasts() {
        let before = endpoint(&[("b", None), ("a", Some(at(1)))]);
        let after = rotated(&before, Some("a"), HOUR, NOW);
        assert_eq!(ends(&after), [("a", None), ("b", Some(at(1)))]);
    }

    #[test]
    fn at_most_eight_secrets_sign() {
        let mut endpoint = endpoint(&[("0", None)]);
        for number in 1..20 {
            endpoint = rotated(&endpoint, Some(&number.to_string()), HOUR, NOW);
        }
        assert_eq!(endpoint.secrets.len(), SECRETS_MAX);
        assert_eq!(ends(&endpoint)[7].0, "12");
    }
}
