//! The way to a running server.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use crate::{arguments::Server, failure::Failure};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Interval of pings of a silent connection, and the time that an answer may take.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Connects to the server.
pub(crate) async fn connect(server: &Server) -> Result<Channel, Failure> {
    let endpoint = Endpoint::from_shared(server.server.clone()).map_err(Failure::ServerAddress)?;
    let endpoint = endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    endpoint.connect().await.map_err(|source| Failure::Connect {
        server: server.server.clone(),
        source,
    })
}
