//! What many requests carry alike: who asks, what makes a repeated call recognisable, and which
//! page is wanted.

use std::collections::BTreeMap;

use waymark_domain::{
    actor::Actor,
    order::Context,
    value::{Invalid, Metadata, RequestId, StoreView, WorkflowCode},
};

use super::{
    actor::read_actor,
    violations::{Noted, Path, Violations},
};
use crate::v1;

/// The size of a page for which none was asked.
const PAGE_SIZE_DEFAULT: usize = 50;
/// The largest page.
const PAGE_SIZE_MAX: usize = 1_000;
/// How many bytes an etag may have; those of the server are far shorter.
const ETAG_BYTES_MAX: usize = 128;
/// How keys begin under which the server notes something.
const RESERVED_KEY_PREFIX: &str = "waymark.";

/// Whether a call only asks what would happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValidateOnly {
    /// It is carried out.
    No,
    /// Everything is checked and answered, nothing is written.
    Yes,
}

/// What makes a repeated call recognisable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// The id that the caller chose.
    pub id: RequestId,
    /// A hash of what was asked, without `request_id`, `validate_only` and `store_view`, and with
    /// the default workflow filled in.
    pub fingerprint: [u8; 16],
}

/// Which page of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// How many elements at most, 1 to 1,000.
    pub size: usize,
    /// The token of the page; none for the first.
    pub token: Option<String>,
    /// A hash of everything else that was asked, to which a token is bound.
    pub arguments: [u8; 16],
}

/// What every change of a workflow or one of its parts carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditCall {
    /// Who asks.
    pub actor: Actor,
    /// The etag that the workflow or part must have; none for any.
    pub etag: Option<String>,
    /// What makes a repeated call recognisable.
    pub request: Option<RequestKey>,
    /// Whether the call only asks what would happen.
    pub validate_only: ValidateOnly,
}

impl From<bool> for ValidateOnly {
    fn from(validate_only: bool) -> Self {
        if validate_only { Self::Yes } else { Self::No }
    }
}

/// Writes the code of the default workflow where none is named, so that a call which begins to name
/// it stays the same call.
pub(crate) fn fill_in(workflow: &mut String, default: &WorkflowCode) {
    if workflow.is_empty() {
        default.as_str().clone_into(workflow);
    }
}

/// Hashes a request without some of its fields. The name of the call goes in as well, since
/// requests of two kinds may encode to the same bytes. `in $default` first fills in the workflow;
/// `step` is for mutations of orders.
macro_rules! fingerprint {
    ($call:literal, step $request:ident in $default:ident) => {{
        $crate::convert::call::fill_in(&mut $request.workflow, $default);
        $crate::convert::call::fingerprint!($call, step $request)
    }};
    ($call:literal, step $request:ident) => {
        $crate::convert::call::fingerprint!(
            $call, $request, without request_id, store_view, validate_only
        )
    };
    ($call:literal, $request:ident in $default:ident, without $($field:ident),+) => {{
        $crate::convert::call::fill_in(&mut $request.workflow, $default);
        $crate::convert::call::fingerprint!($call, $request, without $($field),+)
    }};
    ($call:literal, $request:ident, without $($field:ident),+) => {{
        let kept = ($(std::mem::take(&mut $request.$field),)+);
        let fingerprint = $crate::convert::call::fingerprint_of($call, &$request);
        ($($request.$field,)+) = kept;
        fingerprint
    }};
}
pub(crate) use fingerprint;

/// Hashes the name of a call and its encoded request: the first 16 bytes of BLAKE3.
pub(crate) fn fingerprint_of(call: &str, request: &impl prost::Message) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(call.as_bytes());
    hasher.update(&[0]);
    hasher.update(&request.encode_to_vec());
    let mut fingerprint = [0; 16];
    hasher.finalize_xof().fill(&mut fingerprint);
    fingerprint
}

/// The fields 20 to 28, which every mutation of an order carries.
pub(crate) struct StepFields {
    pub(crate) comment: String,
    pub(crate) notify_customer: bool,
    pub(crate) visible_to_customer: bool,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) actor: Option<v1::Actor>,
    pub(crate) store_view: String,
    pub(crate) expected_version: i64,
    pub(crate) request_id: String,
    pub(crate) validate_only: bool,
}

