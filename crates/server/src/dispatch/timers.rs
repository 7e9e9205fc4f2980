//! What time alone does: orders that are due take their step through the same queue as any
//! call, so that it happens once, whoever asks for it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::future::try_join_all;
use tokio::{sync::watch, time::MissedTickBehavior};

use waymark_domain::{
    actor::Actor,
    order::{Action, Command, Context, Rejection},
    partition::Partition,
    value::{Comment, Metadata},
};
use waymark_persistence::{
    DueOrder, Error, Refusal, Step, StepChange, StepError, Unit, UnitMode, UnitOutcome,
};

use super::Failing;
use crate::{App, error::chain};

/// How many due orders of a partition are taken at once.
const AT_ONCE: i64 = 200;

/// Lets time do what is due in the partitions that are carried, again and again.
pub(super) async fn run(
    app: Arc<App>,
    interval: Duration,
    owned: watch::Receiver<BTreeSet<Partition>>,
) {
    let mut tick = tokio::time::interval(interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = Failing::default();
    loop {
        tick.tick().await;
        let partitions = owned.borrow().clone();
        let fired = async {
            for partition in &partitions {
                while fire(&app, *partition).await? {}
            }
            Ok(())
        };
        failing.note("timers cannot be fired", fired.await);
    }
}

/// Lets time do what is due in a partition. Says whether there may be more.
async fn fire(app: &Arc<App>, partition: Partition) -> Result<bool, Error> {
    let due = app.store.due_orders(partition, AT_ONCE).await?;
    let is_full = i64::try_from(due.len()).is_ok_and(|found| found >= AT_ONCE);
    // Together, so that they share transactions.
    try_join_all(due.iter().map(|order| settle(app, order))).await?;
    Ok(is_full)
}

/// Takes the step of one order, or notes when it is really due.
async fn settle(app: &Arc<App>, due: &DueOrder) -> Result<(), Error> {
    let workflow = app.store.workflow(&due.order.workflow).await?;
    let Some(published) = workflow else {
        return app.store.reschedule(due, None).await;
    };
    let now = app.store.clock().now();
    let graph = &published.graph;
    if graph.due_time(&due.order).is_none_or(|at| at > now) {
        return app.store.reschedule(due, graph.due_time(&due.order)).await;
    }
    let Ok(ticket) = app.hand_over_when_room(unit(due)).await else {
        // The server stops; another process, or the next start, finds the order due.
        return Ok(());
    };
    let refusal = match ticket.outcome().await {
        Ok(UnitOutcome::Done(steps)) => steps.into_iter().find_map(Result::err),
        Ok(UnitOutcome::Refused { refusal, .. }) => Some(StepError::Refused(refusal)),
        // What the database did not do was logged, and is tried again at the next look.
        Err(_) => None,
    };
    match refusal {
        // Guards refuse: they are asked again when the order changes, or when the next is due.
        Some(StepError::Refused(Refusal::Rejected(Rejection::NothingDue))) => {
            let next = graph.due_after(&due.order, now);
            app.store.reschedule(due, next).await
        }
        // Somebody else moved the order meanwhile, or the database failed: the next look finds it.
        None
        | Some(
            StepError::Failed(_)
            | StepError::Refused(Refusal::Rejected(Rejection::VersionMismatch { .. })),
        ) => Ok(()),
        Some(StepError::Refused(refusal)) => {
            tracing::warn!(
                order.id = %due.order.id,
                error = chain(&refusal),
                "time could not take an order on"
            );
            app.store
                .reschedule(due, graph.due_after(&due.order, now))
                .await
        }
    }
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
    }
}
