//! Remarks about a document, each with its place.

use std::fmt;

use super::format::DOCUMENT_BYTES_MAX;
use crate::{
    value::WorkflowCode,
    workflow::{Finding, Rule, Severity, Subject},
};

/// The most remarks that the text of an error spells out.
const REMARKS_SPELLED_MAX: usize = 3;
/// The most mistakes of a kind that are told.
pub(super) const REMARKS_MAX: usize = 100;
/// The longest remark, in bytes: readers quote what they find.
const MESSAGE_BYTES_MAX: usize = 512;

/// A place in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1, in characters.
    pub column: u64,
}

/// Something that is to be said about a document, or about the workflow that it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The place in the document; none for what stands nowhere, such as what is missing as a whole.
    pub place: Option<Place>,
    /// The finding.
    pub finding: Finding,
}

/// The error of a document that cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is too large, not well-formed, has unknown keys, or values that break a rule.
    #[error("{}", spelled(.remarks))]
    Unreadable {
        /// All of its mistakes, in its order; at least one.
        remarks: Vec<Remark>,
        /// The code of the workflow, where it names one.
        workflow: Option<WorkflowCode>,
    },
    /// A workflow cannot be written in this format.
    #[error("a workflow can be exported as YAML or JSON only")]
    NoExport,
    /// The workflow cannot be written as a document.
    #[error("the workflow cannot be written as a document: {problem}")]
    NotWritten {
        /// The words of the writer.
        problem: String,
    },
}

impl Place {
    /// A place by numbers that count from 1.
    pub(super) fn new(line: usize, column: usize) -> Self {
        let wide = |number| u64::try_from(number).unwrap_or(u64::MAX);
        Self {
            line: wide(line),
            column: wide(column),
        }
    }

    /// The place of a byte of a text.
    pub(super) fn of_byte(text: &str, index: usize) -> Self {
        let before = text.get(..index).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Self::new(before.matches('\n').count() + 1, line.chars().count() + 1)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

impl Remark {
    /// A remark that something in the document cannot be read.
    pub(super) fn unreadable(place: Option<Place>, path: &str, message: &str) -> Self {
        let end = message.floor_char_boundary(MESSAGE_BYTES_MAX);
        let message = message.get(..end).unwrap_or(message);
        let subject = Subject::Document(path.to_owned());
        let finding = Finding::new(Rule::Document, subject, message);
        Self { place, finding }
    }

    /// A remark that what stands at a byte of a document cannot be read.
    pub(super) fn at_byte(text: &str, index: usize, problem: &dyn fmt::Display) -> Self {
        let place = Place::of_byte(text, index);
        Self::unreadable(Some(place), "", &problem.to_string())
    }

    /// A remark that the document has too many bytes.
    pub(super) fn too_large(bytes: usize) -> Self {
        let problem = format!("has {bytes} bytes, at most {DOCUMENT_BYTES_MAX} are allowed");
        Self::unreadable(None, "", &problem)
    }

    /// Its weight.
    pub fn severity(&self) -> Severity {
        self.finding.severity()
    }
}

impl From<Finding> for Remark {
    fn from(finding: Finding) -> Self {
        Self {
            place: None,
            finding,
        }
    }
}

/// The place, then what is said: `line 4, column 17, comment_status: must be any_in_state or
/// never`.
impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, finding } = self;
        let message = &finding.message;
        match (place, &finding.subject) {
            (Some(place), Subject::Document(path)) if path.is_empty() => {
                write!(f, "{place}: {message}")
            }
            (Some(place), Subject::Document(path)) => write!(f, "{place}, {path}: {message}"),
            (Some(place), _) => write!(f, "{place}: {finding}"),
            (None, _) => write!(f, "{finding}"),
        }
    }
}

impl From<Remark> for DocumentError {
    fn from(remark: Remark) -> Self {
        Self::Unreadable {
            remarks: vec![remark],
            workflow: None,
        }
    }
}

/// The first remarks on one line.
fn spelled(remarks: &[Remark]) -> String {
    let first = remarks.iter().take(REMARKS_SPELLED_MAX);
    let first: Vec<_> = first.map(ToString::to_string).collect();
    let text = first.join("; ");
    match remarks.len().saturating_sub(REMARKS_SPELLED_MAX) {
        0 => text,
        more => format!("{text}; and {more} more"),
    }
}
