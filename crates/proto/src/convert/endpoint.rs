//! Endpoints of webhooks: requests about them. What a URL and a secret must be like is known
//! where webhooks are sent, so these come as the texts that they are.

use std::{fmt, time::Duration};

use waymark_domain::value::{Description, EndpointCode, Invalid};

use super::{
    call::{EditCall, EditFields, PageRequest, fingerprint, read_page},
    mask::{Mask, Paths},
    violations::{Noted, Path, Violations},
};
use crate::{
    invalid::{InvalidRequest, MaskProblem},
    v1,
};

/// How long old secrets sign where nothing else is asked.
const GRACE_PERIOD_DEFAULT: Duration = Duration::from_hours(24);
/// The longest time for which old secrets sign.
const GRACE_PERIOD_MAX: Duration = Duration::from_hours(30 * 24);
/// How many bytes the text of a secret may have; what follows `whsec_` is checked later.
const SECRET_TEXT_MAX: usize = 256;

const PATHS: Paths = Paths {
    updatable: &["url", "description", "active"],
    maps: &[],
    fixed: &[
        ("code", MaskProblem::Immutable),
        ("problem", MaskProblem::OutputOnly),
        ("secrets", MaskProblem::OutputOnly),
        ("etag", MaskProblem::OutputOnly),
        ("create_time", MaskProblem::OutputOnly),
        ("update_time", MaskProblem::OutputOnly),
    ],
};

/// A secret as a caller gave it. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct GivenSecret(String);

/// Asks for a new endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateEndpoint {
    /// Its code.
    pub code: EndpointCode,
    /// Where it listens, as it was given; not empty.
    pub url: String,
    /// What it is for.
    pub description: Description,
    /// Whether anything is sent there.
    pub active: bool,
    /// Its secret; none for one that the server makes.
    pub secret: Option<GivenSecret>,
    /// Who asks, and how; there is no etag.
    pub edit: EditCall,
}

/// Asks for one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetEndpoint {
    /// Its code.
    pub code: EndpointCode,
}

/// Asks for a page of endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEndpoints {
    /// Which page.
    pub page: PageRequest,
}

/// Asks to change an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateEndpoint {
    /// Its code.
    pub code: EndpointCode,
    /// What shall change.
    pub patch: EndpointPatch,
    /// Who asks, and how; the etag is the endpoint's.
    pub edit: EditCall,
}

/// What shall change of an endpoint; none for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointPatch {
    /// Where it listens, as it was given; not empty.
    pub url: Option<String>,
    /// What it is for.
    pub description: Option<Description>,
    /// Whether anything is sent there.
    pub active: Option<bool>,
}

/// Asks to delete an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteEndpoint {
    /// Its code.
    pub code: EndpointCode,
    /// Who asks, and how; the etag is the endpoint's.
    pub edit: EditCall,
}

/// Asks for a new secret of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotateEndpointSecret {
    /// Its code.
    pub code: EndpointCode,
    /// The new secret; none for one that the server makes.
    pub secret: Option<GivenSecret>,
    /// How long the old secrets sign beside it.
    pub grace_period: Duration,
    /// Who asks, and how; the etag is the endpoint's.
    pub edit: EditCall,
}

impl GivenSecret {
    /// The text that was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn read(found: &mut Violations, text: String) -> Result<Option<Self>, Noted> {
        let (max, actual) = (SECRET_TEXT_MAX, text.len());
        if actual > max {
            let at = Path::REQUEST;
            return Err(found.note(at.field("secret"), Invalid::TooLarge { max, actual }));
        }
        Ok(Some(text).filter(|text| !text.is_empty()).map(Self))
    }
}

impl fmt::Debug for GivenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GivenSecret(..)")
    }
}

impl CreateEndpoint {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(mut request: v1::CreateEndpointRequest) -> Result<Self, InvalidRequest> {
        let fingerprint =
            fingerprint!("CreateEndpoint", request, without request_id, validate_only);
        let v1::CreateEndpointRequest {
            endpoint,
            secret,
            actor,
            request_id,
            validate_only,
        } = request;
        let fields = EditFields {
            actor,
            request_id,
            validate_only,
        };
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let edit = fields.read_without_etag(found, fingerprint);
            let secret = GivenSecret::read(found, secret);
            let at = at.field("endpoint");
            let v1::Endpoint {
                code,
                url,
                description,
                active,
                problem: _,
                secrets: _,
                etag: _,
                create_time: _,
                update_time: _,
            } = found.required(at, endpoint)?;
            let code = found.text(at.field("code"), &code);
            let url = read_url(found, at.field("url"), url);
            let description = found.text(at.field("description"), &description);
            Ok(Self {
                code: code?,
                url: url?,
                description: description?,
                active: active.unwrap_or(true),
                secret: secret?,
                edit: edit?,
            })
        })
    }
}

impl GetEndpoint {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(request: &v1::GetEndpointRequest) -> Result<Self, InvalidRequest> {
        let v1::GetEndpointRequest { code } = request;
        Violations::collect(|found| {
            let code = found.text(Path::REQUEST.field("code"), code)?;
            Ok(Self { code })
        })
    }
}

