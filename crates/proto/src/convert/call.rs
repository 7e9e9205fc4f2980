//! The fields that many requests share: the actor, the key of a repeated call, and the page.

use std::collections::BTreeMap;

use waymark_domain::{
    actor::Actor,
    order::Context,
    value::{Invalid, Metadata, RequestId, StoreView, WorkflowCode},
};

use super::{
    actor::read_actor,
    violations::{Path, Read},
};
use crate::v1;

/// The most values that a list of a filter may have.
pub(crate) const FILTER_VALUES_MAX: usize = 1_000;
/// The size of a page for which none was asked.
const PAGE_SIZE_DEFAULT: usize = 50;
/// The largest page.
const PAGE_SIZE_MAX: usize = 1_000;
/// The most bytes that an etag may have; those of the server are far shorter.
const ETAG_BYTES_MAX: usize = 128;
/// The prefix of keys under which the server notes something.
const RESERVED_KEY_PREFIX: &str = "waymark.";

/// Whether a call only asks what would happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValidateOnly {
    /// It is carried out.
    No,
    /// Everything is checked and answered, nothing is written.
    Yes,
}

/// The key by which a repeated call is recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// The id that the caller chose.
    pub id: RequestId,
    /// A hash of what was asked, without `request_id`, `validate_only` and `store_view`, and with
    /// the default workflow filled in.
    pub fingerprint: [u8; 16],
}

/// The page of a list that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The most elements, 1 to 1,000.
    pub size: usize,
    /// The token of the page; none for the first.
    pub token: Option<String>,
    /// A hash of everything else that was asked, to which a token is bound.
    pub arguments: [u8; 16],
}

/// The fields of every change but those of orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditCall {
    /// The actor.
    pub actor: Actor,
    /// The etag that the workflow or part must have; none for any.
    pub etag: Option<String>,
    /// The key of a repeated call.
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
/// requests of two kinds may encode to the same bytes.
macro_rules! fingerprint {
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

/// The fields 20 to 28, which every mutation of an order carries, and its fingerprint.
pub(crate) struct StepFields {
    pub(crate) fingerprint: [u8; 16],
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

/// Takes a mutation of an order apart: what all have, and a tuple of its own fields.
macro_rules! step_fields {
    ($call:literal, $request:ident: $wire:ident { $($own:ident),+ $(,)? }) => {{
        let fingerprint = $crate::convert::call::fingerprint!(
            $call, $request, without request_id, store_view, validate_only
        );
        let $crate::v1::$wire {
            $($own,)+
            comment,
            notify_customer,
            visible_to_customer,
            metadata,
            actor,
            store_view,
            expected_version,
            request_id,
            validate_only,
        } = $request;
        let fields = $crate::convert::call::StepFields {
            fingerprint,
            comment,
            notify_customer,
            visible_to_customer,
            metadata,
            actor,
            store_view,
            expected_version,
            request_id,
            validate_only,
        };
        (fields, ($($own,)+))
    }};
}
pub(crate) use step_fields;

/// The fields 20 to 28 as they were read.
pub(crate) struct StepCall {
    pub(crate) context: Context,
    pub(crate) store_view: Option<StoreView>,
    pub(crate) expected_version: Option<i64>,
    pub(crate) request: Option<RequestKey>,
    pub(crate) validate_only: ValidateOnly,
}

impl StepFields {
    pub(crate) fn read(self, at: Path<'_>) -> Read<StepCall> {
        let comment = at.field("comment").text(&self.comment);
        let metadata = metadata(at.field("metadata"), self.metadata);
        let actor = read_actor(at.field("actor"), self.actor);
        let store_view = at.field("store_view").optional(&self.store_view);
        let expected_version = at.field("expected_version").positive(self.expected_version);
        let request = read_request_key(at, &self.request_id, self.fingerprint);
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

/// Reads the fields 24 to 28, which every change but those of orders has, and an etag, which is empty
/// where the request has none.
pub(crate) fn read_edit(
    at: Path<'_>,
    (actor, request_id, validate_only): (Option<v1::Actor>, &str, bool),
    (etag_at, etag): (Path<'_>, String),
    fingerprint: [u8; 16],
) -> Read<EditCall> {
    let actor = read_actor(at.field("actor"), actor);
    let etag = read_etag(etag_at, etag);
    let request = read_request_key(at, request_id, fingerprint);
    Ok(EditCall {
        actor: actor?,
        etag: etag?,
        request: request?,
        validate_only: validate_only.into(),
    })
}

fn metadata(at: Path<'_>, metadata: BTreeMap<String, String>) -> Read<Metadata> {
    if metadata
        .keys()
        .any(|key| key.starts_with(RESERVED_KEY_PREFIX))
    {
        let expected = "a map without keys that begin with `waymark.`";
        return Err(at.note(Invalid::Malformed { expected }));
    }
    at.check(Metadata::new(metadata))
}

/// Reads `request_id`, where empty means that the call is not idempotent.
fn read_request_key(at: Path<'_>, id: &str, fingerprint: [u8; 16]) -> Read<Option<RequestKey>> {
    let id = at.field("request_id").optional(id)?;
    Ok(id.map(|id| RequestKey { id, fingerprint }))
}

fn read_etag(at: Path<'_>, etag: String) -> Read<Option<String>> {
    let (max, actual) = (ETAG_BYTES_MAX, etag.len());
    if actual > max {
        return Err(at.note(Invalid::TooLarge { max, actual }));
    }
    Ok(Some(etag).filter(|etag| !etag.is_empty()))
}

/// Reads `page_size` and `page_token`.
pub(crate) fn read_page(
    at: Path<'_>,
    page_size: i32,
    page_token: String,
    arguments: [u8; 16],
) -> Read<PageRequest> {
    let (min, max) = (0, i64::from(i32::MAX));
    let size = usize::try_from(page_size).map_err(|_| Invalid::OutOfRange { min, max });
    let size = match at.field("page_size").check(size)? {
        0 => PAGE_SIZE_DEFAULT,
        size => size.min(PAGE_SIZE_MAX),
    };
    Ok(PageRequest {
        size,
        token: Some(page_token).filter(|token| !token.is_empty()),
        arguments,
    })
}
