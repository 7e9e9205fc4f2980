//! Obstacles that keep a file from being written, as the system says it: SQLite says the same words
//! for a disk without room, a disk that only reads, and a disk that breaks.

use std::{
    fs::{self, OpenOptions},
    io,
    io::Write,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Access, access},
    process::{Resource, getrlimit},
};

use super::files::with_suffix;

/// Bytes that are written to see whether there is room; SQLite's index of its log grows by half of it.
const TRIAL_BYTES: usize = 64 * 1024;

pub(super) enum Obstacle {
    Full(io::Error),
    ReadOnly(io::Error),
}

/// Finds what keeps the file from being written; none where the system knows of nothing.
pub(super) fn find(path: &Path) -> Option<Obstacle> {
    not_writable(path)
        .or_else(|| too_large(path))
        .or_else(|| no_room(path))
}

/// Whether one of the files is as large as the system lets this process make one (`ulimit -f`).
fn too_large(path: &Path) -> Option<Obstacle> {
    let most = getrlimit(Resource::Fsize).current?;
    let room = u64::try_from(TRIAL_BYTES).unwrap_or(u64::MAX);
    let is_too_large = of_database(path).iter().any(|path| {
        let entry = fs::metadata(path);
        entry.is_ok_and(|entry| entry.len().saturating_add(room) > most)
    });
    let error = io::Error::from(io::ErrorKind::FileTooLarge);
    is_too_large.then_some(Obstacle::Full(error))
}

/// Whether one of the files may not be written. It is not opened for that, see [`super`].
pub(super) fn not_writable(path: &Path) -> Option<Obstacle> {
    let paths = of_database(path);
    let refused = paths.iter().find_map(|path| may_be_written(path).err());
    refused.map(Obstacle::ReadOnly)
}

/// The three files of a database, behind links.
fn of_database(path: &Path) -> [PathBuf; 3] {
    let beside = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    ["", "-wal", "-shm"].map(|suffix| with_suffix(&beside, suffix))
}

/// Whether the system would let this process write to a file that is there.
pub(super) fn may_be_written(path: &Path) -> io::Result<()> {
    use rustix::io::Errno;
    match access(path, Access::WRITE_OK) {
        Err(errno @ (Errno::ACCESS | Errno::PERM | Errno::ROFS)) => Err(errno.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes a file beside the database and removes it again. Quotas are seen by nothing less.
fn no_room(path: &Path) -> Option<Obstacle> {
    let trial = with_suffix(path, &format!("-room-{}", std::process::id()));
    let written = write(&trial);
    // One that is not there needs no removal.
    let _ = fs::remove_file(&trial);
    let error = written.err()?;
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(Obstacle::Full(error)),
        io::ErrorKind::ReadOnlyFilesystem => Some(Obstacle::ReadOnly(error)),
        _ => None,
    }
}

fn write(trial: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(trial)?;
    file.write_all(&vec![0; TRIAL_BYTES])?;
    file.sync_all()
}
