//! The rows and their names, in the order in which they are measured.

use crate::{failure::Failure, place::Backend};

/// The subject of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Unary,
    OneClient,
    OpenLoop,
    Ceiling,
    Stream,
    Batch,
    Get,
    Deliveries,
    Watched,
    Replicas,
    Snapshot,
    Create,
    CreateSteps,
    Pending,
    Webhooks,
    Memory,
    Large,
    List,
    Start,
}

/// A row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) backend: Backend,
    pub(crate) subject: Subject,
}

const fn postgres(subject: Subject) -> Row {
    Row {
        backend: Backend::Postgres,
        subject,
    }
}

const fn sqlite(subject: Subject) -> Row {
    Row {
        backend: Backend::Sqlite,
        subject,
    }
}

/// All rows.
pub(crate) const ALL: [Row; 34] = [
    postgres(Subject::Unary),
    postgres(Subject::OneClient),
    postgres(Subject::OpenLoop),
    postgres(Subject::Stream),
    postgres(Subject::Batch),
    postgres(Subject::Get),
    postgres(Subject::Deliveries),
    postgres(Subject::Watched),
    postgres(Subject::Replicas),
    postgres(Subject::Snapshot),
    sqlite(Subject::Unary),
    sqlite(Subject::Ceiling),
    sqlite(Subject::OneClient),
    sqlite(Subject::OpenLoop),
    sqlite(Subject::Stream),
    sqlite(Subject::Batch),
    sqlite(Subject::Get),
    sqlite(Subject::Deliveries),
    sqlite(Subject::Watched),
    postgres(Subject::Create),
    postgres(Subject::CreateSteps),
    sqlite(Subject::Create),
    sqlite(Subject::CreateSteps),
    postgres(Subject::Pending),
    sqlite(Subject::Pending),
    postgres(Subject::Webhooks),
    sqlite(Subject::Webhooks),
    postgres(Subject::Memory),
    sqlite(Subject::Memory),
    postgres(Subject::Large),
    sqlite(Subject::Large),
    postgres(Subject::List),
    sqlite(Subject::List),
    sqlite(Subject::Start),
];

impl Row {
    /// Its name on the command line and in the figures.
    pub(crate) fn name(self) -> String {
        let subject = match self.subject {
            Subject::Unary => "unary",
            Subject::OneClient => "one-client",
            Subject::OpenLoop => "open-loop",
            Subject::Ceiling => "ceiling",
            Subject::Stream => "stream",
            Subject::Batch => "batch",
            Subject::Get => "get",
            Subject::Deliveries => "deliveries",
            Subject::Watched => "watched",
            Subject::Replicas => "replicas",
            Subject::Snapshot => "snapshot",
            Subject::Create => "create",
            Subject::CreateSteps => "create-steps",
            Subject::Pending => "pending",
            Subject::Webhooks => "webhooks",
            Subject::Memory => "memory",
            Subject::Large => "large",
            Subject::List => "list",
            Subject::Start => "start",
        };
        format!("{}-{subject}", self.backend.name())
    }

    /// Finds a row by its name.
    pub(crate) fn named(name: &str) -> Result<Self, Failure> {
        let row = ALL.into_iter().find(|row| row.name() == name);
        row.ok_or_else(|| Failure::NoRow {
            name: name.to_owned(),
        })
    }

    /// Whether it has the usual stage: the server on a copy of the usual database.
    pub(super) fn is_on_stage(self) -> bool {
        !matches!(
            self.subject,
            Subject::Create
                | Subject::CreateSteps
                | Subject::Pending
                | Subject::Webhooks
                | Subject::Memory
                | Subject::Large
                | Subject::List
                | Subject::Start
        )
    }
}
