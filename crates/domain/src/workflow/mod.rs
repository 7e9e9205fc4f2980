//! A workflow: the states and statuses of a kind of order, which status belongs
//! to which state, and the transitions between them. All of it is data.

mod action;
mod affected;
#[cfg(test)]
mod affected_tests;
mod definition;
pub mod diagram;
mod diff;
pub mod document;
mod edit;
mod lint;
mod lookup;
mod normal;
mod record;
mod refusal;
#[cfg(test)]
pub(crate) mod sample;
mod subject;

pub use action::{
    ACTIONS_MAX, Action, ActionPath, COPIES_MAX, Channel, CopyMethod, Email, Identity, Notify,
    Policy, Publish, TriggerPoint, Webhook, Work, Writing,
};
pub use affected::{Affected, Count, Fate, automatic_places};
pub use definition::{
    Assignment, Category, CommentStatus, Effect, LABELS_MAX, Operation, Overpayment, RefundedUnits,
    Standing, State, Status, StatusSharing, Transition, Trigger, Workflow,
};
pub use diff::{Difference, DifferenceKind, diff, diff_shortened};
pub use edit::{
    AssignmentPatch, LabelsPatch, StatusPatch, TransitionPatch, assign, create_status,
    create_transition, delete_status, delete_transition, unassign, update_status,
    update_transition,
};
pub use lint::{Finding, Rule, Severity, lint, missing_parts};
pub use record::{Record, Stamp};
pub use refusal::{Blocker, Refusal, Usage};
pub use subject::Subject;
