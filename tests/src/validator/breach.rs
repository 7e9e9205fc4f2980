//! The ways in which a record can break the promises.

use super::OrderKey;

/// A place in the log: partition and offset.
pub(super) type Place = (i32, i64);

/// One broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields say which order, step or place; the variants are explained"
)]
pub enum Breach {
    /// A client or watcher was told what nobody should be told.
    Protest(String),

    /// The offsets of a partition are not 1, 2, 3 ...
    OffsetGap {
        partition: i32,
        expected: i64,
        found: i64,
    },
    /// The sequences of an order are not 1, 2, 3 ...
    SequenceGap {
        order: OrderKey,
        expected: i64,
        found: i64,
    },
    /// An order has entries in two partitions.
    OrderTorn { order: OrderKey },
    /// An entry is older than one before it in its partition.
    TimeRunsBack { place: Place },
    /// An automatic entry names a cause that is not an entry of the same step.
    CauseAmiss { order: OrderKey, sequence: i64 },
    /// `ListHistory` and the stream of everything disagree.
    HistoryDiffers { order: OrderKey, sequence: i64 },
    /// An order is not what its entries make of it.
    OrderDiffers { order: OrderKey, version: i64 },

    /// An acknowledged step is not in history.
    Lost { mark: String },
    /// A step is in history more than once.
    Twice { mark: String, times: usize },
    /// A step is in history that was refused, or answered as not written.
    WrittenAllTheSame { mark: String },
    /// History has a step that nobody asked for.
    Invented { order: OrderKey, sequence: i64 },
    /// A part of an atomic batch is in history.
    HalfDone {
        group: u64,
        present: usize,
        of: usize,
    },
    /// History has other entries than the answer told.
    AnswerDiffers { mark: String },
    /// An answer says that it repeats one that was not given.
    RepeatsNothing { mark: String },
    /// A step stands before one that was answered before it was sent.
    Overtaken { order: OrderKey, sequence: i64 },

    /// A reader saw an order as it was before a step that had been acknowledged.
    Stale { order: OrderKey, version: i64 },

    /// A stream ran back within an order or a partition.
    Unordered { watcher: String, place: Place },
    /// A watcher got an entry twice.
    Repeated { watcher: String, place: Place },
    /// A stream passed over an entry that matches.
    Skipped { watcher: String, place: Place },
    /// A watcher that stayed to the end, or a stream up to now, lacks an entry.
    Behind { watcher: String, place: Place },
    /// A message has a part of a step.
    StepTorn { watcher: String, place: Place },
    /// A watcher got what it did not ask for.
    NotAskedFor { watcher: String, place: Place },
    /// A watcher got another entry than the log has there.
    EntryDiffers { watcher: String, place: Place },
    /// A stream did not begin with a checkpoint.
    NoGreeting { watcher: String },
    /// A message has neither an entry nor a checkpoint, or no token.
    EmptyMessage { watcher: String },
    /// A message tells another number of partitions than the first one did.
    PartitionCount { watcher: String, found: i32 },
    /// A token was used that no message carried.
    TokenFromNowhere { watcher: String },
    /// One token stood for two places.
    TokenMoves { watcher: String, partition: i32 },
}
