//! History as it is shown, and requests that read or watch it.

mod change;
mod entry;
mod filter;
mod request;

pub use filter::{Facets, HistoryFilter};
pub use request::{ListHistory, StreamHistory, WatchFrom, WatchHistory};
