//! Failures of commands, and the exit codes that tell scripts.

use std::{
    fmt, io,
    path::PathBuf,
    process::{ExitCode, ExitStatus},
};

use tonic::{Code, Status};
use tonic_types::StatusExt;
use waymark_domain::{
    preset,
    value::Invalid,
    workflow::{Refusal, document::DocumentError},
};
use waymark_proto::json::JsonError;
use waymark_server::{StartError, settings::SettingsError, telemetry::TelemetryError};

/// Refused, or something was found.
const REFUSED: u8 = 1;
/// Wrong arguments, settings or files.
const USAGE: u8 = 2;
/// Not reachable now.
const UNAVAILABLE: u8 = 3;
/// Anything else.
pub(crate) const FAILED: u8 = 4;
/// The file of the database is damaged.
const DAMAGED: u8 = 5;
/// A consumer of `watch` did not take a message.
const CONSUMER: u8 = 6;

/// The failure of a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "there is no file {name}; a workflow of the server is workflow:{name}{}",
        preset_of(name)
    )]
    NoSource { name: String },
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} holds no resume token", path.display())]
    NoToken { path: PathBuf },
    #[error("there is no preset {name}; `waymark preset list` lists them")]
    UnknownPreset { name: String },
    #[error("{option} needs a workflow of a running server, such as workflow:order")]
    NeedsServer { option: &'static str },
    #[error("--create-states goes with a Magento config.xml only")]
    NeedsConfigXml,
    #[error("the code of the workflow {0}")]
    WorkflowCode(Invalid),
    #[error("{name}")]
    Document { name: String, source: DocumentError },
    #[error("{name}")]
    Workflow { name: String, source: Refusal },
    #[error("{name} has mistakes:\n{}", shown.trim_end())]
    Mistakes { name: String, shown: String },
    #[error("the address of the server must be like http://127.0.0.1:50551")]
    ServerAddress(#[source] tonic::transport::Error),
    #[error("cannot reach {server}")]
    Connect {
        server: String,
        source: tonic::transport::Error,
    },
    #[error("{}", StatusText(.0))]
    Status(Box<Status>),
    #[error("the server ended the stream without saying why")]
    StreamEnded,
    #[error("the connection was lost: {}", StatusText(.0))]
    ConnectionLost(Box<Status>),
    #[error(
        "what lies in a pipe is lost with its reader, so no token can be kept of it: use --exec or --ack, or write to a file"
    )]
    Unacknowledged,
    #[error("the reader ended before it acknowledged a message, which comes again next time")]
    ConsumerGone,
    #[error("cannot run `{command}`")]
    Exec { command: String, source: io::Error },
    #[error("`{command}` ended with {status}; its message comes again next time")]
    ExecEnded { command: String, status: ExitStatus },
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("the database cannot be migrated")]
    Migrate(#[source] waymark_server::DatabaseError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error("cannot listen to signals")]
    Signals(#[source] io::Error),
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    #[error("cannot write the output")]
    Output(#[source] io::Error),
}

/// The exit code of a command that did its work and may have found something.
pub(crate) fn refused_if(is_found: bool) -> ExitCode {
    ExitCode::from(if is_found { REFUSED } else { 0 })
}

/// A preset of this name.
fn preset_of(name: &str) -> String {
    let preset = preset::find(name);
    preset.map_or_else(String::new, |_| format!(", a preset preset:{name}"))
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

impl Failure {
    /// The failure of a call or a stream. What does not carry an error of Waymark's own was made by
    /// a library or a proxy on the way, after a crash of the server or a cut of the network,
    /// whatever its code says.
    pub(crate) fn of_call(status: Status) -> Self {
        let status = Box::new(status);
        if reason(&status).is_some() {
            Self::Status(status)
        } else {
            Self::ConnectionLost(status)
        }
    }

    /// Whether the same may work later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::StreamEnded | Self::ConnectionLost(_) => true,
            Self::Status(status) => {
                matches!(
                    status.code(),
                    Code::Unavailable | Code::ResourceExhausted | Code::DeadlineExceeded
                )
            }
            Self::Start(error) => error.is_transient(),
            Self::Migrate(error) => error.is_transient(),
            _ => false,
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.is_transient() {
            return ExitCode::from(UNAVAILABLE);
        }
        ExitCode::from(match self {
            Self::Start(error) if error.is_damage() => DAMAGED,
            Self::Migrate(waymark_server::DatabaseError::Damaged { .. }) => DAMAGED,
            Self::Start(error) if error.is_of_settings() => USAGE,
            Self::Migrate(error) if error.is_of_settings() => USAGE,
            Self::Settings(_)
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::NoSource { .. }
            | Self::NoToken { .. }
            | Self::UnknownPreset { .. }
            | Self::NeedsServer { .. }
            | Self::NeedsConfigXml
            | Self::WorkflowCode(_)
            | Self::Unacknowledged
            | Self::ServerAddress(_) => USAGE,
            Self::ConsumerGone | Self::Exec { .. } | Self::ExecEnded { .. } => CONSUMER,
            Self::Document { .. } | Self::Workflow { .. } | Self::Mistakes { .. } => REFUSED,
            Self::Status(status) => match status.code() {
                Code::InvalidArgument
                | Code::NotFound
                | Code::AlreadyExists
                | Code::PermissionDenied
                | Code::FailedPrecondition
                | Code::Aborted
                | Code::OutOfRange => REFUSED,
                _ => FAILED,
            },
            _ => FAILED,
        })
    }
}

/// The reason of a status that Waymark made, and not a library or a proxy on the way.
fn reason(status: &Status) -> Option<String> {
    let info = status.get_details_error_info()?;
    (info.domain == "waymark").then_some(info.reason)
}

/// Whether a status was made by Waymark for this reason.
pub(crate) fn has_reason(status: &Status, expected: &str) -> bool {
    reason(status).is_some_and(|reason| reason == expected)
}

/// A status in words: the reason, the message, and which fields are meant.
struct StatusText<'a>(&'a Status);

impl fmt::Display for StatusText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let details = self.0.get_error_details();
        match details.error_info() {
            Some(info) => write!(f, "{}: {}", info.reason, self.0.message())?,
            None => write!(f, "{}: {}", self.0.code(), self.0.message())?,
        }
        let violations = details
            .bad_request()
            .map(|request| request.field_violations.as_slice());
        for violation in violations.unwrap_or_default() {
            // What the message says is not said again.
            if !self.0.message().contains(&violation.description) {
                write!(f, "\n  {} {}", violation.field, violation.description)?;
            }
        }
        Ok(())
    }
}
