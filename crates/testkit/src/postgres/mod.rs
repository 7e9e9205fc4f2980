//! Throwaway PostgreSQL servers from the binaries that are installed.

mod server;
mod shared;

pub use server::{Durability, Server};
pub use shared::{Database, database, database_in, empty_database};
