//! Endpoints of webhooks: created, listed, changed, deleted, and given new secrets.

use std::time::Duration;

use prost::Message;
use waymark_domain::{
    value::{EndpointCode, Timestamp},
    workflow::Refusal,
};
use waymark_persistence::{Answered, ChangeMode, Endpoint, EndpointEdit, EndpointSecret};
use waymark_proto::{
    convert::{
        call::{EditCall, ValidateOnly},
        endpoint::{
            CreateEndpoint, DeleteEndpoint, EndpointPatch, GetEndpoint, GivenSecret, ListEndpoints,
            RotateEndpointSecret, UpdateEndpoint,
        },
    },
    invalid::{InvalidRequest, Problem},
    v1,
};
use waymark_transports::{Secret, WebhookSettings, WebhookUrl};

use super::shown::{endpoint_to_wire, etag};
use crate::{
    App, Error, page,
    services::once::{answer, ledger_call},
};

/// What the tokens of this list are made for.
const KIND: &str = "endpoints";
/// The field of requests that holds a URL.
const URL_FIELD: &str = "endpoint.url";
/// How many secrets of an endpoint may sign at once.
const SECRETS_MAX: usize = 8;

/// A secret that an endpoint gets.
struct NewSecret {
    /// The secret; none in a rehearsal, which makes none.
    stored: Option<String>,
    /// What the caller is shown: what the server made.
    shown: String,
}

/// Creates an endpoint.
pub(super) async fn create(
    app: &App,
    call: CreateEndpoint,
) -> Result<v1::CreateEndpointResponse, Error> {
    let CreateEndpoint {
        code,
        url,
        description,
        active,
        secret,
        edit,
    } = call;
    let url = parse_url(&url)?;
    let NewSecret { stored, shown } = NewSecret::of(secret, edit.validate_only)?;
    let settings = app.webhooks().clone();
    let target = code.clone();
    let edit_it = move |before: Option<&Endpoint>, now| {
        if before.is_some() {
            let code = target.clone();
            return Err(Error::EndpointExists { code });
        }
        check_url(&settings, &url)?;
        Ok(EndpointEdit::Save(Endpoint {
            code: target.clone(),
            url: url.to_string(),
            description: description.clone(),
            active,
            problem: String::new(),
            secrets: stored.iter().map(|text| fresh(text, now)).collect(),
            version: 0,
            create_time: now,
            update_time: now,
        }))
    };
    let answer = |endpoint: v1::Endpoint| v1::CreateEndpointResponse {
        endpoint: Some(endpoint),
        ..Default::default()
    };
    let (response, replayed) = change(app, code, edit, edit_it, answer).await?;
    Ok(v1::CreateEndpointResponse {
        secret: if replayed { String::new() } else { shown },
        replayed,
        ..response
    })
}

/// Answers one endpoint.
pub(super) async fn get(app: &App, call: GetEndpoint) -> Result<v1::GetEndpointResponse, Error> {
    let GetEndpoint { code } = call;
    let found = app.store().find_endpoint(&code).await?;
    let endpoint = found.ok_or(Error::EndpointNotFound { code })?;
    Ok(v1::GetEndpointResponse {
        endpoint: Some(endpoint_to_wire(&endpoint, app.store().clock().now())),
    })
}

/// Answers a page of endpoints.
pub(super) async fn page(
    app: &App,
    call: ListEndpoints,
) -> Result<v1::ListEndpointsResponse, Error> {
    let endpoints = app.store().endpoints().await?;
    let now = app.store().clock().now();
    let items = endpoints
        .iter()
        .map(|endpoint| (endpoint.code.clone(), endpoint));
    let message = |endpoint| endpoint_to_wire(endpoint, now);
    let (endpoints, next_page_token) = page::of(KIND, &call.page, items, message)?;
    Ok(v1::ListEndpointsResponse {
        endpoints,
        next_page_token,
    })
}

/// Changes an endpoint.
pub(super) async fn update(
    app: &App,
    call: UpdateEndpoint,
) -> Result<v1::UpdateEndpointResponse, Error> {
    let UpdateEndpoint { code, patch, edit } = call;
    let EndpointPatch {
        url,
        description,
        active,
    } = patch;
    let url = url.map(|url| parse_url(&url)).transpose()?;
    let settings = app.webhooks().clone();
    let (target, expected) = (code.clone(), edit.etag.clone());
    let edit_it = move |before: Option<&Endpoint>, _| {
        let mut after = present(before, &target, expected.as_ref())?.clone();
        if let Some(url) = &url {
            check_url(&settings, url)?;
            after.url = url.to_string();
        }
        if let Some(description) = &description {
            after.description = description.clone();
        }
        if let Some(active) = active {
            after.active = active;
        }
        if active == Some(true) {
            after.problem.clear();
        }
        Ok(EndpointEdit::Save(after))
    };
    let answer = |endpoint: v1::Endpoint| v1::UpdateEndpointResponse {
        endpoint: Some(endpoint),
        ..Default::default()
    };
    let (response, replayed) = change(app, code, edit, edit_it, answer).await?;
    Ok(v1::UpdateEndpointResponse {
        replayed,
        ..response
    })
}

