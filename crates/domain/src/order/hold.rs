//! A hold: why an order may not move.

use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    value::{HoldId, Reason, Timestamp},
};

/// A hold that stands on an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Its id within the order.
    pub id: HoldId,
    /// Why the order is held.
    #[serde(default, skip_serializing_if = "Reason::is_empty")]
    pub reason: Reason,
    /// Who placed it.
    pub placed_by: Actor,
    /// When it was placed.
    pub place_time: Timestamp,
    /// When it is released by itself; none for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_time: Option<Timestamp>,
}
