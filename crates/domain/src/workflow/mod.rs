//! A workflow: the states and statuses of a kind of order, which status belongs
//! to which state, and the transitions between them. All of it is data.

mod definition;
mod graph;
mod record;

pub use definition::{
    Assignment, Category, CommentStatus, Effect, Operation, RefundedUnits, State, Status,
    StatusSharing, Transition, Trigger, Workflow,
};
pub use graph::Graph;
pub use record::{Record, Stamp};