/// Deletes an endpoint.
pub(super) async fn delete(
    app: &App,
    call: DeleteEndpoint,
) -> Result<v1::DeleteEndpointResponse, Error> {
    let DeleteEndpoint { code, edit } = call;
    let (target, expected) = (code.clone(), edit.etag.clone());
    let edit_it = move |before: Option<&Endpoint>, _| {
        present(before, &target, expected.as_ref())?;
        Ok(EndpointEdit::Delete)
    };
    let answer = |endpoint: v1::Endpoint| v1::DeleteEndpointResponse {
        endpoint: Some(endpoint),
        ..Default::default()
    };
    let (response, replayed) = change(app, code, edit, edit_it, answer).await?;
    Ok(v1::DeleteEndpointResponse {
        replayed,
        ..response
    })
}

/// Gives an endpoint a new secret.
pub(super) async fn rotate(
    app: &App,
    call: RotateEndpointSecret,
) -> Result<v1::RotateEndpointSecretResponse, Error> {
    let RotateEndpointSecret {
        code,
        secret,
        grace_period,
        edit,
    } = call;
    let NewSecret { stored, shown } = NewSecret::of(secret, edit.validate_only)?;
    let (target, expected) = (code.clone(), edit.etag.clone());
    let edit_it = move |before: Option<&Endpoint>, now| {
        let before = present(before, &target, expected.as_ref())?;
        Ok(EndpointEdit::Save(rotated(
            before,
            stored.as_deref(),
            grace_period,
            now,
        )))
    };
    let answer = |endpoint: v1::Endpoint| v1::RotateEndpointSecretResponse {
        endpoint: Some(endpoint),
        ..Default::default()
    };
    let (response, replayed) = change(app, code, edit, edit_it, answer).await?;
    Ok(v1::RotateEndpointSecretResponse {
        secret: if replayed { String::new() } else { shown },
        replayed,
        ..response
    })
}

/// Changes an endpoint and answers; the flag says whether an earlier call is answered. What is
/// remembered of the answer never holds a secret.
async fn change<R: Message + Default + 'static>(
    app: &App,
    code: EndpointCode,
    edit: EditCall,
    edit_it: impl FnMut(Option<&Endpoint>, Timestamp) -> Result<EndpointEdit, Error> + Send + 'static,
    respond: impl Fn(v1::Endpoint) -> R + Send + Sync + 'static,
) -> Result<(R, bool), Error> {
    let (call, store, wake) = (ledger_call(&edit), app.store().clone(), app.wake.clone());
    let work = async move {
        let shown = |endpoint: &Endpoint| respond(endpoint_to_wire(endpoint, store.clock().now()));
        let encode = |endpoint: &Endpoint| shown(endpoint).encode_to_vec();
        let answered = store.change_endpoint(&call, &code, edit_it, encode).await?;
        if let (Answered::Done(_), ChangeMode::Apply) = (&answered, call.mode) {
            let actor = edit.actor.id.as_str();
            wake.now();
            tracing::info!(endpoint.code = %code, actor.id = actor, "an endpoint was changed");
        }
        answer(&answered, shown)
    };
    app.detached(work).await?
}

impl NewSecret {
    /// Takes the secret that was given, or makes one.
    fn of(given: Option<GivenSecret>, validate_only: ValidateOnly) -> Result<Self, Error> {
        match (given, validate_only) {
            (Some(given), _) => {
                let secret = Secret::parse(given.as_str()).map_err(|error| {
                    let problem = Problem::Text(format!("is refused: {error}"));
                    InvalidRequest::new("secret", problem)
                })?;
                Ok(Self {
                    stored: Some(secret.reveal()),
                    shown: String::new(),
                })
            }
            (None, ValidateOnly::Yes) => Ok(Self {
                stored: None,
                shown: String::new(),
            }),
            (None, ValidateOnly::No) => {
                let mut random = [0; 32];
                let what = "the system gives no random bytes";
                getrandom::fill(&mut random).map_err(|_| Error::Internal { what })?;
                let text = Secret::from_random(random).reveal();
                Ok(Self {
                    stored: Some(text.clone()),
                    shown: text,
                })
            }
        }
    }
}

fn parse_url(text: &str) -> Result<WebhookUrl, Error> {
    WebhookUrl::parse(text).map_err(|error| refused_url(&error))
}

/// Checks a URL against the settings, which may have become stricter since an earlier call that
/// is answered again.
fn check_url(settings: &WebhookSettings, url: &WebhookUrl) -> Result<(), Error> {
    settings.check(url).map_err(|error| refused_url(&error))
}

fn refused_url(error: &dyn std::error::Error) -> Error {
    let problem = Problem::Text(format!("is refused: {error}"));
    Error::from(InvalidRequest::new(URL_FIELD, problem))
}

/// The endpoint that an edit needs, in the version that the caller has seen.
fn present<'a>(
    before: Option<&'a Endpoint>,
    code: &EndpointCode,
    expected: Option<&String>,
) -> Result<&'a Endpoint, Error> {
    let Some(endpoint) = before else {
        let code = code.clone();
        return Err(Error::EndpointNotFound { code });
    };
    let current = etag(endpoint);
    match expected.filter(|expected| **expected != current) {
        None => Ok(endpoint),
        Some(expected) => Err(Error::from(Refusal::VersionMismatch {
            expected: expected.clone(),
            current,
        })),
    }
}

fn fresh(text: &str, now: Timestamp) -> EndpointSecret {
    EndpointSecret {
        secret: text.to_owned(),
        create_time: now,
        expire_time: None,
    }
}

/// The endpoint with a new secret, and with an end to its old ones.
fn rotated(
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

#[cfg(test)]
mod tests {
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
