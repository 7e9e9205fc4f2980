//! Posts webhooks to endpoints, after Standard Webhooks 1.0. An endpoint is
//! somebody else's machine and may do anything: what it answers is bounded in
//! time and in size, and its words decide nothing but what its status says.

use std::sync::Arc;

use reqwest::{Client, dns::Resolve, redirect, retry};
use url::Host;

use crate::{
    Allowed, Attempt, Outcome, Post, WebhookUrl, answer,
    problem::{Destination, problem},
    resolver::{Checked, System},
    tls,
};

/// What every webhook calls its sender.
const USER_AGENT: &str = concat!("waymark/", env!("CARGO_PKG_VERSION"));

/// Which endpoints may be reached.
#[derive(Debug, Clone, Default)]
pub struct WebhookSettings {
    /// What lies outside the public internet and may be reached all the same.
    pub allowed: Allowed,
    /// Whether endpoints must be reached by TLS.
    pub https_only: bool,
}

/// Why a webhook may not go where it should.
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

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// TLS could not be set up.
    #[error("TLS for webhooks could not be set up")]
    Tls(#[from] rustls::Error),
    /// The client refused its settings.
    #[error("the client for webhooks could not be made")]
    Client(#[from] reqwest::Error),
}

impl WebhookSettings {
    /// Checks what a URL alone tells; where the name of a host leads is seen when a connection is made.
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

/// Posts webhooks. One per process, since it keeps connections; clones share them.
#[derive(Debug, Clone)]
pub struct Webhooks {
    client: Client,
    settings: WebhookSettings,
}

impl Webhooks {
    /// Makes a client that resolves names as the system does.
    ///
    /// # Errors
    /// Returns [`BuildError`] when the client or its TLS cannot be set up.
    pub fn new(settings: WebhookSettings) -> Result<Self, BuildError> {
        Self::with_resolver(settings, Arc::new(System::default()))
    }

    /// Makes a client that resolves names otherwise. What `resolver` says is checked all the same.
    ///
    /// # Errors
    /// Returns [`BuildError`] when the client or its TLS cannot be set up.
    pub fn with_resolver(
        settings: WebhookSettings,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, BuildError> {
        let allowed = Arc::new(settings.allowed.clone());
        let client = Client::builder()
            .tls_backend_preconfigured(tls::client_config()?)
            .dns_resolver(Checked { resolver, allowed })
            // A proxy would resolve names itself, behind every check.
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .user_agent(USER_AGENT)
            .build()?;
        Ok(Self { client, settings })
    }

    /// Makes one attempt. Only a status of 200 to 299 counts as accepted.
    pub async fn post(&self, post: Post) -> Attempt {
        if let Err(barred) = self.settings.check(&post.url) {
            return failed(barred.to_string());
        }
        if post.secrets.is_empty() {
            return failed("the endpoint has no valid secret".to_owned());
        }
        let Ok(headers) = post.headers() else {
            return refused("the event cannot be written into headers".to_owned());
        };
        let destination = Destination::from(&post);
        let request = self.client.post(post.url.into_url()).headers(headers);
        let sent = request.body(post.body).timeout(post.timeout).send().await;
        match sent {
            Ok(response) => answer::attempt(response, post.timestamp).await,
            Err(error) => failed(problem(&error, &destination)),
        }
    }
}

fn failed(problem: String) -> Attempt {
    unanswered(Outcome::Failed {
        problem,
        retry_after: None,
    })
}

fn refused(problem: String) -> Attempt {
    unanswered(Outcome::Refused { problem })
}

fn unanswered(outcome: Outcome) -> Attempt {
    Attempt {
        outcome,
        code: None,
        answer: Vec::new(),
    }
}
