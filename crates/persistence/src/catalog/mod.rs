//! The workflows that this process has read, compiled and kept. The edition of the
//! catalog says whether they are still true; it is read inside every write
//! transaction, after the lock, so no step is judged by an old workflow. Nothing is
//! compiled there: what is not kept is loaded by [`Store::load_workflows`] first.
//!
//! [`Store::load_workflows`]: crate::Store::load_workflows

mod cache;
mod edition;
mod loading;

pub(crate) use cache::{Cached, Catalog, Known, Reliance};
pub use edition::Edition;
pub(crate) use edition::{EditionRow, Since, edition, newest, since};
