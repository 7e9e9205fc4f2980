//! Changes of a workflow, one part at a time. Every function is pure: it gives the
//! changed workflow, or says why the change is refused.

mod assignment;
mod finish;
mod status;
mod transition;

pub use assignment::{AssignmentPatch, assign, unassign};
pub(super) use assignment::{check_sharing, put};
pub(super) use finish::judge;
pub use status::{LabelsPatch, StatusPatch, create_status, delete_status, update_status};
pub use transition::{TransitionPatch, create_transition, delete_transition, update_transition};

#[cfg(test)]
mod tests;
