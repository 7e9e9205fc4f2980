//! From the name of a host to the addresses that a connection may go to. The
//! client asks once for each connection and connects to the answer, so a name
//! that changes its mind afterwards gains nothing.

use std::{
    error::Error,
    io,
    net::{SocketAddr, ToSocketAddrs},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

pub use hyper_util::client::legacy::connect::dns::Name;
use tokio::sync::Semaphore;
use tower::Service;

use crate::{Allowed, Barred};

/// The most names that are looked up at once. Each takes a thread until the system answers, also when
/// nobody waits any more, and other work of the process needs threads as well.
const LOOKUPS_MAX: usize = 384;

/// The addresses of a host. A port of 0 says nothing.
pub type Addrs = Box<dyn Iterator<Item = SocketAddr> + Send>;

/// A lookup of addresses under way.
pub type Resolving =
    Pin<Box<dyn Future<Output = Result<Addrs, Box<dyn Error + Send + Sync>>> + Send>>;

/// A resolver: finds the addresses of a host.
pub trait Resolve: Send + Sync {
    /// Begins a lookup.
    fn resolve(&self, name: Name) -> Resolving;
}

/// The error of a name without an address that may be connected to.
#[derive(Debug, thiserror::Error)]
#[error("the name leads nowhere")]
pub(crate) struct Unresolved(#[source] Box<dyn Error + Send + Sync>);

/// The resolver of the system, which every other program of the machine asks too.
#[derive(Debug)]
pub(crate) struct System(Arc<Semaphore>);

impl Default for System {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LOOKUPS_MAX)))
    }
}

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        let permits = Arc::clone(&self.0);
        Box::pin(async move {
            let permit = permits.acquire_owned().await?;
            let lookup = tokio::task::spawn_blocking(move || {
                let found = (name.as_str(), 0).to_socket_addrs();
                drop(permit);
                found
            });
            let found: Vec<_> = lookup.await??.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// A resolver that keeps of another one's answer what the allow-list permits.
#[derive(Clone)]
pub(crate) struct Checked {
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) allowed: Arc<Allowed>,
}

impl Service<Name> for Checked {
    type Response = Addrs;
    type Error = Unresolved;
    type Future = Pin<Box<dyn Future<Output = Result<Addrs, Unresolved>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unresolved>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let host = name.as_str().to_owned();
        let resolving = self.resolver.resolve(name);
        let allowed = Arc::clone(&self.allowed);
        Box::pin(async move {
            let found: Vec<_> = resolving.await.map_err(Unresolved)?.collect();
            let open = open(&allowed, host, found).map_err(Unresolved)?;
            Ok(Box::new(open.into_iter()) as Addrs)
        })
    }
}

fn open(
    allowed: &Allowed,
    host: String,
    found: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
    if found.is_empty() {
        return Err(io::Error::from(io::ErrorKind::NotFound).into());
    }
    let permitted = |address: &SocketAddr| allowed.permits(&host, address.ip());
    let open: Vec<_> = found.into_iter().filter(permitted).collect();
    if open.is_empty() {
        return Err(Barred::Address { host }.into());
    }
    Ok(open)
}
