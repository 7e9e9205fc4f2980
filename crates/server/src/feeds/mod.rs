//! Feeds for customers: RSS 2.0 and Atom over HTTP, on a port of their own, at
//! `/feeds/orders/{token}` and `/feeds/orders/{token}.atom`. What may be seen is
//! decided in `tracking`; here it gets its form and its way out.

mod answer;
mod document;
mod freshness;
mod listener;

use std::{io, net::SocketAddr, sync::Arc};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{App, settings::BaseUrl};

/// Where feeds are, as the world knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Links(BaseUrl);

/// A port for feeds that is taken, and not served yet.
#[derive(Debug)]
pub(crate) struct Port {
    listener: TcpListener,
    address: SocketAddr,
    links: Links,
}

impl Links {
    /// Where the RSS feed of a token is.
    pub(crate) fn of_token(&self, token: &str) -> String {
        format!("{}/feeds/orders/{token}", self.0)
    }

    /// The name of the site that the feeds come from.
    fn site(&self) -> &str {
        self.0.host()
    }
}

impl Port {
    /// Takes an address; `base` is where the world finds it, unless that is the address itself.
    ///
    /// # Errors
    /// Returns what the operating system says.
    pub(crate) async fn take(address: SocketAddr, base: Option<BaseUrl>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self {
            listener,
            address,
            links: Links(base.unwrap_or_else(|| BaseUrl::of_address(address))),
        })
    }

    /// Where its feeds are.
    pub(crate) fn links(&self) -> &Links {
        &self.links
    }

    /// Serves feeds until told to stop, and then finishes what was begun.
    pub(crate) async fn serve(self, app: Arc<App>, stopping: CancellationToken) {
        tracing::info!("serving feeds on {}", self.address);
        let router = answer::router(app, self.links);
        listener::serve(self.listener, router, stopping).await;
    }
}
