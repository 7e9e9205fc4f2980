//! A workflow made ready for orders: guards compiled, transitions in order.

use std::collections::HashMap;

use super::{Transition, Trigger, Workflow};
use crate::{
    guard::{Guard, GuardError},
    value::{StateCode, TransitionCode},
};

/// A workflow at one version, ready to judge commands.
#[derive(Debug)]
pub struct Graph {
    workflow: Workflow,
    version: i64,
    guards: HashMap<TransitionCode, Guard>,
    entry_guards: HashMap<StateCode, Guard>,
}

/// Why a workflow cannot judge commands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// The guard of a transition is wrong.
    #[error("the guard of transition {transition} {source}")]
    Guard {
        /// The transition.
        transition: TransitionCode,
        /// What is wrong.
        source: GuardError,
    },
    /// The entry guard of a state is wrong.
    #[error("the entry guard of state {state} {source}")]
    EntryGuard {
        /// The state.
        state: StateCode,
        /// What is wrong.
        source: GuardError,
    },
}

impl Graph {
    /// Compiles the guards of a workflow and sorts its transitions by position, then code.
    ///
    /// # Errors
    /// Returns [`GraphError`] for the first guard that does not compile.
    pub fn new(mut workflow: Workflow, version: i64) -> Result<Self, GraphError> {
        workflow
            .transitions
            .sort_by(|a, b| (a.position, &a.code).cmp(&(b.position, &b.code)));
        let mut guards = HashMap::new();
        for transition in &workflow.transitions {
            let Some(expression) = &transition.guard else {
                continue;
            };
            let guard = Guard::compile(expression).map_err(|source| GraphError::Guard {
                transition: transition.code.clone(),
                source,
            })?;
            guards.insert(transition.code.clone(), guard);
        }
        let mut entry_guards = HashMap::new();
        for state in &workflow.states {
            let Some(expression) = &state.entry_guard else {
                continue;
            };
            let guard = Guard::compile(expression).map_err(|source| GraphError::EntryGuard {
                state: state.code.clone(),
                source,
            })?;
            entry_guards.insert(state.code.clone(), guard);
        }
        Ok(Self {
            workflow,
            version,
            guards,
            entry_guards,
        })
    }

    /// The definition.
    pub fn workflow(&self) -> &Workflow {
        &self.workflow
    }

    /// The version of the workflow, from 1.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The transitions that a call may take, by position, then code.
    pub fn manual_transitions(&self) -> impl Iterator<Item = &Transition> {
        self.workflow
            .transitions
            .iter()
            .filter(|t| matches!(t.trigger, Trigger::Manual))
    }

    pub(crate) fn guard(&self, transition: &TransitionCode) -> Option<&Guard> {
        self.guards.get(transition)
    }

    pub(crate) fn entry_guard(&self, state: &StateCode) -> Option<&Guard> {
        self.entry_guards.get(state)
    }
}
