//! Requests, each as one declaration: its struct with docs, and which fields of the wire message
//! make each field of it, and how. All fields of the message are named, so that a new one fails to
//! compile.
//!
//! ```text
//! request! {
//!     /// Asks to delete a status.
//!     DeleteStatus: DeleteStatusRequest in workflow or default;
//!     hash = "DeleteStatus" in default without request_id, validate_only;
//!     /// The status.
//!     code: StatusCode = text(code),
//!     /// The actor and the key of the call; the etag is the status's.
//!     edit: EditCall = edit(actor, etag, request_id, validate_only; hash),
//! }
//! ```
//!
//! After the name comes the message; `in` names the field of the workflow, which is read first, and
//! the argument that has the default one. A hash, of which there may be several or none, is a
//! fingerprint under the name of the call, which never changes: with the default workflow filled
//! in, if it says so, and without some fields. Fields are read in their order, which is that of
//! violations, as `read_field!` describes, and by `page` and `edit`.

/// Reads one field of a request.
macro_rules! request_field {
    // The page of a list.
    ($at:ident, page($size:ident, $token:ident; $hash:expr)) => {
        $crate::convert::call::read_page($at, $size, $token, $hash)
    };
    // The actor and the key of a change.
    ($at:ident, edit($actor:ident, $request_id:ident, $validate_only:ident; $hash:expr)) => {
        $crate::convert::call::read_edit(
            $at,
            ($actor, &$request_id, $validate_only),
            ($at, String::new()),
            $hash,
        )
    };
    (
        $at:ident,
        edit($actor:ident, $etag:ident, $request_id:ident, $validate_only:ident; $hash:expr)
    ) => {
        $crate::convert::call::read_edit(
            $at,
            ($actor, &$request_id, $validate_only),
            ($at.field(stringify!($etag)), $etag),
            $hash,
        )
    };
    ($at:ident, $how:ident($($given:tt)*)) => {
        read_field!($at, $how($($given)*))
    };
}

/// Makes a request and how it is read.
macro_rules! request {
    (
        $(#[$doc:meta])*
        $name:ident: $wire:ident
            $(in $workflow:ident or $default:ident)? $(, $more:ident: $more_type:ty)?;
        $($hash:ident = $call:literal $(in $filled:ident)? without $($left_out:ident),+;)*
        $(
            $(#[$field_doc:meta])+
            $field:ident: $type:ty = $how:ident($($given:ident),* $(; $argument:expr)?),
        )*
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $(
                #[doc = concat!("The ", stringify!($workflow), ".")]
                pub $workflow: ::waymark_domain::value::WorkflowCode,
            )?
            $($(#[$field_doc])+ pub $field: $type,)*
        }

        impl $name {
            /// Reads the request.
            ///
            /// # Errors
            /// Returns [`InvalidRequest`](crate::invalid::InvalidRequest) with every field that
            /// breaks a rule.
            pub fn read(
                message: $crate::v1::$wire
                $(, $default: &::waymark_domain::value::WorkflowCode)?
                $(, $more: $more_type)?
            ) -> Result<Self, $crate::invalid::InvalidRequest> {
                $(let (message, $hash) = {
                    let mut request = message;
                    $($crate::convert::call::fill_in(&mut request.workflow, $filled);)?
                    let hash = $crate::convert::call::fingerprint!(
                        $call, request, without $($left_out),+
                    );
                    (request, hash)
                };)*
                let $crate::v1::$wire { $($workflow,)? $($($given,)*)* } = message;
                $crate::convert::violations::Violations::collect(|at| {
                    $(let $workflow = at.workflow(&$workflow, $default);)?
                    $(let $field = request_field!(
                        at, $how($($given),* $(; $argument)?)
                    );)*
                    Ok(Self { $($workflow: $workflow?,)? $($field: $field?,)* })
                })
            }
        }
    };
}

/// Makes a request that updates a part of a workflow or an endpoint, and how it is read: of the part
/// the type of its code, its patch and the function that reads it, the patch's paths standing in
/// `PATHS`.
///
/// ```text
/// update_request! {
///     /// Asks to change a status.
///     UpdateStatus: UpdateStatusRequest in workflow or default;
///     "UpdateStatus", status(StatusCode, StatusPatch by status_patch)
/// }
/// ```
macro_rules! update_request {
    (
        $(#[$doc:meta])*
        $name:ident: $wire:ident $(in $workflow:ident or $default:ident)?;
        $call:literal, $part:ident($code:ty, $patch:ident by $read:ident)
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $(
                #[doc = concat!("The ", stringify!($workflow), ".")]
                pub $workflow: ::waymark_domain::value::WorkflowCode,
            )?
            #[doc = concat!("The ", stringify!($part), ".")]
            pub code: $code,
            /// The changes.
            pub patch: $patch,
            #[doc = concat!("The actor and the key of the call; the etag is the ", stringify!($part), "'s.")]
            pub edit: $crate::convert::call::EditCall,
        }

        impl $name {
            /// Reads the request.
            ///
            /// # Errors
            /// Returns [`InvalidRequest`](crate::invalid::InvalidRequest) with every field that
            /// breaks a rule.
            pub fn read(
                mut request: $crate::v1::$wire
                $(, $default: &::waymark_domain::value::WorkflowCode)?
            ) -> Result<Self, $crate::invalid::InvalidRequest> {
                $($crate::convert::call::fill_in(&mut request.$workflow, $default);)?
                let hash = $crate::convert::call::fingerprint!(
                    $call, request, without request_id, validate_only
                );
                let $crate::v1::$wire {
                    $($workflow,)?
                    $part,
                    update_mask,
                    actor,
                    request_id,
                    validate_only,
                } = request;
                $crate::convert::violations::Violations::collect(|request| {
                    $(let $workflow = request.workflow(&$workflow, $default);)?
                    let mask = $crate::convert::mask::Mask::read(request, update_mask, &PATHS);
                    let at = request.field(stringify!($part));
                    let part = at.required($part);
                    let etag = part.as_ref().map(|part| part.etag.clone());
                    let etag = (at.field("etag"), etag.unwrap_or_default());
                    let fields = (actor, request_id.as_str(), validate_only);
                    let edit = $crate::convert::call::read_edit(request, fields, etag, hash);
                    let part = part.and_then(|part| {
                        let code = at.field("code").text(&part.code);
                        let patch = $read(at, part, &mask);
                        Ok((code?, patch?))
                    });
                    let (code, patch) = part?;
                    Ok(Self {
                        $($workflow: $workflow?,)?
                        code,
                        patch,
                        edit: edit?,
                    })
                })
            }
        }
    };
}
