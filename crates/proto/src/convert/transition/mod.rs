//! Transitions: requests about them, and how they are shown.

mod request;
mod resource;

pub use request::{
    CreateTransition, DeleteTransition, GetTransition, ListTransitions, UpdateTransition,
};
pub use resource::transition_to_wire;
