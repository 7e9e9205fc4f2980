//! Between the wire and the domain. Requests are read by `X::read`, which takes a message apart
//! naming every field and notes every violation; what the domain has to say is written by `From`
//! and the functions `…_to_wire`. Most of both are tables: `request` makes requests of them,
//! `fields` readers and writers of the messages within.

#[macro_use]
mod fields;
#[macro_use]
mod request;

mod action;
mod actor;
pub mod call;
mod command;
mod created;
pub mod delivery;
pub mod endpoint;
mod enums;
pub mod history;
mod instant;
mod mask;
pub mod order;
mod parsed;
mod patch;
pub mod state;
pub mod status;
pub mod step;
pub mod tracking;
pub mod transition;
mod violations;
pub mod workflow;

pub use actor::actor_to_wire;
pub use instant::timestamp_to_wire;
