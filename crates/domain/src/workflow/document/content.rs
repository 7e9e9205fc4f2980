//! A document as it was read.

use super::{format::UnknownStates, layout::WorkflowPart, magento};
use crate::{value::WorkflowCode, workflow::Finding};

/// A document that was read and is well-formed.
#[derive(Debug, Clone, PartialEq)]
pub struct Document(pub(super) Content);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Workflow {
        part: Box<WorkflowPart>,
        /// The findings about the document itself.
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

    /// Decides the fate of states of a `config.xml` that the workflow does not have. Other
    /// documents say by themselves what their states are.
    #[must_use]
    pub fn with_unknown_states(mut self, unknown_states: UnknownStates) -> Self {
        match &mut self.0 {
            Content::Workflow { .. } => {}
            Content::MagentoConfig(config) => config.unknown_states = unknown_states,
        }
        self
    }

    /// The findings about the document itself, whatever workflow it is applied to: months where
    /// minutes may be meant, elements of a `config.xml` that are not known, and which of several
    /// defaults is taken.
    pub fn findings(&self) -> &[Finding] {
        match &self.0 {
            Content::Workflow { findings, .. } => findings,
            Content::MagentoConfig(config) => &config.findings,
        }
    }
}
