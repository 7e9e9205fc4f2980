//! Faults: the service is killed, stopped and started again, and so is its database, while clients and watchers are at
//! work; then the validator judges what they recorded. A failure names its seed and the file that has the record;
//! `WAYMARK_TEST_SEED` repeats the choices, though not the moments.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::similar_names,
    reason = "a test fails by panicking"
)]

mod callers;
mod commits;
mod database;
mod decisions;
mod deliveries;
mod failover;
mod followers;
mod freezing;
mod killing;
mod pair;
mod poison;
mod replica;
mod replicas;
mod rolling;
mod stage;
mod starting;
mod statements;
mod storage;
mod supervision;
mod watch_command;
