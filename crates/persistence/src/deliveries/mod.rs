//! The outbox: a row for everything that is sent after a step, and the dispatcher that sends it.
//!
//! Rows are written with their steps, see [`crate::commit`]. Everything else that happens to
//! them locks the lease of their partition first, so that the dispatcher of a partition is
//! alone with it.
//!
//! A lane is the ordering key of deliveries: those of one order in one lane are sent in turn. One
//! that waits for an earlier one is parked: it has no due time until that one is finished.

mod answer;
mod copies;
mod decisions;
mod due;
mod due_times;
mod endpoint;
mod lease;
mod list;
pub(crate) mod lost;
mod many;
mod on_postgres;
mod outbox;
mod ownership;
mod query;
mod results;
mod retention;
mod statements;
mod unreadable;
mod waiting;

pub use answer::{OutboxCall, OutboxRefusal};
pub use due::Due;
pub use endpoint::{Endpoint, EndpointEdit, EndpointInUse, EndpointSecret};
pub use lease::{Leases, Leaving};
pub use lost::LostDelivery;
pub use outbox::DeliveryRecord;
pub use ownership::DispatcherId;
pub use query::{DeliveryCursor, DeliveryPage, DeliveryQuery};
pub use results::{DispatchRound, Finished, NextStep, Recorded, RefusedResult};
pub use retention::{Removed, RetentionCursor};
pub use unreadable::{StoredDelivery, UnreadableDelivery};
pub use waiting::{Waiting, WaitingCursor};
