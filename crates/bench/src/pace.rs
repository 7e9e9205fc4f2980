//! The lengths of everything: long enough to be trusted, or just long enough to
//! see that every row works.

use std::time::Duration;

/// Lengths and sizes of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// The rounds of each row.
    pub(crate) rounds: usize,
    /// The length of one round, after a warm-up of a tenth.
    pub(crate) round: Duration,
    /// The orders of the PostgreSQL rows.
    pub(crate) postgres_orders: usize,
    /// The orders of the SQLite rows.
    pub(crate) sqlite_orders: usize,
    /// The deliveries that are pending where some are.
    pub(crate) pending: usize,
    /// The orders of the small databases, with five entries each.
    pub(crate) small_orders: usize,
    /// The orders of the large databases, with five entries each.
    pub(crate) large_orders: usize,
    /// The orders of the databases whose orders are listed, with five entries each.
    pub(crate) listed_orders: usize,
    /// The time for which a snapshot is held open.
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
