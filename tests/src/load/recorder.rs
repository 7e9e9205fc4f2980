//! What a run has recorded so far, shared by everybody who takes part in it.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::validator::{Answer, OrderKey, Record, Session, Step};

/// The growing record of a run.
#[derive(Debug)]
pub struct Recorder {
    origin: Instant,
    workflow: String,
    record: Mutex<Record>,
    orders: Mutex<Vec<(String, i64)>>,
    names: AtomicUsize,
    groups: AtomicU64,
    acknowledged: AtomicUsize,
    unavailable: AtomicUsize,
    unknown: AtomicUsize,
    is_over: AtomicBool,
}

impl Recorder {
    /// An empty record of a run on one workflow.
    pub fn new(workflow: &str, seed: u64) -> Self {
        Self {
            origin: Instant::now(),
            workflow: workflow.to_owned(),
            record: Mutex::new(Record {
                seed,
                ..Record::default()
            }),
            orders: Mutex::default(),
            names: AtomicUsize::new(1),
            groups: AtomicU64::new(1),
            acknowledged: AtomicUsize::new(0),
            unavailable: AtomicUsize::new(0),
            unknown: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        }
    }

    /// Microseconds since the run began.
    pub fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_micros()).expect("a run is short")
    }

    /// The code of the workflow.
    pub fn workflow(&self) -> &str {
        &self.workflow
    }

    /// The record, to read or add to.
    pub fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the clients to end, each after the step that it is at.
    pub fn end_load(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Whether the clients should end.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// How many steps were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// How many tries were answered that nothing was written, for now.
    pub fn unavailable(&self) -> usize {
        self.unavailable.load(Ordering::Relaxed)
    }

    /// How many tries may or may not have been written.
    pub fn unknown(&self) -> usize {
        self.unknown.load(Ordering::Relaxed)
    }

    /// Notes what nobody should be told.
    pub fn protest(&self, words: String) {
        self.record().protests.push(words);
    }

    /// Waits for a condition, which must come true within `patience`.
    ///
    /// # Panics
    /// Panics with what was awaited where it does not.
    pub async fn until(&self, awaited: &str, patience: Duration, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + patience;
        while !is_so(self) {
            let told = (self.acknowledged(), self.unavailable(), self.unknown());
            assert!(
                Instant::now() < deadline,
                "not within {patience:?}: {awaited}; done, unavailable, unknown: {told:?}"
            );
            sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until so many more steps are acknowledged.
    pub async fn until_more(&self, count: usize, patience: Duration) {
        let goal = self.acknowledged() + count;
        let awaited = format!("{count} more steps");
        self.until(&awaited, patience, |recorder| {
            recorder.acknowledged() >= goal
        })
        .await;
    }

    pub(super) fn count(&self, answer: &Answer) {
        let counter = match answer {
            Answer::Done(_) => &self.acknowledged,
            Answer::Unavailable(_) => &self.unavailable,
            Answer::Unknown(_) => &self.unknown,
            Answer::Refused(..) => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_steps(&self, steps: Vec<Step>) {
        for step in &steps {
            let Some(order) = step.done().and_then(|done| done.entries.last()) else {
                continue;
            };
            self.know(&step.order, order.sequence);
        }
        self.record().steps.extend(steps);
    }

    pub(super) fn add_session(&self, session: Session) {
        self.record().sessions.push(session);
    }

    fn know(&self, order: &OrderKey, version: i64) {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        match orders.iter_mut().find(|(id, _)| *id == order.id) {
            Some((_, known)) => *known = version.max(*known),
            None => orders.push((order.id.clone(), version)),
        }
    }

    /// How many orders are known to exist.
    pub(super) fn order_count(&self) -> usize {
        self.orders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// A known order, by its number, and the last version that a client saw.
    pub(super) fn order(&self, number: usize) -> Option<(String, i64)> {
        self.orders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(number)
            .cloned()
    }

    pub(super) fn fresh_name(&self) -> usize {
        self.names.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn fresh_group(&self) -> u64 {
        self.groups.fetch_add(1, Ordering::Relaxed)
    }
}
