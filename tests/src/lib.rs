//! Black-box tests: a real `waymark serve` process on a real database, driven over gRPC as any client would.
//!
//! This library is the harness; the scenarios are in `it/`. It deliberately knows nothing of the service's insides: it
//! sees the binary, its output, its port and its process id. Start with [`World`], which gives a test a server, clients
//! and a workflow of its own, and with [`refusal`], through which every error that a test sees is checked.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::print_stderr,
    reason = "a harness fails by panicking, and shows the server's log to the person who reads the failure"
)]

pub mod attack;
pub mod backend;
pub mod binary;
pub mod book;
pub mod browser;
pub mod clients;
pub mod cutting;
pub mod documented;
pub mod feed_reader;
pub mod large;
pub mod ledger;
pub mod load;
pub mod log;
pub mod page;
pub mod peer;
pub mod process;
pub mod raw;
pub mod readme;
pub mod receiver;
pub mod refusal;
pub mod replay;
pub mod script;
pub mod server;
pub mod shop;
pub mod turning;
pub mod validator;
pub mod watcher;
pub mod web;
pub mod world;

pub use backend::Backend;
pub use clients::Clients;
pub use refusal::{Refusal, refused};
pub use server::Server;
pub use shop::Shop;
pub use watcher::Watcher;
pub use world::World;
