//! Endpoints of webhooks: requests about them. What a URL and a secret must be like is known
//! where webhooks are sent, so these come as the texts that they are.

use std::{fmt, time::Duration};

use waymark_domain::value::{Description, EndpointCode, Invalid};

use super::{
    call::{EditCall, PageRequest},
    instant::duration_from_wire,
    violations::{Path, Read},
};

/// The time for which old secrets sign where nothing else is asked.
const GRACE_PERIOD_DEFAULT: Duration = Duration::from_hours(24);
/// The longest time for which old secrets sign.
const GRACE_PERIOD_MAX: Duration = Duration::from_hours(30 * 24);
/// The most bytes that the text of a secret may have; what follows `whsec_` is checked later.
const SECRET_TEXT_MAX: usize = 256;

/// A secret as a caller gave it. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct GivenSecret(String);

/// An endpoint that shall be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEndpoint {
    /// Its code.
    pub code: EndpointCode,
    /// Its URL, as it was given; not empty.
    pub url: String,
    /// Its description.
    pub description: Description,
    /// Whether anything is sent there.
    pub active: bool,
}

request! {
    /// Asks for a new endpoint.
    CreateEndpoint: CreateEndpointRequest;
    hash = "CreateEndpoint" without request_id, validate_only;
    /// The actor and the key of the call; without an etag.
    edit: EditCall = edit(actor, request_id, validate_only; hash),
    /// Its secret; none for one that the server makes.
    secret: Option<GivenSecret> = by(secret; GivenSecret::read),
    /// The endpoint.
    endpoint: NewEndpoint = required(endpoint; new_endpoint),
}

request! {
    /// Asks for one endpoint.
    GetEndpoint: GetEndpointRequest;
    /// Its code.
    code: EndpointCode = text(code),
}

request! {
    /// Asks for a page of endpoints.
    ListEndpoints: ListEndpointsRequest;
    arguments = "ListEndpoints" without page_size, page_token;
    /// The page.
    page: PageRequest = page(page_size, page_token; arguments),
}

update_request! {
    /// Asks to change an endpoint.
    UpdateEndpoint: UpdateEndpointRequest;
    "UpdateEndpoint", endpoint(EndpointCode, EndpointPatch by endpoint_patch)
}

/// Changes of an endpoint; none for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointPatch {
    /// Its URL, as it was given; not empty.
    pub url: Option<String>,
    /// Its description.
    pub description: Option<Description>,
    /// Whether anything is sent there.
    pub active: Option<bool>,
}

request! {
    /// Asks to delete an endpoint.
    DeleteEndpoint: DeleteEndpointRequest;
    hash = "DeleteEndpoint" without request_id, validate_only;
    /// Its code.
    code: EndpointCode = text(code),
    /// The actor and the key of the call; the etag is the endpoint's.
    edit: EditCall = edit(actor, etag, request_id, validate_only; hash),
}

request! {
    /// Asks for a new secret of an endpoint.
    RotateEndpointSecret: RotateEndpointSecretRequest;
    hash = "RotateEndpointSecret" without request_id, validate_only;
    /// Its code.
    code: EndpointCode = text(code),
    /// The new secret; none for one that the server makes.
    secret: Option<GivenSecret> = by(secret; GivenSecret::read),
    /// The time for which the old secrets sign beside it.
    grace_period: Duration = by(grace_period; read_grace_period),
    /// The actor and the key of the call; the etag is the endpoint's.
    edit: EditCall = edit(actor, etag, request_id, validate_only; hash),
}

impl GivenSecret {
    /// The text that was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn read(at: Path<'_>, text: String) -> Read<Option<Self>> {
        let (max, actual) = (SECRET_TEXT_MAX, text.len());
        if actual > max {
            return Err(at.note(Invalid::TooLarge { max, actual }));
        }
        Ok(Some(text).filter(|text| !text.is_empty()).map(Self))
    }
}

impl fmt::Debug for GivenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GivenSecret(..)")
    }
}

reader! {
    fn new_endpoint(
        Endpoint { problem, secrets, etag, create_time, update_time }
    ) -> NewEndpoint {
        code: text(code),
        url: by(url; read_url),
        description: text(description),
        active: or(active; true),
    }
}

patch! {
    fn endpoint_patch(Endpoint {
        Immutable: code;
        OutputOnly: problem, secrets, etag, create_time, update_time;
    }) -> EndpointPatch {
        url: by(url; read_url),
        description: text(description),
        active: or(active; true),
    }
}

fn read_url(at: Path<'_>, url: String) -> Read<String> {
    if url.is_empty() {
        return Err(at.note(Invalid::Empty));
    }
    Ok(url)
}

fn read_grace_period(at: Path<'_>, span: Option<prost_types::Duration>) -> Read<Duration> {
    let Some(span) = span else {
        return Ok(GRACE_PERIOD_DEFAULT);
    };
    let span = duration_from_wire(span).filter(|span| *span <= GRACE_PERIOD_MAX);
    span.ok_or_else(|| {
        let expected = "a period of at most 30 days, not negative";
        at.note(Invalid::Malformed { expected })
    })
}
