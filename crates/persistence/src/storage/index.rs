//! The index of the log, `-shm`: which page of the database is in which frame of the log. All
//! connections share it as memory and go by what stands in it. One that is not what SQLite wrote
//! hides what was committed, lets the next writer write over it, and lets a checkpoint throw it
//! away. The log has all that was committed, so the index is held against the log, which another
//! start makes it from. Its form is fixed: <https://sqlite.org/walformat.html>.
//!
//! SQLite itself changes it as memory, which changes the entry of the file now and then; whoever
//! writes to the file changes the entry at once. So the header is read each time, and all of it
//! where the entry has changed.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileExt, MetadataExt},
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use super::{
    log::{self, Content},
    stamp::{FileEntry, FileId, Stamp, same},
};

/// One of the two copies of the header.
const HEADER_BYTES: usize = 48;
/// Bytes before the checksum of a header.
const SUMMED_BYTES: usize = 40;
/// Both headers, and what readers and checkpoints tell each other.
const HEAD_BYTES: usize = 136;
/// Offset of the number of frames that were moved into the main file.
const MOVED_AT: usize = 96;
const VERSION: u32 = 3_007_000;

/// A block has the page numbers of so many frames, and then a hash table of them. In the first
/// one the head takes the place of some.
const BLOCK_PAGES: usize = 4_096;
const BLOCK_SLOTS: usize = 2 * BLOCK_PAGES;
const PAGE_NUMBER_BYTES: usize = 4;
const SLOT_BYTES: usize = 2;
const FIRST_BLOCK_PAGES: usize = BLOCK_PAGES - HEAD_BYTES / PAGE_NUMBER_BYTES;
const HASH_FACTOR: u32 = 383;

/// SQLite writes while it is read here, so that what does not fit is read again so many times.
const ATTEMPTS: usize = 100;
const PAUSE: Duration = Duration::from_millis(1);

const DIFFERS: &str = "its -shm is not what SQLite wrote there";

pub(super) struct Index {
    path: PathBuf,
    id: FileId,
    /// Always there until this is dropped.
    file: Option<File>,
    /// The entry when all of it was last read.
    entry: FileEntry,
    known: Option<IndexHeader>,
    frames: Frames,
}

/// The header of the index: what it says of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct IndexHeader {
    /// Grows with each commit, also where the log begins anew.
    changes: u32,
    /// Up to the last commit.
    frames: u32,
    /// Those of them that were moved into the main file. It stands behind the header.
    moved: u32,
    /// The pages of the database after it.
    pages: u32,
    /// That of the last frame.
    checksum: [u32; 2],
    salt: [u8; 8],
}

/// The page in each frame of the log, as far as it was read.
#[derive(Default)]
struct Frames {
    salt: [u8; 8],
    pages: Vec<u32>,
}

