//! The three files of a SQLite database, as they were when they were last looked at.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    time::Instant,
};

use super::{
    index::Index,
    log::Log,
    stamp::{REST, Stamp, same},
};

/// Up to this size the main file is examined while what was written waits to be acknowledged,
/// for some 100 ms; a larger one by the watcher, meanwhile.
const EXAMINED_AT_ONCE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The places of the files, and their state when they were last looked at.
pub(super) struct Files {
    path: PathBuf,
    main: Stamp,
    index: Index,
    pub(super) log: Log,
    /// Whether this process writes to the main file.
    moving: bool,
    /// Whether this process closes the database, after which the log and its index go away.
    is_closing: bool,
    rests_until: Option<Instant>,
}

pub(super) enum Look {
    /// Nothing has changed but what this process changed.
    Same,
    /// Something has, and must be looked into.
    Changed(Changed),
}

/// The file that changed without this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changed {
    /// The main file was written.
    Main,
    /// The log is shorter, or not what it was.
    Log,
}

impl Files {
    /// Remembers the files of a database that a connection has read.
    pub(super) fn remember(path: &Path) -> io::Result<Self> {
        // Where the name is a link, SQLite keeps the other two beside the file itself.
        let beside = fs::canonicalize(path)?;
        Ok(Self {
            main: Stamp::of(&fs::metadata(path)?),
            index: Index::open(with_suffix(&beside, "-shm"))?,
            log: Log::open(with_suffix(&beside, "-wal"))?,
            path: path.to_owned(),
            moving: false,
            is_closing: false,
            rests_until: None,
        })
    }

    /// Looks whether the files are the same, which takes microseconds.
    ///
    /// # Errors
    /// Returns what is wrong where they are others.
    pub(super) fn look(&mut self) -> Result<Look, String> {
        if self.is_closing {
            return Ok(Look::Same);
        }
        let now = Stamp::of(&same(&self.path, self.main.id, "the file")?);
        if now.bytes == 0 {
            // Not to be examined: SQLite would remove the log beside it, as that of another file.
            return Err("the file was emptied".to_owned());
        }
        self.index.is_there()?;
        if !self.log.look()? {
            return Ok(Look::Changed(Changed::Log));
        }
        if self.moving || now == self.main {
            return Ok(Look::Same);
        }
        // Fewer blocks alone are left to the watcher, see `Stamp`.
        let shrunk = now.is_shorter_than(&self.main);
        let rests = self.rests_until.is_some_and(|until| Instant::now() < until);
        if shrunk || (now.bytes <= EXAMINED_AT_ONCE_BYTES_MAX && !rests) {
            return Ok(Look::Changed(Changed::Main));
        }
        Ok(Look::Same)
    }

    /// Looks whether the index of the log fits what is in the log, which takes microseconds
    /// where nothing may have written to it but SQLite.
    ///
    /// # Errors
    /// Returns what is wrong with it.
    pub(super) fn look_at_index(&mut self) -> Result<(), String> {
        if self.is_closing {
            return Ok(());
        }
        self.index.look(&self.log.content())
    }

    /// Reads all of the index of the log, which takes up to a millisecond.
    ///
    /// # Errors
    /// Returns what is wrong with it.
    pub(super) fn examine_index(&mut self) -> Result<(), String> {
        self.index.examine(&self.log.content())
    }

    pub(super) fn moved(&self) -> u64 {
        self.index.moved()
    }

    /// Whether the main file changed and was not examined since.
    pub(super) fn owes_examination(&self) -> bool {
        let rests = self.rests_until.is_some_and(|until| Instant::now() < until);
        let now = fs::metadata(&self.path).map(|file| Stamp::of(&file));
        !self.moving && !rests && now.is_ok_and(|now| now != self.main)
    }

    /// The main file as it is now, to be handed back when it was found to be sound.
    pub(super) fn stamp(&self) -> Option<Examined> {
        let now = fs::metadata(&self.path).ok()?;
        Some(Examined {
            stamp: Stamp::of(&now),
            began: Instant::now(),
        })
    }

    /// Notes that the main file was sound when it looked like that.
    pub(super) fn is_sound(&mut self, examined: &Examined) {
        self.main = examined.stamp;
        let now = Instant::now();
        self.rests_until = Some(now + now.duration_since(examined.began) * REST);
    }

    pub(super) fn begin_close(&mut self) {
        self.is_closing = true;
        self.moving = true;
    }

    pub(super) fn begin_move(&mut self) {
        self.moving = true;
    }

    /// A file that may have been cut is left to be examined; this process only lets it grow.
    pub(super) fn end_move(&mut self) {
        self.moving = self.is_closing;
        if let Ok(file) = fs::metadata(&self.path) {
            let now = Stamp::of(&file);
            if !now.may_have_shrunk_since(&self.main) {
                self.main = now;
            }
        }
    }
}

/// The main file before it was examined.
pub(super) struct Examined {
    stamp: Stamp,
    began: Instant,
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::unix::fs::MetadataExt};

    use super::*;
    use crate::storage::stamp::FileId;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_removed_file_that_still_has_a_path_is_noticed() {
        use std::os::fd::AsRawFd;

        let file = tempfile::NamedTempFile::new().unwrap();
        let id = FileId::of(&file.as_file().metadata().unwrap());
        // It leads to the file itself, as a mount does.
        let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_file().as_raw_fd()));
        same(&path, id, "the file").unwrap();

        let link = with_suffix(file.path(), "-link");
        fs::hard_link(file.path(), &link).unwrap();
        same(&path, id, "the file").unwrap();
        fs::remove_file(link).unwrap();

        fs::remove_file(file.path()).unwrap();
        let found = same(&path, id, "the file").unwrap_err();
        assert!(found.contains("removed"), "{found}");
    }

    #[test]
    fn a_large_file_with_fewer_blocks_is_left_to_the_watcher() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("waymark.db");
        for suffix in ["-wal", "-shm"] {
            fs::write(with_suffix(&path, suffix), []).unwrap();
        }
        let file = File::create(&path).unwrap();
        fs::write(&path, vec![1; 1 << 20]).unwrap();
        file.set_len(EXAMINED_AT_ONCE_BYTES_MAX + 2).unwrap();
        let mut files = Files::remember(&path).unwrap();
        let blocks = files.main.blocks;

        file.set_len(0).unwrap();
        file.set_len(EXAMINED_AT_ONCE_BYTES_MAX + 2).unwrap();
        assert!(fs::metadata(&path).unwrap().blocks() < blocks);
        assert!(matches!(files.look(), Ok(Look::Same)));
        assert!(files.owes_examination());

        file.set_len(EXAMINED_AT_ONCE_BYTES_MAX + 1).unwrap();
        assert!(matches!(files.look(), Ok(Look::Changed(Changed::Main))));
    }
}
