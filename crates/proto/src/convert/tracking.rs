//! Tokens with which customers see their orders, and what these see.

use waymark_domain::{
    tracking::{Remark, Tracking},
    value::{Invalid, OrderId, StoreView, Timestamp, WorkflowCode},
};

use super::{
    call::{EditCall, fill_in, fingerprint, read_edit},
    instant::lower_bound,
    violations::{Path, Read, Violations},
};
use crate::{
    invalid::{InvalidRequest, Problem},
    v1,
};

request! {
    /// Asks for a token of an order.
    CreateTrackingToken: CreateTrackingTokenRequest in workflow or default;
    hash = "CreateTrackingToken" in default without request_id, validate_only;
    /// The order.
    order_id: OrderId = text(order_id),
    /// The time when the token shall end; none for never. Whether that is later than now is not
    /// known here.
    expire_time: Option<Timestamp> = by(expire_time; lower_bound),
    /// The actor and the key of the call; without an etag.
    call: EditCall = edit(actor, request_id, validate_only; hash),
}

/// Asks to revoke tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeTrackingToken {
    /// The tokens.
    pub which: Revocation,
    /// The actor and the key of the call; without an etag.
    pub call: EditCall,
}

/// The tokens that shall be revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// All that an order has.
    Order(WorkflowCode, OrderId),
    /// One, as text that may be no token at all.
    Token(String),
}

request! {
    /// Asks what a customer may see.
    GetTracking: GetTrackingRequest;
    /// The token, as text that may be no token at all.
    token: String = with(token; |at| match token.as_str() {
        // A token that is wrong in another way is not told apart from one that nobody has.
        "" => Err(at.field("token").note(Invalid::Empty)),
        _ => Ok(token),
    }),
    /// The store view whose labels are shown; none for the order's own.
    store_view: Option<StoreView> = optional(store_view),
}

impl RevokeTrackingToken {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        mut request: v1::RevokeTrackingTokenRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        // With a token no workflow may be named.
        if request.token.is_empty() {
            fill_in(&mut request.workflow, default);
        }
        let hash = fingerprint!("RevokeTrackingToken", request, without request_id, validate_only);
        let v1::RevokeTrackingTokenRequest {
            workflow,
            order_id,
            token,
            actor,
            request_id,
            validate_only,
        } = request;
        Violations::collect(|at| {
            let which = Revocation::read(at, (&workflow, &order_id, token), default);
            let fields = (actor, request_id.as_str(), validate_only);
            let call = read_edit(at, fields, (at, String::new()), hash);
            Ok(Self {
                which: which?,
                call: call?,
            })
        })
    }
}

impl Revocation {
    fn read(
        at: Path<'_>,
        (workflow, order_id, token): (&str, &str, String),
        default: &WorkflowCode,
    ) -> Read<Self> {
        if token.is_empty() {
            let workflow = at.workflow(workflow, default);
            let order_id = at.field("order_id").text(order_id);
            return Ok(Self::Order(workflow?, order_id?));
        }
        let mut excluded = Ok(());
        for (field, text) in [("workflow", workflow), ("order_id", order_id)] {
            if !text.is_empty() {
                let other = "token";
                excluded = Err(at.field(field).note(Problem::Excluded { other }));
            }
        }
        excluded.map(|()| Self::Token(token))
    }
}

impl From<&Tracking> for v1::Tracking {
    fn from(tracking: &Tracking) -> Self {
        message!(Tracking from tracking: Tracking { entries };
            text: order_id;
            clone: status_label;
            time: status_time;
            .. entries: tracking.entries.iter().map(Into::into).collect(),
        )
    }
}

impl From<&Remark> for v1::TrackingEntry {
    fn from(remark: &Remark) -> Self {
        message!(TrackingEntry from remark: Remark { sequence };
            optional: label;
            clone: comment;
            time: create_time;
            same: status_changed;
        )
    }
}
