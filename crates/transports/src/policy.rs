//! The endpoints that webhooks may be sent to, as the settings say.

use url::Host;

use crate::{Allowed, WebhookUrl};

/// The rules for endpoints.
#[derive(Debug, Clone, Default)]
pub struct WebhookSettings {
    /// The allow-list: what lies outside the public internet and may be reached all the same.
    pub allowed: Allowed,
    /// Whether endpoints must be reached by TLS.
    pub https_only: bool,
}

/// The reason why a webhook may not go to its URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Barred {
    /// The settings demand TLS.
    #[error("the URL must begin with https://")]
    NotHttps,
    /// All its addresses are outside the public internet, and no setting allows them.
    #[error("webhooks may not reach {host}, which is not on the public internet")]
    Address {
        /// The host, as the URL has it.
        host: String,
    },
}

impl WebhookSettings {
    /// Checks what a URL alone says; the addresses of a name are checked when a connection is made.
    ///
    /// # Errors
    /// Returns [`Barred`] for `http` where the settings demand `https`, and for an address that may not be reached.
    pub fn check(&self, url: &WebhookUrl) -> Result<(), Barred> {
        if self.https_only && !url.is_https() {
            return Err(Barred::NotHttps);
        }
        let address = match *url.host() {
            Host::Domain(_) => return Ok(()),
            Host::Ipv4(address) => address.into(),
            Host::Ipv6(address) => address.into(),
        };
        let host = url.host().to_string();
        if self.allowed.permits(&host, address) {
            Ok(())
        } else {
            Err(Barred::Address { host })
        }
    }
}
