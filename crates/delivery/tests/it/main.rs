//! Deliveries to real targets on loopback.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may stop where it stands"
)]

mod webhooks;
