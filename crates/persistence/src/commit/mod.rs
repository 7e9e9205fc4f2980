//! Committing steps: the one way in which orders change.
//!
//! [`Store::commit`](crate::Store::commit) takes many units of steps and writes all that is not
//! refused, a transaction at a time. `attempt` is such a transaction, `working` the part of it that
//! happens in memory, `turns` who has its turn there and for how long, `retry` what happens when
//! the database refuses or the connection dies.

mod answers;
mod attempt;
mod batch;
mod budget;
mod dry_run;
pub(crate) mod lookup;
mod on_postgres;
mod on_sqlite;
mod panics;
pub(crate) mod retry;
mod slots;
mod statements;
mod turns;
mod working;
mod write;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use waymark_domain::{
    history::Logged,
    order::{Command, Context, NewOrder, Order, Rejection},
    value::{OrderId, RequestId, WorkflowCode},
};

use crate::{Batched, Error, Published, error::postgres_storage, messages::Meaning};

/// One change of one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The workflow of the order.
    pub workflow: WorkflowCode,
    /// The order.
    pub order_id: OrderId,
    /// Its idempotency key; none for a call that is not idempotent. Its id is what the entry shows,
    /// whatever the context says.
    pub request: Option<Request>,
    /// Its change.
    pub change: StepChange,
}

/// The idempotency key of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The id that the caller chose.
    pub id: RequestId,
    /// A hash of everything else that the call said.
    pub fingerprint: [u8; 16],
}

/// The change of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepChange {
    /// It is created; its workflow and id are those of the step.
    Create(Box<NewOrder>, Context),
    /// A command.
    Change(Command),
}

/// Steps that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The steps; a later one sees what the earlier ones did.
    pub steps: Vec<Step>,
    /// The meaning of a refused step for the others.
    pub mode: UnitMode,
    /// Whether the orders after the steps are wanted, as many as may be kept until all are answered.
    pub return_orders: bool,
}

/// The meaning of a refused step for the other steps of its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitMode {
    /// Nothing.
    Separate,
    /// None of them happens.
    Atomic,
}

/// The outcome of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchOutcome {
    /// The outcome of each unit, in turn.
    pub units: Vec<Result<UnitOutcome, CommitError>>,
    /// The entries that are known to be in the log now, those of a partition in its order and in
    /// whole steps. Entries whose commit is in doubt are not among them.
    pub written: Vec<Batched>,
}

/// A unit on its way: the outcomes of its first steps, and the others that wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitProgress {
    unit: Unit,
    done: Vec<Result<Committed, StepError>>,
}

impl UnitProgress {
    /// A unit of which nothing was done.
    pub fn new(unit: Unit) -> Self {
        Self {
            unit,
            done: Vec::new(),
        }
    }

    /// The unit.
    pub fn unit(&self) -> &Unit {
        &self.unit
    }

    /// The unit, whatever was done of it.
    pub fn into_unit(self) -> Unit {
        self.unit
    }

    /// The outcomes of its first steps.
    pub fn done(&self) -> &[Result<Committed, StepError>] {
        &self.done
    }

    /// Ends the unit with an error for every step that was not done.
    ///
    /// # Errors
    /// Returns the error when none was done.
    pub fn give_up(self, error: CommitError) -> Result<UnitOutcome, CommitError> {
        let Self { unit, mut done } = self;
        if done.is_empty() {
            return Err(error);
        }
        done.resize(unit.steps.len(), Err(StepError::Failed(error)));
        Ok(UnitOutcome::Done(done))
    }
}

/// How far a unit has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitState {
    /// It has ended.
    Ended(Result<UnitOutcome, CommitError>),
    /// Others shall have their turn before it goes on.
    Unfinished(UnitProgress),
}

/// The outcome of one turn at the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitRound {
    /// How far each unit has come, in turn. Those that are not finished must come again in this
    /// order, and before any unit that came later and is about one of their orders.
    pub units: Vec<UnitState>,
    /// As in [`BatchOutcome`].
    pub written: Vec<Batched>,
    /// Whether patience was at an end before the database took what is not finished. Nothing was
    /// written for that; it may be tried again, or [given up](UnitProgress::give_up).
    pub is_unavailable: bool,
    /// The workflows that steps wait for; see
    /// [`Store::load_workflows`](crate::Store::load_workflows).
    pub unloaded: BTreeSet<WorkflowCode>,
}

/// The outcome of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitOutcome {
    /// The outcome of each step, in turn. All are `Ok` when the unit is atomic.
    Done(Vec<Result<Committed, StepError>>),
    /// The unit is atomic and a step was refused, so nothing was written.
    Refused {
        /// The first refused step, from 0.
        index: usize,
        /// Why.
        refusal: Refusal,
    },
}

/// A step as it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The order after the step; after a replay, as it stands now. None where the unit does not
    /// want it, or where its orders are too large to be kept together.
    pub order: Option<Order>,
    /// The entry of the step and the automatic ones that it set off; none for an update that
    /// changes nothing. Offset 0 means that the step was a dry run.
    pub entries: Vec<Logged>,
    /// Whether the same call was committed before, and only its answer is repeated.
    pub replayed: bool,
    /// The workflow by which the step was judged; after a replay, as it is now.
    pub published: Arc<Published>,
}

