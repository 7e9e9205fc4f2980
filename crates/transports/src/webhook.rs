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

use crate::{
    Attempt, Post, Resolve, WebhookSettings, answer,
    client::Client,
    problem::{Destination, problem},
    resolver::{Checked, System},
};

/// The name of the sender in every webhook.
const SENDER: &str = concat!("waymark/", env!("CARGO_PKG_VERSION"));

/// The error of a client whose TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("TLS for webhooks could not be set up")]
pub struct BuildError(#[from] rustls::Error);

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
    /// Returns [`BuildError`] when its TLS cannot be set up.
    pub fn new(settings: WebhookSettings) -> Result<Self, BuildError> {
        Self::with_resolver(settings, Arc::new(System::default()))
    }

    /// Makes a client that resolves names otherwise. What `resolver` says is checked all the same.
    ///
    /// # Errors
    /// Returns [`BuildError`] when its TLS cannot be set up.
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
            return Attempt::failed(barred.to_string());
        }
        if post.secrets.is_empty() {
            return Attempt::failed("the endpoint has no valid secret");
        }
        let Ok(headers) = post.headers() else {
            return Attempt::refused("the event cannot be written into headers");
        };
        let destination = Destination::from(&post);
        let Ok(request) = Request::post(post.url.as_str()).body(Full::new(post.body)) else {
            return Attempt::failed("the URL cannot be written into a request");
        };
        let request = with_headers(request, headers);
        let mut deadline = pin!(sleep(post.timeout));
        match self.client.send(request, deadline.as_mut()).await {
            Ok(response) => answer::attempt(response, post.timestamp, deadline).await,
            Err(error) => Attempt::failed(problem(&error, &destination)),
        }
    }
}

fn with_headers<B>(mut request: Request<B>, mut headers: HeaderMap) -> Request<B> {
    headers.insert(USER_AGENT, HeaderValue::from_static(SENDER));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    *request.headers_mut() = headers;
    request
}
