//! Limits: the time of a unit of work, and the connections for each kind of read.

use std::time::Duration;

use crate::{Settings, postgres::Role};

/// Connections that serve single reads, and those for what reads many bodies. Each side has
/// at least one, so one asked for becomes two.
pub(crate) fn shares(settings: &Settings) -> (usize, usize) {
    let all = settings.read_connections_max.max(1);
    (all - all / 2, (all / 2).max(1))
}

/// Time that a single read may take, however long a statement may: a connection that has died
/// without a word is found out by nothing else.
const SINGLE_READ_MAX: Duration = Duration::from_secs(5);

/// Time that each stage of a unit of work may take before its connection is given up. The
/// limits of the sessions do not help where PostgreSQL, or the network to it, stands still.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) read: Duration,
    pub(crate) write: Duration,
}

impl Limits {
    pub(crate) fn of(settings: &Settings, writer: Role) -> Self {
        let write = match writer {
            // Migrations take their time.
            Role::Maintenance => Duration::MAX,
            Role::Read | Role::Write | Role::Hints => settings.commit_patience,
        };
        Self {
            read: settings.statement_timeout.min(SINGLE_READ_MAX),
            write,
        }
    }

    /// The same for what reads many bodies.
    pub(crate) fn for_bulk(self, settings: &Settings) -> Self {
        Self {
            read: settings.statement_timeout,
            ..self
        }
    }
}
