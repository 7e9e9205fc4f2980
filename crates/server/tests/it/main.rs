//! The server in process, on SQLite: the services, streams of history, stopping, and the protocols around them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop where it stands"
)]
#![expect(
    clippy::too_many_lines,
    reason = "requests are written out, field by field"
)]

mod clocks;
mod definitions;
mod orders;
mod protocols;
mod resuming;
mod running;
mod stopping;
mod watching;
