//! Connections as they are accepted. When the system has none to give, such as for want of file descriptors, that is
//! said and tried again after a pause: those that are open are served meanwhile.

use std::{io, time::Duration};

use futures::{Stream, stream};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};

/// How long to wait when the system has no connection to give.
const PAUSE: Duration = Duration::from_millis(100);
/// How often that is said.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// Accepts connections.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: TcpListener,
    /// What the connections are for, as the log calls it.
    purpose: &'static str,
    said: Option<Instant>,
    failures: u64,
}

impl Acceptor {
    pub(crate) fn new(listener: TcpListener, purpose: &'static str) -> Self {
        Self {
            listener,
            purpose,
            said: None,
            failures: 0,
        }
    }

    /// The next connection, which sends what is written at once.
    pub(crate) async fn accept(&mut self) -> TcpStream {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "a connection may send late");
                    }
                    return stream;
                }
                // The peer was gone before its turn came.
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    self.note(&error);
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// The connections, one after the other.
    pub(crate) fn connections(self) -> impl Stream<Item = io::Result<TcpStream>> {
        stream::unfold(self, async |mut acceptor| {
            let stream = acceptor.accept().await;
            Some((Ok(stream), acceptor))
        })
    }

    fn note(&mut self, error: &io::Error) {
        self.failures += 1;
        if self.said.is_some_and(|said| said.elapsed() < SAID_EVERY) {
            return;
        }
        self.said = Some(Instant::now());
        tracing::warn!(
            %error,
            connection.purpose = self.purpose,
            failures = self.failures,
            "a connection could not be accepted: clients wait; look at the limit of open files"
        );
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
