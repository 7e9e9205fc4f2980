//! Timers: orders that are due take their step through the same queue as any call, so that it happens
//! once, whoever asks for it.
//!
//! An order whose timer fails pauses, by itself or with its workflow, and the others go on. Where
//! nothing could be done at all, this rests until the next round.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::future::join_all;
use waymark_domain::{partition::Partition, value::WorkflowCode};
use waymark_persistence::{
    DispatcherId, DueOrder, Error, Published, Store, TimerKey, UnreadableOrder,
};

use super::{
    loops::{LogOnce, Rounds, is_of_all},
    pauses::later,
    poison::TRIES_MAX,
    timer_pauses::{DuePage, Pausing, TimerPauses, WORKFLOW_PAUSE},
    timer_step::{Fired, Ready, TimerStep},
};
use crate::{committer::Committer, telemetry::chain};

/// How many due orders of a partition are taken at once.
const AT_ONCE: i64 = 200;
const FAILED: &str = "timers failed";

/// Fires the timers that are due in the partitions that are owned, again and again.
pub(super) async fn run(
    store: Store,
    committer: Arc<Committer>,
    me: DispatcherId,
    mut rounds: Rounds,
) {
    let mut timers = Timers {
        step: TimerStep {
            store: store.clone(),
            committer,
        },
        store,
        me,
        known: BTreeSet::new(),
        suspects: BTreeMap::new(),
        has_row: true,
        pauses: TimerPauses::default(),
        failures: LogOnce::default(),
    };
    loop {
        let partitions = rounds.next().await;
        let fired = timers.fire_all(&partitions).await;
        timers.failures.note(FAILED, fired);
    }
}

struct Timers {
    store: Store,
    step: TimerStep,
    me: DispatcherId,
    /// The partitions whose suspects are known.
    known: BTreeSet<Partition>,
    /// Orders during whose timers processes ended, and how often.
    suspects: BTreeMap<TimerKey, u32>,
    /// Whether this process had a row when that was last asked.
    has_row: bool,
    pauses: TimerPauses,
    failures: LogOnce,
}

/// A workflow, none where it is gone; or why it cannot be used.
type Usable = Result<Option<Arc<Published>>, String>;

impl Timers {
    async fn fire_all(&mut self, partitions: &BTreeSet<Partition>) -> Result<(), Error> {
        self.known
            .retain(|partition| partitions.contains(partition));
        let new: BTreeSet<_> = partitions.difference(&self.known).copied().collect();
        if !new.is_empty() {
            self.suspects.extend(self.store.lost_timers(&new).await?);
            self.known.extend(new);
        }
        let mut to_refresh = self.store.timers_to_refresh(partitions).await?;
        loop {
            for partition in partitions {
                let fired = self.fire_part(*partition).await;
                self.failures.note_in(*partition, FAILED, fired)?;
            }
            if to_refresh.is_empty() {
                return Ok(());
            }
            // In turn, since there may be very many orders to look at.
            for partition in std::mem::take(&mut to_refresh) {
                match self.store.refresh_timers(partition).await {
                    Ok(true) => {
                        to_refresh.insert(partition);
                    }
                    Ok(false) => {}
                    Err(error) => self.failures.note_in(partition, FAILED, Err(error))?,
                }
            }
        }
    }

    /// Fires all timers of a partition that are due and can be fired.
    async fn fire_part(&mut self, partition: Partition) -> Result<(), Error> {
        while self.fire(partition).await? {}
        Ok(())
    }

    /// Fires some timers of a partition that are due. Says whether it is worth to look for more: not
    /// where nothing could be done, since the same would be found again.
    async fn fire(&mut self, partition: Partition) -> Result<bool, Error> {
        // Orders that are left alone must not take the room of the others.
        let limit = AT_ONCE.saturating_add(self.pauses.left_alone());
        let found = self.store.due_orders(partition, limit).await?;
        let is_full = i64::try_from(found.len()).is_ok_and(|found| found >= limit);
        let mut page = DuePage::new(partition);
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

    /// Fires timers: together, but for those during which processes ended. Says whether any may fire.
    async fn fire_ready(&mut self, page: &mut DuePage, ready: Vec<Ready>) -> Result<bool, Error> {
        let is_suspect = |(due, _): &Ready| self.suspects.contains_key(&due.key());
        let (suspects, others): (Vec<_>, Vec<_>) = ready.into_iter().partition(is_suspect);
        if others.is_empty() && suspects.is_empty() {
            return Ok(true);
        }
        if !others.is_empty() {
            let keys: Vec<_> = others.iter().map(|(due, _)| due.key()).collect();
            if !self.mark(&keys).await? {
                return Ok(false);
            }
            // Together, so that they share transactions.
            let firing = others.iter().map(|ready| self.step.settle(ready));
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
        self.store.record_timers(&self.me, &[]).await?;
        Ok(true)
    }

    /// Takes the result of a timer. Says whether that is known now.
    fn take(&mut self, page: &mut DuePage, due: &DueOrder, fired: Result<Fired, Error>) -> bool {
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
                let why = ("timer failed", why);
                page.pause(Pausing::new(due, Some(why)), wait);
            }
        }
        true
    }

