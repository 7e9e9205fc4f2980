//! The part of a batch that happens in memory, between what was read under the locks and what is
//! written before they go: each step is decided on what the steps before it left.

use std::{
    collections::{BTreeMap, HashMap, HashSet, hash_map::Entry as MapEntry},
    sync::Arc,
    time::Instant,
};

use waymark_domain::{
    history::{self, Entry, LogPosition, Logged},
    judge,
    partition::Partition,
    value::{RequestId, Timestamp, WorkflowCode},
};

use super::{
    Committed, Refusal, Request, Step, StepChange, answers,
    batch::{Purpose, Remembered, RequestRef},
    budget::{self, RunTimer},
    lookup, panics,
    slots::{self, LogEnd, OrderRef, Slot},
};
use crate::{
    Error, Published, Store,
    catalog::{Cached, Edition, Known, Reliance},
    order_entries,
    rows::order::OrderRow,
    tx::Tx,
};

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) logged: Logged,
    /// The time of the clock, by which the deliveries of the entry are due.
    pub(super) clock: Timestamp,
    /// The version in which its step leaves the order.
    pub(super) order_version: i64,
    pub(super) order_key: i64,
    pub(super) fingerprint: Option<[u8; 16]>,
}

pub(super) struct Working {
    store: Store,
    purpose: Purpose,
    edition: Edition,
    workflows: HashMap<WorkflowCode, Known>,
    pub(super) slots: HashMap<OrderRef, Slot>,
    /// How many bytes the orders of the slots take in the database.
    bytes: usize,
    pub(super) pending: Vec<Pending>,
    pub(super) logs: BTreeMap<Partition, LogEnd>,
    remembered: HashMap<RequestRef, Remembered>,
}

/// The state that an atomic unit goes back to.
pub(super) struct Savepoint {
    pending: usize,
    logs: BTreeMap<Partition, LogEnd>,
    slots: HashMap<OrderRef, Slot>,
}

impl Working {
    /// Reads what the steps need, under the locks of their partitions unless it is a dry run.
    pub(super) async fn load(
        store: &Store,
        tx: &mut Tx,
        partitions: &[Partition],
        steps: &[&Step],
        purpose: Purpose,
    ) -> Result<Self, Error> {
        let slots = slots::empty(store, steps);
        // Before the locks: a process that stood still may have lost them since, and know by now of
        // entries that others wrote behind what it reads.
        let known = store.timelines().remember();
        let loaded = lookup::load(tx, purpose, partitions, &slots::keys(&slots)).await?;
        if purpose != Purpose::DryRun {
            store.compare_locked(&known, partitions, &loaded.heads);
        }
        let mut working = Self {
            store: store.clone(),
            purpose,
            edition: loaded.edition,
            workflows: HashMap::new(),
            slots: HashMap::with_capacity(slots.len()),
            bytes: 0,
            pending: Vec::with_capacity(steps.len()),
            logs: slots::logs(store, partitions, &loaded.heads)?,
            remembered: HashMap::new(),
        };
        let catalog = store.catalog();
        match purpose {
            Purpose::Commit(_) => catalog.reach(tx, loaded.edition, Reliance::Locked).await?,
            Purpose::DryRun => {}
        }
        working.admit(tx, steps, slots, loaded.orders).await?;
        Ok(working)
    }

    /// Reads what more steps need, in partitions whose locks are held.
    pub(super) async fn join(&mut self, tx: &mut Tx, steps: &[&Step]) -> Result<(), Error> {
        let mut slots = slots::empty(&self.store, steps);
        slots.retain(|order_ref, _| !self.slots.contains_key(order_ref));
        let orders = lookup::orders_of(tx, &slots::keys(&slots)).await?;
        self.admit(tx, steps, slots, orders).await
    }

    async fn admit(
        &mut self,
        tx: &mut Tx,
        steps: &[&Step],
        mut slots: HashMap<OrderRef, Slot>,
        orders: Vec<OrderRow>,
    ) -> Result<(), Error> {
        slots::fill(&mut slots, orders)?;
        self.bytes += slots.values().map(|slot| slot.bytes).sum::<usize>();
        self.slots.extend(slots);
        self.remember_stored(tx, steps).await
    }

