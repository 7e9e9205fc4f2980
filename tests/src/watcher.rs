//! A watcher of history that holds everything it is sent against what the contract promises.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use prost::Message;
use tokio::time::timeout;
use tonic::{Code, Status, Streaming};
use waymark_proto::v1::{HistoryEntry, WatchHistoryRequest, WatchHistoryResponse, WatchStart};

use crate::{Clients, Shop};

/// How long an entry may take to arrive, on a machine that compiles as well.
const ARRIVAL_MAX: Duration = Duration::from_secs(20);

/// Where messages of streams end, in bytes.
const MESSAGE_MAX: usize = 2 * 1024 * 1024;

/// What a watcher was sent, over all its streams.
#[derive(Debug, Default)]
pub struct Recording {
    entries: Vec<HistoryEntry>,
    offsets: HashMap<i32, i64>,
    sequences: BTreeMap<(String, String), i64>,
}

impl Recording {
    /// Takes one message in.
    ///
    /// # Panics
    /// Panics where an entry comes twice or out of order, or the cascade of a step is torn.
    pub fn take(&mut self, message: &WatchHistoryResponse) {
        assert!(
            !message.resume_token.is_empty(),
            "every message has a token"
        );
        assert!(
            message.checkpoint || !message.entries.is_empty(),
            "a message without a reason"
        );
        assert!(
            message.encoded_len() < MESSAGE_MAX,
            "a message of {} bytes",
            message.encoded_len()
        );
        let mut here = HashSet::new();
        for entry in &message.entries {
            self.follow(entry, message.partition_count);
            let key = |sequence| (entry.workflow.as_str(), entry.order_id.as_str(), sequence);
            // A cause in an earlier message means that a step was sent in two parts.
            let sequence = self
                .sequences
                .get(&(entry.workflow.clone(), entry.order_id.clone()));
            let seen_before =
                sequence.is_some_and(|last| entry.caused_by != 0 && entry.caused_by <= *last);
            assert!(
                !seen_before || here.contains(&key(entry.caused_by)),
                "a step was torn: {entry:?}"
            );
            here.insert(key(entry.sequence));
        }
        for entry in &message.entries {
            self.sequences.insert(
                (entry.workflow.clone(), entry.order_id.clone()),
                entry.sequence,
            );
        }
        self.entries.extend_from_slice(&message.entries);
    }

    fn follow(&mut self, entry: &HistoryEntry, partitions: i32) {
        let position = entry.log_position.expect("an entry has a position");
        assert!(
            (0..partitions).contains(&position.partition),
            "{position:?} of {partitions} partitions"
        );
        if let Some(before) = self.offsets.insert(position.partition, position.offset) {
            assert!(
                before < position.offset,
                "offset {before} and then {}: {entry:?}",
                position.offset
            );
        }
        let order = (entry.workflow.clone(), entry.order_id.clone());
        if let Some(before) = self.sequences.get(&order) {
            assert!(
                *before < entry.sequence,
                "sequence {before} and then {}: {entry:?}",
                entry.sequence
            );
        }
    }

    /// All entries, in the order in which they came.
    pub fn entries(&self) -> &[HistoryEntry] {
        &self.entries
    }

    /// The sequences that came of one order.
    pub fn sequences_of(&self, shop: &Shop, order: &str) -> Vec<i64> {
        let workflow = shop.workflow();
        let of_order = self
            .entries
            .iter()
            .filter(|entry| entry.workflow == workflow && entry.order_id == order);
        of_order.map(|entry| entry.sequence).collect()
    }
}

/// A stream of `WatchHistory`, and what came of it and its predecessors.
#[derive(Debug)]
pub struct Watcher {
    stream: Streaming<WatchHistoryResponse>,
    request: WatchHistoryRequest,
    token: String,
    partition_count: i32,
    recording: Recording,
}

impl Watcher {
    /// Watches one workflow from now on.
    pub async fn of(shop: &Shop) -> Self {
        Self::open(shop, everything_of(shop)).await
    }

    /// Watches as a request says; waits for the first message, which must come at once.
    pub async fn open(clients: &Clients, request: WatchHistoryRequest) -> Self {
        let stream = clients
            .history()
            .watch_history(request.clone())
            .await
            .expect("the watch begins")
            .into_inner();
        let mut watcher = Self {
            stream,
            request,
            token: String::new(),
            partition_count: 0,
            recording: Recording::default(),
        };
        watcher.greet().await;
        watcher
    }

    /// Goes on from the last token over other clients, as after a restart.
    pub async fn resume(&mut self, clients: &Clients) {
        let request = WatchHistoryRequest {
            resume_token: self.token.clone(),
            start: WatchStart::Unspecified.into(),
            ..self.request.clone()
        };
        self.stream = clients
            .history()
            .watch_history(request)
            .await
            .expect("the watch goes on")
            .into_inner();
        self.greet().await;
    }

    async fn greet(&mut self) {
        let first = self.receive().await.expect("a first message comes at once");
        assert!(
            first.checkpoint,
            "the first message is a checkpoint: {first:?}"
        );
        assert!(first.partition_count > 0, "{first:?}");
        self.partition_count = first.partition_count;
    }

    /// The next message.
    ///
    /// # Errors
    /// Returns the status with which the stream ended.
    pub async fn receive(&mut self) -> Result<WatchHistoryResponse, Status> {
        let message = timeout(ARRIVAL_MAX, self.stream.message())
            .await
            .expect("a message arrives in time")?;
        let message =
            message.ok_or_else(|| Status::new(Code::Ok, "the stream ended without an error"))?;
        self.recording.take(&message);
        self.token.clone_from(&message.resume_token);
        Ok(message)
    }

    /// Reads until so many entries came in all, over all streams.
    pub async fn until(&mut self, count: usize) -> &[HistoryEntry] {
        while self.recording.entries.len() < count {
            self.receive().await.expect("the stream goes on");
        }
        &self.recording.entries
    }

    /// Reads until an entry of an order has this sequence.
    pub async fn until_sequence(&mut self, order: &str, sequence: i64) {
        let reached = |entry: &HistoryEntry| entry.order_id == order && entry.sequence >= sequence;
        while !self.recording.entries.iter().any(reached) {
            self.receive().await.expect("the stream goes on");
        }
    }

    /// Reads until a checkpoint says that everything up to here came.
    pub async fn until_checkpoint(&mut self) {
        while !self.receive().await.expect("the stream goes on").checkpoint {}
    }

    /// Reads to the end and gives the status with which it came.
    pub async fn ended(&mut self) -> Status {
        loop {
            if let Err(status) = self.receive().await {
                return status;
            }
        }
    }

    /// The last token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// How many partitions the deployment has.
    pub fn partition_count(&self) -> i32 {
        self.partition_count
    }

    /// What came.
    pub fn recording(&self) -> &Recording {
        &self.recording
    }
}

/// A request to watch one workflow from now on.
pub fn everything_of(shop: &Shop) -> WatchHistoryRequest {
    WatchHistoryRequest {
        workflows: vec![shop.workflow()],
        ..Default::default()
    }
}