impl Index {
    /// Opens the index of a database that a connection has read.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let entry = fs::metadata(&path)?;
        // Nothing between this and the end may fail: the file must not be closed, see `drop`.
        let file = File::open(&path)?;
        Ok(Self {
            id: FileId::of(&entry),
            file: Some(file),
            entry: FileEntry::new(Stamp::of(&entry)),
            known: None,
            frames: Frames::default(),
            path,
        })
    }

    /// Looks whether it is the same file.
    ///
    /// # Errors
    /// Returns what is wrong where it is another.
    pub(super) fn is_there(&self) -> Result<fs::Metadata, String> {
        same(&self.path, self.id, "its -shm")
    }

    /// Looks whether it goes on from what it was and has the last commit in the log, and
    /// reads all of it where something may have written to the file.
    ///
    /// # Errors
    /// Returns what is wrong.
    pub(super) fn look(&mut self, log: &Content) -> Result<(), String> {
        let now = Stamp::of(&self.is_there()?);
        if !self.entry.may_differ(now) {
            return self.patiently(|index| index.read_header(log).map(|_| ()));
        }
        let began = Instant::now();
        self.examine(log)?;
        self.entry.was_read(began);
        Ok(())
    }

    /// Reads all of it: whether it leads to every frame of the log, and to no other.
    ///
    /// # Errors
    /// Returns what is wrong.
    pub(super) fn examine(&mut self, log: &Content) -> Result<(), String> {
        self.patiently(|index| index.read_all(log))
    }

    /// The frames of the log that were moved into the main file, when that was last read.
    pub(super) fn moved(&self) -> u64 {
        self.known.map_or(0, |known| u64::from(known.moved))
    }

    fn patiently(&mut self, read: impl Fn(&mut Self) -> Result<(), String>) -> Result<(), String> {
        for _ in 1..ATTEMPTS {
            if read(self).is_ok() {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        read(self)
    }

    fn read_header(&mut self, log: &Content) -> Result<IndexHeader, String> {
        let head: [u8; HEAD_BYTES] = self.read(0)?;
        let header = IndexHeader::parse(&head).ok_or(DIFFERS)?;
        if self.known.is_some_and(|known| header.is_before(&known)) {
            return Err("its -shm is older than it was, or was made anew".to_owned());
        }
        if header.frames > 0 && !header.fits(log) {
            return Err("its -shm does not tell of the last commit in its -wal".to_owned());
        }
        self.known = Some(header);
        Ok(header)
    }

    fn read_all(&mut self, log: &Content) -> Result<(), String> {
        let header = self.read_header(log)?;
        self.frames.follow(&header, log)?;
        let pages = self.frames.pages.as_slice();
        let (first, others) = pages.split_at(pages.len().min(FIRST_BLOCK_PAGES));
        let mut at = 0;
        for (number, pages) in std::iter::once(first)
            .chain(others.chunks(BLOCK_PAGES))
            .enumerate()
        {
            let numbers_at = if number == 0 { HEAD_BYTES } else { 0 };
            let slots_at = BLOCK_PAGES * PAGE_NUMBER_BYTES;
            if !pages.is_empty() {
                // SQLite writes the number before the slot that leads to it.
                let slots = self.read_many(at + slots_at, BLOCK_SLOTS * SLOT_BYTES)?;
                let numbers = self.read_many(at + numbers_at, slots_at - numbers_at)?;
                if !leads_to(pages, &numbers, &slots) {
                    return Err(DIFFERS.to_owned());
                }
            }
            at += slots_at + BLOCK_SLOTS * SLOT_BYTES;
        }
        Ok(())
    }

    fn read<const N: usize>(&self, at: usize) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        self.read_into(&mut bytes, at)?;
        Ok(bytes)
    }

    fn read_many(&self, at: usize, length: usize) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; length];
        self.read_into(&mut bytes, at)?;
        Ok(bytes)
    }

    fn read_into(&self, bytes: &mut [u8], at: usize) -> Result<(), String> {
        let at = u64::try_from(at).unwrap_or(u64::MAX);
        match &self.file {
            Some(file) if file.read_exact_at(bytes, at).is_ok() => Ok(()),
            Some(_) | None => Err("its -shm is too short, or cannot be read".to_owned()),
        }
    }
}

impl Drop for Index {
    /// Leaves the file open where it still has a name, since the system would drop the locks that
    /// SQLite holds on it. The last connection that is closed removes it.
    fn drop(&mut self) {
        let file = self.file.take();
        let is_removed = file
            .as_ref()
            .and_then(|file| file.metadata().ok())
            .is_some_and(|entry| entry.nlink() == 0);
        if !is_removed {
            std::mem::forget(file);
        }
    }
}

