use tempfile::TempDir;
use tokio::{
    sync::oneshot,
    task::{JoinHandle, yield_now},
    time::{Instant, timeout},
};
use waymark_domain::value::{Comment, OrderId};
use waymark_persistence::{
    Clock, CommitError, DatabaseUrl, Settings, StepChange, UnitMode, UnitOutcome, UnitState,
    test_access::lock_all_and_wait,
};

use super::{units::Batch, worker::PATIENCE_MIN, *};
use crate::tests::{context, creation, workflow};

/// What is said of a unit that the database did not take in time.
const UNAVAILABLE: Result<UnitOutcome, SubmitError> =
    Err(SubmitError::Commit(CommitError::Unavailable));

struct Bench {
    committer: Committer,
    workers: Option<Workers>,
    store: Store,
    _directory: TempDir,
}

impl Bench {
    /// A committer that has not started, in front of an empty database with the preset.
    async fn new(queue_units_max: usize, batch_steps_max: usize) -> Self {
        Self::open(queue_units_max, batch_steps_max, |_| {}).await
    }

    /// One in whose database somebody writes for a minute, unless the task is aborted. Each unit makes
    /// a batch, and waits so long.
    async fn locked(patience: Duration) -> (Self, JoinHandle<()>) {
        let change = |settings: &mut Settings| {
            // Others hear soon that it is busy.
            settings.connect_timeout = Duration::from_millis(500);
            settings.commit_patience = Duration::from_mins(2);
        };
        let mut bench = Self::open(16, 1, change).await;
        for worker in &mut bench.workers.as_mut().unwrap().0 {
            worker.patience = patience;
        }
        let (locked, is_locked) = oneshot::channel();
        let store = bench.store.clone();
        let holder = tokio::spawn(async move {
            let wait = Duration::from_mins(1);
            lock_all_and_wait(&store, locked, wait).await.unwrap();
        });
        is_locked.await.unwrap();
        (bench, holder)
    }

    async fn open(
        queue_units_max: usize,
        batch_steps_max: usize,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("test.db").display());
        let mut settings = Settings::new(DatabaseUrl::parse(&url).unwrap());
        change(&mut settings);
        let store = Store::open(settings, Clock::system()).await.unwrap();
        crate::preset::load(&store, "magento", &workflow())
            .await
            .unwrap();
        let log = Log::new(&store, 0, 1);
        let settings = CommitSettings {
            committers: 1,
            queue_units_max,
            batch_steps_max,
        };
        let liveness = Arc::new(Liveness::opened());
        let (committer, workers) =
            Committer::new(&store, &log, &Wake::default(), &liveness, &settings).unwrap();
        Self {
            committer,
            workers: Some(workers),
            store,
            _directory: directory,
        }
    }

    fn start(&mut self) {
        self.committer
            .start(self.workers.take().unwrap(), &Supervisor::new());
    }

    /// Waits until nothing is queued.
    async fn until_taken(&self) {
        let mut queues = self.committer.queues.iter();
        let queue = queues.next().unwrap();
        while queue.capacity() < queue.max_capacity() {
            yield_now().await;
        }
    }

    async fn exists(&self, id: &str) -> bool {
        let id = OrderId::new(id).unwrap();
        self.store
            .find_order(&workflow(), &id)
            .await
            .unwrap()
            .is_some()
    }
}

fn unit(id: &str) -> Unit {
    Unit {
        steps: vec![creation(OrderId::new(id).unwrap(), context())],
        mode: UnitMode::Separate,
        return_orders: false,
    }
}

