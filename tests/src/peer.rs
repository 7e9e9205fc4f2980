//! A peer on loopback that takes webhooks and then does with the connection whatever a test wants: hangs, talks without
//! end, or breaks off. Where an answer with a status is enough, there is [`receiver`](crate::receiver).

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

/// How long requests may take to come, on a machine that compiles as well.
const PATIENCE: Duration = Duration::from_mins(1);

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its path.
    pub path: String,
    /// Its `webhook-id`.
    pub id: String,
}

/// A peer.
#[derive(Debug)]
pub struct Peer {
    address: SocketAddr,
    requests: watch::Receiver<Vec<Request>>,
    most_at_once: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Peer {
    /// Starts a peer. `serve` gets each connection when its request has been read, and how many
    /// requests came before it; it ends when the connection is to be closed.
    ///
    /// # Panics
    /// Panics where the system has no port.
    pub async fn start<F>(serve: impl Fn(TcpStream, usize) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let (tell, requests) = watch::channel(Vec::new());
        let at_once = Arc::new(AtomicUsize::new(0));
        let most_at_once = Arc::new(AtomicUsize::new(0));
        let most = Arc::clone(&most_at_once);
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(request) = read(&mut stream).await else {
                    continue;
                };
                let now = at_once.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                let before = tell.borrow().len();
                tell.send_modify(|requests| requests.push(request));
                let (served, at_once) = (serve(stream, before), Arc::clone(&at_once));
                tokio::spawn(async move {
                    served.await;
                    at_once.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            address,
            requests,
            most_at_once,
            task,
        }
    }

    /// The URL of a path on it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has come so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.borrow().clone()
    }

    /// How many requests it had at most at the same time.
    pub fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }

    /// Waits until so many have come.
    ///
    /// # Panics
    /// Panics where they do not come in time.
    pub async fn until(&self, count: usize) -> Vec<Request> {
        let mut requests = self.requests.clone();
        let come = requests.wait_for(|requests| requests.len() >= count);
        let come = timeout(PATIENCE, come).await.map(|come| come.is_ok());
        assert_eq!(come, Ok(true), "only these came: {:?}", self.requests());
        self.requests()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers with a status, headers that end in a line break each, and a short body.
pub async fn answer(stream: &mut TcpStream, status: u16, headers: &str) {
    let answer = format!(
        "HTTP/1.1 {status} Said\r\n{headers}content-length: 5\r\nconnection: close\r\n\r\nnoted"
    );
    // A client that went away is no concern of the peer.
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// Writes a piece again and again until the other side takes no more; gives how many bytes went out.
pub async fn pour(stream: &mut TcpStream, piece: &[u8], bytes_max: usize) -> usize {
    let mut written = 0;
    while written < bytes_max && stream.write_all(piece).await.is_ok() {
        written += piece.len();
    }
    written
}

/// Reads a request with its body; none where the connection ends before.
async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut read = Vec::new();
    let (head, rest) = loop {
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&read);
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            break (head.to_owned(), rest.len());
        }
    };
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = lines.find(|(given, _)| given.eq_ignore_ascii_case(name))?;
        Some(value.trim().to_owned())
    };
    let length: usize = header("content-length")?.parse().ok()?;
    let mut left = vec![0; length.saturating_sub(rest)];
    stream.read_exact(&mut left).await.ok()?;
    Some(Request {
        path: head.split(' ').nth(1)?.trim_start_matches('/').to_owned(),
        id: header("webhook-id")?,
    })
}
