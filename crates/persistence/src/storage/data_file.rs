//! The file of an open SQLite database, as writes and reads are checked against it.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use diesel::SqliteConnection;
use tokio::sync::watch;

use super::{
    files::{Changed, Files, Look},
    obstacle::{self, Obstacle},
};
use crate::{
    Error,
    error::WriteFailure,
    messages::{self, DISK_ERROR},
    sqlite,
};

/// The state of the file of a SQLite database. Other databases look after themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StorageState {
    /// It takes writes.
    Sound,
    /// There is no room for writes; reads go on.
    Full,
    /// It cannot be written; reads go on.
    ReadOnly,
    /// It is not what it was, and nothing is written or read any more. This stays.
    Damaged,
}

/// Advice about a damaged file, for the log.
const ADVICE: &str = "the database file is damaged: nothing more is written, and the server stops. Before anything else, \
     keep a copy of the file with its -wal and -shm. Then look at the copy with `PRAGMA integrity_check` of sqlite3, and \
     restore a backup, after -wal and -shm were moved away with the old file, or rescue what is left with `.recover`";

pub(crate) struct DataFile {
    pub(super) path: PathBuf,
    pub(super) state: watch::Sender<StorageState>,
    files: Mutex<Files>,
    /// Stays open as long as the store, so that no other connection is the last: that one would
    /// move the log into whatever file is there by then, and remove it.
    pub(super) guard: Mutex<Option<SqliteConnection>>,
    /// Held while the main file is examined: one examination at a time is enough.
    pub(super) examining: Mutex<()>,
}

