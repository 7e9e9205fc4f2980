//! What time alone does: orders that are due take their step through the same queue as any
//! call, so that it happens once, whoever asks for it.
//!
//! An order with which that cannot be done pauses, by itself or with its workflow, and the others
//! go on. Where nothing could be done at all, this rests until the next round.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt, future::join_all};
use waymark_domain::{
    actor::Actor,
    order::{Action, Command, Context, Rejection, wait_start},
    partition::Partition,
    value::{Comment, Metadata, Timestamp, TransitionCode, WorkflowCode},
    workflow::Graph,
};
use waymark_persistence::{
    CommitError, DispatcherId, DueOrder, DueRow, Error, Published, Refusal, Step, StepChange,
    StepError, TimerKey, Unit, UnitMode, UnitOutcome, UnreadOrder,
};

use super::{
    Failing,
    carrier::later,
    rounds::{FailingParts, Rounds, is_of_all},
    suspects::TRIES_MAX,
    timer_pauses::{TimerPauses, WORKFLOW_PAUSE},
};
use crate::{App, committer::SubmitError, error::chain, fault, supervisor};

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
        pauses: TimerPauses::default(),
        parts: FailingParts::new("timers of a partition cannot be fired"),
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
    pauses: TimerPauses,
    parts: FailingParts,
}

/// What became of a timer.
enum Fired {
    /// The order took its step, or it is known when it is due next.
    Done,
    /// The database did not do its part, or the server stops: the next round finds it.
    Left,
    /// Its workflow cannot be used.
    Unusable(String),
    /// It cannot be done, and why.
    Failed(String),
}

/// The due orders of a partition that were taken at once.
struct Page {
    partition: Partition,
    /// Those that pause, and for how long.
    paused: BTreeMap<Duration, Vec<Pausing>>,
    /// Whether anything was done, so that the next look finds something else.
    has_moved: bool,
    /// What says that the database as a whole does not answer.
    error: Option<Error>,
}

impl Page {
    fn new(partition: Partition) -> Self {
        Self {
            partition,
            paused: BTreeMap::new(),
            has_moved: false,
            error: None,
        }
    }

    fn pause(&mut self, pausing: Pausing, wait: Duration) {
        self.paused.entry(wait).or_default().push(pausing);
    }
}

