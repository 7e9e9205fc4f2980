//! What a run left behind: what clients did and were told, what watchers received, and what stood in the end.

use std::{collections::BTreeMap, fmt};

use tonic::Code;
use waymark_proto::v1::{HistoryEntry, Order};

/// The key of the metadata under which each step carries its mark.
pub const MARK: &str = "mark";

/// A run. All instants are microseconds since it began.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// From what the choices of the run were made.
    pub seed: u64,
    /// What clients did.
    pub steps: Vec<Step>,
    /// What readers saw meanwhile.
    pub reads: Vec<Read>,
    /// What watchers received, one for each stream.
    pub sessions: Vec<Session>,
    /// Answers that nobody should get, in words.
    pub protests: Vec<String>,
    /// All history in the end, as one stream from the beginning told it.
    pub log: Vec<HistoryEntry>,
    /// The history of each order in the end, as `ListHistory` told it.
    pub histories: BTreeMap<OrderKey, Vec<HistoryEntry>>,
    /// Each order in the end, as `GetOrder` told it.
    pub orders: BTreeMap<OrderKey, Order>,
}

/// Which order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey {
    /// The code of its workflow.
    pub workflow: String,
    /// Its id.
    pub id: String,
}

impl OrderKey {
    /// The order of an entry.
    pub fn of(entry: &HistoryEntry) -> Self {
        Self {
            workflow: entry.workflow.clone(),
            id: entry.order_id.clone(),
        }
    }
}

impl fmt::Display for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.workflow, self.id)
    }
}

/// One step that a client wanted, with all its tries.
#[derive(Debug, Clone)]
pub struct Step {
    /// By which it is known again: its entry carries it under [`MARK`].
    pub mark: String,
    /// The order that it concerns.
    pub order: OrderKey,
    /// The atomic batch that it belongs to, if any.
    pub group: Option<u64>,
    /// When it was first sent.
    pub began: u64,
    /// When its last answer came.
    pub ended: u64,
    /// What each try was answered.
    pub tries: Vec<Answer>,
}

impl Step {
    /// What it was answered in the end, if that was success.
    pub fn done(&self) -> Option<&Done> {
        self.tries.iter().rev().find_map(|answer| match answer {
            Answer::Done(done) => Some(done.as_ref()),
            _ => None,
        })
    }

    /// Whether it may have happened without the client being told.
    pub fn is_uncertain(&self) -> bool {
        self.tries
            .iter()
            .any(|answer| matches!(answer, Answer::Unknown(_)))
    }
}

/// An order as a reader saw it.
#[derive(Debug, Clone)]
pub struct Read {
    /// When it was asked for.
    pub began: u64,
    /// The order.
    pub order: Order,
}

/// What one try of a step was answered.
#[derive(Debug, Clone)]
pub enum Answer {
    /// It was carried out.
    Done(Box<Done>),
    /// It was refused: nothing was written.
    Refused(Code, String),
    /// `UNAVAILABLE` or `RESOURCE_EXHAUSTED` from the service itself: nothing was written.
    Unavailable(String),
    /// The service did not know, or the connection broke: perhaps it was written.
    Unknown(String),
}

/// What was told of a step that was carried out.
#[derive(Debug, Clone)]
pub struct Done {
    /// The entries.
    pub entries: Vec<HistoryEntry>,
    /// The order after it, if told.
    pub order: Option<Order>,
    /// Whether an earlier try was answered again.
    pub replayed: bool,
}

/// One stream that a watcher opened.
#[derive(Debug, Clone)]
pub struct Session {
    /// The watcher; its sessions go on from each other's last message.
    pub watcher: String,
    /// What it asked for.
    pub filter: Filter,
    /// From where.
    pub start: Start,
    /// When it was asked for.
    pub opened: u64,
    /// What came.
    pub messages: Vec<Message>,
    /// How it ended.
    pub end: End,
}

/// From where a stream was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// From the oldest entry.
    Beginning,
    /// From then on.
    Now,
    /// From a token that some message carried.
    Token(String),
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Somewhere.
    Cut,
    /// By itself, with all that had been acknowledged before it was asked for.
    UpToNow,
    /// It was kept open until the end of the run, so it should have got everything.
    Complete,
}

/// One message of a stream.
#[derive(Debug, Clone)]
pub struct Message {
    /// When it came.
    pub at: u64,
    /// The entries.
    pub entries: Vec<HistoryEntry>,
    /// The token.
    pub resume_token: String,
    /// Whether it says that everything up to it was sent.
    pub checkpoint: bool,
    /// How many partitions it says there are.
    pub partition_count: i32,
}

/// What a watcher asked for; an empty list means that it does not matter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Codes of workflows.
    pub workflows: Vec<String>,
    /// Ids of orders.
    pub order_ids: Vec<String>,
    /// Kinds of entries.
    pub kinds: Vec<i32>,
    /// Codes of the statuses after.
    pub statuses: Vec<String>,
    /// Only where the status changed.
    pub status_changes_only: bool,
    /// Partitions.
    pub partitions: Vec<i32>,
}

impl Filter {
    /// Whether an entry was asked for.
    pub fn matches(&self, entry: &HistoryEntry) -> bool {
        let partition = entry.log_position.unwrap_or_default().partition;
        fits(&self.workflows, &entry.workflow)
            && fits(&self.order_ids, &entry.order_id)
            && fits(&self.kinds, &entry.kind)
            && fits(&self.statuses, &entry.to_status)
            && fits(&self.partitions, &partition)
            && (entry.status_changed || !self.status_changes_only)
    }
}

fn fits<T: PartialEq>(wanted: &[T], found: &T) -> bool {
    wanted.is_empty() || wanted.contains(found)
}

/// The mark of the step that wrote an entry; none for an automatic one.
pub fn mark_of(entry: &HistoryEntry) -> Option<&str> {
    (entry.caused_by == 0)
        .then(|| entry.metadata.get(MARK).map(String::as_str))
        .flatten()
}

/// The mark in the metadata of a request.
pub fn record_mark(metadata: &BTreeMap<String, String>) -> String {
    metadata.get(MARK).cloned().unwrap_or_default()
}
