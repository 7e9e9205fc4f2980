//! Tokens of customers, and the calls that make and revoke them.

use waymark_domain::{
    actor::Actor,
    partition::Partition,
    value::{OrderId, Timestamp, WorkflowCode},
};

use crate::{ChangeMode, CommitError, Refusal, Request};

/// Names a token; its text is made from this and the key of the deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackingTokenId {
    /// The partition of its order.
    pub partition: Partition,
    /// 16 random bytes.
    pub id: [u8; 16],
}

/// A token as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackingToken {
    /// Its id.
    pub id: TrackingTokenId,
    /// The workflow of its order.
    pub workflow: WorkflowCode,
    /// Its order.
    pub order_id: OrderId,
    /// The time at which it was created.
    pub create_time: Timestamp,
    /// The time at which it ends; none for never.
    pub expire_time: Option<Timestamp>,
    /// The time at which it was revoked; none for not at all.
    pub revoke_time: Option<Timestamp>,
}

/// A token that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTrackingToken {
    /// The workflow of the order.
    pub workflow: WorkflowCode,
    /// The order.
    pub order_id: OrderId,
    /// The time at which it shall end; none for never.
    pub expire_time: Option<Timestamp>,
}

/// The tokens that are to be revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// All tokens that an order has now.
    Order(WorkflowCode, OrderId),
    /// One token.
    Token(TrackingTokenId),
}

/// A call that makes or revokes tokens, apart from what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackingCall {
    /// The idempotency key; none where the call is not idempotent.
    pub request: Option<Request>,
    /// The actor who makes it.
    pub actor: Actor,
    /// Whether it is a dry run.
    pub mode: ChangeMode,
}

/// The answer of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackingAnswer<A> {
    /// The answer.
    pub answer: A,
    /// Whether the same call was answered before, and nothing was done now.
    pub replayed: bool,
}

/// The error of a call that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrackingError {
    /// There is no such order, or the request id was used for another call.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no such token.
    #[error("there is no such token")]
    TokenNotFound,
    /// The token would end before it begins.
    #[error("the token would have ended already")]
    ExpireTimePassed,
    /// The database failed.
    #[error(transparent)]
    Failed(#[from] CommitError),
}

impl TrackingToken {
    /// Whether it can be used at an instant.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoke_time.is_none() && self.expire_time.is_none_or(|end| now < end)
    }
}