impl ListEndpoints {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(mut request: v1::ListEndpointsRequest) -> Result<Self, InvalidRequest> {
        let arguments = fingerprint!("ListEndpoints", request, without page_size, page_token);
        let v1::ListEndpointsRequest {
            page_size,
            page_token,
        } = request;
        Violations::collect(|found| {
            let page = read_page(found, page_size, page_token, arguments)?;
            Ok(Self { page })
        })
    }
}

impl UpdateEndpoint {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(mut request: v1::UpdateEndpointRequest) -> Result<Self, InvalidRequest> {
        let fingerprint =
            fingerprint!("UpdateEndpoint", request, without request_id, validate_only);
        let v1::UpdateEndpointRequest {
            endpoint,
            update_mask,
            actor,
            request_id,
            validate_only,
        } = request;
        let fields = EditFields {
            actor,
            request_id,
            validate_only,
        };
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let mask = Mask::read(found, Path::REQUEST, update_mask, &PATHS);
            let at = at.field("endpoint");
            let endpoint = found.required(at, endpoint);
            let etag = endpoint.as_ref().map(|endpoint| endpoint.etag.clone());
            let etag = (at.field("etag"), etag.unwrap_or_default());
            let edit = fields.read(found, etag, fingerprint);
            let endpoint = endpoint.and_then(|endpoint| {
                let code = found.text(at.field("code"), &endpoint.code);
                let patch = EndpointPatch::read(found, at, endpoint, &mask);
                Ok((code?, patch?))
            });
            let (code, patch) = endpoint?;
            Ok(Self {
                code,
                patch,
                edit: edit?,
            })
        })
    }
}

impl EndpointPatch {
    fn read(
        found: &mut Violations,
        at: Path<'_>,
        endpoint: v1::Endpoint,
        mask: &Mask,
    ) -> Result<Self, Noted> {
        let v1::Endpoint {
            code: _,
            url,
            description,
            active,
            problem: _,
            secrets: _,
            etag: _,
            create_time: _,
            update_time: _,
        } = endpoint;
        let url = mask.take("url", url);
        let url = url.map(|url| read_url(found, at.field("url"), url));
        let description = mask.take("description", description);
        let description = description.map(|text| found.text(at.field("description"), &text));
        let active = mask.take("active", active);
        Ok(Self {
            url: url.transpose()?,
            description: description.transpose()?,
            active: active.map(|active| active.unwrap_or(true)),
        })
    }
}

impl DeleteEndpoint {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(mut request: v1::DeleteEndpointRequest) -> Result<Self, InvalidRequest> {
        let fingerprint =
            fingerprint!("DeleteEndpoint", request, without request_id, validate_only);
        let v1::DeleteEndpointRequest {
            code,
            actor,
            etag,
            request_id,
            validate_only,
        } = request;
        let fields = EditFields {
            actor,
            request_id,
            validate_only,
        };
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let code = found.text(at.field("code"), &code);
            let edit = fields.read(found, (at.field("etag"), etag), fingerprint);
            Ok(Self {
                code: code?,
                edit: edit?,
            })
        })
    }
}

impl RotateEndpointSecret {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(mut request: v1::RotateEndpointSecretRequest) -> Result<Self, InvalidRequest> {
        let fingerprint =
            fingerprint!("RotateEndpointSecret", request, without request_id, validate_only);
        let v1::RotateEndpointSecretRequest {
            code,
            secret,
            grace_period,
            actor,
            etag,
            request_id,
            validate_only,
        } = request;
        let fields = EditFields {
            actor,
            request_id,
            validate_only,
        };
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let code = found.text(at.field("code"), &code);
            let secret = GivenSecret::read(found, secret);
            let grace_period = grace_period.map(|span| read_grace_period(found, span));
            let edit = fields.read(found, (at.field("etag"), etag), fingerprint);
            Ok(Self {
                code: code?,
                secret: secret?,
                grace_period: grace_period.transpose()?.unwrap_or(GRACE_PERIOD_DEFAULT),
                edit: edit?,
            })
        })
    }
}

fn read_url(found: &mut Violations, at: Path<'_>, url: String) -> Result<String, Noted> {
    if url.is_empty() {
        return Err(found.note(at, Invalid::Empty));
    }
    Ok(url)
}

fn read_grace_period(
    found: &mut Violations,
    span: prost_types::Duration,
) -> Result<Duration, Noted> {
    let prost_types::Duration { seconds, nanos } = span;
    let span = match (u64::try_from(seconds), u32::try_from(nanos)) {
        (Ok(seconds), Ok(nanos)) if nanos < 1_000_000_000 => Some(Duration::new(seconds, nanos)),
        _ => None,
    };
    let span = span.filter(|span| *span <= GRACE_PERIOD_MAX);
    span.ok_or_else(|| {
        let expected = "a period of at most 30 days, not negative";
        found.note(
            Path::REQUEST.field("grace_period"),
            Invalid::Malformed { expected },
        )
    })
}
