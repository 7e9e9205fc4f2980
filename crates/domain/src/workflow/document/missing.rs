//! The mistakes of a document that show only when a workflow is made of it.

use super::remark::REMARKS_MAX;
use crate::workflow::{Finding, Rule, Subject};

/// The paths of what a document leaves out and a new part needs, and what it says of a part that
/// the part cannot have; the first hundred of each, and whether there are more.
#[derive(Debug, Default)]
pub(super) struct Missing {
    pub(super) paths: Vec<String>,
    pub(super) wrong: Vec<Finding>,
    pub(super) has_more: bool,
}

impl Missing {
    pub(super) fn note(&mut self, path: String) {
        if self.paths.len() < REMARKS_MAX {
            self.paths.push(path);
        } else {
            self.has_more = true;
        }
    }

    /// Notes those fields of a new part that it needs and that are not given.
    pub(super) fn note_all<const N: usize>(&mut self, part: &str, fields: [(&str, bool); N]) {
        for (field, _) in fields.into_iter().filter(|(_, is_given)| !is_given) {
            self.note(format!("{part}.{field}"));
        }
    }

    /// Notes a mistake in what the document says of a part.
    pub(super) fn refuse(&mut self, path: &str, problem: &str) {
        if self.wrong.len() < REMARKS_MAX {
            let subject = Subject::Document(path.to_owned());
            let finding = Finding::new(Rule::Document, subject, problem);
            self.wrong.push(finding);
        } else {
            self.has_more = true;
        }
    }

    /// Gives the value, and notes its path where there is none.
    pub(super) fn unless<T>(
        &mut self,
        given: Option<T>,
        path: impl FnOnce() -> String,
    ) -> Option<T> {
        if given.is_none() {
            self.note(path());
        }
        given
    }
}
