//! The dispatcher: sends what steps set off to its targets, and lets time do what is due.
//!
//! The processes of a deployment share the partitions by leases. Each polls those that it owns for
//! what is due, keeps so many deliveries in flight, and records their results in batches. The
//! deliveries of an order that share a lane go in turn; targets that hang hold up nobody else.
//! Delivery is at least once: what is lost with a process is sent again under the same id.

mod attempt;
pub(crate) mod blockers;
mod breaker;
mod changes;
mod clocks;
mod content;
mod contexts;
mod dispatcher;
mod endpoints;
mod in_flight;
mod lanes;
mod leases;
mod loops;
mod pauses;
mod poison;
mod polling;
mod recording;
mod retention;
mod test_action;
mod timer_pauses;
mod timer_step;
mod timers;
mod transports;
mod unreadable;
mod unrecorded;
mod unsent;

pub(crate) use self::{
    dispatcher::{Dispatcher, Parts},
    test_action::{ActionTest, TestLimit, TestSlots, test},
    transports::{Transports, TransportsError},
};