/// A due order that is to pause.
struct Pausing {
    row: DueRow,
    order: String,
    workflow: String,
    /// What the log says of it, and the error; nothing where its workflow is what cannot be used.
    why: Option<(&'static str, String)>,
}

impl Pausing {
    fn new(due: &DueOrder, why: Option<(&'static str, String)>) -> Self {
        Self {
            row: due.row(),
            order: due.order.id.to_string(),
            workflow: due.order.workflow.to_string(),
            why,
        }
    }

    /// Says that it pauses.
    fn tell(&self, wait: Duration) {
        if let Some((what, error)) = &self.why {
            tracing::error!(
                order.id = self.order,
                workflow = self.workflow,
                wait_s = wait.as_secs(),
                error,
                "{what}; it pauses"
            );
        }
    }

    /// Says that the database does not let it pause.
    fn tell_refused(&self, refused: &Error) {
        let why = self.why.as_ref().map(|(_, error)| error.as_str());
        tracing::error!(
            order.id = self.order,
            workflow = self.workflow,
            error = chain(refused),
            timer = why.unwrap_or("its workflow cannot be used"),
            "the timer of an order cannot be put off; this process leaves it alone, for a minute \
             at most each time"
        );
    }
}

/// A workflow, none where it is gone; or why it cannot be used.
type Usable = Result<Option<Arc<Published>>, String>;

/// A due order with its workflow; none where that is gone.
type Ready = (DueOrder, Option<Arc<Published>>);

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
                let fired = self.fire_part(*partition).await;
                self.parts.note(*partition, fired)?;
            }
            if to_refresh.is_empty() {
                return Ok(());
            }
            // In turn, since there may be very many orders to look at.
            for partition in std::mem::take(&mut to_refresh) {
                match self.app.store.refresh_timers(partition).await {
                    Ok(true) => {
                        to_refresh.insert(partition);
                    }
                    Ok(false) => {}
                    Err(error) => self.parts.note(partition, Err(error))?,
                }
            }
        }
    }

    /// Lets time do all that is due in a partition and can be done.
    async fn fire_part(&mut self, partition: Partition) -> Result<(), Error> {
        while self.fire(partition).await? {}
        Ok(())
    }

    /// Lets time do some of what is due in a partition. Says whether it is worth to look for more:
    /// not where nothing could be done, since the same would be found again.
    async fn fire(&mut self, partition: Partition) -> Result<bool, Error> {
        // What is left alone must not take the room of the others.
        let limit = AT_ONCE.saturating_add(self.pauses.left_alone());
        let found = self.app.store.due_orders(partition, limit).await?;
        let is_full = i64::try_from(found.len()).is_ok_and(|found| found >= limit);
        let mut page = Page::new(partition);
        let mut due = Vec::new();
        for found in found {
            match found {
                Ok(order) if self.pauses.is_left_alone(order.key()) => {}
                Err(order) if self.pauses.is_left_alone(order.row().key) => {}
                Ok(order) => due.push(order),
                Err(order) => self.pause_unread(&mut page, &order),
            }
        }
        if due.is_empty() && page.paused.is_empty() {
            return Ok(false);
        }
        let ready = self.with_workflows(&mut page, due).await?;
        let may_go_on = self.fire_ready(&mut page, ready).await?;
        self.put_off(&mut page).await?;
        match page.error {
            Some(error) => Err(error),
            None => Ok(may_go_on && is_full && page.has_moved),
        }
    }

    /// Fires timers: all together, but for those during which processes ended. Says whether this
    /// process may fire any.
    async fn fire_ready(&mut self, page: &mut Page, ready: Vec<Ready>) -> Result<bool, Error> {
        let is_suspect = |(due, _): &Ready| self.suspects.contains_key(&due.key());
        let (suspects, others): (Vec<_>, Vec<_>) = ready.into_iter().partition(is_suspect);
        if others.is_empty() && suspects.is_empty() {
            return Ok(true);
        }
        if !others.is_empty() {
            let keys: Vec<_> = others.iter().map(|(due, _)| due.key()).collect();
            if !self.note(&keys).await? {
                return Ok(false);
            }
            // Together, so that they share transactions.
            let firing = others.iter().map(|ready| settle(&self.app, ready));
            let fired = join_all(firing).await;
            for ((due, _), fired) in others.iter().zip(fired) {
                self.take(page, due, fired);
            }
        }
        for ready in &suspects {
            if !self.try_alone(page, ready).await? {
                return Ok(false);
            }
        }
        self.app.store.note_timers(&self.me, &[]).await?;
        Ok(true)
    }

    /// Takes what became of a timer. Says whether that is known now.
    fn take(&mut self, page: &mut Page, due: &DueOrder, fired: Result<Fired, Error>) -> bool {
        let fired = match fired {
            Ok(fired) => fired,
            Err(error) if is_of_all(&error) => {
                page.error = Some(error);
                return false;
            }
            Err(error) => Fired::Failed(chain(&error)),
        };
        match fired {
            Fired::Done => {
                self.pauses.put_off(due.key());
                page.has_moved = true;
            }
            Fired::Left => return false,
            Fired::Unusable(finding) => self.pause_workflow(page, due, &finding),
            Fired::Failed(why) => {
                let wait = self.pauses.of_order(due.key());
                let why = ("the timer of an order fails", why);
                page.pause(Pausing::new(due, Some(why)), wait);
            }
        }
        true
    }

    /// Lets an order wait that cannot be read.
    fn pause_unread(&mut self, page: &mut Page, order: &UnreadOrder) {
        let row = order.row();
        let wait = self.pauses.of_order(row.key);
        let pausing = Pausing {
            row,
            order: order.id.clone(),
            workflow: order.workflow.clone(),
            why: Some(("an order that is due cannot be read", chain(&order.error))),
        };
        page.pause(pausing, wait);
    }

    /// Lets an order wait whose workflow cannot be used, until that is mended.
    fn pause_workflow(&mut self, page: &mut Page, due: &DueOrder, finding: &str) {
        if self.pauses.is_new(&due.order.workflow) {
            tracing::error!(
                workflow = %due.order.workflow,
                error = finding,
                "a workflow cannot be used; its timers pause"
            );
        }
        page.pause(Pausing::new(due, None), WORKFLOW_PAUSE);
    }

    /// Finds the workflows of due orders; those of which one cannot be used pause.
    async fn with_workflows(
        &mut self,
        page: &mut Page,
        due: Vec<DueOrder>,
    ) -> Result<Vec<Ready>, Error> {
        let codes = due.iter().map(|due| due.order.workflow.clone());
        let codes: BTreeSet<WorkflowCode> = codes.collect();
        let mut known = BTreeMap::new();
        for code in codes {
            let found = self.find_workflow(&code).await?;
            known.insert(code, found);
        }
        let mut ready = Vec::with_capacity(due.len());
        for due in due {
            let code = &due.order.workflow;
            match known.get(code) {
                Some(Ok(published)) => {
                    self.pauses.forget(code);
                    ready.push((due, published.clone()));
                }
                Some(Err(finding)) => self.pause_workflow(page, &due, finding),
                None => {}
            }
        }
        Ok(ready)
    }

    /// Finds a workflow, or why it cannot be used.
    async fn find_workflow(&self, code: &WorkflowCode) -> Result<Usable, Error> {
        match self.app.store.workflow(code).await {
            Ok(Some(published)) => Ok(match published.unusable() {
                Some(finding) => Err(finding.to_owned()),
                None => Ok(Some(published)),
            }),
            Ok(None) => Ok(Ok(None)),
            Err(error @ Error::Corrupt { .. }) => Ok(Err(chain(&error))),
            Err(error) => Err(error),
        }
    }

    /// Puts off what pauses, in parts that become smaller until the database refuses one alone. That
    /// one stays due, and is left alone in memory.
    async fn put_off(&mut self, page: &mut Page) -> Result<(), Error> {
        for (wait, pausing) in std::mem::take(&mut page.paused) {
            let mut parts = vec![pausing.as_slice()];
            while let Some(part) = parts.pop() {
                let store = &self.app.store;
                let rows: Vec<_> = part.iter().map(|one| one.row).collect();
                let until = later(store.clock().now(), wait);
                let paused = store.pause_timers(page.partition, &rows, until).await;
                match (paused, part) {
                    (Ok(()), put_off) => {
                        page.has_moved = true;
                        for one in put_off {
                            self.pauses.put_off(one.row.key);
                            one.tell(wait);
                        }
                    }
                    (Err(error), [alone]) if error.is_of_data() => {
                        if self.pauses.leave_alone(alone.row.key) {
                            alone.tell_refused(&error);
                        }
                    }
                    (Err(error), several) if error.is_of_data() => {
                        let (first, second) = several.split_at(several.len() / 2);
                        parts.extend([second, first]);
                    }
                    (Err(error), _) => return Err(error),
                }
            }
        }
        Ok(())
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
    async fn try_alone(&mut self, page: &mut Page, ready: &Ready) -> Result<bool, Error> {
        let (due, _) = ready;
        let key = due.key();
        let tries = self.suspects.get(&key).copied().unwrap_or(0);
        if tries >= TRIES_MAX {
            if let Err(error) = self.app.store.put_timer_aside(due).await {
                self.take(page, due, Err(error));
                return Ok(true);
            }
            self.suspects.remove(&key);
            tracing::error!(
                order.id = %due.order.id,
                workflow = %due.order.workflow,
                "the service ended three times while time took this order on; it is put aside \
                 until it changes, or the timers of its workflow do"
            );
            page.has_moved = true;
            return Ok(true);
        }
        tracing::warn!(order.id = %due.order.id, tries, "a process ended while time took this order on");
        if !self.note(&[key]).await? {
            return Ok(false);
        }
        let fired = settle(&self.app, ready).await;
        if self.take(page, due, fired) {
            self.app.store.clear_lost_timer(key).await?;
            self.suspects.remove(&key);
        }
        Ok(true)
    }
}

