//! The timer of one order.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt;
use waymark_domain::{
    actor::Actor,
    judge::Graph,
    order::{Action, Command, Context, Rejection, wait_start},
    value::{Comment, Metadata, Timestamp, TransitionCode},
};
use waymark_persistence::{
    CommitError, DueOrder, Error, Published, Refusal, Step, StepChange, StepError, Store, Unit,
    UnitMode, UnitOutcome,
};

use crate::{
    committer::{Committer, SubmitError},
    fault, supervisor,
    telemetry::chain,
};

/// A due order with its workflow; none where that is gone.
pub(super) type Ready = (DueOrder, Option<Arc<Published>>);

pub(super) enum Fired {
    /// The order took its step, or it is known when it is due next.
    Done,
    /// The database did not do its part, or the server stops: the next round finds it.
    Left,
    Unusable(String),
    /// It cannot be done, and why.
    Failed(String),
}

/// Has orders take the steps that are due.
pub(super) struct TimerStep {
    pub(super) store: Store,
    pub(super) committer: Arc<Committer>,
}

impl TimerStep {
    /// Takes the step of one order, or writes when it is really due. A panic costs that order alone.
    pub(super) async fn settle(&self, (due, published): &Ready) -> Result<Fired, Error> {
        let settled = AssertUnwindSafe(self.fire(due, published.as_deref())).catch_unwind();
        settled
            .await
            .unwrap_or_else(|panic| Ok(Fired::Failed(supervisor::panic_text(&*panic).to_owned())))
    }

    async fn fire(&self, due: &DueOrder, published: Option<&Published>) -> Result<Fired, Error> {
        fault::point("timer", due.order.id.as_str());
        let Some(published) = published else {
            return self.reschedule(due, None).await;
        };
        let now = self.store.clock().now();
        let graph = &published.graph;
        let due_time = graph.due_time(&due.order);
        if due_time.is_none_or(|at| at > now) && !waits_since_the_future(due, now) {
            return self.reschedule(due, due_time).await;
        }
        self.step(due, (graph, now)).await
    }

    async fn reschedule(&self, due: &DueOrder, next: Option<Timestamp>) -> Result<Fired, Error> {
        self.store.reschedule(due, next).await?;
        Ok(Fired::Done)
    }

    async fn step(
        &self,
        due: &DueOrder,
        (graph, now): (&Graph, Timestamp),
    ) -> Result<Fired, Error> {
        let Ok(ticket) = self.committer.hand_over_when_room(unit(due)).await else {
            // The server stops; another process, or the next start, finds the order due.
            return Ok(Fired::Left);
        };
        let refusal = match ticket.outcome().await {
            Ok(UnitOutcome::Done(steps)) => steps.into_iter().find_map(Result::err),
            Ok(UnitOutcome::Refused { refusal, .. }) => Some(StepError::Refused(refusal)),
            Err(SubmitError::Commit(error)) => Some(StepError::Failed(error)),
            Err(SubmitError::Overloaded | SubmitError::ShuttingDown) => return Ok(Fired::Left),
        };
        match refusal {
            // Where somebody else moved the order meanwhile, the next round finds it as it is.
            None
            | Some(StepError::Refused(Refusal::Rejected(Rejection::VersionMismatch { .. }))) => {
                Ok(Fired::Done)
            }
            // Guards refuse: they are asked again when the order changes, or when the next is due.
            Some(StepError::Refused(Refusal::Rejected(Rejection::NothingDue))) => {
                self.reschedule(due, graph.due_after(&due.order, now)).await
            }
            Some(StepError::Refused(Refusal::WorkflowUnusable { finding, .. })) => {
                Ok(Fired::Unusable(finding))
            }
            Some(StepError::Refused(refusal @ Refusal::Fault)) => {
                Ok(Fired::Failed(chain(&refusal)))
            }
            Some(StepError::Refused(refusal)) => {
                let transitions = graph.due_transitions(&due.order, now).into_iter();
                let transitions: Vec<&str> = transitions.map(TransitionCode::as_str).collect();
                tracing::warn!(
                    order.id = %due.order.id,
                    workflow = %due.order.workflow,
                    transitions = transitions.join(", "),
                    error = chain(&refusal),
                    "timer transition refused"
                );
                self.reschedule(due, graph.due_after(&due.order, now)).await
            }
            // The database refused this very step, or its order cannot be read there.
            Some(StepError::Failed(error @ CommitError::Database)) => {
                Ok(Fired::Failed(chain(&error)))
            }
            // The store has logged it.
            Some(StepError::Failed(
                CommitError::Unavailable
                | CommitError::Overloaded
                | CommitError::StorageFull
                | CommitError::StorageReadOnly
                | CommitError::StorageDamaged
                | CommitError::OutcomeUnknown,
            )) => Ok(Fired::Left),
        }
    }
}

/// Whether it waits since an instant yet to come, as after a clock that was ahead: a step mends that.
fn waits_since_the_future(due: &DueOrder, now: Timestamp) -> bool {
    due.order.return_to.is_none() && wait_start(&due.order) > now
}

fn unit(due: &DueOrder) -> Unit {
    let context = Context {
        actor: Actor::system(),
        comment: Comment::default(),
        notify_customer: false,
        visible_to_customer: false,
        metadata: Metadata::default(),
        request_id: None,
    };
    let command = Command {
        context,
        expected_version: Some(due.order.version),
        action: Action::TimeUp,
    };
    let step = Step {
        workflow: due.order.workflow.clone(),
        order_id: due.order.id.clone(),
        request: None,
        change: StepChange::Change(command),
    };
    Unit {
        steps: vec![step],
        mode: UnitMode::Separate,
        return_orders: false,
    }
}
