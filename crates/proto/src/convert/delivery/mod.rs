//! Deliveries: requests about them, and how they are shown.

mod filter;
mod request;
mod resource;

pub use filter::DeliveryFilter;
pub use request::{
    GetDelivery, ListDeliveries, RetryDeliveries, RetryDelivery, SkipDeliveries, SkipDelivery,
    TestAction,
};
pub use resource::{attempt_to_wire, decision_to_wire, delivery_to_wire, state_to_wire};
