//! Posts webhooks to endpoints, after Standard Webhooks 1.0. An endpoint is
//! somebody else's machine and may do anything: what it answers is bounded in
//! time and in size, and its words decide nothing but what its status says.

use std::{pin::pin, sync::Arc};

use http::{
    HeaderMap, HeaderValue, Request,
    header::{ACCEPT, USER_AGENT},
};
use http_body_util::Full;
use tokio::time::sleep;
use url::Host;

use crate::{
    Allowed, Attempt, Outcome, Post, Resolve, WebhookUrl, answer,
    client::Client,
    problem::{Destination, problem},
    resolver::{Checked, System},
};

/// What every webhook calls its sender.
const SENDER: &str = concat!("waymark/", env!("CARGO_PKG_VERSION"));

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
        let client = Client::new(Checked { resolver, allowed })?;
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
        let Ok(request) = Request::post(post.url.as_str()).body(Full::new(post.body)) else {
            return failed("the URL cannot be written into a request".to_owned());
        };
        let request = with_headers(request, headers);
        let mut deadline = pin!(sleep(post.timeout));
        match self.client.send(request, deadline.as_mut()).await {
            Ok(response) => answer::attempt(response, post.timestamp, deadline).await,
            Err(error) => failed(problem(&error, &destination)),
        }
    }
}

/// Adds what every webhook has.
fn with_headers<B>(mut request: Request<B>, mut headers: HeaderMap) -> Request<B> {
    headers.insert(USER_AGENT, HeaderValue::from_static(SENDER));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    *request.headers_mut() = headers;
    request
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
        addressee_refused: false,
    }
}
