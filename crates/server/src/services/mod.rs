//! The gRPC services, one file each: parse, act, answer.

pub mod action;
mod definition;
mod fit;
pub mod history;
mod names;
pub mod order;
pub mod state;
pub mod status;
pub mod tracking;
pub mod transition;
pub mod workflow;
