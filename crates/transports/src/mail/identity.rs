//! The senders of mails: five identities that a workflow names and the settings give an address.

use std::{collections::HashMap, str::FromStr};

use super::Mailbox;

/// One of the shop's senders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The shop as such; stands in for every one that has no address of its own.
    General,
    /// The sales department.
    Sales,
    /// The support department.
    Support,
    /// A first one that the shop defines.
    Custom1,
    /// A second one that the shop defines.
    Custom2,
}

impl Identity {
    /// Every identity.
    pub const ALL: [Self; 5] = [
        Self::General,
        Self::Sales,
        Self::Support,
        Self::Custom1,
        Self::Custom2,
    ];

    /// Its name in workflows and settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::Sales => "sales",
            Self::Support => "support",
            Self::Custom1 => "custom1",
            Self::Custom2 => "custom2",
        }
    }
}

/// A name that is none of general, sales, support, custom1 and custom2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a sender is general, sales, support, custom1 or custom2")]
pub struct UnknownIdentity;

impl FromStr for Identity {
    type Err = UnknownIdentity;

    fn from_str(name: &str) -> Result<Self, UnknownIdentity> {
        let mut all = Self::ALL.into_iter();
        all.find(|identity| identity.name() == name)
            .ok_or(UnknownIdentity)
    }
}

/// The name and address of each identity.
#[derive(Debug, Clone)]
pub struct Senders {
    general: Mailbox,
    others: HashMap<Identity, Mailbox>,
}

impl Senders {
    /// Senders of which every one is `general`.
    pub fn new(general: Mailbox) -> Self {
        let others = HashMap::new();
        Self { general, others }
    }

    /// The same senders, with `mailbox` for `identity`.
    #[must_use]
    pub fn with(mut self, identity: Identity, mailbox: Mailbox) -> Self {
        if identity == Identity::General {
            self.general = mailbox;
        } else {
            self.others.insert(identity, mailbox);
        }
        self
    }

    /// The mailbox of `identity`; that of [`Identity::General`] where it has none.
    pub fn get(&self, identity: Identity) -> &Mailbox {
        self.others.get(&identity).unwrap_or(&self.general)
    }
}
