//! What tests of several crates share: throwaway databases, builders with
//! sensible defaults, a proxy that cuts connections and a switch that leads them
//! elsewhere, servers for mails and events in processes of their own, receivers'
//! libraries in other languages, and the conformance suite that every database
//! must pass.
//!
//! It deliberately lacks tests of its own and is never part of the program.
//! Start at [`Fixture`], a store on a database of its own, and at
//! [`conformance_suite!`], which expands the suite for one backend.

// A test that cannot be set up has nothing better to do than to say so and fail.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "everything here runs in tests"
)]
#![expect(clippy::missing_panics_doc, reason = "a panic is how a test fails")]

pub mod build;
pub mod conformance;
mod fixture;
pub mod nats;
pub mod postgres;
pub mod proxy;
pub mod python;
pub mod smtp;
pub mod standard_webhooks;
pub mod switch;

pub use fixture::{Backend, Fixture, change_as, change_workflow, execute_at};
