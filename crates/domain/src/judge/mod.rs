//! Judging: what a command means for an order by its workflow.
//!
//! [`decide()`] and [`create()`] turn commands into entries; [`Graph`] is the workflow made ready
//! for that, and [`Facts`] are what its guards and templates see of an order. Below are the data:
//! workflows, orders and their history know nothing of this.

mod action;
#[cfg(test)]
mod action_tests;
mod allowed;
#[cfg(test)]
mod answer_tests;
mod available;
mod borrowed;
mod cascade;
mod comment;
#[cfg(test)]
mod date_tests;
mod decide;
mod draft;
mod facts;
mod graph;
#[cfg(test)]
mod guard_tests;
mod guards;
mod hint;
#[cfg(test)]
mod hint_tests;
mod holding;
#[cfg(test)]
mod inside_tests;
#[cfg(test)]
mod money_tests;
mod operation;
#[cfg(test)]
mod reversal_tests;
mod rights;
#[cfg(test)]
mod rights_tests;
#[cfg(test)]
pub(crate) mod scenario;
#[cfg(test)]
mod stage;
mod target;
#[cfg(test)]
mod tests;
mod timer;
mod transition;
mod trial;
mod update;
#[cfg(test)]
mod way_tests;

pub use available::{available_within, comment_statuses_within, settles_by};
pub use decide::{create, decide};
pub use facts::Facts;
pub(crate) use facts::{cost, variables};
pub use graph::{Graph, GraphError};
pub use trial::{Trial, try_action};
