//! What time alone does: orders that are due take their step through the same queue as any
//! call, so that it happens once, whoever asks for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::future::try_join_all;
use waymark_domain::{
    actor::Actor,
    order::{Action, Command, Context, Rejection, wait_start},
    partition::Partition,
    value::{Comment, Metadata, Timestamp, TransitionCode},
    workflow::Graph,
};
use waymark_persistence::{
    DispatcherId, DueOrder, Error, Refusal, Step, StepChange, StepError, TimerKey, Unit, UnitMode,
    UnitOutcome,
};

use super::{Failing, rounds::Rounds, suspects::TRIES_MAX};
use crate::{App, error::chain};

/// How many due orders of a partition are taken at once.
const AT_ONCE: i64 = 200;

/// Lets time do what is due in the partitions that are carried, again and again.
pub(super) async fn run(app: Arc<App>, me: DispatcherId, mut rounds: Rounds) {
    let mut failing = Failing::default();
    let mut timers = Timers {
        app,
        me,
        known: BTreeSet::new(),
        suspects: BTreeMap::new(),
        has_row: true,
    };
    loop {
        let partitions = rounds.next().await;
        failing.note("timers cannot be fired", timers.fire_all(&partitions).await);
    }
}

struct Timers {
    app: Arc<App>,
    me: DispatcherId,
    /// The partitions of which it is known what is in doubt.
    known: BTreeSet<Partition>,
    /// Orders during whose timers processes ended, and how often.
    suspects: BTreeMap<TimerKey, u32>,
    /// Whether this process had a row when that was last asked.
    has_row: bool,
}

impl Timers {
    async fn fire_all(&mut self, partitions: &BTreeSet<Partition>) -> Result<(), Error> {
        self.known
            .retain(|partition| partitions.contains(partition));
        let new: BTreeSet<_> = partitions.difference(&self.known).copied().collect();
        if !new.is_empty() {
            self.suspects
                .extend(self.app.store.lost_timers(&new).await?);
            self.known.extend(new);
        }
        let mut to_refresh = self.app.store.timers_to_refresh(partitions).await?;
        loop {
            for partition in partitions {
                while self.fire(*partition).await? {}
            }
            if to_refresh.is_empty() {
                return Ok(());
            }
            // In turn, since there may be very many orders to look at.
            for partition in std::mem::take(&mut to_refresh) {
                if self.app.store.refresh_timers(partition).await? {
                    to_refresh.insert(partition);
                }
            }
        }
    }

    /// Lets time do what is due in a partition. Says whether there may be more.
    async fn fire(&mut self, partition: Partition) -> Result<bool, Error> {
        let store = &self.app.store;
        let due = store.due_orders(partition, AT_ONCE).await?;
        if due.is_empty() {
            return Ok(false);
        }
        let is_full = i64::try_from(due.len()).is_ok_and(|found| found >= AT_ONCE);
        let is_suspect = |due: &DueOrder| self.suspects.contains_key(&due.key());
        let (suspects, others): (Vec<_>, Vec<_>) = due.into_iter().partition(is_suspect);
        if !others.is_empty() {
            let keys: Vec<_> = others.iter().map(DueOrder::key).collect();
            if !self.note(&keys).await? {
                return Ok(false);
            }
            // Together, so that they share transactions.
            try_join_all(others.iter().map(|order| settle(&self.app, order))).await?;
        }
        for due in suspects {
            if !self.try_alone(&due).await? {
                return Ok(false);
            }
        }
        self.app.store.note_timers(&self.me, &[]).await?;
        Ok(is_full)
    }

    /// Notes which timers are about to fire, and says whether they may.
    async fn note(&mut self, firing: &[TimerKey]) -> Result<bool, Error> {
        let noted = self.app.store.note_timers(&self.me, firing).await?;
        if self.has_row && !noted {
            tracing::warn!("no timer fires: this process has no row among those that do");
        }
        self.has_row = noted;
        Ok(noted)
    }

    /// Fires the timer of an order during which a process ended: alone, so that nothing else is
    /// blamed if it does so again. After three times it is put aside. Says whether to go on.
    async fn try_alone(&mut self, due: &DueOrder) -> Result<bool, Error> {
        let store = &self.app.store;
        let key = due.key();
        let tries = self.suspects.get(&key).copied().unwrap_or(0);
        if tries >= TRIES_MAX {
            store.put_timer_aside(due).await?;
            self.suspects.remove(&key);
            tracing::error!(
                order.id = %due.order.id,
                workflow = %due.order.workflow,
                "the service ended three times while time took this order on; it is put aside \
                 until it changes, or the timers of its workflow do"
            );
            return Ok(true);
        }
        tracing::warn!(order.id = %due.order.id, tries, "a process ended while time took this order on");
        if !self.note(&[key]).await? {
            return Ok(false);
        }
        settle(&self.app, due).await?;
        self.app.store.clear_lost_timer(key).await?;
        self.suspects.remove(&key);
        Ok(true)
    }
}

/// Takes the step of one order, or notes when it is really due.
async fn settle(app: &Arc<App>, due: &DueOrder) -> Result<(), Error> {
    let workflow = app.store.workflow(&due.order.workflow).await?;
    let Some(published) = workflow else {
        return app.store.reschedule(due, None).await;
    };
    let now = app.store.clock().now();
    let graph = &published.graph;
    let due_time = graph.due_time(&due.order);
    if due_time.is_none_or(|at| at > now) && !waits_since_the_future(due, now) {
        return app.store.reschedule(due, due_time).await;
    }
    step(app, due, (graph, now)).await
}

/// Whether an order waits since an instant that is yet to come, as after a clock that was ahead: a
/// step puts that right.
fn waits_since_the_future(due: &DueOrder, now: Timestamp) -> bool {
    due.order.return_to.is_none() && wait_start(&due.order) > now
}

async fn step(
    app: &Arc<App>,
    due: &DueOrder,
    (graph, now): (&Graph, Timestamp),
) -> Result<(), Error> {
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
            let transitions = graph.due_transitions(&due.order, now).into_iter();
            let transitions: Vec<&str> = transitions.map(TransitionCode::as_str).collect();
            tracing::warn!(
                order.id = %due.order.id,
                workflow = %due.order.workflow,
                transitions = transitions.join(", "),
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
        return_orders: false,
    }
}
