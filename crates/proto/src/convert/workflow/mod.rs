//! Workflows as a whole: requests about them, and how they, their changes and findings about
//! them are shown.

mod request;
mod resource;
mod settle;

pub use request::{
    ApplyWorkflow, DeleteWorkflow, DiagramWorkflow, ExportWorkflow, GetWorkflow, LintSubject,
    LintWorkflow, ListWorkflowVersions, ListWorkflows,
};
pub(crate) use resource::effect_to_wire;
pub use resource::{change_to_wire, finding_to_wire, remark_to_wire, version_to_wire};
pub use settle::SettleOrders;
pub use waymark_domain::workflow::diagram::Format as DiagramFormat;
