//! Moves what the write-ahead log of SQLite holds into the database, beside the
//! writer. Left alone, the writer does it at a commit, while every step waits.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
    mpsc::{Receiver, SyncSender, sync_channel},
};

use diesel::{RunQueryDsl, sql_query};
use futures::future::BoxFuture;

use crate::{
    Error,
    error::ErrorChain,
    running::{self, ThreadEnd},
    sqlite,
    storage::DataFile,
};

/// After how many entries there is enough to move. Under small steps they take some 30 MiB of the
/// log, half of what it may grow to before the writer moves the rest.
const ENTRIES: usize = 3_000;

/// A thread that moves; it ends when this is dropped.
pub(crate) struct Checkpointer {
    wake: SyncSender<()>,
    written: AtomicUsize,
    ending: ThreadEnd,
}

impl Checkpointer {
    pub(crate) fn start(file: &Arc<DataFile>) -> Result<Self, Error> {
        let (wake, woken) = sync_channel(1);
        let file = Arc::clone(file);
        Ok(Self {
            wake,
            written: AtomicUsize::new(0),
            ending: running::start("checkpoints", move || run(&file, &woken))?,
        })
    }

    pub(crate) fn ended(&self) -> BoxFuture<'static, ()> {
        self.ending.wait()
    }

    pub(crate) fn note(&self, entries: usize) {
        if self.written.fetch_add(entries, Ordering::Relaxed) + entries >= ENTRIES {
            self.written.store(0, Ordering::Relaxed);
            // One that is asked for already will do.
            let _ = self.wake.try_send(());
        }
    }
}

fn run(file: &DataFile, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        // Nothing is moved into a file that is not what it was.
        if file.begin_move().is_err() {
            continue;
        }
        // The connection goes at once: one that stayed would keep the log beside a closed database.
        let moved = sqlite::connect(file.path())
            .map_err(Error::not_connected)
            .and_then(|mut connection| checkpoint(&mut connection));
        file.end_move();
        if let Err(error) = moved {
            let error = file.explain(error);
            // The writer still does it itself once the log has grown large.
            tracing::warn!(error = %ErrorChain(&error), "checkpoint failed");
        }
    }
}

fn checkpoint(connection: &mut diesel::SqliteConnection) -> Result<(), Error> {
    // It waits for nobody, and nobody for it.
    sql_query("PRAGMA wal_checkpoint(PASSIVE)").execute(connection)?;
    Ok(())
}
