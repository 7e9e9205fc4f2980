//! What the disk takes for a sync beside the server, so that a call that waited for the disk is told from one that
//! waited for somebody else.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use tempfile::tempfile;
use tokio::time::Instant;

/// How long to rest between two syncs; so few are nothing beside those of the server.
const REST: Duration = Duration::from_millis(50);
/// As much as a small commit writes.
const PAGE: [u8; 4_096] = [1; 4_096];

/// Writes and syncs a page of a file in the folder of temporary files now and then, until dropped.
#[derive(Debug)]
pub struct Disk {
    syncs: Arc<Mutex<Vec<Synced>>>,
    has_ended: Arc<AtomicBool>,
}

/// A sync of one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synced {
    /// When it began.
    pub began: Instant,
    /// How long it took.
    pub took: Duration,
}

impl Disk {
    /// Begins, in a thread of its own.
    ///
    /// # Errors
    /// Returns what keeps the file from being made.
    pub fn watched() -> io::Result<Self> {
        let file = tempfile()?;
        let (syncs, has_ended) = (Arc::default(), Arc::default());
        let disk = Self { syncs, has_ended };
        let (syncs, has_ended) = (Arc::clone(&disk.syncs), Arc::clone(&disk.has_ended));
        thread::spawn(move || {
            while !has_ended.load(Ordering::Relaxed) {
                let began = Instant::now();
                if sync(&file).is_err() {
                    return;
                }
                let took = began.elapsed();
                syncs
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(Synced { began, took });
                thread::sleep(REST);
            }
        });
        Ok(disk)
    }

    /// The syncs that were under way between two instants and have ended, the longest first.
    pub fn between(&self, since: Instant, until: Instant) -> Vec<Synced> {
        let syncs = self.syncs.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = syncs
            .iter()
            .filter(|sync| sync.began <= until && sync.began + sync.took >= since);
        let mut under_way: Vec<_> = under_way.copied().collect();
        under_way.sort_by_key(|sync| std::cmp::Reverse(sync.took));
        under_way
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.has_ended.store(true, Ordering::Relaxed);
    }
}

fn sync(file: &File) -> io::Result<()> {
    file.write_all_at(&PAGE, 0)?;
    file.sync_data()
}
