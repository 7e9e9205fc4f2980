//! Where an order stands: a state and a status assigned to it.

use serde::{Deserialize, Serialize};

use crate::value::{StateCode, StatusCode};

/// A state and a status that is assigned to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Standing {
    /// The state.
    pub state: StateCode,
    /// The status.
    pub status: StatusCode,
}
