//! How long everything takes: long enough to be trusted, or just long enough to
//! see that every row works.

use std::time::Duration;

/// Lengths and sizes of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How many rounds each row has.
    pub(crate) rounds: usize,
    /// How long one round is measured, after a warm-up of a tenth.
    pub(crate) round: Duration,
    /// How many orders the PostgreSQL rows have.
    pub(crate) postgres_orders: usize,
    /// How many orders the SQLite rows have.
    pub(crate) sqlite_orders: usize,
    /// How many deliveries are pending where some are.
    pub(crate) pending: usize,
    /// How many orders the small databases have, with five entries each.
    pub(crate) small_orders: usize,
    /// How many orders the large databases have, with five entries each.
    pub(crate) large_orders: usize,
    /// How many orders the databases have whose orders are listed, with five entries each.
    pub(crate) listed_orders: usize,
    /// How long a snapshot is held open.
    pub(crate) snapshot: Duration,
}

impl Pace {
    /// The figures that count.
    pub(crate) const FULL: Self = Self {
        rounds: 5,
        round: Duration::from_millis(2_500),
        postgres_orders: 200_000,
        sqlite_orders: 100_000,
        pending: 100_000,
        small_orders: 2_000,
        large_orders: 2_000_000,
        listed_orders: 1_000_000,
        snapshot: Duration::from_mins(1),
    };

    /// All rows in some five minutes, on smaller databases.
    pub(crate) const QUICK: Self = Self {
        rounds: 5,
        round: Duration::from_millis(300),
        postgres_orders: 10_000,
        sqlite_orders: 10_000,
        pending: 5_000,
        small_orders: 2_000,
        large_orders: 20_000,
        listed_orders: 50_000,
        snapshot: Duration::from_secs(1),
    };
}
