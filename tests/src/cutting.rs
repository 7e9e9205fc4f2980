//! A proxy between a client and the server that cuts a connection as soon as the server begins to answer a call: the call
//! was carried out, and its client never hears of it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
};

/// How a frame of HTTP/2 begins: three bytes of length, its type, a byte of flags and four of the stream.
const HEAD_BYTES: usize = 9;
/// The type of a frame with headers, with which every answer begins.
const HEADERS: u8 = 1;

/// A proxy on the loopback. It ends when it is dropped.
#[derive(Debug)]
pub struct Cutting {
    address: SocketAddr,
    left: Arc<AtomicU32>,
    answered: Arc<AtomicU32>,
    accepting: JoinHandle<()>,
}

impl Cutting {
    /// Starts a proxy in front of a server.
    ///
    /// # Panics
    /// Panics where the system has no port.
    pub async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let (left, answered) = (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
        let counts = (Arc::clone(&left), Arc::clone(&answered));
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (left, answered) = counts.clone();
                tokio::spawn(relay(client, server, left, answered));
            }
        });
        Self {
            address,
            left,
            answered,
            accepting,
        }
    }

    /// Where to connect to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts the connections of the next answers.
    pub fn cut(&self, answers: u32) {
        self.left.store(answers, Ordering::SeqCst);
    }

    /// How many answers the server has begun, those that were cut included.
    pub fn answered(&self) -> u32 {
        self.answered.load(Ordering::SeqCst)
    }
}

impl Drop for Cutting {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn relay(
    client: TcpStream,
    server: SocketAddr,
    left: Arc<AtomicU32>,
    answered: Arc<AtomicU32>,
) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    // Whichever ends first ends both.
    tokio::select! {
        _ = copy(&mut from_client, &mut to_server) => {}
        _ = answers(from_server, to_client, &left, &answered) => {}
    }
}

/// Carries frames to the client, up to an answer that is to be cut.
async fn answers(
    mut server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    left: &AtomicU32,
    answered: &AtomicU32,
) -> std::io::Result<()> {
    // A call's last frame of headers is no answer of its own: streams have odd and growing numbers.
    let mut newest = 0;
    loop {
        let mut frame = vec![0; HEAD_BYTES];
        server.read_exact(&mut frame).await?;
        let length = u32::from_be_bytes([0, frame[0], frame[1], frame[2]]);
        let stream = u32::from_be_bytes([frame[5], frame[6], frame[7], frame[8]]);
        if frame[3] == HEADERS && stream > newest {
            newest = stream;
            answered.fetch_add(1, Ordering::SeqCst);
            let spend = |left: u32| left.checked_sub(1);
            if left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, spend)
                .is_ok()
            {
                return Ok(());
            }
        }
        let length = usize::try_from(length).expect("three bytes fit");
        frame.resize(HEAD_BYTES + length, 0);
        server.read_exact(&mut frame[HEAD_BYTES..]).await?;
        client.write_all(&frame).await?;
    }
}
