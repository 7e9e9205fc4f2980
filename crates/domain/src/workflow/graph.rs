//! A workflow made ready for orders: looked up by code, guards compiled.

use super::Workflow;

/// A workflow at one version, ready to judge commands.
#[derive(Debug)]
pub struct Graph {
    workflow: Workflow,
    version: i64,
}

impl Graph {
    /// The definition.
    pub fn workflow(&self) -> &Workflow {
        &self.workflow
    }

    /// The version of the workflow, from 1.
    pub fn version(&self) -> i64 {
        self.version
    }
}
