//! A switch in front of a server: where clients connect to stays the same while
//! the server behind it becomes another one, as with an address that moves at a
//! failover.

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// A switch on the loopback. It ends when it is dropped, and all its connections with it.
#[derive(Debug)]
pub struct Switch {
    port: u16,
    target: watch::Sender<Option<u16>>,
    accepting: JoinHandle<()>,
}

impl Switch {
    /// Starts a switch that leads to a port of the loopback.
    pub async fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (target, targets) = watch::channel(Some(to));
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, targets.clone()));
            }
        });
        Self {
            port,
            target,
            accepting,
        }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Leads to another port from now on; all open connections are cut.
    pub fn lead_to(&self, port: u16) {
        self.target.send_replace(Some(port));
    }

    /// Leads nowhere from now on: all open connections are cut, new ones closed at once.
    pub fn lead_nowhere(&self) {
        self.target.send_replace(None);
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn relay(mut client: TcpStream, mut targets: watch::Receiver<Option<u16>>) {
    let target = *targets.borrow_and_update();
    let Some(port) = target else { return };
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    // A message of the database is often smaller than a packet.
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    tokio::select! {
        // An error means that the switch is gone.
        _ = targets.changed() => {}
        _ = copy_bidirectional(&mut client, &mut server) => {}
    }
}
