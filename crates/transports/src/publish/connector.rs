//! Makes connections to NATS: TCP, INFO, TLS where either side asks for it, login.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use rustls::pki_types::ServerName;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{
    Access, Servers, SettingsError,
    acks::Acks,
    connection::{Connection, Problem, Stream},
    login,
    protocol::{Info, Op},
    session::{PONG, Session},
    settings::Address,
};

/// The longest that a lookup of a name may take, a connection up to its login, and a server to read
/// what it is sent. The time for an event counts where it is less.
const TIME_MAX: Duration = Duration::from_secs(5);
/// The most addresses of one name that are tried.
const PEERS_MAX: usize = 16;
/// The most operations of a server between CONNECT and its PONG; two or three are usual.
const GREETINGS_MAX: usize = 64;

/// Makes connections.
pub(super) struct Connector {
    tls: TlsConnector,
    access: Access,
    time_max: Duration,
}

impl Connector {
    /// Makes connections as `servers` says.
    ///
    /// # Errors
    /// Fails where the certificates cannot be used.
    pub(super) fn new(servers: &Servers) -> Result<Self, SettingsError> {
        Ok(Self {
            tls: TlsConnector::from(Arc::new(servers.tls()?)),
            access: servers.access().clone(),
            time_max: servers.timeout().min(TIME_MAX),
        })
    }

    /// Connects to the first of the addresses of a name that lets us in.
    pub(super) async fn open(&self, address: &Address) -> Result<Session, Problem> {
        let found = lookup_host((address.host.as_str(), address.port));
        let found = match timeout(self.time_max, found).await {
            Ok(found) => found.map_err(Problem::Dns)?,
            Err(_elapsed) => return Err(Problem::Timeout),
        };
        let mut problem = Problem::Dns(io::ErrorKind::NotFound.into());
        for peer in found.take(PEERS_MAX) {
            problem = match timeout(self.time_max, self.connect(peer, address)).await {
                Ok(Ok(session)) => return Ok(session),
                Ok(Err(problem)) => problem,
                Err(_elapsed) => Problem::Timeout,
            };
        }
        Err(problem)
    }

    async fn connect(&self, peer: SocketAddr, address: &Address) -> Result<Session, Problem> {
        let stream = TcpStream::connect(peer).await?;
        stream.set_nodelay(true)?;
        let mut connection = self.over(Box::new(stream));
        let info = match connection.receive().await? {
            Op::Info(info) => info,
            Op::Error(complaint) => return Err(Problem::server(&complaint)),
            Op::Ping | Op::Pong | Op::Ok | Op::Message(_) => return Err(Problem::NoInfo),
        };
        if address.is_tls || info.tls_required {
            let name = ServerName::try_from(address.host.clone()).map_err(io::Error::other)?;
            // Whatever came before TLS and is not INFO could be anybody's: it is dropped.
            let stream = self.tls.connect(name, connection.into_stream()).await?;
            connection = self.over(Box::new(stream));
        }
        self.log_in(connection, &info, address.is_tls).await
    }

    fn over(&self, stream: Box<dyn Stream>) -> Connection {
        Connection::new(stream, self.time_max)
    }

    async fn log_in(
        &self,
        mut connection: Connection,
        info: &Info,
        is_tls_required: bool,
    ) -> Result<Session, Problem> {
        let acks = Acks::new()?;
        let hello = login::connect(&self.access, info, is_tls_required)?;
        let hello = format!("{hello}SUB {} 1\r\nPING\r\n", acks.subjects());
        connection.send(Bytes::from(hello)).await?;
        for _ in 0..GREETINGS_MAX {
            match connection.receive().await? {
                Op::Pong => return Ok(Session::new(connection, acks, info)),
                Op::Ping => connection.send(PONG).await?,
                Op::Error(complaint) => return Err(Problem::server(&complaint)),
                Op::Info(_) | Op::Ok | Op::Message(_) => {}
            }
        }
        Err(Problem::Unasked)
    }
}
