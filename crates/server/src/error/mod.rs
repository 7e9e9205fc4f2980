//! Errors of the server, and how they become the status of a call or the error of a
//! step. All texts that clients read are made below this module, and none of them
//! comes from the database.

mod budget;
mod foreign;
mod problem;
mod reason;
mod refusal;
mod rejection;

use std::{convert::Infallible, sync::Arc};

use tonic::Status;
use waymark_domain::{
    order::Rejection,
    value::{EndpointCode, WorkflowCode},
    workflow::{
        self, Rule, diagram,
        document::{DocumentError, Remark},
    },
};
use waymark_persistence::{self as persistence, CommitError};
use waymark_proto::{invalid::InvalidRequest, v1};

pub(crate) use foreign::{explain, explained};
pub(crate) use problem::Problem;
pub use reason::Reason;
pub(crate) use refusal::{NameKind, UnknownName};

use crate::{
    committer::SubmitError,
    dispatch::TestLimit,
    history::{StreamLimit, TokenError},
    page,
    telemetry::chain,
};

/// The error of a call that was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request breaks the contract.
    #[error(transparent)]
    Invalid(#[from] InvalidRequest),
    /// The page token does not belong to the call.
    #[error("the page token does not belong to the call")]
    PageToken(#[from] page::Invalid),
    /// The resume token cannot be followed.
    #[error("the resume token cannot be followed")]
    ResumeToken(#[from] TokenError),
    /// Something that was named is not there, but something that may have been meant.
    #[error("{error}; {hint}")]
    Hinting {
        /// The error.
        error: Box<Error>,
        /// A hint at what may have been meant.
        hint: String,
    },
    /// A filter names what is not there.
    #[error(transparent)]
    UnknownName(#[from] UnknownName),
    /// No stream can be added.
    #[error(transparent)]
    StreamLimit(#[from] StreamLimit),
    /// Too many computations wait already.
    #[error("too many computations wait already")]
    ComputationLimit,
    /// Too many reads of many bodies are under way.
    #[error("too many long reads are under way")]
    ReadLimit,
    /// As many tests of actions are under way as may be.
    #[error(transparent)]
    TestLimit(#[from] TestLimit),
    /// The diagram would be too large for an answer.
    #[error(transparent)]
    DiagramTooLarge(#[from] diagram::TooLarge),
    /// The document of a workflow is larger than clients take.
    #[error("the document would have more than {max} bytes")]
    ExportTooLarge {
        /// The bytes that it may have.
        max: usize,
    },
    /// There is no such token, or nothing that it may show. Clients cannot tell which.
    #[error("the token shows nothing")]
    TrackingNotFound,
    /// A step was refused.
    #[error(transparent)]
    Refused(#[from] persistence::Refusal),
    /// One step of an atomic call was refused.
    #[error("step {index} was refused")]
    StepRefused {
        /// Its place in the call, from 0.
        index: usize,
        /// The error.
        source: Box<Error>,
    },
    /// A part of a request was refused, whose fields are named by where it stands.
    #[error("{path} was refused")]
    Below {
        /// The part, such as `steps[2].hold_order`.
        path: String,
        /// The error.
        source: Box<Error>,
    },
    /// A change of a workflow was refused.
    #[error(transparent)]
    Definition(#[from] workflow::Refusal),
    /// A change of a part would break rules of the workflow.
    #[error("the change would break rules of the workflow")]
    WorkflowInvalid {
        /// The field of the request that the change is in.
        field: &'static str,
        /// The broken rules.
        #[source]
        refusal: workflow::Refusal,
    },
    /// A document cannot be applied.
    #[error("the document has {} mistakes", .remarks.len())]
    DocumentRefused {
        /// Its mistakes, or those of the workflow that it would make; at least one.
        remarks: Vec<Remark>,
    },
    /// The request id was used for another change of the workflow.
    #[error("the request id was used for another change")]
    RequestIdReused,
    /// A document cannot be read or written.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The workflow never had this version.
    #[error("workflow {workflow} has no version {version}")]
    VersionNotFound {
        /// The workflow.
        workflow: WorkflowCode,
        /// The version asked for.
        version: i64,
    },
    /// Nothing can be decided about a delivery.
    #[error(transparent)]
    Ledger(#[from] persistence::OutboxRefusal),
    /// There is no such endpoint.
    #[error("there is no endpoint {code}")]
    EndpointNotFound {
        /// Its code.
        code: EndpointCode,
    },
    /// There is an endpoint with this code.
    #[error("there is an endpoint {code}")]
    EndpointExists {
        /// Its code.
        code: EndpointCode,
    },
    /// An endpoint cannot be deleted.
    #[error(transparent)]
    EndpointInUse(#[from] persistence::EndpointInUse),
    /// A write was not carried out, or its outcome is not known.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// A read failed.
    #[error("a read failed")]
    Store(#[source] Arc<persistence::Error>),
    /// Something is not as it must be; the cause is in the log.
    #[error("{what}")]
    Internal {
        /// The problem.
        what: &'static str,
    },
}

impl From<persistence::Error> for Error {
    fn from(error: persistence::Error) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// The error of a query that several calls shared.
impl From<Arc<persistence::Error>> for Error {
    fn from(error: Arc<persistence::Error>) -> Self {
        Self::Store(error)
    }
}

impl Error {
    /// That a step was refused by the rules.
    pub fn rejected(rejection: Rejection) -> Self {
        Self::Refused(persistence::Refusal::Rejected(rejection))
    }

    /// Marks the error as that of one step of several.
    #[must_use]
    pub fn of_step(self, index: usize) -> Self {
        Self::StepRefused {
            index,
            source: Box::new(self),
        }
    }

    /// Names fields by where the part of the request stands that they are in.
    #[must_use]
    pub fn below(self, path: String) -> Self {
        Self::Below {
            path,
            source: Box::new(self),
        }
    }

    /// Names the field of the request that broke a rule of the workflow; by itself that
    /// is the document.
    #[must_use]
    pub fn in_field(self, field: &'static str) -> Self {
        match self {
            Self::Definition(refusal @ workflow::Refusal::WorkflowInvalid { .. }) => {
                Self::WorkflowInvalid { field, refusal }
            }
            other => other,
        }
    }

    /// The error of one step of several that go their own way, in at most so many bytes; 1,900 are enough for any.
    pub fn into_step_error(self, bytes_max: usize) -> v1::StepError {
        Problem::from(self).into_step_error(bytes_max)
    }

    fn log(&self) {
        match self {
            // The database is well: others are reading.
            Self::Store(error) if matches!(**error, persistence::Error::Busy) => {}
            Self::Store(error) if error.is_of_storage() => {
                // The store has logged it once, with what to do.
                tracing::debug!(error = chain(error), "read failed");
            }
            Self::Store(error) if error.is_transient() => {
                tracing::warn!(error = chain(error), "read failed: database unavailable");
            }
            Self::Store(error) => tracing::error!(error = chain(error), "read failed"),
            Self::Internal { what } => {
                tracing::error!(error = what, "internal error");
            }
            Self::Document(error @ DocumentError::NotWritten { .. }) => {
                tracing::error!(error = chain(error), "workflow export failed");
            }
            // The store logs commits that fail; refusals are answers and no failures.
            Self::Invalid(_)
            | Self::Hinting { .. }
            | Self::PageToken(_)
            | Self::ResumeToken(_)
            | Self::UnknownName(_)
            | Self::StreamLimit(_)
            | Self::ComputationLimit
            | Self::ReadLimit
            | Self::TestLimit(_)
            | Self::DiagramTooLarge(_)
            | Self::ExportTooLarge { .. }
            | Self::TrackingNotFound
            | Self::Refused(_)
            | Self::StepRefused { .. }
            | Self::Below { .. }
            | Self::Definition(_)
            | Self::WorkflowInvalid { .. }
            | Self::DocumentRefused { .. }
            | Self::RequestIdReused
            | Self::Document(_)
            | Self::VersionNotFound { .. }
            | Self::Ledger(_)
            | Self::EndpointNotFound { .. }
            | Self::EndpointExists { .. }
            | Self::EndpointInUse(_)
            | Self::Submit(_) => {}
        }
    }
}

impl From<CommitError> for Error {
    fn from(error: CommitError) -> Self {
        Self::Submit(SubmitError::Commit(error))
    }
}

impl From<persistence::StepError> for Error {
    fn from(error: persistence::StepError) -> Self {
        match error {
            persistence::StepError::Refused(refusal) => Self::Refused(refusal),
            persistence::StepError::Failed(error) => Self::from(error),
        }
    }
}

impl<E: Into<Error>> From<persistence::ChangeError<E>> for Error {
    fn from(error: persistence::ChangeError<E>) -> Self {
        match error {
            persistence::ChangeError::Refused(error) => error.into(),
            persistence::ChangeError::RequestIdReused => Self::RequestIdReused,
            persistence::ChangeError::Failed(error) => Self::from(error),
        }
    }
}

/// The refusal of what is never refused.
impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        error.log();
        match error {
            Error::Invalid(invalid) => Self::from(&invalid),
            Error::PageToken(invalid) => {
                Self::of_field(Reason::PageTokenInvalid, "page_token", invalid.to_string())
            }
            Error::ResumeToken(error) => of_resume_token(error),
            Error::Hinting { error, hint } => Self::from(*error).hinting(&hint),
            Error::UnknownName(name) => refusal::of_unknown_name(&name),
            Error::StreamLimit(limit) => {
                Self::new(Reason::StreamLimit, limit.to_string()).with("max", &limit.max)
            }
            Error::ComputationLimit => Self::new(
                Reason::Overloaded,
                "more waits to be computed than the server takes; nothing was done",
            ),
            Error::ReadLimit => too_many_reads(),
            Error::TestLimit(limit) => {
                Self::new(Reason::TestLimit, limit.to_string()).with("max", &limit.max)
            }
            Error::DiagramTooLarge(error) => of_diagram(error),
            Error::ExportTooLarge { max } => {
                Self::new(Reason::ExportTooLarge, error.to_string()).with("max", &max)
            }
            Error::TrackingNotFound => Self::new(
                Reason::TrackingNotFound,
                "there is nothing to see with this token",
            ),
            Error::Refused(refusal) => Self::from(&refusal),
            Error::StepRefused { index, source } => Self::from(*source).with("step_index", &index),
            Error::Below { path, source } => Self::from(*source).below(&path),
            Error::Definition(refusal) => refusal::problem(&refusal, "document"),
            Error::WorkflowInvalid { field, refusal } => refusal::problem(&refusal, field),
            Error::DocumentRefused { remarks } => of_remarks(&remarks),
            Error::RequestIdReused => Self::new(
                Reason::RequestIdReused,
                "the request_id was used for another request",
            ),
            Error::Document(error) => of_document(&error),
            Error::VersionNotFound { workflow, version } => {
                let message = format!("workflow {workflow} has no version {version}");
                Self::new(Reason::WorkflowVersionNotFound, message)
                    .with("workflow", &workflow)
                    .with("version", &version)
            }
            Error::Ledger(refusal) => refusal::of_delivery(&refusal),
            Error::EndpointNotFound { code } => refusal::no_endpoint(&code),
            Error::EndpointExists { code } => refusal::endpoint_exists(&code),
            Error::EndpointInUse(in_use) => refusal::endpoint_in_use(&in_use),
            Error::Submit(error) => of_submit(error),
            Error::Store(error) if matches!(*error, persistence::Error::Busy) => too_many_reads(),
            Error::Store(error) => of_submit(SubmitError::Commit(CommitError::from(&*error))),
            Error::Internal { .. } => internal(),
        }
    }
}

fn of_document(error: &DocumentError) -> Problem {
    match error {
        DocumentError::Unreadable { remarks, .. } => of_remarks(remarks),
        DocumentError::NoExport => {
            let message = error.to_string();
            let violation = ("format".to_owned(), message.clone());
            Problem::new(Reason::FieldInvalid, message).violating([violation])
        }
        DocumentError::NotWritten { .. } => internal(),
    }
}

/// The refusal of a document: it cannot be read, or else it makes no sound workflow.
fn of_remarks(remarks: &[Remark]) -> Problem {
    const SPELLED_MAX: usize = 3;
    let is_of_document = |remark: &Remark| remark.finding.rule == Rule::Document;
    let (reason, begin) = if remarks.iter().any(is_of_document) {
        (Reason::FieldInvalid, "the document cannot be applied")
    } else {
        (Reason::WorkflowInvalid, "the workflow would be invalid")
    };
    let spelled: Vec<_> = remarks.iter().map(ToString::to_string).collect();
    let first = spelled.get(..SPELLED_MAX).unwrap_or(&spelled).join("; ");
    let message = match spelled.len().saturating_sub(SPELLED_MAX) {
        0 => format!("{begin}: {first}"),
        more => format!("{begin}: {first}; and {more} more"),
    };
    let violations = spelled
        .into_iter()
        .map(|remark| ("document".to_owned(), remark));
    Problem::new(reason, message)
        .with("findings", &remarks.len())
        .violating(violations)
}

fn too_many_reads() -> Problem {
    Problem::new(
        Reason::TooManyReads,
        "more lists and other long reads are under way than the server takes; nothing was done",
    )
}

fn of_diagram(diagram::TooLarge { max }: diagram::TooLarge) -> Problem {
    let message = format!(
        "the diagram would have more than {max} bytes; `waymark workflow diagram` draws it \
         without asking the server"
    );
    Problem::new(Reason::DiagramTooLarge, message)
        .with("max", &max)
        .about("diagram")
}

fn of_resume_token(error: TokenError) -> Problem {
    let message = error.to_string();
    let problem = |reason| {
        let violation = ("resume_token".to_owned(), message.clone());
        Problem::new(reason, message.clone()).violating([violation])
    };
    match error {
        TokenError::Invalid => problem(Reason::ResumeTokenInvalid),
        TokenError::Foreign => problem(Reason::ResumeTokenForeign),
        TokenError::Ahead {
            partition,
            offset,
            head,
        } => problem(Reason::ResumeTokenAhead)
            .with("partition", &partition.number())
            .with("offset", &offset)
            .with("head", &head),
        TokenError::Expired {
            partition,
            offset,
            oldest,
        } => problem(Reason::ResumeTokenExpired)
            .with("partition", &partition.number())
            .with("offset", &offset)
            .with("oldest", &oldest),
    }
}

fn of_submit(error: SubmitError) -> Problem {
    let (reason, message) = match error {
        SubmitError::Overloaded | SubmitError::Commit(CommitError::Overloaded) => (
            Reason::Overloaded,
            "more waits to be written than the server takes; nothing was written",
        ),
        SubmitError::ShuttingDown => (
            Reason::ShuttingDown,
            "the server is stopping; nothing was written",
        ),
        SubmitError::Commit(CommitError::Unavailable) => (
            Reason::DatabaseUnavailable,
            "the database does not answer; nothing was written",
        ),
        SubmitError::Commit(CommitError::StorageFull) => (
            Reason::StorageFull,
            "the disk of the database is full; nothing was written",
        ),
        SubmitError::Commit(CommitError::StorageReadOnly) => (
            Reason::StorageReadOnly,
            "the database can only be read at present; nothing was written",
        ),
        SubmitError::Commit(CommitError::StorageDamaged) => (
            Reason::StorageDamaged,
            "the database file is damaged and the server is stopping; nothing was written",
        ),
        SubmitError::Commit(CommitError::OutcomeUnknown) => (
            Reason::OutcomeUnknown,
            "it could not be found out whether this was written; ask again with the same request_id, or read",
        ),
        SubmitError::Commit(CommitError::Database) => return internal(),
    };
    Problem::new(reason, message)
}

/// The refusal for a fault inside the service, of which clients learn nothing.
fn internal() -> Problem {
    Problem::new(
        Reason::Internal,
        "something is wrong inside the service; its log says what",
    )
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Self::from(Problem::from(error))
    }
}

#[cfg(test)]
mod tests;