    /// Finds what was written under the request ids of steps before. As a rule nothing was, and
    /// the entry indexes say so.
    async fn remember_stored(&mut self, tx: &mut Tx, steps: &[&Step]) -> Result<(), Error> {
        let asked = steps.iter().filter_map(|step| {
            let request = step.request.as_ref()?;
            let order_ref = (step.workflow.clone(), step.order_id.clone());
            Some((&request.id, self.slots.get(&order_ref)?))
        });
        let asked = asked.collect::<Vec<_>>();
        let mut with_pages: BTreeMap<_, Vec<&RequestId>> = BTreeMap::new();
        for &(id, slot) in &asked {
            if slot.entry_index.first_sequence() > 1 {
                let of_order = with_pages.entry((slot.partition, slot.order_key));
                of_order.or_default().push(id);
            }
        }
        let pages = order_entries::pages_with(tx, &with_pages).await?;
        let maybe = asked.into_iter().flat_map(|(id, slot)| {
            let older = pages.get(&(slot.partition, slot.order_key));
            let indexes = older.into_iter().flatten().chain([&slot.entry_index]);
            let offsets = indexes.flat_map(move |index| index.maybe_written_by(id));
            offsets.map(move |offset| ((slot.partition, slot.order_key, id.clone()), offset))
        });
        for (key, stored) in lookup::remembered(tx, maybe.collect()).await? {
            self.remembered.insert(key, stored);
        }
        Ok(())
    }

    /// Finds the workflows of steps as they are in an open snapshot, and loads them if need be.
    pub(super) async fn find_workflows(
        &mut self,
        tx: &mut Tx,
        steps: &[&Step],
    ) -> Result<(), Error> {
        for step in steps {
            if !self.workflows.contains_key(&step.workflow) {
                let catalog = self.store.catalog();
                let found = catalog.find(tx, self.edition, &step.workflow).await?;
                let known = found.map_or(Known::Absent, Known::Ready);
                self.workflows.insert(step.workflow.clone(), known);
            }
        }
        Ok(())
    }

    /// A workflow as it is known in this batch; it is asked for once.
    pub(super) fn known(&mut self, code: &WorkflowCode) -> &Known {
        if !self.workflows.contains_key(code) {
            let known = self.store.catalog().known(self.edition, code);
            self.workflows.insert(code.clone(), known);
        }
        self.workflows.get(code).unwrap_or(&Known::Absent)
    }

    pub(super) fn cached(&self, code: &WorkflowCode) -> Option<&Cached> {
        match self.workflows.get(code)? {
            Known::Ready(cached) => Some(cached),
            Known::Absent | Known::Unloaded => None,
        }
    }

    /// Whether no more orders shall be read beside those that it has.
    pub(super) fn is_full(&self) -> bool {
        self.bytes > self.store.settings().orders_bytes_max
    }

