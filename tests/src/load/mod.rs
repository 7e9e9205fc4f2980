//! Load that remembers: clients that do sensible and foolish things to many orders at once, watchers that look on, and
//! the end of the run, which hands everything to the validator. Faults are not here; they happen to the server while
//! this runs.

mod account;
mod call;
mod choice;
mod client;
mod dice;
mod reading;
mod recorder;
mod run;
mod verdict;
mod watch;

pub use client::{Clientele, Habit};
pub use dice::Dice;
pub use recorder::Recorder;
pub use run::{Run, Summary};
pub use watch::Plan;