/// Why a step did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// A rule refused it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database failed.
    #[error(transparent)]
    Failed(#[from] CommitError),
}

/// Why a step was refused; nothing was written for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request id was used for another call.
    #[error("request id {request_id} was used for another call")]
    RequestIdReused {
        /// The id.
        request_id: RequestId,
    },
    /// There is no such workflow.
    #[error("there is no workflow {workflow}")]
    WorkflowNotFound {
        /// Its code.
        workflow: WorkflowCode,
    },
    /// No step can be judged by the workflow as it is stored.
    #[error(
        "workflow {workflow} is unusable: {finding}; no step is taken until that is corrected, as by ApplyWorkflow"
    )]
    WorkflowUnusable {
        /// Its code.
        workflow: WorkflowCode,
        /// The problem with it.
        finding: String,
    },
    /// There is no such order.
    #[error("there is no order {order_id} in workflow {workflow}")]
    OrderNotFound {
        /// Its workflow.
        workflow: WorkflowCode,
        /// Its id.
        order_id: OrderId,
    },
    /// There is such an order.
    #[error("there is an order {order_id} in workflow {workflow} already")]
    OrderExists {
        /// Its workflow.
        workflow: WorkflowCode,
        /// Its id.
        order_id: OrderId,
    },
    /// Deciding it takes longer than others may be made to wait.
    #[error("deciding it takes longer than the {} ms that others may be made to wait", budget.as_millis())]
    TooCostly {
        /// How long it may take.
        budget: Duration,
    },
    /// Deciding it takes more of the orders in memory at once than it may have.
    #[error("deciding it takes more than {bytes_max} bytes of orders in memory at once")]
    TooLarge {
        /// How many bytes of orders, as they are stored, it may have.
        bytes_max: usize,
    },
    /// Deciding it panicked, which is a fault of the service that the log has.
    #[error("deciding it failed inside the service, whose log says why; nothing was written")]
    Fault,
    /// A rule of the workflow forbids it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
}

impl Refusal {
    /// The reason as the contract writes it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::RequestIdReused { .. } => "REQUEST_ID_REUSED",
            Self::WorkflowNotFound { .. } => "WORKFLOW_NOT_FOUND",
            Self::WorkflowUnusable { .. } => "WORKFLOW_UNUSABLE",
            Self::OrderNotFound { .. } => "ORDER_NOT_FOUND",
            Self::OrderExists { .. } => "ORDER_EXISTS",
            Self::TooCostly { .. } | Self::TooLarge { .. } => "TOO_COSTLY",
            Self::Fault => "INTERNAL",
            Self::Rejected(rejection) => rejection.reason(),
        }
    }
}

/// Why the database did not do its part. What it said was logged, and goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The database could not be reached or was too busy. Nothing was written.
    #[error("the database is not available; nothing was written")]
    Unavailable,
    /// Too much is waiting to be computed. Nothing was written.
    #[error("too much is waiting already; nothing was written")]
    Overloaded,
    /// There is no room for it on the disk. Nothing was written.
    #[error("the disk of the database is full; nothing was written")]
    StorageFull,
    /// The database may only be read. Nothing was written.
    #[error("the database can only be read; nothing was written")]
    StorageReadOnly,
    /// The SQLite file is damaged, and the server stops. Nothing was written.
    #[error("the database file is damaged; nothing was written")]
    StorageDamaged,
    /// The connection died at the commit, and the database did not come back in time to be asked.
    #[error(
        "the connection to the database was lost at the commit; whether it happened is not known"
    )]
    OutcomeUnknown,
    /// The database refused this very step. Nothing was written for it.
    #[error("the database refused the step; nothing was written")]
    Database,
}

/// Of an error before which nothing was written.
impl From<&Error> for CommitError {
    fn from(error: &Error) -> Self {
        match error {
            Error::Damaged { .. } => Self::StorageDamaged,
            Error::StorageFull { .. } => Self::StorageFull,
            Error::StorageReadOnly { .. } => Self::StorageReadOnly,
            Error::Unavailable { source } => match postgres_storage(&**source) {
                Some(Meaning::Full) => Self::StorageFull,
                Some(Meaning::ReadOnly) => Self::StorageReadOnly,
                Some(Meaning::Damaged | Meaning::Conflict | Meaning::Unavailable) | None => {
                    Self::Unavailable
                }
            },
            Error::Conflict { .. }
            | Error::Busy
            | Error::Locked { .. }
            | Error::CannotReach { .. } => Self::Unavailable,
            Error::Corrupt { .. }
            | Error::CannotOpen { .. }
            | Error::SchemaOlder { .. }
            | Error::SchemaNewer { .. }
            | Error::PartitionCount { .. }
            | Error::Encoding { .. }
            | Error::Rights { .. }
            | Error::Migration { .. }
            | Error::InvalidUrl { .. }
            | Error::Database { .. } => Self::Database,
        }
    }
}
