//! Databases too large to be filled by calls: orders with all their entries are
//! copied by SQL from a few that the service wrote, each under a new id and in the
//! partition that this id has. Columns are taken from the schema; only those that
//! must differ are named here.

mod plan;
mod postgres;
mod sqlite;

pub(crate) use postgres::enlarge as postgres;
pub(crate) use sqlite::enlarge as sqlite;