impl IndexHeader {
    /// Reads both copies; none where they are not what SQLite writes.
    fn parse(head: &[u8; HEAD_BYTES]) -> Option<Self> {
        let (first, rest) = head.split_first_chunk::<HEADER_BYTES>()?;
        let second = rest.first_chunk::<HEADER_BYTES>()?;
        let is_begun = first.get(12) == Some(&1);
        let sum = [word(first, SUMMED_BYTES), word(first, SUMMED_BYTES + 4)];
        let is_whole = first == second
            && is_begun
            && word(first, 0) == VERSION
            && log::sum([0, 0], first.get(..SUMMED_BYTES)?, u32::from_ne_bytes) == sum;
        let header = Self {
            changes: word(first, 8),
            frames: word(first, 16),
            moved: word(head, MOVED_AT),
            pages: word(first, 20),
            checksum: [word(first, 24), word(first, 28)],
            salt: *first.get(32..)?.first_chunk::<8>()?,
        };
        (is_whole && header.moved <= header.frames).then_some(header)
    }

    /// Whether this process has seen more already. SQLite makes the index anew from the log, and
    /// counts from zero, only where nobody has it or where it was overwritten.
    fn is_before(&self, known: &Self) -> bool {
        // The count begins again after the largest number.
        let grown = self.changes.wrapping_sub(known.changes);
        grown > u32::MAX / 2 || (self.salt == known.salt && self.frames < known.frames)
    }

    /// Whether the last frame is in the log.
    fn fits(&self, log: &Content) -> bool {
        let last = log
            .header()
            .filter(|beginning| beginning.salt == self.salt)
            .and_then(|beginning| log.frame(beginning, u64::from(self.frames) - 1));
        last.is_some_and(|last| {
            last.salt == self.salt && last.pages == self.pages && last.checksum == self.checksum
        })
    }
}

impl Frames {
    /// Reads what was added to the log. What was committed stays as it is until the log begins
    /// anew.
    fn follow(&mut self, header: &IndexHeader, log: &Content) -> Result<(), String> {
        let frames = u64::from(header.frames);
        if self.salt != header.salt || self.count() > frames {
            self.pages.clear();
            self.salt = header.salt;
        }
        if self.count() == frames {
            return Ok(());
        }
        let differs = || "its -shm does not fit its -wal".to_owned();
        let beginning = log.header().ok_or_else(differs)?;
        for frame in self.count()..frames {
            let found = log.frame(beginning, frame);
            let found = found.filter(|found| found.salt == header.salt);
            self.pages.push(found.ok_or_else(differs)?.page);
        }
        Ok(())
    }

    fn count(&self) -> u64 {
        u64::try_from(self.pages.len()).unwrap_or(u64::MAX)
    }
}

/// Whether a block has the numbers of these pages, and leads to them and to no other but what a
/// writer has added since.
fn leads_to(pages: &[u32], numbers: &[u8], slots: &[u8]) -> bool {
    let (there, _) = numbers.as_chunks::<PAGE_NUMBER_BYTES>();
    let there = there.iter().map(|number| u32::from_ne_bytes(*number));
    if !there.take(pages.len()).eq(pages.iter().copied()) {
        return false;
    }
    let (slots, _) = slots.as_chunks::<SLOT_BYTES>();
    let slots = slots.iter().map(|slot| u16::from_ne_bytes(*slot));
    slots.zip(hashed(pages)).all(|(slot, expected)| {
        let place = usize::from(slot);
        if place <= pages.len() {
            slot == expected
        } else {
            expected == 0 && word(numbers, (place - 1) * PAGE_NUMBER_BYTES) != 0
        }
    })
}

/// The hash table of a block: what is at the place of its hash or after it is the place of the
/// page, counted from one.
fn hashed(pages: &[u32]) -> Vec<u16> {
    let mut slots = vec![0; BLOCK_SLOTS];
    for (place, page) in (1..).zip(pages) {
        let hash = usize::try_from(page.wrapping_mul(HASH_FACTOR)).unwrap_or_default();
        let (before, after) = slots.split_at_mut(hash % BLOCK_SLOTS);
        let free = after.iter_mut().chain(before).find(|slot| **slot == 0);
        // There are twice as many slots as pages.
        if let Some(slot) = free {
            *slot = place;
        }
    }
    slots
}

/// A number in the order of this machine; zero where the bytes end before it.
fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    word.map_or(0, |word| u32::from_ne_bytes(*word))
}

#[cfg(test)]
mod tests;
