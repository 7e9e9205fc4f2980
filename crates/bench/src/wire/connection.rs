//! Connections to one server, taken in turn.

use std::{cell::Cell, net::SocketAddr};

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::net::TcpStream;

use super::method::Method;
use crate::failure::Failure;

/// Large enough that no answer waits for a window.
const WINDOW_BYTES: u32 = 64 * 1024 * 1024;
const FRAME_BYTES_MAX: u32 = 1024 * 1024;
/// More than are ever open on one connection.
const CALLS_MAX: usize = 10_000;
/// The number of connections that share the calls of a load.
const USUAL: usize = 4;

/// A few connections to one server.
#[derive(Debug)]
pub(crate) struct Connections {
    senders: Vec<SendRequest<Bytes>>,
    next: Cell<usize>,
}

impl Connections {
    /// Opens a connection for each address. They are driven by tasks of the present runtime.
    pub(crate) async fn open(addresses: &[SocketAddr]) -> Result<Self, Failure> {
        let mut senders = Vec::with_capacity(addresses.len());
        for address in addresses {
            senders.push(open(*address).await?);
        }
        Ok(Self {
            senders,
            next: Cell::new(0),
        })
    }

    /// Opens the usual number of connections to one server.
    pub(crate) async fn usual(address: SocketAddr) -> Result<Self, Failure> {
        Self::shared(&[address]).await
    }

    /// Opens the usual number of connections to several servers, in turn.
    pub(crate) async fn shared(addresses: &[SocketAddr]) -> Result<Self, Failure> {
        let turns = addresses.iter().copied().cycle().take(USUAL);
        Self::open(&turns.collect::<Vec<_>>()).await
    }

    /// The number of connections.
    pub(crate) fn count(&self) -> usize {
        self.senders.len()
    }

    /// The connection whose turn it is.
    pub(crate) fn sender(&self) -> Result<SendRequest<Bytes>, Failure> {
        let turn = self.next.get();
        self.next.set(turn.wrapping_add(1));
        let sender = self.senders.get(turn % self.senders.len().max(1));
        sender.cloned().ok_or(Failure::Interrupted)
    }

    /// Sends one message and returns the one that answers it.
    pub(crate) async fn ask<A: prost::Message + Default>(
        &self,
        method: Method,
        request: &impl prost::Message,
    ) -> Result<A, Failure> {
        let call = method.call()?;
        let mut answer = call.send(self.sender()?, super::framed(request)).await?;
        let message = answer.message().await?;
        let message = message.ok_or(Failure::NoMessage { method: method.0 })?;
        answer.finish().await?;
        Ok(A::decode(message)?)
    }
}

async fn open(address: SocketAddr) -> Result<SendRequest<Bytes>, Failure> {
    let refused = |source| Failure::Connect { address, source };
    let stream = TcpStream::connect(address).await.map_err(refused)?;
    stream.set_nodelay(true).map_err(refused)?;
    let (sender, connection) = h2::client::Builder::new()
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .initial_max_send_streams(CALLS_MAX)
        .enable_push(false)
        .handshake::<_, Bytes>(stream)
        .await?;
    // Its end is seen by the calls on it.
    tokio::spawn(async move { connection.await.ok() });
    Ok(sender)
}
