//! Who placed an order.

use serde::{Deserialize, Serialize};

use crate::value::{ActorId, ProductName, Text};

/// Who placed an order. All parts may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Customer {
    /// The shop's id of the customer.
    #[serde(skip_serializing_if = "ActorId::is_empty")]
    pub id: ActorId,
    /// Where mail goes.
    #[serde(skip_serializing_if = "Text::is_empty")]
    pub email: Text<320>,
    /// The name of the customer.
    #[serde(skip_serializing_if = "ProductName::is_empty")]
    pub name: ProductName,
    /// Whether the customer has no account.
    pub guest: bool,
}

impl Customer {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
