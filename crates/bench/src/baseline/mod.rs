//! The baselines of the service: the same change made by hand on a
//! database of the same contents, with nothing between.

pub(crate) mod pgbench;
pub(crate) mod select;
pub(crate) mod sqlite;
