//! `EndpointService`: where webhooks go. Endpoints are created, listed, changed, deleted, and given
//! new secrets.

mod secrets;

use waymark_domain::{
    value::{EndpointCode, Timestamp},
    workflow::Stamp,
};
use waymark_persistence::{Endpoint, EndpointEdit};
use waymark_proto::{
    convert::{
        call::EditCall,
        endpoint::{
            CreateEndpoint, DeleteEndpoint, GetEndpoint, ListEndpoints, RotateEndpointSecret,
            UpdateEndpoint,
        },
        timestamp_to_wire,
    },
    invalid::{InvalidRequest, Problem},
    v1::{self, endpoint_service_server::EndpointService},
};
use waymark_transports::{WebhookSettings, WebhookUrl};

use self::secrets::{NewSecret, fresh, rotated, secret_to_wire};
use super::{
    definition::check_etag,
    once::{self, Showing, outbox_call},
};
use crate::{App, Error, page};

/// The list for which tokens of endpoints are made.
const KIND: &str = "endpoints";
/// The field of requests that holds a URL.
const URL_FIELD: &str = "endpoint.url";

service!("EndpointService");

rpcs! {
    EndpointService {
        create_endpoint(v1::CreateEndpointRequest) -> v1::CreateEndpointResponse:
            CreateEndpoint::read() => create;
        get_endpoint(v1::GetEndpointRequest) -> v1::GetEndpointResponse:
            GetEndpoint::read() => get;
        list_endpoints(v1::ListEndpointsRequest) -> v1::ListEndpointsResponse:
            ListEndpoints::read() => list;
        update_endpoint(v1::UpdateEndpointRequest) -> v1::UpdateEndpointResponse:
            UpdateEndpoint::read() => update;
        delete_endpoint(v1::DeleteEndpointRequest) -> v1::DeleteEndpointResponse:
            DeleteEndpoint::read() => delete;
        rotate_endpoint_secret(v1::RotateEndpointSecretRequest) -> v1::RotateEndpointSecretResponse:
            RotateEndpointSecret::read() => rotate;
    }
}

async fn create(app: &App, call: CreateEndpoint) -> Result<v1::CreateEndpointResponse, Error> {
    let (new, settings) = (call.endpoint, app.webhooks().clone());
    let (url, code) = (parse_url(&new.url)?, new.code);
    let NewSecret { stored, shown } = NewSecret::of(call.secret, call.edit.validate_only)?;
    let target = code.clone();
    let create = move |before: Option<&Endpoint>, now| {
        let code = target.clone();
        if before.is_some() {
            return Err(Error::EndpointExists { code });
        }
        check_url(&settings, &url)?;
        Ok(EndpointEdit::Save(Endpoint {
            code,
            url: url.to_string(),
            description: new.description.clone(),
            active: new.active,
            problem: String::new(),
            secrets: stored.iter().map(|text| fresh(text, now)).collect(),
            version: 0,
            create_time: now,
            update_time: now,
        }))
    };
    let answer: v1::CreateEndpointResponse = change(app, code, call.edit, create).await?;
    let secret = Some(shown).filter(|_| !answer.replayed).unwrap_or_default();
    Ok(v1::CreateEndpointResponse { secret, ..answer })
}

async fn get(app: &App, call: GetEndpoint) -> Result<v1::GetEndpointResponse, Error> {
    let GetEndpoint { code } = call;
    let found = app.store().find_endpoint(&code).await?;
    let endpoint = found.ok_or(Error::EndpointNotFound { code })?;
    Ok(v1::GetEndpointResponse {
        endpoint: Some(endpoint_to_wire(&endpoint, app.store().clock().now())),
    })
}

async fn list(app: &App, call: ListEndpoints) -> Result<v1::ListEndpointsResponse, Error> {
    let endpoints = app.store().endpoints().await?;
    let now = app.store().clock().now();
    let items = endpoints.iter();
    let items = items.map(|endpoint| (endpoint.code.clone(), endpoint));
    let message = |endpoint| endpoint_to_wire(endpoint, now);
    let (endpoints, next_page_token) = page::of(KIND, &call.page, items, message)?;
    Ok(v1::ListEndpointsResponse {
        endpoints,
        next_page_token,
    })
}

