//! History as it is shown, and requests that read or watch it.

mod change;
mod entry;
mod request;

pub use request::{Facets, HistoryFilter, ListHistory, StreamHistory, WatchFrom, WatchHistory};
