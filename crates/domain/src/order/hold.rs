//! A hold: why an order may not move, and what it means for the time that the order waits.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    actor::Actor,
    value::{HoldId, Reason, StatusCode, Timestamp},
};

/// How much of a reason a message shows, so that it has room for who placed the hold.
const SHOWN_BYTES_MAX: usize = 120;

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
    /// The status that it placed; none for holds that were placed before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusCode>,
    /// Whether the customer may read that time has released it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub visible_to_customer: bool,
    /// Whether its release by time asks to tell the customer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub notify_customer: bool,
}

/// How long an order has waited in its status, where a hold came between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// As if it had entered its status at this instant.
    Since(Timestamp),
    /// The order is on hold; it had waited for so many microseconds.
    Paused(i64),
}

/// Why it was placed, which hold it is, and by whom.
impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, by) = (&self.id, self.placed_by.name());
        if self.reason.is_empty() {
            return write!(f, "hold {id}, by {by}");
        }
        let reason = self.reason.as_str();
        let (shown, rest) = reason.split_at(reason.floor_char_boundary(SHOWN_BYTES_MAX));
        let cut = if rest.is_empty() { "" } else { "..." };
        let shown = shown.replace(char::is_control, " ");
        write!(f, "\"{shown}{cut}\" (hold {id}, by {by})")
    }
}
