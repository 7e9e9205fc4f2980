//! The deployment that a database belongs to.

use std::fmt;

/// The id of a deployment: 16 random bytes, made with the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeploymentId(pub [u8; 16]);

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_bytes(self.0).fmt(f)
    }
}