/// Takes the step of one order, or notes when it is really due. A panic costs that order alone.
async fn settle(app: &Arc<App>, (due, published): &Ready) -> Result<Fired, Error> {
    let settled = AssertUnwindSafe(take_on(app, due, published.as_deref())).catch_unwind();
    settled
        .await
        .unwrap_or_else(|panic| Ok(Fired::Failed(supervisor::text(&*panic).to_owned())))
}

async fn take_on(
    app: &Arc<App>,
    due: &DueOrder,
    published: Option<&Published>,
) -> Result<Fired, Error> {
    fault::point("timer", due.order.id.as_str());
    let Some(published) = published else {
        return reschedule(app, due, None).await;
    };
    let now = app.store.clock().now();
    let graph = &published.graph;
    let due_time = graph.due_time(&due.order);
    if due_time.is_none_or(|at| at > now) && !waits_since_the_future(due, now) {
        return reschedule(app, due, due_time).await;
    }
    step(app, due, (graph, now)).await
}

/// Notes when an order is due next.
async fn reschedule(
    app: &Arc<App>,
    due: &DueOrder,
    next: Option<Timestamp>,
) -> Result<Fired, Error> {
    app.store.reschedule(due, next).await?;
    Ok(Fired::Done)
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
) -> Result<Fired, Error> {
    let Ok(ticket) = app.hand_over_when_room(unit(due)).await else {
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
        // Where somebody else moved the order meanwhile, the next look finds it as it is.
        None | Some(StepError::Refused(Refusal::Rejected(Rejection::VersionMismatch { .. }))) => {
            Ok(Fired::Done)
        }
        // Guards refuse: they are asked again when the order changes, or when the next is due.
        Some(StepError::Refused(Refusal::Rejected(Rejection::NothingDue))) => {
            reschedule(app, due, graph.due_after(&due.order, now)).await
        }
        Some(StepError::Refused(Refusal::WorkflowUnusable { finding, .. })) => {
            Ok(Fired::Unusable(finding))
        }
        Some(StepError::Refused(refusal @ Refusal::Fault)) => Ok(Fired::Failed(chain(&refusal))),
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
            reschedule(app, due, graph.due_after(&due.order, now)).await
        }
        // The database refused this very step, or its order cannot be read there.
        Some(StepError::Failed(error @ CommitError::Database)) => Ok(Fired::Failed(chain(&error))),
        // What the database did not do was logged.
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
