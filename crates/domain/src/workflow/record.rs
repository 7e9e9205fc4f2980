//! A workflow together with its version and the times of its parts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Workflow;
use crate::value::{StatusCode, Timestamp, TransitionCode};

/// When a part was made and last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The version of the workflow that last changed the part.
    pub version: i64,
    /// When the part was made.
    pub create_time: Timestamp,
    /// When the part last changed.
    pub update_time: Timestamp,
}

impl Stamp {
    /// The etag of the part: it differs after every change of it.
    pub fn etag(&self) -> String {
        format!("v{}", self.version)
    }

    fn new(version: i64, now: Timestamp) -> Self {
        Self {
            version,
            create_time: now,
            update_time: now,
        }
    }

    fn touched(&self, version: i64, now: Timestamp) -> Self {
        Self {
            version,
            create_time: self.create_time,
            update_time: now,
        }
    }
}

/// A workflow as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The definition.
    pub workflow: Workflow,
    /// The stamp of the whole; its version counts every change of any part from 1.
    pub stamp: Stamp,
    /// The stamps of the statuses.
    pub statuses: BTreeMap<StatusCode, Stamp>,
    /// The stamps of the transitions.
    pub transitions: BTreeMap<TransitionCode, Stamp>,
}

impl Record {
    /// The first version of a workflow.
    pub fn first(workflow: Workflow, now: Timestamp) -> Self {
        let stamp = Stamp::new(1, now);
        Self {
            statuses: workflow
                .statuses
                .iter()
                .map(|s| (s.code.clone(), stamp))
                .collect(),
            transitions: workflow
                .transitions
                .iter()
                .map(|t| (t.code.clone(), stamp))
                .collect(),
            stamp,
            workflow,
        }
    }

    /// The next version, with the stamps of the parts that changed renewed. A
    /// definition equal to the present one gives the present record.
    #[must_use]
    pub fn revise(&self, workflow: Workflow, now: Timestamp) -> Self {
        if workflow == self.workflow {
            return self.clone();
        }
        let version = self.stamp.version + 1;
        let old = &self.workflow;
        let statuses = workflow.statuses.iter().map(|status| {
            let same = old.statuses.iter().any(|other| other == status);
            let stamp = renew(self.statuses.get(&status.code), same, version, now);
            (status.code.clone(), stamp)
        });
        let transitions = workflow.transitions.iter().map(|transition| {
            let same = old.transitions.iter().any(|other| other == transition);
            let stamp = renew(self.transitions.get(&transition.code), same, version, now);
            (transition.code.clone(), stamp)
        });
        Self {
            statuses: statuses.collect(),
            transitions: transitions.collect(),
            stamp: self.stamp.touched(version, now),
            workflow,
        }
    }
}

fn renew(before: Option<&Stamp>, same: bool, version: i64, now: Timestamp) -> Stamp {
    match before {
        Some(stamp) if same => *stamp,
        Some(stamp) => stamp.touched(version, now),
        None => Stamp::new(version, now),
    }
}
