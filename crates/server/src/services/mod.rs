//! The gRPC services, one file each: parse, act, answer.

mod definition;
pub mod delivery;
pub mod endpoint;
mod fit;
pub mod history;
mod names;
mod once;
pub mod order;
pub mod state;
pub mod status;
pub mod tracking;
pub mod transition;
pub mod workflow;
