//! History: one entry for everything that ever changed an order.
//!
//! [`evolve()`] applies an entry to its order, and replaying all entries of an order gives the
//! order.

mod destination;
mod entry;
mod evolve;
mod moment;
mod unreckoned;

pub use destination::{Destination, Readers, SetOff};
pub use entry::{Change, Detail, Entry, Kind, LogPosition, Logged, Recorded};
pub(crate) use evolve::{apply, record};
pub use evolve::{evolve, replay};
pub use moment::Moment;
pub(crate) use unreckoned::note_unreckoned;
