//! Connections to the SMTP server: opened at need, kept for the next mail, closed
//! when none comes. Lettre's own pool sends to all recipients or to none, so the
//! connections themselves are needed here.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use lettre::transport::smtp::{
    self,
    authentication::{Credentials, DEFAULT_MECHANISMS},
    client::{AsyncSmtpConnection, AsyncTokioStream, TlsParameters},
    commands::Rset,
    extension::ClientId,
};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::TlsConnector;

use super::{
    Security, Server, SettingsError,
    stream::{Allowance, Bounded},
};

/// The most connections that wait for another mail.
const IDLE_MAX: usize = 4;
/// The longest that one waits; servers close theirs after five minutes.
const IDLE_TIME: Duration = Duration::from_secs(20);
/// The longest that a server may take to answer QUIT.
const QUIT_TIME: Duration = Duration::from_secs(1);

pub(super) struct Connections {
    server: Server,
    hello_name: ClientId,
    credentials: Option<Credentials>,
    protection: Protection,
    idle: Arc<Idle>,
}

/// The protection of a connection, with what it needs.
enum Protection {
    None,
    StartTls(Box<TlsParameters>),
    Tls(Arc<ClientConfig>, ServerName<'static>),
}

/// The reason why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// The server could not be reached, or TLS not be agreed on.
    #[error("it cannot be reached: {0}")]
    Unreached(#[from] io::Error),
    /// The server refused, or broke the protocol.
    #[error(transparent)]
    Smtp(#[from] smtp::Error),
}

/// A connection that is ready for a mail.
pub(super) struct Ready {
    pub(super) connection: AsyncSmtpConnection,
    allowance: Allowance,
}

#[derive(Default)]
struct Idle(Mutex<Vec<Waiting>>);

struct Waiting {
    ready: Ready,
    since: Instant,
}

impl Connections {
    /// Connections to `server`, greeted with `fallback_name` where it has no other
    /// name. Opens none yet.
    pub(super) fn new(server: Server, fallback_name: &str) -> Result<Self, SettingsError> {
        Ok(Self {
            hello_name: server.hello_name(fallback_name),
            credentials: server.credentials(),
            protection: Protection::of(&server)?,
            server,
            idle: Arc::default(),
        })
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// A connection that is ready for a mail: one that waits and still answers, or a new one.
    pub(super) async fn take(&self) -> Result<Ready, ConnectError> {
        while let Some(mut ready) = self.idle.pop() {
            ready.allowance.renew();
            if ready.connection.command(Rset).await.is_ok() {
                return Ok(ready);
            }
        }
        self.open().await
    }

    /// Keeps a connection, whose mail is done, for another one.
    pub(super) fn put_back(&self, ready: Ready) {
        let waiting = Waiting {
            ready,
            since: Instant::now(),
        };
        if self.idle.push(waiting) {
            tokio::spawn(close_in_time(Arc::downgrade(&self.idle)));
        }
    }

    async fn open(&self) -> Result<Ready, ConnectError> {
        let tcp = TcpStream::connect((self.server.host(), self.server.port())).await?;
        tcp.set_nodelay(true)?;
        let peer = tcp.peer_addr()?;
        let allowance = Allowance::new();
        let stream: Box<dyn AsyncTokioStream> = match &self.protection {
            Protection::None | Protection::StartTls(_) => Box::new(Bounded {
                inner: tcp,
                peer,
                allowance: allowance.clone(),
            }),
            Protection::Tls(config, name) => {
                let tls = TlsConnector::from(Arc::clone(config));
                Box::new(Bounded {
                    inner: tls.connect(name.clone(), tcp).await?,
                    peer,
                    allowance: allowance.clone(),
                })
            }
        };
        let name = &self.hello_name;
        let mut connection = AsyncSmtpConnection::connect_with_transport(stream, name).await?;
        if let Protection::StartTls(tls) = &self.protection {
            connection.starttls((**tls).clone(), name).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(Ready {
            connection,
            allowance,
        })
    }
}

impl Protection {
    fn of(server: &Server) -> Result<Self, SettingsError> {
        Ok(match server.security() {
            Security::None => Self::None,
            Security::StartTls => Self::StartTls(Box::new(server.starttls()?)),
            Security::Tls => Self::Tls(Arc::new(server.tls()?), server.tls_name()?),
        })
    }
}

impl Idle {
    fn with<T>(&self, act: impl FnOnce(&mut Vec<Waiting>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn pop(&self) -> Option<Ready> {
        self.with(Vec::pop).map(|waiting| waiting.ready)
    }

    /// Answers whether it is the first one that waits. Where enough wait, it is closed.
    fn push(&self, waiting: Waiting) -> bool {
        self.with(|all| {
            let is_first = all.is_empty();
            if all.len() < IDLE_MAX {
                all.push(waiting);
            }
            is_first
        })
    }

    /// Takes out those that waited too long; answers also whether any is left.
    fn overdue(&self) -> (Vec<Ready>, bool) {
        self.with(|all| {
            let overdue = all.extract_if(.., |waiting| waiting.since.elapsed() >= IDLE_TIME);
            let overdue = overdue.map(|waiting| waiting.ready).collect();
            (overdue, !all.is_empty())
        })
    }
}

/// Closes connections as their time comes, until none waits.
async fn close_in_time(idle: Weak<Idle>) {
    loop {
        tokio::time::sleep(IDLE_TIME).await;
        let Some(idle) = idle.upgrade() else { return };
        let (overdue, are_left) = idle.overdue();
        drop(idle);
        for Ready {
            mut connection,
            allowance,
        } in overdue
        {
            allowance.renew();
            // Whether the server answers makes no difference: the connection is dropped.
            let _ = tokio::time::timeout(QUIT_TIME, connection.quit()).await;
        }
        if !are_left {
            return;
        }
    }
}
