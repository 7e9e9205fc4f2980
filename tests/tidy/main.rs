//! Rules of the repository that no other tool checks.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod budgets;
mod circles;
mod dependencies;
mod files;
mod lines;
mod sources;
mod words;
