//! Feeds for customers: RSS 2.0 and Atom over HTTP, on a port of their own, at
//! `/feeds/orders/{token}` and `/feeds/orders/{token}.atom`. `tracking`
//! decides what may be seen; here it gets its form and its way out.

mod answer;
mod document;
mod freshness;
mod listener;

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use waymark_persistence::Store;

use crate::{
    ports::{ListenError, TakenPort},
    settings::BaseUrl,
    tracking::Links,
};

/// A port for feeds that is taken, and lets nobody in yet.
#[derive(Debug)]
pub(crate) struct Taken {
    port: TakenPort,
    links: Links,
}

/// A port for feeds that is open, and not served yet.
#[derive(Debug)]
pub(crate) struct Port {
    listener: TcpListener,
    address: SocketAddr,
    links: Links,
}

impl Taken {
    /// Takes an address; `base` is where the world finds it, unless that is the address itself.
    ///
    /// # Errors
    /// Returns [`ListenError`] when the operating system does not give it.
    pub(crate) fn take(address: SocketAddr, base: Option<BaseUrl>) -> Result<Self, ListenError> {
        let port = TakenPort::take("feeds_listen", address)?;
        let base = base.unwrap_or_else(|| BaseUrl::of_address(port.address()));
        Ok(Self {
            port,
            links: Links::new(base),
        })
    }

    pub(crate) fn links(&self) -> &Links {
        &self.links
    }

    /// Lets connections come.
    ///
    /// # Errors
    /// As [`TakenPort::listen`].
    pub(crate) fn open(self) -> Result<Port, ListenError> {
        Ok(Port {
            address: self.port.address(),
            listener: self.port.listen()?,
            links: self.links,
        })
    }
}

impl Port {
    /// Serves feeds until told to stop. What was begun is finished by tasks among `connections`, for
    /// which a server that stops waits also where this one has panicked.
    pub(crate) async fn serve(
        self,
        store: Store,
        connections: TaskTracker,
        stopping: CancellationToken,
    ) {
        tracing::info!("serving feeds on {}", self.address);
        let router = answer::router(store, self.links);
        listener::serve(self.listener, router, stopping, &connections).await;
    }
}
