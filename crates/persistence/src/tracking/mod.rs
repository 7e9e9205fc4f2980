//! Tokens with which customers see their orders: made, revoked, and followed to
//! what is shown. They change no order, so they take no locks of partitions.

mod change;
pub(crate) mod key;
pub(crate) mod newest;
mod token;
mod tokens;
mod view;

pub use key::TrackingKey;
pub use token::{
    NewTrackingToken, Revocation, TrackingAnswer, TrackingCall, TrackingError, TrackingToken,
    TrackingTokenId,
};
pub use view::Tracked;
