//! A problem as clients see it: one value behind the status of a call and the
//! error of a step.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use waymark_domain::value::sentence;
use waymark_proto::invalid::InvalidRequest;

use super::Reason;

/// The domain of every `google.rpc.ErrorInfo`.
const DOMAIN: &str = "waymark";

/// A refusal, in words that a stranger understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(super) reason: Reason,
    pub(super) message: String,
    pub(super) metadata: BTreeMap<&'static str, String>,
    /// Fields and what is wrong with them.
    pub(super) violations: Vec<(String, String)>,
    pub(super) subject: String,
}

impl Problem {
    /// A problem without particulars.
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            metadata: BTreeMap::new(),
            violations: Vec::new(),
            subject: String::new(),
        }
    }

    /// A problem with one field of the request.
    pub(crate) fn of_field(
        reason: Reason,
        field: impl Into<String>,
        problem: impl Into<String>,
    ) -> Self {
        let (field, problem) = (field.into(), problem.into());
        Self::new(reason, sentence(&field, &problem)).violating([(field, problem)])
    }

    /// That a message has more bytes than it may.
    pub(crate) fn message_too_large(max: usize) -> Self {
        let message = format!("a message may have at most {max} bytes");
        Self::new(Reason::MessageTooLarge, message).with("max", &max)
    }

    /// Adds one particular.
    #[must_use]
    pub(crate) fn with(mut self, key: &'static str, value: &impl ToString) -> Self {
        self.metadata.insert(key, value.to_string());
        self
    }

    /// Adds one particular that is a list, separated by commas.
    #[must_use]
    pub(crate) fn with_list<T: ToString>(self, key: &'static str, values: &[T]) -> Self {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        self.with(key, &values.join(","))
    }

    /// Says what may have been meant.
    #[must_use]
    pub(super) fn hinting(mut self, hint: &str) -> Self {
        self.message.push_str("; ");
        self.message.push_str(hint);
        self
    }

    /// Names the part that a precondition failed for, such as `status pending`.
    #[must_use]
    pub(crate) fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    /// Adds fields that are wrong, each with what is wrong.
    #[must_use]
    pub(crate) fn violating(
        mut self,
        violations: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        self.violations.extend(violations);
        self
    }

    /// Names the fields by where the part of the request stands that they are in; in the message as well, where it is
    /// made of them.
    #[must_use]
    pub(super) fn below(mut self, path: &str) -> Self {
        let is_spelled = self.message == self.spelled();
        for (field, _) in &mut self.violations {
            *field = format!("{path}.{field}");
        }
        if is_spelled {
            self.message = self.spelled();
        }
        self
    }

    /// The status without any cut; [`Status::from`] is the one that fits.
    pub(super) fn to_status(&self) -> Status {
        let code = self.reason.code();
        let metadata = self
            .metadata
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()));
        let metadata: HashMap<String, String> = metadata.collect();
        let mut details = ErrorDetails::with_error_info(self.reason.as_str(), DOMAIN, metadata);
        match code {
            Code::InvalidArgument => {
                for (field, problem) in &self.violations {
                    details.add_bad_request_violation(field, problem);
                }
            }
            Code::FailedPrecondition => {
                details.add_precondition_failure_violation(
                    self.reason.as_str(),
                    &self.subject,
                    &self.message,
                );
            }
            Code::Unavailable | Code::ResourceExhausted => {
                details.set_retry_info(Some(retry_delay(self.reason)));
            }
            _ => {}
        }
        Status::with_error_details(code, &self.message, details)
    }

    /// A step has no list of violations, so its message names every field.
    pub(super) fn spelling_fields(mut self) -> Self {
        if self.violations.len() > 1 {
            self.message = self.spelled();
        }
        self
    }

    fn spelled(&self) -> String {
        let fields = self.violations.iter();
        let fields: Vec<_> = fields
            .map(|(field, problem)| sentence(field, problem))
            .collect();
        fields.join("; ")
    }
}

impl From<&InvalidRequest> for Problem {
    fn from(invalid: &InvalidRequest) -> Self {
        let violations = invalid.violations().iter();
        let violations =
            violations.map(|violation| (violation.field.clone(), violation.problem.to_string()));
        Self::new(Reason::FieldInvalid, invalid.to_string()).violating(violations)
    }
}

/// The time that a client should wait before it comes again.
fn retry_delay(reason: Reason) -> Duration {
    match reason {
        Reason::Overloaded => Duration::from_millis(250),
        Reason::ShuttingDown => Duration::from_secs(1),
        _ => Duration::from_secs(2),
    }
}
