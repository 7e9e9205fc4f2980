//! Tokens with which customers see their orders, and what these see.

use waymark_domain::{
    actor::Actor,
    tracking::{Remark, Tracking},
    value::{Invalid, OrderId, StoreView, Timestamp, WorkflowCode},
};

use super::{
    actor::read_actor,
    call::{RequestKey, ValidateOnly, fill_in, fingerprint, read_request_key},
    instant::{lower_bound, timestamp_to_wire},
    violations::{Noted, Path, Violations},
};
use crate::{
    invalid::{InvalidRequest, Problem},
    v1,
};

/// Asks for a token of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTrackingToken {
    /// The workflow of the order.
    pub workflow: WorkflowCode,
    /// The order.
    pub order_id: OrderId,
    /// When the token shall end; none for never. Whether that is later than now is not known here.
    pub expire_time: Option<Timestamp>,
    /// Who asks and how.
    pub call: TrackingCall,
}

/// Asks to revoke tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeTrackingToken {
    /// Which ones.
    pub which: Revocation,
    /// Who asks and how.
    pub call: TrackingCall,
}

/// Which tokens shall be revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// All that an order has.
    Order(WorkflowCode, OrderId),
    /// One, as text that may be no token at all.
    Token(String),
}

/// What every change of tokens carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackingCall {
    /// Who asks.
    pub actor: Actor,
    /// What makes a repeated call recognisable.
    pub request: Option<RequestKey>,
    /// Whether the call only asks what would happen.
    pub validate_only: ValidateOnly,
}

/// Asks what a customer may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetTracking {
    /// The token, as text that may be no token at all.
    pub token: String,
    /// The store view whose labels are shown; none for the order's own.
    pub store_view: Option<StoreView>,
}

impl CreateTrackingToken {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        mut request: v1::CreateTrackingTokenRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        fill_in(&mut request.workflow, default);
        let hash = fingerprint!("CreateTrackingToken", request, without request_id, validate_only);
        let v1::CreateTrackingTokenRequest {
            workflow,
            order_id,
            expire_time,
            actor,
            request_id,
            validate_only,
        } = request;
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.workflow(at, &workflow, default);
            let order_id = found.text(at.field("order_id"), &order_id);
            let expire_time = lower_bound(found, at.field("expire_time"), expire_time);
            let call = TrackingCall::read(found, (actor, &request_id, validate_only), hash);
            Ok(Self {
                workflow: workflow?,
                order_id: order_id?,
                expire_time: expire_time?,
                call: call?,
            })
        })
    }
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
        Violations::collect(|found| {
            let which = if token.is_empty() {
                Revocation::of_order(found, &workflow, &order_id, default)
            } else {
                Revocation::of_token(found, &workflow, &order_id, token)
            };
            let call = TrackingCall::read(found, (actor, &request_id, validate_only), hash);
            Ok(Self {
                which: which?,
                call: call?,
            })
        })
    }
}

impl Revocation {
    fn of_order(
        found: &mut Violations,
        workflow: &str,
        order_id: &str,
        default: &WorkflowCode,
    ) -> Result<Self, Noted> {
        let at = Path::REQUEST;
        let workflow = found.workflow(at, workflow, default);
        let order_id = found.text(at.field("order_id"), order_id);
        Ok(Self::Order(workflow?, order_id?))
    }

    fn of_token(
        found: &mut Violations,
        workflow: &str,
        order_id: &str,
        token: String,
    ) -> Result<Self, Noted> {
        let at = Path::REQUEST;
        let mut excluded = Ok(());
        for (field, text) in [("workflow", workflow), ("order_id", order_id)] {
            if !text.is_empty() {
                let other = "token";
                excluded = Err(found.note(at.field(field), Problem::Excluded { other }));
            }
        }
        excluded?;
        Ok(Self::Token(token))
    }
}

impl TrackingCall {
    fn read(
        found: &mut Violations,
        (actor, request_id, validate_only): (Option<v1::Actor>, &str, bool),
        fingerprint: [u8; 16],
    ) -> Result<Self, Noted> {
        let at = Path::REQUEST;
        let actor = read_actor(found, at.field("actor"), actor);
        let request = read_request_key(found, at, request_id, fingerprint);
        Ok(Self {
            actor: actor?,
            request: request?,
            validate_only: validate_only.into(),
        })
    }
}

impl GetTracking {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(request: v1::GetTrackingRequest) -> Result<Self, InvalidRequest> {
        let v1::GetTrackingRequest { token, store_view } = request;
        Violations::collect(|found| {
            let at = Path::REQUEST;
            // What else may be wrong with a token, nobody is told.
            let is_given = if token.is_empty() {
                Err(found.note(at.field("token"), Invalid::Empty))
            } else {
                Ok(())
            };
            let store_view = found.optional(at.field("store_view"), &store_view);
            is_given?;
            Ok(Self {
                token,
                store_view: store_view?,
            })
        })
    }
}

impl From<Tracking> for v1::Tracking {
    fn from(tracking: Tracking) -> Self {
        let Tracking {
            order_id,
            status_label,
            status_time,
            entries,
        } = tracking;
        Self {
            order_id: order_id.to_string(),
            status_label,
            status_time: Some(timestamp_to_wire(status_time)),
            entries: entries.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Remark> for v1::TrackingEntry {
    fn from(remark: Remark) -> Self {
        let Remark {
            sequence: _,
            label,
            comment,
            create_time,
            status_changed,
        } = remark;
        Self {
            label: label.unwrap_or_default(),
            comment,
            create_time: Some(timestamp_to_wire(create_time)),
            status_changed,
        }
    }
}
