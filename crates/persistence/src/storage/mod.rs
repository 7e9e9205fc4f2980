//! The SQLite file under a store: whether it still is the file that was opened, and
//! whether it takes writes. [`DataFile`] is asked before each write and before each
//! acknowledgement; a thread asks it every second beside that, see [`watcher`].
//!
//! SQLite keeps its locks on the main file and on `-shm` for the process, and the system drops
//! them as soon as the process closes any descriptor of them. So nothing here opens the main file:
//! it is looked at by its name, and its content is read through SQLite. `-shm` is opened once, and
//! stays open, see [`index`].

mod data_file;
mod examination;
mod files;
mod index;
mod log;
mod obstacle;
pub(crate) mod opening;
mod stamp;
mod watcher;

pub(crate) use data_file::DataFile;
pub use data_file::StorageState;
pub(crate) use watcher::Watcher;