impl DataFile {
    /// Remembers the file as it is, which SQLite has just opened.
    ///
    /// # Errors
    /// Returns [`Error`] when SQLite or the system cannot open it.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let guard = sqlite::guard(path).map_err(Error::not_connected)?;
        let files = Files::remember(path).map_err(Error::unavailable)?;
        Ok(Self {
            path: path.to_owned(),
            state: watch::Sender::new(StorageState::Sound),
            files: Mutex::new(files),
            guard: Mutex::new(Some(guard)),
            examining: Mutex::new(()),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn watch(&self) -> watch::Receiver<StorageState> {
        self.state.subscribe()
    }

    /// Lets reads through unless the file is damaged.
    ///
    /// # Errors
    /// Returns [`Error::Damaged`].
    pub(crate) fn admit(&self) -> Result<(), Error> {
        match *self.state.borrow() {
            StorageState::Damaged => Err(Error::Damaged {
                found: "the server is stopping because of it".to_owned(),
            }),
            StorageState::Sound | StorageState::Full | StorageState::ReadOnly => Ok(()),
        }
    }

    /// Checks that what is written goes, or went, to the file that was opened, and is found there.
    ///
    /// # Errors
    /// Returns [`Error::Damaged`].
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.check_files()?;
        self.check_index()
    }

    /// Checks that the index of the log fits what is in the log, see [`index`](super::index).
    ///
    /// # Errors
    /// Returns [`Error::Damaged`].
    pub(crate) fn check_index(&self) -> Result<(), Error> {
        self.admit()?;
        let looked = self.files().look_at_index();
        looked.map_err(|found| self.break_off_index(&found))
    }

    pub(super) fn examine_index(&self) -> Result<(), Error> {
        let examined = self.files().examine_index();
        examined.map_err(|found| self.break_off_index(&found))
    }

    fn check_files(&self) -> Result<(), Error> {
        let mut look = self.look()?;
        let is_main = matches!(look, Look::Changed(Changed::Main));
        // Held to the end: who waited looks again, and finds what the one before has found.
        let alone = is_main.then(|| lock(&self.examining));
        if alone.is_some() {
            look = self.look()?;
        }
        match look {
            Look::Same => Ok(()),
            Look::Changed(changed) => {
                let examined = self.examine(changed);
                examined.map_err(|found| self.break_off(found))
            }
        }
    }

    fn look(&self) -> Result<Look, Error> {
        self.admit()?;
        let look = self.files().look();
        look.map_err(|found| self.break_off(found))
    }

    /// Passes on how a unit of work ended, and notes what that says about the file. What was
    /// committed into another file than the one that was opened counts as not answered.
    pub(crate) fn judge<T>(
        &self,
        may_write: bool,
        ended: Result<T, WriteFailure<T>>,
    ) -> Result<T, WriteFailure<T>> {
        match ended {
            Ok(outcome) if may_write => match self.check() {
                Ok(()) => Ok(outcome),
                Err(error) => Err(WriteFailure::AtCommit { outcome, error }),
            },
            Ok(outcome) => Ok(outcome),
            Err(WriteFailure::Before(error)) => Err(WriteFailure::Before(self.explain(error))),
            Err(WriteFailure::AtCommit { outcome, error }) => {
                let is_rolled_back = is_rolled_back(&error);
                let error = self.explain(error);
                let nothing_written = match &error {
                    Error::StorageFull { .. } if is_rolled_back => true,
                    Error::StorageFull { .. } | Error::StorageReadOnly { .. } => {
                        self.log_ends_with_commits()
                    }
                    _ => false,
                };
                Err(if nothing_written {
                    WriteFailure::Before(error)
                } else {
                    WriteFailure::AtCommit { outcome, error }
                })
            }
        }
    }

    /// Finds out what is behind an error of SQLite, and notes what it says about the file.
    pub(crate) fn explain(&self, error: Error) -> Error {
        let error = match error {
            Error::Conflict { .. } | Error::Corrupt { .. } => return error,
            // An index that leads SQLite to the wrong pages makes them look malformed.
            Error::Damaged { found } if found != DISK_ERROR => {
                let looked = self.check_index();
                return looked.map_or_else(|damaged| damaged, |()| self.break_off(found));
            }
            error => error,
        };
        if let Err(damaged) = self.check() {
            return damaged;
        }
        match error {
            Error::Damaged { found } => match obstacle::find(&self.path) {
                Some(obstacle) => self.hinder(obstacle.into()),
                None => self.break_off(found),
            },
            Error::Unavailable { source } => match obstacle::not_writable(&self.path) {
                Some(obstacle) if source.to_string() == messages::CANNOT_OPEN => {
                    self.hinder(obstacle.into())
                }
                Some(_) | None => Error::Unavailable { source },
            },
            error => self.hinder(error),
        }
    }

    /// Says that this process writes to the main file from now on, see `checkpoint`.
    ///
    /// # Errors
    /// Returns [`Error::Damaged`] when the file is not what it was: then nothing may be moved.
    pub(crate) fn begin_move(&self) -> Result<(), Error> {
        self.check_what_is_moved()?;
        self.files().begin_move();
        Ok(())
    }

    /// SQLite moves what is in the log whether or not it is what was written there, and goes by
    /// the index.
    fn check_what_is_moved(&self) -> Result<(), Error> {
        self.check()?;
        self.examine_index()?;
        let examined = self.examine_unmoved();
        examined.map_err(|found| self.break_off(found))
    }

    pub(crate) fn end_move(&self) {
        self.files().end_move();
    }

    /// Says that the database is being closed.
    ///
    /// # Errors
    /// Returns [`Error::Damaged`] when the file is not what it was: then nothing may be moved.
    pub(crate) fn begin_close(&self) -> Result<(), Error> {
        self.check_what_is_moved()?;
        self.files().begin_close();
        Ok(())
    }

    /// Closes the connection that stays, after all others: it moves what is still in the log, and
    /// removes the log.
    ///
    /// # Errors
    /// Returns [`Error::Damaged`] when the index of the log is not what it was. The connection is
    /// left open then.
    pub(crate) fn end_close(&self) -> Result<(), Error> {
        self.examine_index()?;
        drop(lock(&self.guard).take());
        Ok(())
    }

    /// Whether the log holds nothing after its last commit, so that a commit that failed can not
    /// come to light after a crash.
    fn log_ends_with_commits(&self) -> bool {
        // Without the lock, so that no call waits for it.
        let log = self.files().log.content();
        self.frames().is_some_and(|frames| log.ends_after(frames))
    }

    /// The frames of the log, up to its last commit.
    pub(super) fn frames(&self) -> Option<u64> {
        let mut guard = lock(&self.guard);
        sqlite::log_frames(guard.as_mut()?).ok()
    }

    /// Notes an error that passes.
    fn hinder(&self, error: Error) -> Error {
        match error {
            Error::StorageFull { .. } => self.note(StorageState::Full),
            Error::StorageReadOnly { .. } => self.note(StorageState::ReadOnly),
            _ => {}
        }
        error
    }

    /// Breaks off because of the index, which is no loss where the rest is whole.
    fn break_off_index(&self, found: &str) -> Error {
        self.break_off(format!(
            "{found}. This is only the index of the log: where the file and its -wal are whole, the next start makes it \
             anew from them"
        ))
    }

    pub(super) fn break_off(&self, found: String) -> Error {
        let news = self.state.send_if_modified(|state| {
            std::mem::replace(state, StorageState::Damaged) != StorageState::Damaged
        });
        if news {
            tracing::error!(database.path = %self.path.display(), found, "{ADVICE}");
        }
        Error::Damaged { found }
    }

    /// Changes the state, unless the file is damaged.
    pub(super) fn note(&self, new: StorageState) {
        let news = self.state.send_if_modified(|state| {
            let changes = *state != new && *state != StorageState::Damaged;
            if changes {
                *state = new;
            }
            changes
        });
        if !news {
            return;
        }
        let path = self.path.display();
        match new {
            StorageState::Sound => {
                tracing::info!(database.path = %path, "database file writable again");
            }
            StorageState::Full => tracing::error!(
                database.path = %path,
                "database disk full: writes are refused until there is room, reads go on"
            ),
            StorageState::ReadOnly => tracing::error!(
                database.path = %path,
                "database file read-only: writes are refused until it is writable, reads go on"
            ),
            StorageState::Damaged => {}
        }
    }

    pub(super) fn files(&self) -> MutexGuard<'_, Files> {
        lock(&self.files)
    }
}

impl Drop for DataFile {
    fn drop(&mut self) {
        let Some(guard) = lock(&self.guard).take() else {
            return;
        };
        if self.admit().is_ok() && self.examine_index().is_ok() {
            drop(guard);
        } else {
            // Closed, it might write where another file is now, or remove a log that it does not
            // know all of.
            std::mem::forget(guard);
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether it is SQLite itself that found no room, which it does before it has written the last
/// frame of a commit.
fn is_rolled_back(error: &Error) -> bool {
    let Error::StorageFull { source } = error else {
        return false;
    };
    let source = source.downcast_ref::<diesel::result::Error>();
    source.and_then(messages::text) == Some(messages::FULL)
}

impl From<Obstacle> for Error {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::Full(source) => Self::StorageFull {
                source: source.into(),
            },
            Obstacle::ReadOnly(source) => Self::StorageReadOnly {
                source: source.into(),
            },
        }
    }
}
