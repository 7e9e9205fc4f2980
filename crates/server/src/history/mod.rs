//! History as a stream. One tailer per process puts every partition's new
//! entries once into a bounded ring: those that this process committed as they
//! are handed over (`log`), those of other replicas from the database. Watchers
//! read the database until they reach the ring, then the ring, and go back when
//! they fall out of it.
//!
//! An entry is encoded once (`entry`), watchers that stand together share their
//! batches (`encoded`), and those of single orders sleep until the tailer meets
//! their order (`subscriptions`). No watcher polls, none is dropped, and each holds
//! at most one message and the chunk it is made from, see `watch`.

mod catch_up;
mod collector;
mod cursor;
mod encoded;
mod entry;
mod log;
mod read_ahead;
mod resume;
mod ring;
mod subscriptions;
mod tailer;
#[cfg(test)]
mod tests;
mod token;
mod watch;

pub use cursor::{Bookmark, Cursor};
pub use log::{Log, Place, StreamLimit};
pub use resume::{ResumeError, from_beginning, from_now, from_token};
pub(crate) use tailer::Tailer;
pub use token::TokenError;
pub use watch::{Reading, StreamError, Watcher};
