//! The crate against real servers, on loopback.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod certificate;
mod mail;
mod publish;
mod webhooks;
