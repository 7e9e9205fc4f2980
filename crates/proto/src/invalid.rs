//! Refused requests: every field that breaks a rule, and which rule.

use std::fmt;

use waymark_domain::value::{Invalid, sentence};

/// The most violations that one answer lists.
pub(crate) const VIOLATIONS_MAX: usize = 20;
/// The most bytes that one answer spends on violations, so that the details of its error stay under 4 KiB.
const BYTES_MAX: usize = 3_000;
/// The most characters of a caller's own text that a problem repeats.
const QUOTED_CHARACTERS_MAX: usize = 64;

/// A request that breaks rules of the contract; nothing was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRequest {
    violations: Vec<FieldViolation>,
}

/// One field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldViolation {
    /// The path of the field in `snake_case`, such as `order.lines[2].quantity_ordered`.
    pub field: String,
    /// The rule that it breaks; its text completes "the field … ".
    pub problem: Problem,
}

/// A reason for which a field is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The value breaks its rule.
    #[error(transparent)]
    Value(#[from] Invalid),
    /// A message or a value is needed and none was given.
    #[error("is required")]
    Required,
    /// One of several fields is needed and none was given.
    #[error("is required: give {fields}")]
    Choice {
        /// The fields.
        fields: &'static str,
    },
    /// Orders are named without their workflow.
    #[error("must name the workflow of the orders that `filter` names")]
    WorkflowOfOrders,
    /// The server sets the field, and leaving out what was given would change what the caller means.
    #[error("is output only")]
    OutputOnly,
    /// The number is no value of the enum.
    #[error("has no value with the number {number}")]
    UnknownNumber {
        /// The number that was given.
        number: i32,
    },
    /// Another field that was given rules this one out.
    #[error("must not be given together with `{other}`")]
    Excluded {
        /// The other field.
        other: &'static str,
    },
    /// The field says nothing without another one.
    #[error("must not be given without `{other}`")]
    Unaccompanied {
        /// The other field.
        other: &'static str,
    },
    /// A list is too short or too long.
    #[error("must have {min} to {max} entries, has {actual}")]
    Count {
        /// The fewest entries.
        min: usize,
        /// The most entries.
        max: usize,
        /// The number that was given.
        actual: usize,
    },
    /// A list where the message begins to take far more memory than bytes on the wire, as one of many short entries.
    #[error("has {}; with them the message takes more memory than one of its size may", entries(*count))]
    Dense {
        /// The number of its entries.
        count: usize,
    },
    /// A list of a step, where the steps of a call begin to take more memory than they may together.
    #[error(
        "has {}; with them the steps take more memory than those of one call may: send fewer in a call",
        entries(*count)
    )]
    Crowded {
        /// The number of its entries.
        count: usize,
    },
    /// A field that is no list, where the message begins to take as much.
    #[error("is given {}; with that the message takes more memory than one of its size may", times(*count))]
    Given {
        /// The number of times that it is given, one after the other.
        count: usize,
    },
    /// Bytes that are no message.
    #[error("is no message of its kind")]
    Malformed,
    /// Something that is said once for the whole call.
    #[error("is a matter of the whole call, not of one step")]
    NotPerStep,
    /// A state in which nothing is tried again.
    #[error("is the state of deliveries that are done, which are not tried again")]
    NotRetryable,
    /// A state in which nothing is skipped.
    #[error("is the state of deliveries that are done with, which are not skipped")]
    NotSkippable,
    /// A filter that lets everything through, where that may be a mistake.
    #[error(
        "must name orders, kinds, transitions, actions or endpoints where `workflows` is empty"
    )]
    Unfiltered,
    /// A format in which documents are read and not written.
    #[error("is a format that is read only")]
    ReadOnlyFormat,
    /// An update mask names something that an update cannot change.
    #[error("names `{path}`, which {problem}")]
    Mask {
        /// The path, shortened.
        path: String,
        /// The reason why it cannot be changed.
        problem: MaskProblem,
    },
    /// The words of a parser or a checker, such as that of guards or documents.
    #[error("{0}")]
    Text(String),
}

fn entries(count: usize) -> String {
    match count {
        1 => "1 entry".to_owned(),
        count => format!("{count} entries"),
    }
}

fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

/// The reason why an update cannot change a path of its mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MaskProblem {
    /// There is no such path.
    #[error("is unknown")]
    Unknown,
    /// It is the JSON name of this path.
    #[error("is spelled `{0}`")]
    Spelled(&'static str),
    /// It never changes.
    #[error("is immutable")]
    Immutable,
    /// Only the server changes it.
    #[error("is output only")]
    OutputOnly,
    /// It stands for every path.
    #[error("must stand alone")]
    NotAlone,
    /// Steps change it.
    #[error("is changed by steps of the workflow only")]
    Stepwise,
}

impl InvalidRequest {
    /// A request with one wrong field.
    pub fn new(field: impl Into<String>, problem: impl Into<Problem>) -> Self {
        let (field, problem) = (field.into(), problem.into());
        Self {
            violations: vec![FieldViolation { field, problem }],
        }
    }

    /// A request with these wrong fields, cut off at 20 violations or some 3,000 bytes; none
    /// for an empty list.
    pub fn from_violations(violations: impl IntoIterator<Item = FieldViolation>) -> Option<Self> {
        let (mut found, mut bytes) = (Vec::new(), 0);
        for violation in violations {
            let more: usize = bytes + violation.bytes();
            if found.is_empty() || (found.len() < VIOLATIONS_MAX && more <= BYTES_MAX) {
                bytes = more;
                found.push(violation);
            }
        }
        (!found.is_empty()).then_some(Self { violations: found })
    }

    /// The same violations, in a part of a request that stands at `path`.
    pub(crate) fn below(mut self, path: &str) -> Self {
        for violation in &mut self.violations {
            violation.field = format!("{path}.{}", violation.field);
        }
        self
    }

    /// The violations, at least one and at most 20.
    pub fn violations(&self) -> &[FieldViolation] {
        &self.violations
    }
}

impl fmt::Display for InvalidRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, FieldViolation { field, problem }) in self.violations.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}", sentence(field, &problem.to_string()))?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidRequest {}

impl FieldViolation {
    fn bytes(&self) -> usize {
        self.field.len() + self.problem.to_string().len()
    }
}

/// The beginning of a text that a caller chose, without control characters.
pub(crate) fn quoted(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(QUOTED_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violation(field: &str, problem: &str) -> FieldViolation {
        FieldViolation {
            field: field.to_owned(),
            problem: Problem::Text(problem.to_owned()),
        }
    }

    #[test]
    fn lists_violations_within_its_limits() {
        assert_eq!(InvalidRequest::from_violations([]), None);
        let many = InvalidRequest::from_violations((0..30).map(|_| violation("a", "is wrong")));
        assert_eq!(many.map(|found| found.violations().len()), Some(20));
        let long = "x".repeat(1_400);
        let large = InvalidRequest::from_violations((0..30).map(|_| violation("a", &long)));
        assert_eq!(large.map(|found| found.violations().len()), Some(2));
    }

    #[test]
    fn reads_as_a_sentence() {
        let found = InvalidRequest::from_violations([
            violation("a", "is wrong"),
            violation("b[0]", "is worse"),
        ]);
        assert_eq!(
            found.map(|found| found.to_string()).as_deref(),
            Some("a is wrong; b[0] is worse")
        );
    }
}
