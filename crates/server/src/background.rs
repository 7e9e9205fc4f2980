//! Work that only reads and may take long: computations, such as lint and drawings, and reads of
//! many bodies, such as lists, among them what asks guards without a step, such as dry runs. It
//! runs on threads of its own, which give way to those that serve calls, and only so much of it at
//! once.

use std::{io, sync::Arc, thread};

use tokio::{
    runtime::{Builder, Runtime},
    sync::Semaphore,
};
use tokio_util::task::AbortOnDropHandle;

use crate::{Error, threads};

/// Maximum of computations that wait or are under way.
const COMPUTATIONS_MAX: usize = 32;
/// Maximum of reads of many bodies that wait or are under way.
const READS_MAX: usize = 64;
/// Maximum of dry runs under way at once: each may keep many bodies until its end.
const DRY_RUNS_MAX: usize = 4;
/// Niceness of these threads: of a busy core, one gets a tenth of what a thread that serves
/// gets, so they come to rest under load but never stand still.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

#[derive(Debug)]
pub(crate) struct Background {
    /// There until it is dropped.
    runtime: Option<Runtime>,
    /// Computations that may wait.
    places: Semaphore,
    /// Computations that are under way.
    turns: Arc<Semaphore>,
    /// Reads that may wait.
    reads: Arc<Semaphore>,
    /// Dry runs that are under way, among the reads.
    dry_runs: Arc<Semaphore>,
}

impl Background {
    /// Starts the threads: one less than there are cores, at least one.
    ///
    /// # Errors
    /// Returns the error of the system when it has no thread for it.
    pub(crate) fn start() -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = cores.saturating_sub(1).max(1);
        Self::with(threads, COMPUTATIONS_MAX, READS_MAX)
    }

    fn with(threads: usize, computations: usize, reads: usize) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .thread_name("background")
            .worker_threads(threads)
            .on_thread_start(give_way)
            .enable_all()
            .build()?;
        threads::keep_one(runtime.handle());
        Ok(Self {
            runtime: Some(runtime),
            places: Semaphore::new(computations),
            turns: Arc::new(Semaphore::new(threads)),
            reads: Arc::new(Semaphore::new(reads)),
            dry_runs: Arc::new(Semaphore::new(DRY_RUNS_MAX)),
        })
    }

    /// Computes something, in turn. What its caller gave up before its turn is not begun; what was
    /// begun goes on to its end.
    ///
    /// # Errors
    /// Returns [`Error::ComputationLimit`] when too many wait, [`Error::Internal`] when it panicked.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let place = self.places.try_acquire();
        let _place = place.map_err(|_| Error::ComputationLimit)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let (Ok(turn), Some(runtime)) = (turn, &self.runtime) else {
            let what = "there are no threads to compute on";
            return Err(Error::Internal { what });
        };
        let computing = runtime.spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        computing.await.map_err(|failure| {
            tracing::error!(error = %failure, "background computation terminated unexpectedly");
            Error::Internal {
                what: "background computation terminated unexpectedly",
            }
        })
    }

    /// Reads many bodies. It ends with its caller.
    ///
    /// # Errors
    /// Returns [`Error::ReadLimit`] when too many are under way, [`Error::Internal`] for a panic, and its own.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let place = Arc::clone(&self.reads).try_acquire_owned();
        let place = place.map_err(|_| Error::ReadLimit)?;
        let Some(runtime) = &self.runtime else {
            let what = "there are no threads to read on";
            return Err(Error::Internal { what });
        };
        let reading = runtime.spawn(async move {
            let _place = place;
            work.await
        });
        AbortOnDropHandle::new(reading)
            .await
            .unwrap_or_else(|failure| {
                tracing::error!(error = %failure, "background read terminated unexpectedly");
                Err(Error::Internal {
                    what: "background read terminated unexpectedly",
                })
            })
    }

    /// Reads many bodies and keeps them to decide on them, a few such at a time; others wait.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) async fn dry_run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let turns = Arc::clone(&self.dry_runs);
        let in_turn = async move {
            let turn = turns.acquire_owned().await;
            let _turn = turn.map_err(|_| Error::Internal {
                what: "there are no turns for dry runs",
            })?;
            work.await
        };
        self.read(in_turn).await
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Dropped as it is, it would wait, which a task must not.
            runtime.shutdown_background();
        }
    }
}