fn is_done(outcome: Result<UnitOutcome, SubmitError>) -> bool {
    matches!(outcome, Ok(UnitOutcome::Done(steps)) if steps.iter().all(Result::is_ok))
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_what_was_taken_is_committed() {
    let mut bench = Bench::new(2, 256).await;
    let first = bench.committer.hand_over(unit("1")).unwrap();
    let second = bench.committer.hand_over(unit("2")).unwrap();
    assert_eq!(
        bench.committer.hand_over(unit("3")).unwrap_err(),
        SubmitError::Overloaded
    );
    bench.start();
    assert!(is_done(first.outcome().await));
    assert!(is_done(second.outcome().await));
    assert!(!bench.exists("3").await);
    let again = bench.committer.hand_over(unit("3")).unwrap();
    assert!(is_done(again.outcome().await));
}

#[tokio::test]
async fn what_waits_is_committed_together_up_to_a_full_batch() {
    let mut bench = Bench::new(16, 2).await;
    let tickets: Vec<_> = (1..=5)
        .map(|id| bench.committer.hand_over(unit(&id.to_string())).unwrap())
        .collect();
    bench.start();
    for ticket in tickets {
        assert!(is_done(ticket.outcome().await));
    }
    let partition = bench
        .store
        .partition_of(&workflow(), &OrderId::new("1").unwrap());
    let entries = bench.store.history_after(partition, 0, 1000).await.unwrap();
    let batches: Vec<_> = entries.iter().map(|batched| batched.batch).collect();
    let sizes: Vec<_> = batches.chunk_by(|a, b| a == b).map(<[_]>::len).collect();
    assert_eq!(sizes, [2, 2, 1]);
}

#[tokio::test]
async fn one_refused_unit_costs_its_neighbours_nothing() {
    let mut bench = Bench::new(16, 256).await;
    let tickets: Vec<_> = ["1", "1", "2"]
        .map(|id| bench.committer.hand_over(unit(id)).unwrap())
        .into();
    bench.start();
    let mut outcomes = Vec::new();
    for ticket in tickets {
        outcomes.push(is_done(ticket.outcome().await));
    }
    assert_eq!(outcomes, [true, false, true]);
}

#[tokio::test]
async fn a_unit_whose_caller_left_before_its_batch_is_not_executed() {
    let mut bench = Bench::new(16, 256).await;
    drop(bench.committer.hand_over(unit("1")).unwrap());
    let second = bench.committer.hand_over(unit("2")).unwrap();
    bench.start();
    assert!(is_done(second.outcome().await));
    assert!(!bench.exists("1").await);
}

#[tokio::test]
async fn closing_answers_what_was_taken_and_refuses_the_rest() {
    let mut bench = Bench::new(16, 1).await;
    let tickets: Vec<_> = (1..=5)
        .map(|id| bench.committer.hand_over(unit(&id.to_string())).unwrap())
        .collect();
    bench.start();
    bench.committer.close().await;
    assert_eq!(
        bench.committer.hand_over(unit("6")).unwrap_err(),
        SubmitError::ShuttingDown
    );
    assert_eq!(
        bench
            .committer
            .hand_over_when_room(unit("6"))
            .await
            .unwrap_err(),
        SubmitError::ShuttingDown
    );
    for ticket in tickets {
        assert!(is_done(ticket.outcome().await));
    }
}

#[tokio::test]
async fn what_waits_is_bounded_by_what_it_weighs() {
    let mut bench = Bench::new(4_096, 256).await;
    let mut heavy = unit("heavy").steps.remove(0);
    if let StepChange::Create(_, context) = &mut heavy.change {
        context.comment = Comment::new(&"x".repeat(4_000)).unwrap();
    }
    let heavy = Unit {
        steps: vec![heavy; 1_000],
        mode: UnitMode::Separate,
        return_orders: false,
    };
    let mut tickets = Vec::new();
    let refused = loop {
        match bench.committer.hand_over(heavy.clone()) {
            Ok(ticket) => tickets.push(ticket),
            Err(error) => break error,
        }
    };
    assert_eq!(refused, SubmitError::Overloaded);
    assert!((4..32).contains(&tickets.len()), "{} units", tickets.len());
    // Room comes back with what is given up, as with what is answered.
    drop(tickets);
    bench.start();
    let light = bench
        .committer
        .hand_over_when_room(unit("1"))
        .await
        .unwrap();
    assert!(is_done(light.outcome().await));
}

#[tokio::test]
async fn a_committer_that_ends_says_what_was_not_begun() {
    let mut bench = Bench::new(16, 256).await;
    let waiting = bench.committer.hand_over(unit("1")).unwrap();
    // As a panic of the worker would.
    drop(bench.workers.take());
    assert_eq!(waiting.outcome().await, Err(SubmitError::ShuttingDown));
    let late = bench.committer.hand_over(unit("2")).unwrap_err();
    assert_eq!(late, SubmitError::ShuttingDown);

    let begun = Bench::new(16, 256).await;
    let ticket = begun.committer.hand_over(unit("1")).unwrap();
    let mut workers = begun.workers.unwrap();
    let mut batch = Batch::default();
    batch.take(workers.0.remove(0).queue.try_recv().unwrap());
    drop(batch);
    let unknown = SubmitError::Commit(CommitError::OutcomeUnknown);
    assert_eq!(ticket.outcome().await, Err(unknown));
}

#[tokio::test]
async fn who_waits_behind_others_has_no_more_patience_than_they() {
    let patience = Duration::from_secs(5);
    let (mut bench, holder) = Bench::locked(patience).await;
    let first = bench.committer.hand_over(unit("1")).unwrap();
    bench.start();
    bench.until_taken().await;
    let second = bench.committer.hand_over(unit("2")).unwrap();
    assert_eq!(first.outcome().await, UNAVAILABLE);
    let third = bench.committer.hand_over(unit("3")).unwrap();
    let began = Instant::now();
    assert_eq!(second.outcome().await, UNAVAILABLE);
    assert!(began.elapsed() + 2 * PATIENCE_MIN < patience);
    holder.abort();
    assert!(is_done(third.outcome().await));
}

#[tokio::test]
async fn patience_ends_for_each_unit_of_a_batch() {
    let mut bench = Bench::new(16, 256).await;
    let [old, young] = ["old", "young"].map(|id| bench.committer.hand_over(unit(id)).unwrap());
    let mut worker = bench.workers.take().unwrap().0.remove(0);
    let mut batch = Batch::default();
    worker.gather(&mut batch, |_| true);
    let longest = worker.patience_of(&batch);
    assert!(longest > PATIENCE_MIN && longest <= worker.patience);
    batch.begun[0].since = Instant::now().checked_sub(worker.patience).unwrap();
    assert_eq!(worker.patience_of(&batch), PATIENCE_MIN);

    let units = batch.units.into_iter().map(UnitState::Unfinished);
    worker.answer(units.collect(), batch.begun, true);
    assert_eq!(old.outcome().await, UNAVAILABLE);
    let left: Vec<_> = worker.left.drain(..).collect();
    assert_eq!(left.len(), 1);
    for waiting in left {
        waiting.give_up(true);
    }
    assert_eq!(young.outcome().await, Err(SubmitError::ShuttingDown));
}

#[tokio::test]
async fn a_server_that_stops_answers_what_waits_for_the_database() {
    let (mut bench, _holder) = Bench::locked(Duration::from_mins(1)).await;
    let begun = bench.committer.hand_over(unit("1")).unwrap();
    bench.start();
    bench.until_taken().await;
    let queued = bench.committer.hand_over(unit("2")).unwrap();
    let stopping = bench.committer.hurry(Duration::from_secs(2));
    let answered = async { tokio::join!(stopping, begun.outcome(), queued.outcome()) };
    let answered = timeout(Duration::from_secs(20), answered).await;
    let ((), begun, queued) = answered.expect("nobody is left to wait");
    let unknown = SubmitError::Commit(CommitError::OutcomeUnknown);
    assert_eq!(begun, Err(unknown));
    assert_eq!(queued, Err(SubmitError::ShuttingDown));
    bench.committer.close().await;
}

#[tokio::test]
async fn nothing_is_begun_again_where_the_database_fails_a_server_that_stops() {
    let (mut bench, _holder) = Bench::locked(Duration::from_mins(1)).await;
    let [first, second] = ["1", "2"].map(|id| bench.committer.hand_over(unit(id)).unwrap());
    let stop = bench.committer.stop.clone();
    tokio::spawn(async move { stop.pass(Duration::from_secs(6)).await });
    while !bench.committer.stop.is_set() {
        yield_now().await;
    }
    bench.start();
    assert_eq!(first.outcome().await, Err(SubmitError::ShuttingDown));
    let began = Instant::now();
    assert_eq!(second.outcome().await, Err(SubmitError::ShuttingDown));
    assert!(began.elapsed() < PATIENCE_MIN / 2);
}
