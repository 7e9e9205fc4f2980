//! Attacks: inputs that are legal in form and cost as much as they can, and their effect on the server and on others
//! meanwhile. [`template`], [`guard`], [`document`] and [`request`] make such inputs from a seed; [`known`] has those
//! that once worked; [`bystander`] is everybody else; [`disk`] is how long a sync takes; [`campaign`] sends inputs,
//! [`journal`] remembers when, and [`account`] counts the results. `make attack` runs them for ten minutes.

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