/// Lets other threads go first: of the calling thread alone, which only Linux can.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        // It computes all the same, with less regard for others.
        tracing::debug!(%error, "thread priority not lowered");
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            atomic::{AtomicUsize, Ordering},
            mpsc,
        },
        time::Duration,
    };

    use futures::{future::join_all, poll};
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// One turn, so that what waits is known.
    fn background(places: usize) -> Background {
        Background::with(1, places, places).unwrap()
    }

    #[tokio::test]
    async fn computes_so_many_at_once_and_refuses_what_is_too_much() {
        let background = background(3);
        let (go, wait) = mpsc::channel::<()>();
        let mut first = Box::pin(background.compute(move || wait.recv().is_ok()));
        assert!(poll!(&mut first).is_pending());
        let under_way = AtomicUsize::new(0);
        let under_way: &'static AtomicUsize = Box::leak(Box::new(under_way));
        let one = || {
            background.compute(|| {
                let others = under_way.fetch_add(1, Ordering::SeqCst);
                under_way.fetch_sub(1, Ordering::SeqCst);
                others
            })
        };
        let mut waiting = Box::pin(join_all([one(), one()]));
        assert!(poll!(&mut waiting).is_pending());
        assert!(matches!(one().await, Err(Error::ComputationLimit)));
        go.send(()).unwrap();
        assert!(timeout(PATIENCE, first).await.unwrap().unwrap());
        for others in timeout(PATIENCE, waiting).await.unwrap() {
            assert_eq!(others.unwrap(), 0);
        }
        assert_eq!(one().await.unwrap(), 0, "there is room again");
    }

    #[tokio::test]
    async fn does_not_begin_what_its_caller_gave_up() {
        let background = background(2);
        let (go, wait) = mpsc::channel::<()>();
        let mut first = Box::pin(background.compute(move || wait.recv().is_ok()));
        assert!(poll!(&mut first).is_pending());
        let begun = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&begun);
        let mut given_up =
            Box::pin(background.compute(move || count.fetch_add(1, Ordering::SeqCst)));
        assert!(poll!(&mut given_up).is_pending());
        drop(given_up);
        let last = background.compute(|| 7);
        go.send(()).unwrap();
        let (first, last) = timeout(PATIENCE, async { tokio::join!(first, last) })
            .await
            .unwrap();
        assert_eq!((first.unwrap(), last.unwrap()), (true, 7));
        assert_eq!(begun.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_panic_costs_one_call() {
        let background = background(1);
        let panicked = background.compute(|| -> usize { panic!("as if lint were wrong") });
        assert!(matches!(panicked.await, Err(Error::Internal { .. })));
        assert_eq!(background.compute(|| 1).await.unwrap(), 1);
        let panicked = background.read(async { panic!("as if a row were wrong") });
        let panicked: Result<(), Error> = panicked.await;
        assert!(matches!(panicked, Err(Error::Internal { .. })));
        assert_eq!(background.read(async { Ok(2) }).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_read_ends_with_its_caller_and_too_many_are_refused() {
        let background = background(1);
        let (held, released) = mpsc::channel::<()>();
        let mut endless = Box::pin(background.read(async move {
            let _held = held;
            std::future::pending::<()>().await;
            Ok(())
        }));
        assert!(poll!(&mut endless).is_pending());
        let second = background.read(async { Ok(()) }).await;
        assert!(matches!(second, Err(Error::ReadLimit)));
        drop(endless);
        let ended = tokio::task::spawn_blocking(move || released.recv_timeout(PATIENCE));
        assert_eq!(
            ended.await.unwrap(),
            Err(mpsc::RecvTimeoutError::Disconnected)
        );
        assert!(background.read(async { Ok(()) }).await.is_ok());
    }

    #[tokio::test]
    async fn a_few_dry_runs_are_under_way_at_once_and_others_wait() {
        let background = Background::with(1, 1, 3 * DRY_RUNS_MAX).unwrap();
        let (under_way, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        // Passed by as many as are under way at once.
        let together = Arc::new(tokio::sync::Barrier::new(DRY_RUNS_MAX));
        let one = || {
            let (under_way, most) = (Arc::clone(&under_way), Arc::clone(&most));
            let together = Arc::clone(&together);
            background.dry_run(async move {
                let now = under_way.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                together.wait().await;
                under_way.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            })
        };
        let all = join_all((0..3 * DRY_RUNS_MAX).map(|_| one()));
        for outcome in timeout(PATIENCE, all).await.unwrap() {
            outcome.unwrap();
        }
        assert_eq!(most.load(Ordering::SeqCst), DRY_RUNS_MAX);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn its_threads_give_way_and_others_do_not() {
        let background = background(1);
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let before = niceness();
        assert_eq!(background.compute(niceness).await.unwrap(), NICENESS);
        let reading = background.read(async move { Ok(niceness()) });
        assert_eq!(reading.await.unwrap(), NICENESS);
        assert_eq!(niceness(), before);
    }
}
