//! Streams of history over a failover: some are read as they come, some are not read at all for a while.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use prost_types::Duration as WireDuration;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
};
use tonic::{
    Code, Response, Status, Streaming,
    transport::{Channel, Endpoint},
};
use waymark_proto::v1::{
    HistoryEntry, StreamHistoryRequest, StreamHistoryResponse, WatchHistoryRequest,
    WatchHistoryResponse, WatchStart, history_service_client::HistoryServiceClient,
};
use waymark_tests::{Clients, watcher::Recording};

use crate::{pair::Row, stage::PATIENCE};

/// How much a connection takes that nobody reads, in bytes: the least that HTTP/2 has.
const WINDOW: u32 = 65_535;

/// A watch that is read as it comes.
pub(crate) struct Follower {
    pub(crate) name: &'static str,
    request: WatchHistoryRequest,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<Status>,
}

#[derive(Default)]
struct Seen {
    recording: Recording,
    checkpoints: usize,
    token: String,
}

impl Follower {
    /// Opens a watch that has many checkpoints.
    pub(crate) async fn open(
        clients: &Clients,
        name: &'static str,
        request: WatchHistoryRequest,
    ) -> Self {
        let request = WatchHistoryRequest {
            checkpoint_interval: Some(WireDuration {
                seconds: 0,
                nanos: 100_000_000,
            }),
            ..request
        };
        let opened = clients.history().watch_history(request.clone()).await;
        let seen = Arc::<Mutex<Seen>>::default();
        let task = tokio::spawn(follow(opened.unwrap().into_inner(), Arc::clone(&seen)));
        Self {
            name,
            request,
            seen,
            task,
        }
    }

    /// What came, in turn.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let seen = self.seen.lock().unwrap();
        seen.recording.entries().iter().map(Row::from).collect()
    }

    /// Waits until so many entries came.
    pub(crate) async fn until_rows(&self, count: usize) {
        self.until(|seen| seen.recording.entries().len() >= count)
            .await;
    }

    /// Waits for a checkpoint that tells of everything that there is by now.
    pub(crate) async fn until_up_to_date(&self) {
        let before = self.seen.lock().unwrap().checkpoints;
        // Those that come next may be on their way already.
        self.until(|seen| seen.checkpoints >= before + 3).await;
    }

    async fn until(&self, is_so: impl Fn(&Seen) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(&self.seen.lock().unwrap()) {
            let came = self.rows().len();
            assert!(
                Instant::now() < deadline && !self.task.is_finished(),
                "{} got {came} entries only",
                self.name
            );
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> Status {
        let ended = timeout(PATIENCE, &mut self.task).await;
        let ended = ended.unwrap_or_else(|_| panic!("{} goes on", self.name));
        ended.unwrap()
    }

    /// Asks to go on from its last token.
    pub(crate) async fn resume(&self, clients: &Clients) -> Result<(), Status> {
        let request = WatchHistoryRequest {
            resume_token: self.seen.lock().unwrap().token.clone(),
            start: WatchStart::Unspecified.into(),
            ..self.request.clone()
        };
        let resumed = clients.history().watch_history(request).await;
        resumed.map(|_| ())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Seen {
    fn take(&mut self, message: &WatchHistoryResponse) {
        self.recording.take(message);
        self.checkpoints += usize::from(message.checkpoint);
        self.token.clone_from(&message.resume_token);
    }
}

async fn follow(mut stream: Streaming<WatchHistoryResponse>, seen: Arc<Mutex<Seen>>) -> Status {
    loop {
        match stream.message().await {
            Ok(Some(message)) => {
                seen.lock().unwrap().take(&message);
            }
            Ok(None) => return Status::new(Code::Ok, "the stream ended without an error"),
            Err(status) => return status,
        }
    }
}

/// A watch and an export from the beginning that nobody reads yet, so that the server waits with most of them.
pub(crate) struct Unread {
    watch: Streaming<WatchHistoryResponse>,
    export: Streaming<StreamHistoryResponse>,
}

/// What came of a stream until it ended.
pub(crate) struct Drained {
    pub(crate) rows: Vec<Row>,
    pub(crate) token: String,
    /// None for an end without an error.
    pub(crate) end: Option<Status>,
}

impl Unread {
    /// Opens both, each on a connection of its own.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let request = from_beginning();
        let watch = narrow(address).watch_history(request).await;
        let request = StreamHistoryRequest::default();
        let export = narrow(address).stream_history(request).await;
        Self {
            watch: watch.unwrap().into_inner(),
            export: export.unwrap().into_inner(),
        }
    }

    /// Reads both to the end.
    pub(crate) async fn drain(self) -> [Drained; 2] {
        let Self { watch, export } = self;
        let watch = drain(watch, |message| (message.entries, message.resume_token)).await;
        [watch, drain_export(export).await]
    }
}

/// A request for everything.
pub(crate) fn from_beginning() -> WatchHistoryRequest {
    WatchHistoryRequest {
        start: WatchStart::Beginning.into(),
        ..Default::default()
    }
}

/// Reads everything up to now.
pub(crate) async fn export(clients: &Clients) -> Drained {
    let request = StreamHistoryRequest::default();
    let stream = clients.history().stream_history(request).await;
    drain_export(stream.map(Response::into_inner).unwrap()).await
}

async fn drain_export(stream: Streaming<StreamHistoryResponse>) -> Drained {
    drain(stream, |message| (message.entries, message.resume_token)).await
}

async fn drain<M>(
    mut stream: Streaming<M>,
    open: impl Fn(M) -> (Vec<HistoryEntry>, String),
) -> Drained {
    let mut drained = Drained {
        rows: Vec::new(),
        token: String::new(),
        end: None,
    };
    // A watch that does not end has checkpoints for ever.
    let deadline = Instant::now() + PATIENCE;
    loop {
        match timeout_at(deadline, stream.message()).await.unwrap() {
            Ok(Some(message)) => {
                let (entries, token) = open(message);
                drained.rows.extend(entries.iter().map(Row::from));
                drained.token = token;
            }
            Ok(None) => return drained,
            Err(status) => {
                drained.end = Some(status);
                return drained;
            }
        }
    }
}

/// A client whose connection takes little that is not read.
fn narrow(address: SocketAddr) -> HistoryServiceClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let endpoint = endpoint
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
    HistoryServiceClient::new(endpoint.connect_lazy())
}
