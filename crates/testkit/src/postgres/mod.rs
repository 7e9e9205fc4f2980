//! Throwaway PostgreSQL servers from the binaries that are installed.

mod server;
mod shared;

pub use server::{Durability, Server};
pub use shared::{Database, database, empty_database};
