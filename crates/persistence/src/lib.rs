//! Keeps orders, their history and the workflows that they obey, in SQLite or
//! PostgreSQL, with one schema and one set of queries.
//!
//! It deliberately lacks rules: what a step means is decided by `waymark-domain`, what a client
//! sees by `waymark-server`. It also lacks a trait: [`Store`] is one concrete type for both
//! databases, and tests use a SQLite file.
//!
//! Start at [`Store::commit`], the one way in which orders change, and [`Store::edit_workflow`],
//! the one way in which workflows do. `database` holds the only code that borrows a connection.

mod address;
mod batched;
mod catalog;
mod checkpoint;
mod chunk;
mod clock;
mod commit;
mod compute;
mod database;
mod deliveries;
mod ends;
mod error;
mod heads;
mod hints;
mod history;
mod inline;
mod limits;
mod logging;
mod merge;
mod messages;
mod migrate;
mod once;
mod order_entries;
mod orders;
mod patience;
mod postgres;
mod published;
mod reach;
mod requests;
mod rights;
mod rows;
mod running;
mod schema;
mod settings;
mod sqlite;
mod statement;
mod storage;
mod store;
mod stored;
mod tail;
#[cfg(feature = "test-access")]
pub mod test_access;
mod timeline;
mod tls;
mod tracking;
mod tx;
mod visits;
mod workflows;

pub use batched::{BatchId, Batched, Head};
pub use catalog::Edition;
pub use chunk::{Chunk, ChunkLimit};
pub use clock::{Clock, ManualClock};
pub use commit::{
    BatchOutcome, CommitError, CommitRound, Committed, Refusal, Request, Step, StepChange,
    StepError, Unit, UnitMode, UnitOutcome, UnitProgress, UnitState,
};
pub use deliveries::{
    DeliveryCursor, DeliveryPage, DeliveryQuery, DeliveryRecord, DispatchRound, DispatcherId, Due,
    Endpoint, EndpointEdit, EndpointInUse, EndpointSecret, Finished, Leases, Leaving, LostDelivery,
    NextStep, OutboxCall, OutboxRefusal, Recorded, RefusedResult, Removed, RetentionCursor,
    StoredDelivery, UnreadableDelivery, Waiting, WaitingCursor,
};
pub use ends::Ends;
pub use error::{Error, ErrorChain};
pub use hints::{Hint, Hints};
pub use history::{HistoryPage, HistoryQuery, Visibility};
pub use migrate::{DeploymentId, Migrated, migrate};
pub use once::{Answered, ChangeError, ChangeMode};
pub use orders::{
    Along, Direction, DueOrder, DueRow, FoundOrder, OrderCursor, OrderPage, OrderQuery, OrderSort,
    SortKey, StoredOrder, TimerKey, UnreadableOrder,
};
pub use published::Published;
pub use settings::{DatabaseUrl, Settings};
pub use storage::StorageState;
pub use store::Store;
pub use stored::{StoredEntry, UnreadableEntry};
pub use tracking::{
    NewTrackingToken, Revocation, Tracked, TrackingAnswer, TrackingCall, TrackingError,
    TrackingKey, TrackingToken, TrackingTokenId,
};
pub use workflows::{
    Counting, EditStart, Extent, Outcome, Saved, Settling, SettlingCall, VersionPage,
    WorkflowChange, WorkflowDraft, WorkflowEdit, WorkflowSnapshot, WorkflowVersion,
};
