//! The rules of Waymark: what a workflow is, where an order stands, which step
//! may follow, and what history a step leaves.
//!
//! Everything here is pure: no async, no IO, no clock, no randomness. Time and
//! ids arrive as arguments. The crate knows neither protobuf nor a database;
//! the serialized form of its values is what `waymark-persistence` stores, so a
//! change of a field name needs a migration.
//!
//! Plain data stand below, each knowing only those before it: [`value`], [`guard`] (the language of
//! conditions), [`template`], [`workflow`], [`order`], [`history`]. Above them stands [`judge`]:
//! start at [`judge::decide()`], which turns a command into history entries, and at
//! [`workflow::Workflow`], the data that it obeys.

pub mod actor;
pub mod delivery;
mod error_chain;
pub mod guard;
pub mod history;
pub mod judge;
pub mod order;
pub mod partition;
pub mod preset;
pub mod template;
pub mod tracking;
pub mod value;
pub mod workflow;

pub use error_chain::error_chain;
