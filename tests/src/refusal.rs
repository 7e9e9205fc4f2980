//! Errors as clients see them, taken apart and held against what the contract promises of every error.

use std::{collections::HashMap, fmt::Debug};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::documented;

/// What all details of one error may take together, in bytes.
const DETAILS_MAX: usize = 4_096;

/// Words that say how the service is built, which is nobody's business.
const INSIDES: [&str; 12] = [
    "sqlite",
    "postgres",
    "diesel",
    "constraint",
    "sql",
    "panicked",
    "/tmp",
    "/root",
    "/home",
    ".rs:",
    "unwrap",
    "relation \"",
];

/// An error of a call.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Its canonical code.
    pub code: Code,
    /// Its reason, from `ErrorInfo`.
    pub reason: String,
    /// The text for people.
    pub message: String,
    /// The particulars, from `ErrorInfo`.
    pub metadata: HashMap<String, String>,
    /// Fields and what is wrong with them, from `BadRequest`.
    pub violations: Vec<(String, String)>,
}

impl Refusal {
    /// Takes a status apart.
    ///
    /// # Panics
    /// Panics where the status breaks a promise that the contract makes for all errors.
    pub fn of(status: &Status) -> Self {
        let details = status
            .check_error_details()
            .unwrap_or_else(|error| panic!("{status:?} has broken details: {error}"));
        assert!(
            status.details().len() < DETAILS_MAX,
            "details of {} bytes: {status:?}",
            status.details().len()
        );
        check_details(status, &details);
        check_words(status, &details);
        let info = details.error_info().expect("was checked");
        documented::check(name(status.code()), &info.reason, info.metadata.keys());
        let violations = details
            .bad_request()
            .map(|bad| bad.field_violations.clone())
            .unwrap_or_default();
        Self {
            code: status.code(),
            reason: info.reason.clone(),
            message: status.message().to_owned(),
            metadata: info.metadata.clone(),
            violations: violations
                .into_iter()
                .map(|v| (v.field, v.description))
                .collect(),
        }
    }

    /// One of the particulars, which must be there.
    pub fn particular(&self, key: &str) -> &str {
        self.metadata
            .get(key)
            .unwrap_or_else(|| panic!("no {key} in {self:?}"))
    }

    /// A particular that is a list.
    pub fn list(&self, key: &str) -> Vec<&str> {
        self.particular(key)
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect()
    }

    /// Asserts that a field is among the violations.
    #[track_caller]
    pub fn names(&self, field: &str) {
        assert!(
            self.violations.iter().any(|(path, _)| path == field),
            "{field} is not named in {self:?}"
        );
    }
}

fn check_details(status: &Status, details: &ErrorDetails) {
    let info = details
        .error_info()
        .unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    assert_eq!(info.domain, "waymark", "{status:?}");
    assert!(
        is_reason(&info.reason),
        "reason {:?} of {status:?}",
        info.reason
    );
    assert!(
        !status.message().is_empty(),
        "no message for people: {status:?}"
    );
    match status.code() {
        Code::InvalidArgument => {
            let bad = details
                .bad_request()
                .unwrap_or_else(|| panic!("no BadRequest in {status:?}"));
            assert!(!bad.field_violations.is_empty(), "{status:?}");
            for violation in &bad.field_violations {
                assert!(
                    is_path(&violation.field),
                    "field {:?} of {status:?}",
                    violation.field
                );
                assert!(!violation.description.is_empty(), "{status:?}");
            }
        }
        Code::FailedPrecondition => {
            let failure = details
                .precondition_failure()
                .unwrap_or_else(|| panic!("no PreconditionFailure in {status:?}"));
            assert!(!failure.violations.is_empty(), "{status:?}");
        }
        Code::Unavailable | Code::ResourceExhausted => {
            let retry = details
                .retry_info()
                .unwrap_or_else(|| panic!("no RetryInfo in {status:?}"));
            assert!(
                retry.retry_delay.is_some_and(|delay| !delay.is_zero()),
                "{status:?}"
            );
        }
        _ => {}
    }
}

/// The name of a code as the protocol writes it.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

fn is_reason(reason: &str) -> bool {
    let fits = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    !reason.is_empty() && reason.len() <= 63 && reason.chars().all(fits)
}

/// Whether it is a path of fields in `snake_case`, such as `order.lines[2].quantity_ordered`.
fn is_path(path: &str) -> bool {
    let end = path.find(['[', '.']).unwrap_or(path.len());
    !path.is_empty()
        && path[..end]
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn check_words(status: &Status, details: &ErrorDetails) {
    let text = format!("{} {details:?}", status.message()).to_lowercase();
    for word in INSIDES {
        assert!(!text.contains(word), "an error says {word:?}: {status:?}");
    }
}

/// Expects that a call was refused, and takes the refusal apart.
///
/// # Panics
/// Panics where the call succeeded or was refused otherwise.
#[track_caller]
pub fn refused<T: Debug>(answer: Result<T, Status>, code: Code, reason: &str) -> Refusal {
    match answer {
        Ok(answer) => panic!("not refused with {reason}: {answer:?}"),
        Err(status) => {
            let refusal = Refusal::of(&status);
            assert_eq!(
                (refusal.code, refusal.reason.as_str()),
                (code, reason),
                "{refusal:?}"
            );
            refusal
        }
    }
}

/// Expects that a field of the request was refused.
///
/// # Panics
/// Panics where the call succeeded, was refused otherwise, or for another field.
#[track_caller]
pub fn invalid<T: Debug>(answer: Result<T, Status>, field: &str) -> Refusal {
    let refusal = refused(answer, Code::InvalidArgument, "FIELD_INVALID");
    refusal.names(field);
    refusal
}
