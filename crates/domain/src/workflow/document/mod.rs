//! Workflows as documents: YAML or JSON to write and read a whole workflow or a part
//! of one, and the `config.xml` of Magento 1 to take statuses from.
//!
//! [`decode`] makes a text of the bytes of a file, [`parse`] reads a document, [`apply`] makes a
//! workflow of it, [`check`] says everything that is wrong with both, [`export`] writes one.
//! In a YAML or JSON document parts are keyed by their codes:
//!
//! ```yaml
//! workflow: order
//! label: Order
//! initial_state: new
//! operations:
//!   pay: {label: Pay, effect: pay}
//! statuses:
//!   pending: {label: Pending, color: "#3697cd"}
//!   packing: {label: Packing}
//! states:
//!   new: {label: New, category: initial, can_start: true, operations: [pay], statuses: [pending]}
//!   processing: {label: Processing, category: active, statuses: [packing]}
//! transitions:
//!   start: {label: Start, from_states: [new], to_state: processing, trigger: {on_operations: [pay]}}
//! ```
//!
//! Actions are keyed by their codes as well, under `actions` of a transition or operation,
//! `on_enter` and `on_leave` of a state, `on_create` and `on_comment` of the workflow:
//!
//! ```yaml
//! actions:
//!   tell_erp: {webhook: {endpoint: erp}, attempts: 5, condition: order.grand_total > 0}
//!   mail: {email: {template: shipped, customer: always}}
//! ```
//!
//! `overpayment: refuse` beside `label` refuses what is paid beyond what is due. A transition with
//! `{operation: cancel, reverse: true}` takes back what was cancelled; `visible_to_customer` and
//! `notify_customer` say what one that no call makes tells the customer.
//!
//! The statuses of a state are listed default first; one that customers shall not see
//! is written `{status: packing, visible_on_storefront: false}`. Parts come in the order
//! of the document, each ten positions after the one before, unless they give a `position`.

mod access;
mod action;
mod apply;
mod budget;
mod check;
mod encoding;
mod events;
mod export;
mod json;
mod keyed;
mod layout;
mod locate;
mod magento;
mod parse;
mod path;
mod reader;
mod remark;
mod sound;
mod yaml;

pub use apply::{Mode, apply, draft, judge};
pub use check::{Checked, Proposal, check, located};
pub use encoding::decode;
pub use export::export;
pub use parse::parse;
pub use remark::{DocumentError, Place, Remark};

use super::Finding;
use crate::value::WorkflowCode;

/// The largest document, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// YAML 1.2.
    Yaml,
    /// JSON.
    Json,
    /// The `config.xml` of a Magento 1 module.
    MagentoConfigXml,
}

/// What becomes of states of a `config.xml` that the workflow does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UnknownStates {
    /// The document is refused, naming all of them.
    #[default]
    Refuse,
    /// They are made: active and holdable, with the operations of the state `processing`, if there
    /// is one.
    Create,
}

/// A document that was read and is well-formed.
#[derive(Debug, Clone, PartialEq)]
pub struct Document(Content);

#[derive(Debug, Clone, PartialEq)]
enum Content {
    Workflow {
        part: Box<layout::WorkflowPart>,
        /// What is worth knowing about the document itself.
        findings: Vec<Finding>,
    },
    MagentoConfig(magento::Config),
}

impl Document {
    /// The code of the workflow, where the document names one.
    pub fn workflow(&self) -> Option<&WorkflowCode> {
        match &self.0 {
            Content::Workflow { part, .. } => part.workflow.as_ref(),
            Content::MagentoConfig(_) => None,
        }
    }

    /// Says what becomes of states of a `config.xml` that the workflow does not have. Other documents
    /// say by themselves what their states are.
    #[must_use]
    pub fn with_unknown_states(mut self, unknown_states: UnknownStates) -> Self {
        match &mut self.0 {
            Content::Workflow { .. } => {}
            Content::MagentoConfig(config) => config.unknown_states = unknown_states,
        }
        self
    }

    /// What is worth knowing about the document itself, whatever workflow it is applied to: months where minutes may be
    /// meant, elements of a `config.xml` that are not known, and which of several defaults is taken.
    pub fn findings(&self) -> &[Finding] {
        match &self.0 {
            Content::Workflow { findings, .. } => findings,
            Content::MagentoConfig(config) => &config.findings,
        }
    }
}

#[cfg(test)]
pub(super) mod sample;
#[cfg(test)]
mod tests;
