//! A thread that looks at the file of a store every second, so that an idle server notices
//! too what happens to it, and one that refuses writes notices when they work again.

use std::{
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Duration,
};

use futures::future::BoxFuture;

use super::{
    data_file::{DataFile, StorageState, lock},
    obstacle,
};
use crate::{
    Error,
    running::{self, ThreadEnd},
    sqlite,
};

const INTERVAL: Duration = Duration::from_secs(1);

pub(crate) struct Watcher {
    /// Its end ends the thread.
    _alive: SyncSender<()>,
    ending: ThreadEnd,
}

impl Watcher {
    /// Starts the thread.
    ///
    /// # Errors
    /// Returns [`Error::Unavailable`] when the system has no thread for it.
    pub(crate) fn start(file: &Arc<DataFile>) -> Result<Self, Error> {
        let (alive, over) = sync_channel::<()>(0);
        // The store, not this thread, keeps the file open.
        let file = Arc::downgrade(file);
        let ending = running::start("storage", move || {
            while over.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout)
                && let Some(file) = file.upgrade()
            {
                file.look_closely();
            }
        })?;
        Ok(Self {
            _alive: alive,
            ending,
        })
    }

    pub(crate) fn ended(&self) -> BoxFuture<'static, ()> {
        self.ending.wait()
    }
}

impl DataFile {
    /// Looks at the files, reads what calls have no time for, and tries to write where writes
    /// are refused.
    fn look_closely(&self) {
        // What is wrong is noted there.
        if self.check().is_err() || self.examine_index().is_err() {
            return;
        }
        let owes_log = self.files().log.owes_examination();
        let mut examined = if owes_log { self.examine_log() } else { Ok(()) };
        if examined.is_ok() && self.files().owes_examination() {
            let _alone = lock(&self.examining);
            // A call may have done it meanwhile.
            if self.files().owes_examination() {
                examined = self.examine_main();
            }
        }
        if let Err(found) = examined {
            self.break_off(found);
            return;
        }
        let state = *self.state.borrow();
        if matches!(state, StorageState::Full | StorageState::ReadOnly) {
            self.try_to_write();
        }
    }

    fn try_to_write(&self) {
        if obstacle::find(&self.path).is_some() {
            return;
        }
        let written = lock(&self.guard).as_mut().map(sqlite::write_nothing);
        match written {
            Some(Ok(())) => self.note(StorageState::Sound),
            Some(Err(error)) => {
                let error = self.explain(Error::from(error));
                tracing::debug!(%error, "database file still takes no writes");
            }
            None => {}
        }
    }
}
