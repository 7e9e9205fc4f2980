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
    /// The etag of the part, which means nothing to callers: it differs after every change of it,
    /// and from that of any other part of the same code that there was before or will be later.
    pub fn etag(&self) -> String {
        let (made, changed) = (self.create_time.micros(), self.update_time.micros());
        // Versions begin anew where a part is made again, and where a change was lost with a database.
        let after = changed.wrapping_sub(made);
        format!("{:x}-{made:x}-{after:x}", self.version)
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
            update_time: now,
            ..*self
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
        let (statuses, transitions) = (workflow.statuses.iter(), workflow.transitions.iter());
        Self {
            statuses: statuses.map(|it| (it.code.clone(), stamp)).collect(),
            transitions: transitions.map(|it| (it.code.clone(), stamp)).collect(),
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
        self.succeed(workflow, now)
    }

    /// The next version, even where the definition is equal to the present one, as when what is
    /// stored of that cannot be read in full. The stamps of parts that did not change stay.
    #[must_use]
    pub fn succeed(&self, workflow: Workflow, now: Timestamp) -> Self {
        let version = self.stamp.version + 1;
        let old = &self.workflow;
        let statuses = workflow.statuses.iter().map(|status| {
            let same = old.statuses.contains(status);
            let stamp = renew(self.statuses.get(&status.code), same, version, now);
            (status.code.clone(), stamp)
        });
        let transitions = workflow.transitions.iter().map(|transition| {
            let same = old.transitions.contains(transition);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::workflow::sample;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    #[test]
    fn no_etag_ever_comes_again() {
        let workflow = sample::workflow();
        let first = Record::first(workflow.clone(), at(1));
        let mut changed = workflow.clone();
        changed.max_cascade += 1;
        let second = first.revise(changed.clone(), at(2));
        // Deleted and made again, and another change in place of one that was lost.
        let again = Record::first(workflow.clone(), at(3));
        let other = first.revise(changed, at(4));
        let etags = [&first, &second, &again, &other].map(|record| record.stamp.etag());
        assert_eq!(
            BTreeSet::from(etags.clone()).len(),
            etags.len(),
            "{etags:?}"
        );
        assert!(etags.iter().all(|etag| etag != "v1" && etag != "v2"));
        assert_eq!(first.revise(workflow, at(5)).stamp.etag(), etags[0]);
        let code = &first.workflow.statuses[0].code;
        assert_eq!(second.statuses[code].etag(), first.statuses[code].etag());
        assert_ne!(again.statuses[code].etag(), first.statuses[code].etag());
    }

    #[test]
    fn what_cannot_be_read_is_succeeded_by_an_equal_definition() {
        let first = Record::first(sample::workflow(), at(1));
        let next = first.succeed(first.workflow.clone(), at(2));
        assert_eq!((next.stamp.version, next.stamp.update_time), (2, at(2)));
        assert_eq!(next.statuses, first.statuses);
        assert_eq!(next.transitions, first.transitions);
    }
}