    /// Forgets all orders but those of some steps, and what was remembered of the others.
    pub(super) fn keep_only<'s>(&mut self, steps: impl Iterator<Item = &'s Step>) {
        let kept = steps.map(|step| (&step.workflow, &step.order_id));
        let kept: HashSet<_> = kept.collect();
        self.slots
            .retain(|(workflow, order), _| kept.contains(&(workflow, order)));
        self.bytes = self.slots.values().map(|slot| slot.bytes).sum();
        let slots = self.slots.values();
        let kept: HashSet<_> = slots.map(|slot| (slot.partition, slot.order_key)).collect();
        self.remembered
            .retain(|(partition, order_key, _), _| kept.contains(&(*partition, *order_key)));
    }

    /// Decides a step on what the steps before it left. Its order goes into the answer as far as
    /// there is room for it, of which it takes its part.
    pub(super) fn step(
        &mut self,
        step: &Step,
        timer: &RunTimer,
        room: &mut usize,
    ) -> Result<Committed, Refusal> {
        let order_ref = (step.workflow.clone(), step.order_id.clone());
        if let Some(replayed) = self.replay(step, &order_ref, room)? {
            return Ok(replayed);
        }
        let not_found = || Refusal::WorkflowNotFound {
            workflow: step.workflow.clone(),
        };
        let cached = self.cached(&step.workflow).ok_or_else(not_found)?;
        if let Some(finding) = cached.published.unusable() {
            return Err(Refusal::WorkflowUnusable {
                workflow: step.workflow.clone(),
                finding: finding.to_owned(),
            });
        }
        let slot = self.slots.get(&order_ref);
        let log = slot.and_then(|slot| self.logs.get(&slot.partition));
        let moment = log.map_or_else(|| Timestamp::default().into(), |log| log.moment);
        let graph = &cached.published.graph;
        let began = Instant::now();
        let entries = match (&step.change, slot.and_then(|slot| slot.order.as_ref())) {
            (StepChange::Create(new, context), None) => {
                panics::deciding(step, || judge::create(graph, new, context, moment))?
            }
            (StepChange::Change(command), Some(order)) => {
                panics::deciding(step, || judge::decide(graph, order, command, moment))?
            }
            (StepChange::Create(new, _), Some(_)) => {
                new.check_version()?;
                return Err(Refusal::OrderExists {
                    workflow: step.workflow.clone(),
                    order_id: step.order_id.clone(),
                });
            }
            (StepChange::Change(_), None) => return Err(order_not_found(step)),
        };
        budget::check_step(timer, began)?;
        let published = Arc::clone(&cached.published);
        self.accept(step, &order_ref, (entries, published), room)
            .ok_or_else(|| order_not_found(step))
    }

    fn replay(
        &self,
        step: &Step,
        order_ref: &OrderRef,
        room: &mut usize,
    ) -> Result<Option<Committed>, Refusal> {
        let (Some(request), Some(slot)) = (&step.request, self.slots.get(order_ref)) else {
            return Ok(None);
        };
        let Some(order) = &slot.order else {
            return Ok(None);
        };
        let (same, entries) =
            match self
                .remembered
                .get(&(slot.partition, slot.order_key, request.id.clone()))
            {
                None => return Ok(None),
                Some(Remembered::Stored {
                    fingerprint,
                    entries,
                }) => (
                    fingerprint.as_slice() == request.fingerprint,
                    entries.clone(),
                ),
                Some(Remembered::Fresh {
                    fingerprint,
                    entries,
                }) => {
                    let fresh = self.pending.get(entries.clone()).unwrap_or_default();
                    (
                        *fingerprint == request.fingerprint,
                        fresh.iter().map(|pending| pending.logged.clone()).collect(),
                    )
                }
            };
        if !same {
            return Err(Refusal::RequestIdReused {
                request_id: request.id.clone(),
            });
        }
        // An order has a workflow.
        let published = self.cached(&step.workflow);
        Ok(published.map(|cached| Committed {
            order: answers::shown(order, room),
            entries,
            replayed: true,
            published: Arc::clone(&cached.published),
        }))
    }

    /// Gives decided entries their places and applies them to the order.
    fn accept(
        &mut self,
        step: &Step,
        order_ref: &OrderRef,
        (entries, published): (Vec<Entry>, Arc<Published>),
        room: &mut usize,
    ) -> Option<Committed> {
        let slot = self.slots.get_mut(order_ref)?;
        let log = self.logs.get_mut(&slot.partition)?;
        let order = match slot.order.take() {
            None => history::replay(&entries)?,
            Some(order) => entries.iter().fold(order, history::evolve),
        };
        slot.due_time = published.graph.due_time(&order);
        let order_version = order.version;
        let shown = answers::shown(&order, room);
        slot.order = Some(order);
        let first = log.next;
        if slot.order_key == 0 {
            slot.order_key = first;
        }
        let logged = place(step, entries, slot.partition, first);
        log.next += i64::try_from(logged.len()).unwrap_or_default();
        if self.purpose == Purpose::DryRun {
            let place = (slot.partition, slot.order_key);
            let entries: Vec<_> = logged.into_iter().map(unlogged).collect();
            self.remember_dry_run(step, place, &entries);
            return Some(Committed {
                order: shown,
                entries,
                replayed: false,
                published,
            });
        }
        let (start, clock) = (self.pending.len(), log.moment.clock);
        let order_key = slot.order_key;
        for (index, logged) in logged.iter().enumerate() {
            let request = step.request.as_ref().filter(|_| index == 0);
            slot.entry_index
                .push(logged, request.map(|request| &request.id));
        }
        let fingerprint = step.request.as_ref().map(|request| request.fingerprint);
        self.pending.extend(
            logged
                .iter()
                .cloned()
                .enumerate()
                .map(|(index, logged)| Pending {
                    logged,
                    clock,
                    order_version,
                    order_key,
                    fingerprint: fingerprint.filter(|_| index == 0),
                }),
        );
        // What changes nothing is not remembered: it would change nothing again.
        let request = step.request.as_ref().filter(|_| !logged.is_empty());
        if let Some(Request { id, fingerprint }) = request {
            let fresh = Remembered::Fresh {
                fingerprint: *fingerprint,
                entries: start..self.pending.len(),
            };
            self.remembered
                .insert((slot.partition, order_key, id.clone()), fresh);
        }
        Some(Committed {
            order: shown,
            entries: logged,
            replayed: false,
            published,
        })
    }

    /// Remembers what the step of a dry run would have written, for the steps after it.
    fn remember_dry_run(
        &mut self,
        step: &Step,
        (partition, order_key): (Partition, i64),
        entries: &[Logged],
    ) {
        let request = step.request.as_ref().filter(|_| !entries.is_empty());
        let Some(Request { id, fingerprint }) = request else {
            return;
        };
        let stored = Remembered::Stored {
            fingerprint: fingerprint.to_vec(),
            entries: entries.to_vec(),
        };
        self.remembered
            .insert((partition, order_key, id.clone()), stored);
    }

    /// A partition whose entries are stamped ahead of the clock, and by how many microseconds.
    pub(super) fn ahead(&self) -> Option<(Partition, i64)> {
        let mut partitions = self
            .pending
            .iter()
            .map(|pending| pending.logged.position.partition);
        partitions.find_map(|partition| {
            let log = self.logs.get(&partition)?;
            Some((partition, log.moment.ahead_micros()?))
        })
    }

    /// The state that an atomic unit which begins now goes back to.
    pub(super) fn savepoint(&self) -> Savepoint {
        Savepoint {
            pending: self.pending.len(),
            logs: self.logs.clone(),
            slots: HashMap::new(),
        }
    }

    /// Adds the order of a step that is about to be decided. Says how many bytes an order that
    /// was added takes in the database.
    pub(super) fn protect(&self, savepoint: &mut Savepoint, step: &Step) -> usize {
        let order_ref = (step.workflow.clone(), step.order_id.clone());
        let Some(slot) = self.slots.get(&order_ref) else {
            return 0;
        };
        match savepoint.slots.entry(order_ref) {
            MapEntry::Occupied(_) => 0,
            MapEntry::Vacant(place) => place.insert(slot.clone()).bytes,
        }
    }

    pub(super) fn restore(&mut self, savepoint: Savepoint) {
        self.pending.truncate(savepoint.pending);
        self.logs = savepoint.logs;
        self.slots.extend(savepoint.slots);
        self.remembered.retain(|_, remembered| match remembered {
            Remembered::Stored { .. } => true,
            Remembered::Fresh { entries, .. } => entries.end <= savepoint.pending,
        });
    }
}

fn order_not_found(step: &Step) -> Refusal {
    Refusal::OrderNotFound {
        workflow: step.workflow.clone(),
        order_id: step.order_id.clone(),
    }
}

fn place(step: &Step, entries: Vec<Entry>, partition: Partition, first: i64) -> Vec<Logged> {
    let placed = (first..).zip(entries).map(|(offset, entry)| {
        let request_id = step
            .request
            .as_ref()
            .filter(|_| offset == first)
            .map(|request| request.id.clone());
        Logged {
            workflow: step.workflow.clone(),
            order_id: step.order_id.clone(),
            position: LogPosition { partition, offset },
            step_offset: first,
            entry: Entry {
                request_id,
                ..entry
            },
        }
    });
    placed.collect()
}

/// The entry of a dry run has no place in the log.
fn unlogged(mut logged: Logged) -> Logged {
    logged.position.offset = 0;
    logged.step_offset = 0;
    logged
}
