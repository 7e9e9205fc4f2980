//! Connections as they are accepted. When the system has none to give, such as for want of file descriptors, that is
//! said and tried again after a pause: those that are open are served meanwhile, for which some files are left.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    time::Duration,
};

use rustix::{
    io::Errno,
    process::{Resource, getrlimit},
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};

use crate::ports::BACKLOG;

/// Pause when the system has no connection to give.
const PAUSE: Duration = Duration::from_millis(100);
/// Maximum of connections that nobody had taken and that are served when the port closes: as many as the system keeps.
const LEFT_MAX: u32 = BACKLOG;
const LOGGED_EVERY: Duration = Duration::from_secs(10);
/// Files that connections leave to all else, such as the database; a quarter where the process may open few.
const FILES_LEFT: u64 = 32;

#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: TcpListener,
    /// Purpose of the connections, as the log calls it.
    purpose: &'static str,
    /// Whether the connections took all files that they may.
    is_full: bool,
    logged: Option<Instant>,
    failures: u64,
}

impl Acceptor {
    pub(crate) fn new(listener: TcpListener, purpose: &'static str) -> Self {
        Self {
            listener,
            purpose,
            is_full: false,
            logged: None,
            failures: 0,
        }
    }

    /// The next connection, which sends what is written at once.
    pub(crate) async fn accept(&mut self) -> TcpStream {
        loop {
            self.wait_for_files().await;
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "TCP_NODELAY not set: a connection may send late");
                    }
                    self.is_full = takes_the_rest(&stream);
                    return stream;
                }
                // The peer was gone before its turn came.
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    self.is_full = error.raw_os_error() == Some(Errno::MFILE.raw_os_error());
                    self.note(&error);
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Closes the port. Returns the connections that the system had let in and nobody had taken, which would be cut off
    /// with it, calls and all.
    pub(crate) fn close(self) -> Vec<TcpStream> {
        let mut left = Vec::new();
        let Ok(listener) = self.listener.into_std() else {
            return left;
        };
        // While they are taken, others may come.
        for _ in 0..LEFT_MAX {
            match listener.accept() {
                Ok((stream, _)) => {
                    if takes_the_rest(&stream) {
                        break;
                    }
                    left.extend(taken(stream));
                }
                Err(error) if is_of_the_peer(&error) => {}
                Err(_) => break,
            }
        }
        left
    }

    async fn wait_for_files(&mut self) {
        while self.is_full {
            let next = self.listener.as_fd().try_clone_to_owned();
            let has_files = next.is_ok_and(|next| !takes_the_rest(&next));
            self.is_full = !has_files;
            if self.is_full {
                self.note(&Errno::MFILE.into());
                sleep(PAUSE).await;
            }
        }
    }

    fn note(&mut self, error: &io::Error) {
        self.failures += 1;
        if self.logged.is_some_and(|at| at.elapsed() < LOGGED_EVERY) {
            return;
        }
        self.logged = Some(Instant::now());
        tracing::warn!(
            %error,
            connection.purpose = self.purpose,
            failures = self.failures,
            "connection not accepted: clients wait; look at the limit of open files"
        );
    }
}

/// A connection that was taken past the runtime, for it to serve.
fn taken(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    TcpStream::from_std(stream)
}

/// Whether a file that was just opened leaves fewer than everything else may need: it has the lowest number that was
/// free, so at least as many are open.
fn takes_the_rest(latest: &impl AsRawFd) -> bool {
    let Some(most) = getrlimit(Resource::Nofile).current else {
        return false;
    };
    let ours = most - FILES_LEFT.min(most / 4);
    u64::try_from(latest.as_raw_fd()).is_ok_and(|number| number >= ours)
}

fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
