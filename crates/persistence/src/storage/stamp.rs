//! The entries of files in their folders, by which it is known whether a file was written or
//! replaced.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::Path,
    time::{Duration, Instant},
};

/// After an examination that found nothing, the next one waits this many times as long as it
/// took: another process that serves the same file changes it all the time.
pub(super) const REST: u32 = 10;

/// Changes of an entry that are closer to each other may have the same time.
const TICK: Duration = Duration::from_millis(15);

/// A file, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(super) fn of(file: &fs::Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
        }
    }
}

/// A file at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) id: FileId,
    pub(super) bytes: u64,
    /// The blocks that it takes: fewer after it was cut, even where it has grown again since, or
    /// after the file system has taken back what it had kept for it.
    pub(super) blocks: u64,
    /// The time at which the system last changed its content or its entry, in seconds and nanoseconds.
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(file: &fs::Metadata) -> Self {
        Self {
            id: FileId::of(file),
            bytes: file.len(),
            blocks: file.blocks(),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }

    pub(super) fn is_shorter_than(&self, before: &Self) -> bool {
        self.bytes < before.bytes
    }

    /// Whether it may have been cut. File systems also take back blocks that they had kept for a
    /// file to grow into.
    pub(super) fn may_have_shrunk_since(&self, before: &Self) -> bool {
        self.is_shorter_than(before) || self.blocks < before.blocks
    }
}

/// The entry of a file that is read from time to time, by which is known whether it was written
/// since.
pub(super) struct FileEntry {
    stamp: Stamp,
    /// The instant at which it was first seen as it is.
    seen: Instant,
    /// Whether the file was read since it was last changed.
    is_settled: bool,
}

impl FileEntry {
    pub(super) fn new(stamp: Stamp) -> Self {
        Self {
            stamp,
            seen: Instant::now(),
            is_settled: false,
        }
    }

    /// Whether the file may be another than it was when it was read.
    pub(super) fn may_differ(&mut self, now: Stamp) -> bool {
        if now != self.stamp {
            *self = Self::new(now);
        }
        !self.is_settled
    }

    /// Notes that the file was read from an instant on, after it was looked at. What is written in
    /// the same tick after that does not change the entry.
    pub(super) fn was_read(&mut self, began: Instant) {
        self.is_settled = began.saturating_duration_since(self.seen) > TICK;
    }
}

/// Reads the entry of a file that must be the one that it was.
pub(super) fn same(path: &Path, id: FileId, which: &str) -> Result<fs::Metadata, String> {
    let found = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            format!("{which} is not there any more: it was moved or removed")
        }
        _ => format!("{which} cannot be looked at: {error}"),
    })?;
    if FileId::of(&found) != id {
        return Err(format!("another file is where {which} was"));
    }
    // A file that is mounted by itself is found here after it was removed or replaced outside.
    // Other counts are no damage: a backup may hold a link.
    if found.nlink() == 0 {
        return Err(format!("{which} was removed: no folder holds it any more"));
    }
    Ok(found)
}
