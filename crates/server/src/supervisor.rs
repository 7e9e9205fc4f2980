//! The tasks that the process cannot do without. Each runs until it is told to stop; when one ends
//! unasked, by a panic or because it returned, the log says so by its name, and the server drains
//! and ends, so that whoever started it starts it again.
//!
//! A task of a single call, delivery or connection is none of these: there a panic costs that alone.

use std::{
    any::Any,
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::FutureExt;
use tokio::{
    sync::watch,
    task::{self, JoinHandle},
};

use crate::{fault, lock::lock};

/// Counts of all tasks of one name, since the process started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tasks that were started.
    pub started: u64,
    /// Tasks that ended unasked, by a panic or otherwise.
    pub ended: u64,
    /// Those of them that panicked.
    pub panicked: u64,
}

static COUNTS: Mutex<BTreeMap<&'static str, Counts>> = Mutex::new(BTreeMap::new());

/// Counts of the tasks of this process, by name.
pub fn counts() -> BTreeMap<&'static str, Counts> {
    lock(&COUNTS).clone()
}

fn count(name: &'static str, change: impl FnOnce(&mut Counts)) {
    change(lock(&COUNTS).entry(name).or_default());
}

/// Runs tasks, and says when one of them ended unasked. Clones are the same supervisor.
#[derive(Debug, Clone)]
pub(crate) struct Supervisor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Whether the tasks are being told to stop.
    is_stopping: AtomicBool,
    /// Those that ended unasked, in turn.
    ended: watch::Sender<Vec<&'static str>>,
}

impl Supervisor {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            is_stopping: AtomicBool::new(false),
            ended: watch::Sender::new(Vec::new()),
        }))
    }

    pub(crate) fn spawn(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        task::spawn(self.watch(name, task))
    }

    /// A task under supervision, for who spawns it elsewhere. One that is aborted was told to stop.
    pub(crate) fn watch<F>(
        &self,
        name: &'static str,
        task: F,
    ) -> impl Future<Output = ()> + Send + use<F>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        count(name, |counts| counts.started += 1);
        let supervisor = self.clone();
        async move {
            let task = async move {
                tokio::select! {
                    biased;
                    () = task => {}
                    () = fault::panics(name) => {}
                }
            };
            // What the task owned is dropped before anybody hears of it.
            let ended = AssertUnwindSafe(task).catch_unwind().await;
            supervisor.note(name, &ended);
        }
    }

    /// Says that tasks are told to stop from now on: one that returns does as it was told.
    pub(crate) fn stand_down(&self) {
        self.0.is_stopping.store(true, Ordering::SeqCst);
    }

    /// The first task that ended unasked, if one has.
    pub(crate) fn first(&self) -> Option<&'static str> {
        self.0.ended.borrow().first().copied()
    }

    /// Whether a task of this name has ended unasked.
    pub(crate) fn has_ended(&self, name: &str) -> bool {
        self.0.ended.borrow().contains(&name)
    }

    pub(crate) async fn ended(&self) {
        let mut ended = self.0.ended.subscribe();
        // The sender is here, so there is no error.
        let _ = ended.wait_for(|ended| !ended.is_empty()).await;
    }

    fn note(&self, name: &'static str, ended: &Result<(), Box<dyn Any + Send>>) {
        let why = match ended {
            Ok(()) if self.0.is_stopping.load(Ordering::SeqCst) => return,
            Ok(()) => "it returned",
            Err(panic) => panic_text(&**panic),
        };
        count(name, |counts| {
            counts.ended += 1;
            counts.panicked += u64::from(ended.is_err());
        });
        tracing::error!(task = name, error = why, "task ended unexpectedly");
        self.0.ended.send_modify(|ended| ended.push(name));
    }
}

pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it panicked")
}

#[cfg(test)]
mod tests {
    use std::{future, time::Duration};

    use tokio::{
        sync::oneshot,
        time::{sleep, timeout},
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    async fn until_ended(supervisor: &Supervisor) -> Option<&'static str> {
        timeout(PATIENCE, supervisor.ended()).await.unwrap();
        supervisor.first()
    }

    fn counted(name: &'static str) -> (u64, u64, u64) {
        let counts = counts()[name];
        (counts.started, counts.ended, counts.panicked)
    }

    #[tokio::test]
    async fn a_panic_is_told_after_the_task_let_go_of_what_it_had() {
        let supervisor = Supervisor::new();
        let (held, mut released) = oneshot::channel::<()>();
        supervisor.spawn("test.panicking", async move {
            let _held = held;
            sleep(Duration::ZERO).await;
            panic!("as if a crate were wrong");
        });
        assert_eq!(supervisor.first(), None);
        assert_eq!(until_ended(&supervisor).await, Some("test.panicking"));
        assert_eq!(
            released.try_recv(),
            Err(oneshot::error::TryRecvError::Closed)
        );
        assert_eq!(counted("test.panicking"), (1, 1, 1));
    }

    #[tokio::test]
    async fn a_task_that_returns_unasked_has_ended_too() {
        let supervisor = Supervisor::new();
        supervisor.spawn("test.returning", future::ready(()));
        assert_eq!(until_ended(&supervisor).await, Some("test.returning"));
        assert_eq!(counted("test.returning"), (1, 1, 0));
    }

    #[tokio::test]
    async fn who_does_as_told_ends_in_silence_and_who_panics_does_not() {
        let supervisor = Supervisor::new();
        supervisor.stand_down();
        supervisor
            .spawn("test.told", future::ready(()))
            .await
            .unwrap();
        let aborted = supervisor.spawn("test.aborted", future::pending());
        aborted.abort();
        assert!(aborted.await.unwrap_err().is_cancelled());
        assert_eq!(supervisor.first(), None);
        assert_eq!(counted("test.told"), (1, 0, 0));
        assert_eq!(counted("test.aborted"), (1, 0, 0));
        let late = supervisor.spawn("test.late", async { panic!("while it stops") });
        late.await.unwrap();
        assert_eq!(supervisor.first(), Some("test.late"));
        assert_eq!(counted("test.late"), (1, 1, 1));
    }

    #[tokio::test]
    async fn the_first_one_is_named() {
        let supervisor = Supervisor::new();
        for name in ["test.first", "test.second"] {
            supervisor.spawn(name, future::ready(())).await.unwrap();
        }
        assert_eq!(until_ended(&supervisor).await, Some("test.first"));
        assert!(supervisor.has_ended("test.second") && !supervisor.has_ended("test.third"));
    }

    #[test]
    fn panics_say_why() {
        let said = |panic: Box<dyn Any + Send>| panic_text(&*panic).to_owned();
        assert_eq!(said(Box::new("a text")), "a text");
        assert_eq!(said(Box::new("a string".to_owned())), "a string");
        assert_eq!(said(Box::new(7)), "it panicked");
    }
}
