//! The one order in which the parts of a workflow are kept, so that two workflows
//! that mean the same are equal.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Trigger, Workflow};

impl Workflow {
    /// Sorts every list: parts by position, then code, and so their actions; operations by code;
    /// assignments by state, the default first, then by status; sets of codes by code, each once.
    ///
    /// Parts with the same code are all kept: [`super::lint`] names them.
    #[must_use]
    pub fn normalized(mut self) -> Self {
        self.operations.sort_by(|a, b| a.code.cmp(&b.code));
        self.states
            .sort_by(|a, b| (a.position, &a.code).cmp(&(b.position, &b.code)));
        self.statuses
            .sort_by(|a, b| (a.position, &a.code).cmp(&(b.position, &b.code)));
        self.transitions
            .sort_by(|a, b| (a.position, &a.code).cmp(&(b.position, &b.code)));
        for operation in &mut self.operations {
            sort_set(&mut operation.roles);
            sort_actions(&mut operation.actions);
        }
        for status in &mut self.statuses {
            sort_actions(&mut status.on_enter);
        }
        sort_actions(&mut self.on_create);
        sort_actions(&mut self.on_comment);
        for state in &mut self.states {
            sort_set(&mut state.operations);
            sort_actions(&mut state.on_enter);
            sort_actions(&mut state.on_leave);
        }
        for transition in &mut self.transitions {
            sort_set(&mut transition.from_statuses);
            sort_set(&mut transition.from_states);
            sort_set(&mut transition.roles);
            sort_actions(&mut transition.actions);
            if let Trigger::OnOperations(operations) = &mut transition.trigger {
                sort_set(operations);
            }
        }
        self.sort_assignments();
        self
    }

    fn sort_assignments(&mut self) {
        let states = self.states.iter().map(|state| &state.code);
        let states: BTreeMap<_, _> = states.zip(0_usize..).collect();
        let statuses = self.statuses.iter().map(|status| &status.code);
        let statuses: BTreeMap<_, _> = statuses.zip(0_usize..).collect();
        self.assignments.sort_by_cached_key(|pair| {
            (
                states.get(&pair.state).copied().unwrap_or(usize::MAX),
                pair.state.clone(),
                !pair.is_default,
                statuses.get(&pair.status).copied().unwrap_or(usize::MAX),
                pair.status.clone(),
            )
        });
    }
}

fn sort_actions(actions: &mut [Action]) {
    actions.sort_by(|a, b| (a.position, &a.code).cmp(&(b.position, &b.code)));
}

fn sort_set<T: Ord>(items: &mut Vec<T>) {
    let set: BTreeSet<T> = std::mem::take(items).into_iter().collect();
    items.extend(set);
}
