//! A workflow: the states and statuses of a kind of order, which status belongs
//! to which state, and the transitions between them. All of it is data.

mod definition;
mod graph;
mod lookup;
mod record;
#[cfg(test)]
pub(crate) mod sample;

pub use definition::{
    Assignment, Category, CommentStatus, Effect, Operation, RefundedUnits, State, Status,
    StatusSharing, Transition, Trigger, Workflow,
};
pub use graph::{Graph, GraphError};
pub use record::{Record, Stamp};