    fn pause_unread(&mut self, page: &mut DuePage, order: &UnreadableOrder) {
        let row = order.row();
        let wait = self.pauses.of_order(row.key);
        let pausing = Pausing {
            row,
            order: order.id.clone(),
            workflow: order.workflow.clone(),
            why: Some(("due order unreadable", chain(&order.error))),
        };
        page.pause(pausing, wait);
    }

    /// Lets an order wait whose workflow cannot be used, until that is mended.
    fn pause_workflow(&mut self, page: &mut DuePage, due: &DueOrder, finding: &str) {
        if self.pauses.is_new(&due.order.workflow) {
            tracing::error!(
                workflow = %due.order.workflow,
                error = finding,
                "workflow unusable: its timers pause"
            );
        }
        page.pause(Pausing::new(due, None), WORKFLOW_PAUSE);
    }

    /// Finds the workflows of due orders; those of which one cannot be used pause.
    async fn with_workflows(
        &mut self,
        page: &mut DuePage,
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

    async fn find_workflow(&self, code: &WorkflowCode) -> Result<Usable, Error> {
        match self.store.workflow(code).await {
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
    async fn put_off(&mut self, page: &mut DuePage) -> Result<(), Error> {
        for (wait, pausing) in std::mem::take(&mut page.paused) {
            let mut parts = vec![pausing.as_slice()];
            while let Some(part) = parts.pop() {
                let store = &self.store;
                let rows: Vec<_> = part.iter().map(|one| one.row).collect();
                let until = later(store.clock().now(), wait);
                let paused = store.pause_timers(page.partition, &rows, until).await;
                match (paused, part) {
                    (Ok(()), put_off) => {
                        page.has_moved = true;
                        for one in put_off {
                            self.pauses.put_off(one.row.key);
                            one.log(wait);
                        }
                    }
                    (Err(error), [alone]) if error.is_of_data() => {
                        if self.pauses.leave_alone(alone.row.key) {
                            alone.log_refused(&error);
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

    /// Records which timers are about to fire, and says whether they may.
    async fn mark(&mut self, firing: &[TimerKey]) -> Result<bool, Error> {
        let may_fire = self.store.record_timers(&self.me, firing).await?;
        if self.has_row && !may_fire {
            tracing::warn!("dispatcher row missing: no timer fires");
        }
        self.has_row = may_fire;
        Ok(may_fire)
    }

    /// Fires the timer of an order during which a process ended: alone, so that nothing else is
    /// blamed if it does so again. After three times it is parked. Says whether to go on.
    async fn try_alone(&mut self, page: &mut DuePage, ready: &Ready) -> Result<bool, Error> {
        let (due, _) = ready;
        let key = due.key();
        let tries = self.suspects.get(&key).copied().unwrap_or(0);
        if tries >= TRIES_MAX {
            if let Err(error) = self.store.park_timer(due).await {
                self.take(page, due, Err(error));
                return Ok(true);
            }
            self.suspects.remove(&key);
            tracing::error!(
                order.id = %due.order.id,
                workflow = %due.order.workflow,
                "poison timer parked until its order changes, or the timers of its workflow do"
            );
            page.has_moved = true;
            return Ok(true);
        }
        tracing::warn!(order.id = %due.order.id, tries, "process ended during timer");
        if !self.mark(&[key]).await? {
            return Ok(false);
        }
        let fired = self.step.settle(ready).await;
        if self.take(page, due, fired) {
            self.store.clear_lost_timer(key).await?;
            self.suspects.remove(&key);
        }
        Ok(true)
    }
}
