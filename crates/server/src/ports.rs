//! Ports, which are taken before anything else is done: a start that fails for want of one leaves nothing behind.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// Connections that may wait to be accepted, as in the standard library.
pub(crate) const BACKLOG: u32 = 128;

/// A port that nobody else gets, and that lets nobody in yet: whoever comes early is refused by the system, which clients
/// take for a server that is not there, and come again.
#[derive(Debug)]
pub(crate) struct TakenPort {
    socket: TcpSocket,
    address: SocketAddr,
    setting: &'static str,
}

/// The error of an address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("setting {setting}: cannot listen on {address}")]
pub struct ListenError {
    /// The setting that names it.
    pub setting: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// The error of the operating system.
    #[source]
    pub source: io::Error,
}

impl ListenError {
    /// Whether another process has the port, which may end.
    pub(crate) fn is_taken(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }
}

impl TakenPort {
    /// Takes the address that a setting names; port 0 takes a free one.
    ///
    /// # Errors
    /// Returns [`ListenError`] when the operating system does not give it.
    pub(crate) fn take(setting: &'static str, address: SocketAddr) -> Result<Self, ListenError> {
        let refused = |source| ListenError {
            setting,
            address,
            source,
        };
        let (socket, address) = bound(address).map_err(refused)?;
        Ok(Self {
            socket,
            address,
            setting,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets connections come.
    ///
    /// # Errors
    /// Returns [`ListenError`] when another process that had taken the port as well was quicker.
    pub(crate) fn listen(self) -> Result<TcpListener, ListenError> {
        self.socket.listen(BACKLOG).map_err(|source| ListenError {
            setting: self.setting,
            address: self.address,
            source,
        })
    }
}

fn bound(address: SocketAddr) -> io::Result<(TcpSocket, SocketAddr)> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A server that was stopped a moment ago leaves connections behind that the system still closes.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};

    use super::*;

    #[tokio::test]
    async fn a_taken_port_refuses_until_it_listens() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let port = TakenPort::take("listen", any).unwrap();
        let address = port.address();
        let early = TcpStream::connect(address).unwrap_err();
        assert_eq!(early.kind(), io::ErrorKind::ConnectionRefused);
        let listener = port.listen().unwrap();
        assert_eq!(listener.local_addr().unwrap(), address);
        TcpStream::connect(address).unwrap();

        let second = TakenPort::take("feeds_listen", address).unwrap_err();
        assert!(second.is_taken());
        assert_eq!(
            second.to_string(),
            format!("setting feeds_listen: cannot listen on {address}")
        );
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_not_taken_by_anybody() {
        // RFC 5737: for documentation, so no machine has it.
        let foreign = "192.0.2.1:0".parse().unwrap();
        let error = TakenPort::take("listen", foreign).unwrap_err();
        assert!(!error.is_taken(), "{error:?}");
    }
}
