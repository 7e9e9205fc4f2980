//! Reads of single orders that come together share one query. One alone never
//! waits for company, and none waits for a write. Those whose workflow has to be
//! compiled first, which may take a second, wait apart from the others.

use std::{io, sync::Arc};

use tokio::sync::{Semaphore, mpsc, oneshot};
use waymark_domain::value::{OrderId, WorkflowCode};
use waymark_persistence::{Along, Error, FoundOrder, Store};

use crate::{supervisor::Supervisor, threads::DedicatedRuntime};

/// Maximum of orders that one query looks for.
const ORDERS_PER_QUERY_MAX: usize = 256;
/// Queries that are under way at once.
const QUERIES_AT_ONCE: usize = 2;
/// Maximum of reads that wait; the next ones wait for a place.
const WAITING_MAX: usize = 1024;

/// The order that was found, or the error that all reads of a query share.
type ReadResult = Result<FoundOrder, Arc<Error>>;

#[derive(Debug)]
struct QueuedRead {
    key: (WorkflowCode, OrderId),
    along: Along,
    answer: oneshot::Sender<ReadResult>,
}

/// Finds orders, several in one query where several are looked for. Its thread ends with it.
#[derive(Debug)]
pub(crate) struct Reader {
    queue: mpsc::Sender<QueuedRead>,
    runtime: DedicatedRuntime,
}

/// The reads before any is made.
#[derive(Debug)]
pub(crate) struct ReadQueue(mpsc::Receiver<QueuedRead>);

impl Reader {
    /// Lays out the queue; nothing is read before it is started.
    ///
    /// # Errors
    /// Returns the error of the system when it has no thread for it.
    pub(crate) fn new() -> io::Result<(Self, ReadQueue)> {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        let runtime = DedicatedRuntime::open("reads")?;
        Ok((Self { queue, runtime }, ReadQueue(waiting)))
    }

    pub(crate) fn start(&self, reads: ReadQueue, store: &Store, supervisor: &Supervisor) {
        // No more wait here than have calls under way.
        let (later, uncompiled) = mpsc::unbounded_channel();
        let runtime = self.runtime.handle();
        let reading = run(store.clone(), reads.0, later.clone());
        runtime.spawn(supervisor.watch("reader", reading));
        let compiling = compile(store.clone(), uncompiled);
        let compiling = async move {
            // It does not end because the other has.
            let _open = later;
            compiling.await;
        };
        runtime.spawn(supervisor.watch("reader.compile", compiling));
    }

    /// Finds an order and its workflow as they are now, and what is asked for with them.
    ///
    /// # Errors
    /// Returns the error of the store when the database cannot be read.
    pub(crate) async fn find(
        &self,
        workflow: &WorkflowCode,
        id: &OrderId,
        along: Along,
    ) -> ReadResult {
        let (answer, found) = oneshot::channel();
        let waiting = QueuedRead {
            key: (workflow.clone(), id.clone()),
            along,
            answer,
        };
        self.queue.send(waiting).await.map_err(|_| gone())?;
        found.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// The tasks are there until the process ends; a query that panicked leaves no answer.
fn gone() -> Arc<Error> {
    Arc::new(Error::Unavailable {
        source: "the reader is gone".into(),
    })
}

async fn run(
    store: Store,
    mut queue: mpsc::Receiver<QueuedRead>,
    later: mpsc::UnboundedSender<QueuedRead>,
) {
    let turns = Arc::new(Semaphore::new(QUERIES_AT_ONCE));
    // The semaphore is never closed.
    while let Ok(turn) = Arc::clone(&turns).acquire_owned().await {
        let mut batch = Vec::new();
        if queue.recv_many(&mut batch, ORDERS_PER_QUERY_MAX).await == 0 {
            return;
        }
        let (store, later) = (store.clone(), later.clone());
        tokio::spawn(async move {
            read(&store, batch, &later).await;
            drop(turn);
        });
    }
}

async fn read(store: &Store, batch: Vec<QueuedRead>, later: &mpsc::UnboundedSender<QueuedRead>) {
    let along = most_of(&batch);
    let (keys, answers) = taken_apart(batch);
    match store.find_ready_orders(&keys, along).await {
        Ok(found) => {
            for ((key, answer), found) in keys.into_iter().zip(answers).zip(found) {
                // Nobody waits for what its caller gave up, and nobody sends when the process ends.
                let _ = match found {
                    Some(found) => answer.send(Ok(found)).is_ok(),
                    None => later.send(QueuedRead { key, along, answer }).is_ok(),
                };
            }
        }
        Err(error) => fail(answers, error),
    }
}

async fn compile(store: Store, mut queue: mpsc::UnboundedReceiver<QueuedRead>) {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, ORDERS_PER_QUERY_MAX).await > 0 {
        let along = most_of(&batch);
        let (keys, answers) = taken_apart(std::mem::take(&mut batch));
        match store.find_orders_and(&keys, along).await {
            Ok(found) => {
                for (answer, found) in answers.into_iter().zip(found) {
                    let _ = answer.send(Ok(found));
                }
            }
            Err(error) => fail(answers, error),
        }
    }
}

/// The most that one of them wants, which is read for all.
fn most_of(batch: &[QueuedRead]) -> Along {
    let wanted = batch.iter().map(|waiting| waiting.along);
    wanted.max().unwrap_or_default()
}

fn taken_apart(
    mut batch: Vec<QueuedRead>,
) -> (
    Vec<(WorkflowCode, OrderId)>,
    Vec<oneshot::Sender<ReadResult>>,
) {
    // Nobody waits for what its caller gave up.
    batch.retain(|waiting| !waiting.answer.is_closed());
    batch
        .into_iter()
        .map(|QueuedRead { key, answer, .. }| (key, answer))
        .unzip()
}

fn fail(answers: Vec<oneshot::Sender<ReadResult>>, error: Error) {
    let error = Arc::new(error);
    for answer in answers {
        let _ = answer.send(Err(Arc::clone(&error)));
    }
}
