//! Workflows as they are stored: five tables that together give back exactly the
//! record that was saved.

mod affected;
mod change;
mod load;
mod prepare;
mod save;
mod settling;
mod timers;
mod usage;
mod versions;

pub use change::{EditStart, Saved, WorkflowEdit};
pub(crate) use load::{Loaded, any, codes, load, stored_codes};
pub use prepare::{Counting, Extent, Outcome, WorkflowChange, WorkflowDraft, WorkflowSnapshot};
pub use settling::{Settling, SettlingCall};
pub use versions::{VersionPage, WorkflowVersion};
