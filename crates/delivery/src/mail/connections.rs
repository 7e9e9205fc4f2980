//! Connections to the SMTP server: opened at need, kept for the next mail, closed
//! when none comes. Lettre's own pool sends to all recipients or to none, so the
//! connections themselves are needed here.

use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use lettre::transport::smtp::{
    Error,
    authentication::{Credentials, DEFAULT_MECHANISMS},
    client::{AsyncSmtpConnection, TlsParameters},
    commands::Rset,
    extension::ClientId,
};
use tokio::time::Instant;

use super::{Security, Server, SettingsError};

/// How many connections wait for another mail.
const IDLE_MAX: usize = 4;
/// How long one waits; servers close theirs after five minutes.
const IDLE_TIME: Duration = Duration::from_secs(20);
/// How long a server has for its good-bye.
const QUIT_TIME: Duration = Duration::from_secs(1);

pub(super) struct Connections {
    server: Server,
    hello_name: ClientId,
    credentials: Option<Credentials>,
    tls: Option<TlsParameters>,
    idle: Arc<Idle>,
}

#[derive(Default)]
struct Idle(Mutex<Vec<Waiting>>);

struct Waiting {
    connection: AsyncSmtpConnection,
    since: Instant,
}

impl Connections {
    /// Connections to `server`, greeted with `fallback_name` where it has no other
    /// name. Opens none yet.
    pub(super) fn new(server: Server, fallback_name: &str) -> Result<Self, SettingsError> {
        Ok(Self {
            hello_name: server.hello_name(fallback_name),
            credentials: server.credentials(),
            tls: server.tls()?,
            server,
            idle: Arc::default(),
        })
    }

    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// A connection that is ready for a mail: one that waits and still answers, or a new one.
    pub(super) async fn take(&self) -> Result<AsyncSmtpConnection, Error> {
        while let Some(mut connection) = self.idle.pop() {
            if connection.command(Rset).await.is_ok() {
                return Ok(connection);
            }
        }
        self.open().await
    }

    /// Keeps `connection`, whose mail is done, for another one.
    pub(super) fn put_back(&self, connection: AsyncSmtpConnection) {
        let waiting = Waiting {
            connection,
            since: Instant::now(),
        };
        if self.idle.push(waiting) {
            tokio::spawn(close_in_time(Arc::downgrade(&self.idle)));
        }
    }

    async fn open(&self) -> Result<AsyncSmtpConnection, Error> {
        let address = (self.server.host(), self.server.port());
        let wrapped = match self.server.security() {
            Security::Tls => self.tls.clone(),
            Security::StartTls | Security::None => None,
        };
        let mut connection = AsyncSmtpConnection::connect_tokio1(
            address,
            Some(self.server.timeout()),
            &self.hello_name,
            wrapped,
            None,
        )
        .await?;
        if let (Security::StartTls, Some(tls)) = (self.server.security(), &self.tls) {
            connection.starttls(tls.clone(), &self.hello_name).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

impl Idle {
    fn with<T>(&self, act: impl FnOnce(&mut Vec<Waiting>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn pop(&self) -> Option<AsyncSmtpConnection> {
        self.with(Vec::pop).map(|waiting| waiting.connection)
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
    fn overdue(&self) -> (Vec<AsyncSmtpConnection>, bool) {
        self.with(|all| {
            let overdue = all.extract_if(.., |waiting| waiting.since.elapsed() >= IDLE_TIME);
            let overdue = overdue.map(|waiting| waiting.connection).collect();
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
        for mut connection in overdue {
            // Whether the server answers makes no difference: the connection is dropped.
            let _ = tokio::time::timeout(QUIT_TIME, connection.quit()).await;
        }
        if !are_left {
            return;
        }
    }
}
