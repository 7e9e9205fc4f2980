//! An order: what it consists of, what callers may ask of it, and why that is refused.
//!
//! It is changed by entries of its history ([`crate::history::evolve()`]) alone; which entries a
//! command leads to is decided in [`crate::judge`].

mod command;
mod credit;
mod entity;
mod hint;
mod hold;
mod line;
mod progress;
mod rejection;
mod shares;
mod stated;
mod units;

pub use command::{
    Action, AttributesPatch, Command, Context, CustomerPatch, NewOrder, OperationLines, Patch,
    Target,
};
pub use credit::{Credits, Unreckoned};
pub use entity::{Customer, Order, wait_start};
pub(crate) use hint::when_recorded;
pub use hint::{Hint, When};
pub use hold::{Hold, Wait};
pub use line::{Line, LineQuantity, NewLine};
pub use progress::Progress;
pub use rejection::{Guarded, NotHere, Rejection};
pub(crate) use shares::{given_back, reckoned};
pub use stated::{Fixed, FixedField, Stated, StatedLine};
pub use units::{Counting, Refundable, Units};
