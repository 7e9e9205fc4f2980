//! A server of the protocol of NATS that does what it is told to, also what none should.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// When the server goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Never,
    /// Instead of INFO.
    Greeting,
    /// Instead of the PONG that lets a client in.
    Login,
    /// Instead of an acknowledgment.
    Ack,
}

/// How it goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It says this, and then says that for ever. It reads nothing meanwhile.
    Endless(&'static [u8], &'static [u8]),
    /// The same, and it reads what it is sent.
    EndlessReading(&'static [u8], &'static [u8]),
    /// It says this once, and then nothing. It reads nothing either, until it recovers: then the
    /// connection is closed, as by a server that was started anew.
    Once(&'static [u8]),
    /// It says this, and closes the connection.
    Closes(&'static [u8]),
}

/// A server on loopback.
pub(super) struct Peer {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    behavior: watch::Sender<(When, Wrong)>,
    connections: AtomicUsize,
    taken: AtomicUsize,
    stored: AtomicUsize,
}

impl Peer {
    /// A server that goes `wrong` at some time.
    pub(super) async fn start(when: When, wrong: Wrong) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            behavior: watch::Sender::new((when, wrong)),
            connections: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
            stored: AtomicUsize::new(0),
        });
        let accepting = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&accepting);
                shared.connections.fetch_add(1, Ordering::Relaxed);
                // Whoever hangs up has had enough.
                tokio::spawn(async move {
                    let _: io::Result<()> = shared.converse(stream).await;
                });
            }
        });
        Self { port, shared }
    }

    /// Does everything right from now on.
    pub(super) fn recover(&self) {
        let behavior = &self.shared.behavior;
        behavior.send_modify(|behavior| behavior.0 = When::Never);
    }

    pub(super) fn address(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// How many connections were made to it.
    pub(super) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// The most bytes that one connection took of what has no end.
    pub(super) fn taken(&self) -> usize {
        self.shared.taken.load(Ordering::Relaxed)
    }

    /// How many events it acknowledged.
    pub(super) fn stored(&self) -> usize {
        self.shared.stored.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn wrong(&self, now: When) -> Option<Wrong> {
        let (when, wrong) = *self.behavior.borrow();
        (when == now).then_some(wrong)
    }

    async fn converse(&self, stream: TcpStream) -> io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut read = BufReader::new(read);
        if let Some(wrong) = self.wrong(When::Greeting) {
            return self.go_wrong(read, write, wrong).await;
        }
        write
            .write_all(b"INFO {\"max_payload\":1048576,\"headers\":true}\r\n")
            .await?;
        let mut line = String::new();
        loop {
            line.clear();
            if read.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match words.as_slice() {
                ["PING"] => {
                    if let Some(wrong) = self.wrong(When::Login) {
                        return self.go_wrong(read, write, wrong).await;
                    }
                    write.write_all(b"PONG\r\n").await?;
                }
                ["HPUB", _, reply, _, length] => {
                    let length: usize = length.parse().unwrap();
                    let mut message = vec![0; length + 2];
                    read.read_exact(&mut message).await?;
                    if let Some(wrong) = self.wrong(When::Ack) {
                        return self.go_wrong(read, write, wrong).await;
                    }
                    let sequence = self.stored.fetch_add(1, Ordering::Relaxed) + 1;
                    let ack = format!("{{\"stream\":\"ORDERS\",\"seq\":{sequence}}}");
                    let ack = format!("MSG {reply} 1 {}\r\n{ack}\r\n", ack.len());
                    write.write_all(ack.as_bytes()).await?;
                }
                _ => {}
            }
        }
    }

    async fn go_wrong(
        &self,
        mut read: BufReader<OwnedReadHalf>,
        mut write: OwnedWriteHalf,
        wrong: Wrong,
    ) -> io::Result<()> {
        match wrong {
            Wrong::Endless(begin, then) => {
                write.write_all(begin).await?;
                // `read` stays open, unread.
                self.fill(&mut write, then).await
            }
            Wrong::EndlessReading(begin, then) => {
                tokio::spawn(async move {
                    let _ = tokio::io::copy(&mut read, &mut tokio::io::sink()).await;
                });
                write.write_all(begin).await?;
                self.fill(&mut write, then).await
            }
            Wrong::Once(said) => {
                write.write_all(said).await?;
                let mut behavior = self.behavior.subscribe();
                let _ = behavior.wait_for(|(when, _)| *when == When::Never).await;
                Ok(())
            }
            Wrong::Closes(said) => write.write_all(said).await,
        }
    }

    async fn fill(&self, write: &mut (impl AsyncWrite + Unpin), then: &[u8]) -> io::Result<()> {
        let piece = then.repeat(4_096 / then.len().max(1));
        let mut written = 0;
        loop {
            write.write_all(&piece).await?;
            written += piece.len();
            self.taken.fetch_max(written, Ordering::Relaxed);
        }
    }
}