/// The fields 20 to 28 as they were read.
pub(crate) struct StepCall {
    pub(crate) context: Context,
    pub(crate) store_view: Option<StoreView>,
    pub(crate) expected_version: Option<i64>,
    pub(crate) request: Option<RequestKey>,
    pub(crate) validate_only: ValidateOnly,
}

impl StepFields {
    pub(crate) fn read(
        self,
        found: &mut Violations,
        at: Path<'_>,
        fingerprint: [u8; 16],
    ) -> Result<StepCall, Noted> {
        let comment = found.text(at.field("comment"), &self.comment);
        let metadata = metadata(found, at.field("metadata"), self.metadata);
        let actor = read_actor(found, at.field("actor"), self.actor);
        let store_view = found.optional(at.field("store_view"), &self.store_view);
        let expected_version = found.positive(at.field("expected_version"), self.expected_version);
        let request = read_request_key(found, at, &self.request_id, fingerprint);
        let request = request?;
        Ok(StepCall {
            context: Context {
                actor: actor?,
                comment: comment?,
                notify_customer: self.notify_customer,
                visible_to_customer: self.visible_to_customer,
                metadata: metadata?,
                request_id: request.as_ref().map(|request| request.id.clone()),
            },
            store_view: store_view?,
            expected_version: expected_version?,
            request,
            validate_only: self.validate_only.into(),
        })
    }
}

/// The fields 24 to 28, which every change of a workflow carries.
pub(crate) struct EditFields {
    pub(crate) actor: Option<v1::Actor>,
    pub(crate) request_id: String,
    pub(crate) validate_only: bool,
}

impl EditFields {
    /// Reads the fields of a request that has no `etag`.
    pub(crate) fn read_without_etag(
        self,
        found: &mut Violations,
        fingerprint: [u8; 16],
    ) -> Result<EditCall, Noted> {
        self.read(found, (Path::REQUEST, String::new()), fingerprint)
    }

    pub(crate) fn read(
        self,
        found: &mut Violations,
        etag: (Path<'_>, String),
        fingerprint: [u8; 16],
    ) -> Result<EditCall, Noted> {
        let at = Path::REQUEST;
        let actor = read_actor(found, at.field("actor"), self.actor);
        let etag = read_etag(found, etag.0, etag.1);
        let request = read_request_key(found, at, &self.request_id, fingerprint);
        Ok(EditCall {
            actor: actor?,
            etag: etag?,
            request: request?,
            validate_only: self.validate_only.into(),
        })
    }
}

fn metadata(
    found: &mut Violations,
    at: Path<'_>,
    metadata: BTreeMap<String, String>,
) -> Result<Metadata, Noted> {
    if metadata
        .keys()
        .any(|key| key.starts_with(RESERVED_KEY_PREFIX))
    {
        let expected = "a map without keys that begin with `waymark.`";
        return Err(found.note(at, Invalid::Malformed { expected }));
    }
    found.check(at, Metadata::new(metadata))
}

/// Reads `request_id`, where empty means that the call is not idempotent.
pub(crate) fn read_request_key(
    found: &mut Violations,
    at: Path<'_>,
    id: &str,
    fingerprint: [u8; 16],
) -> Result<Option<RequestKey>, Noted> {
    let id = found.optional(at.field("request_id"), id)?;
    Ok(id.map(|id| RequestKey { id, fingerprint }))
}

fn read_etag(found: &mut Violations, at: Path<'_>, etag: String) -> Result<Option<String>, Noted> {
    let (max, actual) = (ETAG_BYTES_MAX, etag.len());
    if actual > max {
        return Err(found.note(at, Invalid::TooLarge { max, actual }));
    }
    Ok(Some(etag).filter(|etag| !etag.is_empty()))
}

/// Reads `page_size` and `page_token`.
pub(crate) fn read_page(
    found: &mut Violations,
    page_size: i32,
    page_token: String,
    arguments: [u8; 16],
) -> Result<PageRequest, Noted> {
    let size = match usize::try_from(page_size) {
        Ok(0) => PAGE_SIZE_DEFAULT,
        Ok(size) => size.min(PAGE_SIZE_MAX),
        Err(_) => {
            let (min, max) = (0, i64::from(i32::MAX));
            let at = Path::REQUEST;
            return Err(found.note(at.field("page_size"), Invalid::OutOfRange { min, max }));
        }
    };
    Ok(PageRequest {
        size,
        token: Some(page_token).filter(|token| !token.is_empty()),
        arguments,
    })
}
