//! From the name of a host to the addresses that a connection may go to. The
//! client asks once for each connection and connects to what it was told, so a
//! name that changes its mind afterwards gains nothing.

use std::{
    error::Error,
    io,
    net::{SocketAddr, ToSocketAddrs},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use crate::{Allowed, Barred};

/// How many names are asked for at once. Each takes a thread until the system answers, also when
/// nobody waits any more, and other work of the process needs threads as well.
const ASKED_AT_ONCE: usize = 384;

/// Asks the system, as every other program of the machine does.
#[derive(Debug)]
pub(crate) struct System(Arc<Semaphore>);

impl Default for System {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ASKED_AT_ONCE)))
    }
}

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        let places = Arc::clone(&self.0);
        Box::pin(async move {
            let place = places.acquire_owned().await?;
            let asking = tokio::task::spawn_blocking(move || {
                let found = (name.as_str(), 0).to_socket_addrs();
                drop(place);
                found
            });
            let found: Vec<_> = asking.await??.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Leaves of another resolver's answer what the allow-list permits.
pub(crate) struct Checked {
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) allowed: Arc<Allowed>,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let resolving = self.resolver.resolve(name);
        let allowed = Arc::clone(&self.allowed);
        Box::pin(async move {
            let found: Vec<_> = resolving.await?.collect();
            let open = open(&allowed, host, found)?;
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
