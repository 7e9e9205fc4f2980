//! Where an order stands, and which transitions start there.

use serde::{Deserialize, Serialize};

use super::Transition;
use crate::value::{StateCode, StatusCode};

/// A state and a status that is assigned to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Standing {
    /// The state.
    pub state: StateCode,
    /// The status.
    pub status: StatusCode,
}

impl Transition {
    /// Whether the transition starts where an order stands.
    pub(crate) fn leaves(&self, from: &Standing) -> bool {
        let status_fits =
            self.from_statuses.is_empty() || self.from_statuses.contains(&from.status);
        let state_fits = self.from_states.is_empty() || self.from_states.contains(&from.state);
        status_fits && state_fits
    }
}
