//! Attacks: inputs that are legal in form and cost as much as they can, and what becomes of the server and of others
//! meanwhile. [`template`], [`guard`], [`document`] and [`request`] make such inputs from a seed; [`bystander`] is
//! everybody else; [`campaign`] sends one to see what the other notices. `make attack` runs them for ten minutes.

pub mod bystander;
pub mod campaign;
pub mod document;
pub mod guard;
pub mod known;
pub mod request;
pub mod template;
