//! Attacks: inputs that are legal in form and cost as much as they can, and what becomes of the server and of others
//! meanwhile. [`template`], [`guard`], [`document`] and [`request`] make such inputs from a seed; [`known`] has those
//! that once worked; [`bystander`] is everybody else; [`disk`] is how long a sync takes; [`campaign`] sends inputs,
//! [`journal`] remembers when, and [`account`] counts what came of them. `make attack` runs them for ten minutes.

pub mod account;
pub mod bystander;
pub mod campaign;
pub mod disk;
pub mod document;
pub mod guard;
pub mod journal;
pub mod known;
pub mod request;
pub mod template;
pub mod texts;
