//! Reading the files after something else than this process has changed them.

use std::time::Instant;

use super::{data_file::DataFile, files::Changed};
use crate::{
    Error,
    messages::{self, DISK_ERROR},
    sqlite,
};

/// Maximum of times that the log is read where it changes while it is read.
const ATTEMPTS: usize = 5;

impl DataFile {
    /// Looks into a change that this process did not make.
    ///
    /// # Errors
    /// Returns what is wrong with the file.
    pub(super) fn examine(&self, changed: Changed) -> Result<(), String> {
        match changed {
            Changed::Main => self.examine_main(),
            Changed::Log => self.examine_log(),
        }
    }

    /// Reads all pages, as a new connection sees them: those that are in the log from there.
    pub(super) fn examine_main(&self) -> Result<(), String> {
        let Some(before) = self.files().stamp() else {
            // The next look says that it is gone.
            return Ok(());
        };
        let checked = sqlite::connect(self.path())
            .map_err(Error::not_connected)
            .and_then(|mut connection| Ok(sqlite::quick_check(&mut connection)?));
        match checked {
            Ok(None) => {
                self.files().is_sound(&before);
                Ok(())
            }
            Ok(Some(found)) if messages::is_unread(&found) => {
                tracing::debug!(found, "page of the database file not examined");
                Ok(())
            }
            Ok(Some(found)) => Err(found),
            Err(Error::Damaged { found }) if found != DISK_ERROR => Err(found),
            Err(error) => {
                // It is examined again: the change still stands.
                tracing::debug!(%error, "database file not examined");
                Ok(())
            }
        }
    }

    /// Reads the log up to its last commit.
    pub(super) fn examine_log(&self) -> Result<(), String> {
        let began = Instant::now();
        if self.examine_frames(|| 0)? {
            self.files().log.is_sound(began);
        }
        Ok(())
    }

    /// Reads what has yet to be moved from the log into the main file.
    pub(super) fn examine_unmoved(&self) -> Result<(), String> {
        self.examine_frames(|| self.files().moved()).map(|_| ())
    }

    /// Reads frames of the log up to its last commit; says whether it could.
    fn examine_frames(&self, first: impl Fn() -> u64) -> Result<bool, String> {
        // Without the lock, so that no call waits for it.
        let log = self.files().log.content();
        for _ in 0..ATTEMPTS {
            let (salt, first) = (log.salt(), first());
            let Some(frames) = self.frames() else {
                return Ok(false);
            };
            let found = log.holds(first..frames);
            if found.is_ok() {
                return Ok(true);
            }
            // What was committed stays as it is until the log begins anew, with another salt.
            if log.salt() == salt && self.frames().is_some_and(|now| now >= frames) {
                return found.map(|()| true);
            }
        }
        // It is read again soon.
        Ok(false)
    }
}
