//! Watchers of history: many streams over a few connections, in a thread of
//! their own. Each one checks that nothing is missing, doubled or out of order.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use prost::Message;
use tokio::sync::{mpsc, oneshot};
use waymark_proto::v1::{WatchHistoryRequest, WatchStart};

use crate::{
    clock,
    failure::Failure,
    shop,
    tally::latencies,
    wire::{self, Connections, Incoming, Method, Watched},
};

/// The number of connections that the watchers share.
const CONNECTIONS: usize = 10;
/// The longest that the last entries may take after the last step.
const PATIENCE: Duration = Duration::from_secs(20);

/// The entries that each watcher asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Every entry.
    Everything,
    /// The entries of one order, another one for each watcher.
    OneOrder,
}

/// Watchers that watch.
#[derive(Debug)]
pub(crate) struct Watchers {
    count: usize,
    delivered: Arc<AtomicU64>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<Seen, Failure>>,
}

/// The sum of what all watchers saw.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Entries, each counted for each watcher that got it.
    pub(crate) deliveries: u64,
    latency_us: Histogram<u64>,
}

impl Seen {
    /// The time from the commit to the arrival in milliseconds below which a share of the deliveries stayed.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a latency is known to three digits"
    )]
    pub(crate) fn latency_ms(&self, quantile: f64) -> f64 {
        self.latency_us.value_at_quantile(quantile) as f64 / 1_000.0
    }
}

impl Watchers {
    /// Starts watchers, and waits until each has its first message.
    pub(crate) async fn start(
        address: SocketAddr,
        count: usize,
        wish: Wish,
    ) -> Result<Self, Failure> {
        let delivered = Arc::new(AtomicU64::new(0));
        let (ready, is_ready) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let post = Post {
            address,
            count,
            wish,
            delivered: Arc::clone(&delivered),
        };
        let thread = thread::Builder::new()
            .name("watchers".to_owned())
            .spawn(move || run(&post, ready, stopped))
            .map_err(Failure::io("no thread for the watchers"))?;
        // Dropped without a word, the thread has failed and says why when it is joined.
        if is_ready.await.is_err() {
            return Err(join(thread).err().unwrap_or(Failure::Interrupted));
        }
        Ok(Self {
            count,
            delivered,
            stop,
            thread,
        })
    }

    /// The number of entries that were delivered so far, over all watchers.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Waits until each watcher has so many entries, or the patience is at its end.
    pub(crate) async fn wait_for(&self, entries: u64) {
        let until = Instant::now() + PATIENCE;
        while self.delivered() < entries * self.count as u64 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends them.
    pub(crate) fn stop(self) -> Result<Seen, Failure> {
        // A thread that has failed already does not listen.
        let _ = self.stop.send(());
        join(self.thread)
    }
}

fn join(thread: JoinHandle<Result<Seen, Failure>>) -> Result<Seen, Failure> {
    thread.join().map_err(|_| Failure::Interrupted)?
}

fn run(
    post: &Post,
    ready: oneshot::Sender<()>,
    stopped: oneshot::Receiver<()>,
) -> Result<Seen, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::io("no runtime for the watchers"))?;
    runtime.block_on(async {
        let (failed, mut failure) = mpsc::channel(1);
        let latency_us = Arc::new(Mutex::new(latencies()?));
        post.open(&failed, &latency_us).await?;
        // Nobody waits any more: the run has failed elsewhere.
        let _ = ready.send(());
        tokio::select! {
            _ = stopped => {}
            Some(failure) = failure.recv() => return Err(failure),
        }
        let latency_us = latency_us.lock().map_err(|_| Failure::Interrupted)?.clone();
        Ok(Seen {
            deliveries: post.delivered.load(Ordering::Relaxed),
            latency_us,
        })
    })
}

/// The server and the number of watchers.
struct Post {
    address: SocketAddr,
    count: usize,
    wish: Wish,
    delivered: Arc<AtomicU64>,
}

impl Post {
    /// Opens the streams; each has had its first message when this ends.
    async fn open(
        &self,
        failed: &mpsc::Sender<Failure>,
        latency_us: &Arc<Mutex<Histogram<u64>>>,
    ) -> Result<(), Failure> {
        let connections = Connections::open(&[self.address; CONNECTIONS]).await?;
        let call = Method::WATCH_HISTORY.call()?;
        for number in 0..self.count {
            let request = wire::framed(&request(self.wish, number));
            let mut answer = call.send(connections.sender()?, request).await?;
            let method = call.method();
            let first = answer.message().await?;
            first.ok_or(Failure::NoMessage { method })?;
            let watcher = Watcher {
                answer,
                wish: self.wish,
                last: BTreeMap::new(),
                delivered: Arc::clone(&self.delivered),
                latency_us: Arc::clone(latency_us),
            };
            let failed = failed.clone();
            tokio::spawn(async move {
                if let Err(failure) = watcher.watch().await {
                    // Only the first failure is reported.
                    let _ = failed.try_send(failure);
                }
            });
        }
        Ok(())
    }
}

fn request(wish: Wish, number: usize) -> WatchHistoryRequest {
    let order_ids = match wish {
        Wish::Everything => Vec::new(),
        Wish::OneOrder => vec![shop::order_id(number)],
    };
    WatchHistoryRequest {
        workflows: vec![shop::WORKFLOW.to_owned()],
        order_ids,
        start: WatchStart::Now.into(),
        ..WatchHistoryRequest::default()
    }
}

struct Watcher {
    answer: Incoming,
    wish: Wish,
    last: BTreeMap<i32, i64>,
    delivered: Arc<AtomicU64>,
    latency_us: Arc<Mutex<Histogram<u64>>>,
}

impl Watcher {
    async fn watch(mut self) -> Result<(), Failure> {
        while let Some(message) = self.answer.message().await? {
            self.arrived(&Watched::decode(message)?)?;
        }
        // The server ended the stream, which it does only when it stops.
        Err(Failure::NoMessage {
            method: Method::WATCH_HISTORY.0,
        })
    }

    fn arrived(&mut self, message: &Watched) -> Result<(), Failure> {
        if message.entries.is_empty() {
            return Ok(());
        }
        let now = clock::now();
        let mut latency_us = self.latency_us.lock().map_err(|_| Failure::Interrupted)?;
        for entry in &message.entries {
            let (Some(position), Some(time)) = (entry.position, entry.create_time) else {
                return Err(Failure::NoPosition);
            };
            let (seconds, nanos) = (time.seconds.try_into(), time.nanos.try_into());
            let (Ok(seconds), Ok(nanos)) = (seconds, nanos) else {
                return Err(Failure::NoPosition);
            };
            let waited = now.saturating_sub(Duration::new(seconds, nanos));
            latency_us.saturating_record(u64::try_from(waited.as_micros()).unwrap_or(u64::MAX));
            let last = self.last.insert(position.partition, position.offset);
            let follows = match (self.wish, last) {
                (_, None) => true,
                (Wish::Everything, Some(last)) => position.offset == last + 1,
                (Wish::OneOrder, Some(last)) => position.offset > last,
            };
            if !follows {
                return Err(Failure::OutOfOrder {
                    partition: position.partition,
                    offset: position.offset,
                    after: last.unwrap_or_default(),
                });
            }
        }
        let entries = message.entries.len() as u64;
        self.delivered.fetch_add(entries, Ordering::Relaxed);
        Ok(())
    }
}
