//! A proxy in front of PostgreSQL that cuts a connection at its COMMIT, before
//! or after the server has carried it out.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// How a client says COMMIT: a simple query of that one word.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";
/// How the server says that it is ready and in no transaction.
const IDLE: &[u8] = b"Z\0\0\0\x05I";

/// Where a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The server never hears of the COMMIT.
    Before,
    /// The server has answered it, and the client never hears the answer.
    After,
    /// At once when it was sent; what the server makes of it is open.
    Amid,
}

/// A proxy on the loopback. It ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    plan: Arc<Plan>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Plan {
    before: AtomicU32,
    after: AtomicU32,
    amid: AtomicU32,
    /// Whether nobody is let through after the next cut.
    last: AtomicBool,
    closed: AtomicBool,
}

impl Proxy {
    /// Starts a proxy in front of a port of the loopback.
    pub async fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let plan = Arc::new(Plan::default());
        let connections = Arc::clone(&plan);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, to, Arc::clone(&connections)));
            }
        });
        Self {
            port,
            plan,
            accepting,
        }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts the next `times` connections that commit.
    pub fn cut(&self, cut: Cut, times: u32) {
        self.plan.of(cut).store(times, Ordering::SeqCst);
    }

    /// Cuts the next connection that commits, and lets nobody through from then on.
    pub fn cut_for_good(&self, cut: Cut) {
        self.plan.last.store(true, Ordering::SeqCst);
        self.cut(cut, 1);
    }

    /// How many cuts are still to come.
    pub fn cuts_left(&self, cut: Cut) -> u32 {
        self.plan.of(cut).load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Plan {
    fn of(&self, cut: Cut) -> &AtomicU32 {
        match cut {
            Cut::Before => &self.before,
            Cut::After => &self.after,
            Cut::Amid => &self.amid,
        }
    }

    fn take(&self) -> Option<Cut> {
        let cut = self.spend();
        if cut.is_some() && self.last.load(Ordering::SeqCst) {
            self.closed.store(true, Ordering::SeqCst);
        }
        cut
    }

    fn spend(&self) -> Option<Cut> {
        [Cut::Before, Cut::After, Cut::Amid]
            .into_iter()
            .find(|cut| {
                let spend = |left: u32| left.checked_sub(1);
                self.of(*cut)
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, spend)
                    .is_ok()
            })
    }
}

async fn relay(mut client: TcpStream, to: u16, plan: Arc<Plan>) {
    if plan.closed.load(Ordering::SeqCst) {
        return;
    }
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", to)).await else {
        return;
    };
    let (mut up, mut down) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Some(sent) = read.ok().filter(|length| *length > 0).and_then(|length| up.get(..length)) else { return };
                let cut = sent.windows(COMMIT.len()).any(|window| window == COMMIT).then(|| plan.take()).flatten();
                if cut == Some(Cut::Before) || server.write_all(sent).await.is_err() || cut == Some(Cut::Amid) {
                    return;
                }
                if cut == Some(Cut::After) {
                    committed(&mut server).await;
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Some(sent) = read.ok().filter(|length| *length > 0).and_then(|length| down.get(..length)) else { return };
                if client.write_all(sent).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Waits until the server has answered COMMIT: what comes before that may answer an earlier
/// statement.
async fn committed(server: &mut TcpStream) {
    let mut answer = Vec::new();
    while !answer.windows(IDLE.len()).any(|window| window == IDLE) {
        match server.read_buf(&mut answer).await {
            Ok(length) if length > 0 => {}
            Ok(_) | Err(_) => return,
        }
    }
}