async fn update(app: &App, call: UpdateEndpoint) -> Result<v1::UpdateEndpointResponse, Error> {
    let UpdateEndpoint { code, patch, edit } = call;
    let url = patch.url.map(|url| parse_url(&url)).transpose()?;
    let (description, active) = (patch.description, patch.active);
    let settings = app.webhooks().clone();
    let (target, etag) = (code.clone(), edit.etag.clone());
    let update = move |before: Option<&Endpoint>, _| {
        let mut after = present(before, &target, etag.as_ref())?.clone();
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
    change(app, code, edit, update).await
}

async fn delete(app: &App, call: DeleteEndpoint) -> Result<v1::DeleteEndpointResponse, Error> {
    let DeleteEndpoint { code, edit } = call;
    let (target, etag) = (code.clone(), edit.etag.clone());
    let delete = move |before: Option<&Endpoint>, _| {
        present(before, &target, etag.as_ref())?;
        Ok(EndpointEdit::Delete)
    };
    change(app, code, edit, delete).await
}

async fn rotate(
    app: &App,
    call: RotateEndpointSecret,
) -> Result<v1::RotateEndpointSecretResponse, Error> {
    let NewSecret { stored, shown } = NewSecret::of(call.secret, call.edit.validate_only)?;
    let (code, target, etag) = (call.code.clone(), call.code, call.edit.etag.clone());
    let rotate = move |before: Option<&Endpoint>, now| {
        let before = present(before, &target, etag.as_ref())?;
        let after = rotated(before, stored.as_deref(), call.grace_period, now);
        Ok(EndpointEdit::Save(after))
    };
    let answer: v1::RotateEndpointSecretResponse = change(app, code, call.edit, rotate).await?;
    let secret = Some(shown).filter(|_| !answer.replayed).unwrap_or_default();
    Ok(v1::RotateEndpointSecretResponse { secret, ..answer })
}

/// Changes an endpoint and answers. What is remembered of the answer never holds a secret.
async fn change<R: Showing<Shown = Option<v1::Endpoint>>>(
    app: &App,
    code: EndpointCode,
    call: EditCall,
    edit: impl FnMut(Option<&Endpoint>, Timestamp) -> Result<EndpointEdit, Error> + Send + 'static,
) -> Result<R, Error> {
    let (actor, call) = (call.actor.id.clone(), outbox_call(&call));
    let (mode, store, wake) = (call.mode, app.store().clone(), app.wake.clone());
    let clock = store.clock().clone();
    let shown = move |endpoint: &Endpoint| R::of(Some(endpoint_to_wire(endpoint, clock.now())));
    let (answer, changed) = (shown.clone(), code.clone());
    let work = async move {
        let encode = |endpoint: &Endpoint| shown(endpoint).encode_to_vec();
        store.change_endpoint(&call, &code, edit, encode).await
    };
    let then = move |_: &Endpoint| {
        wake.now();
        tracing::info!(endpoint.code = %changed, actor.id = actor.as_str(), "endpoint changed");
    };
    once::carry_out(app, mode, work, answer, then).await
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
    etag: Option<&String>,
) -> Result<&'a Endpoint, Error> {
    let not_found = || Error::EndpointNotFound { code: code.clone() };
    let endpoint = before.ok_or_else(not_found)?;
    check_etag(etag, Some(&stamp(endpoint)))?;
    Ok(endpoint)
}

/// The stamp of an endpoint, which makes its etag as those of workflows do.
fn stamp(endpoint: &Endpoint) -> Stamp {
    Stamp {
        version: endpoint.version,
        create_time: endpoint.create_time,
        update_time: endpoint.update_time,
    }
}

fn endpoint_to_wire(endpoint: &Endpoint, now: Timestamp) -> v1::Endpoint {
    let secrets = endpoint.secrets.iter();
    let valid = secrets.filter(|secret| secret.is_valid(now));
    v1::Endpoint {
        code: endpoint.code.to_string(),
        url: endpoint.url.clone(),
        description: endpoint.description.to_string(),
        active: Some(endpoint.active),
        problem: endpoint.problem.clone(),
        secrets: valid.map(secret_to_wire).collect(),
        etag: stamp(endpoint).etag(),
        create_time: Some(timestamp_to_wire(endpoint.create_time)),
        update_time: Some(timestamp_to_wire(endpoint.update_time)),
    }
}
