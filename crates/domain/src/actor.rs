//! Who did something.

use serde::{Deserialize, Serialize};

use crate::value::{ActorId, Role};

/// The kinds of actors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A person who works for the shop.
    User,
    /// Another program; also what a call means that states no actor.
    Integration,
    /// The customer.
    Customer,
    /// Waymark itself, in automatic steps.
    System,
}

/// Who did something, on whose behalf and with which roles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The sort of actor.
    pub kind: ActorKind,
    /// Its id, empty where none was stated.
    #[serde(default, skip_serializing_if = "ActorId::is_empty")]
    pub id: ActorId,
    /// The one it acts for, or empty.
    #[serde(default, skip_serializing_if = "ActorId::is_empty")]
    pub on_behalf_of: ActorId,
    /// The roles that transitions may ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
}

impl Actor {
    /// The actor of a call that states none.
    pub fn unstated() -> Self {
        Self::of_kind(ActorKind::Integration)
    }

    /// The actor of automatic steps.
    pub fn system() -> Self {
        Self::of_kind(ActorKind::System)
    }

    /// Its name in a sentence: its id, or its kind.
    pub fn name(&self) -> &str {
        if !self.id.is_empty() {
            return self.id.as_str();
        }
        match self.kind {
            ActorKind::User => "a user",
            ActorKind::Integration => "an integration",
            ActorKind::Customer => "the customer",
            ActorKind::System => "the system",
        }
    }

    fn of_kind(kind: ActorKind) -> Self {
        Self {
            kind,
            id: ActorId::default(),
            on_behalf_of: ActorId::default(),
            roles: Vec::new(),
        }
    }
}
