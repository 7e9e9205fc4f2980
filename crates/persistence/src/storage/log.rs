//! The write-ahead log beside the main file, `-wal`. SQLite holds no lock on it, so it may be
//! opened and read here. Its form is fixed: <https://sqlite.org/fileformat2.html#walformat>.

use std::{
    fs::{self, File},
    io,
    ops::Range,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::Arc,
    time::Instant,
};

use super::stamp::{FileEntry, FileId, REST, Stamp, same};

const HEADER_BYTES: usize = 32;
/// Bytes before the checksum of the header.
const SUMMED_BYTES: usize = 24;
const FRAME_HEADER_BYTES: usize = 24;
/// Bytes of it that are summed.
const FRAME_SUMMED_BYTES: usize = 8;
/// The first bytes, but for the last bit, which says in which order the bytes of numbers are summed.
const MAGIC: u32 = 0x377f_0682;
const PAGE_BYTES_MIN: u32 = 512;
const PAGE_BYTES_MAX: u32 = 65_536;
/// Frames that are read at once.
const FRAMES_READ: u64 = 64;

pub(super) struct Log {
    path: PathBuf,
    id: FileId,
    content: Content,
    bytes: u64,
    /// The entry when all of it was last read, and found whole.
    entry: FileEntry,
    rests_until: Option<Instant>,
}

/// The log as it is, whatever is remembered of it. Reading all of it needs no lock on that.
#[derive(Clone)]
pub(super) struct Content {
    file: Arc<File>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct LogHeader {
    page_bytes: u32,
    /// Whether numbers are summed with their highest byte first.
    is_big_endian: bool,
    /// In every frame that was written since the log last began anew.
    pub(super) salt: [u8; 8],
}

pub(super) struct Frame {
    pub(super) page: u32,
    /// In the last frame of a commit, how many pages the database has after it; otherwise zero.
    pub(super) pages: u32,
    pub(super) salt: [u8; 8],
    /// Over this frame and those before it.
    pub(super) checksum: [u32; 2],
}

impl Log {
    /// Opens the log of a database that a connection has read.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let file = File::open(&path)?;
        let entry = file.metadata()?;
        Ok(Self {
            id: FileId::of(&entry),
            bytes: entry.len(),
            entry: FileEntry::new(Stamp::of(&entry)),
            rests_until: None,
            path,
            content: Content {
                file: Arc::new(file),
            },
        })
    }

    /// Looks whether the log is the same and has at most grown; false where it must be read,
    /// see [`Content::holds`].
    ///
    /// # Errors
    /// Returns what is wrong where it is another.
    pub(super) fn look(&mut self) -> Result<bool, String> {
        let bytes = same(&self.path, self.id, "its -wal")?.len();
        let sound = bytes >= self.bytes
            && (bytes == 0
                || self
                    .content
                    .header()
                    .is_some_and(|header| bytes == self.bytes || self.goes_on(header)));
        if sound {
            self.bytes = bytes;
        }
        Ok(sound)
    }

    /// The content of the log, to be read without this.
    pub(super) fn content(&self) -> Content {
        self.content.clone()
    }

    /// Whether something may have been written to it since all of it was read.
    pub(super) fn owes_examination(&mut self) -> bool {
        let rests = self.rests_until.is_some_and(|until| Instant::now() < until);
        let now = fs::metadata(&self.path).map(|entry| Stamp::of(&entry));
        now.is_ok_and(|now| self.entry.may_differ(now)) && !rests
    }

    /// Notes that all of the log was read, from an instant on, and is whole.
    pub(super) fn is_sound(&mut self, began: Instant) {
        if let Ok(entry) = fs::metadata(&self.path) {
            self.bytes = entry.len();
        }
        self.entry.was_read(began);
        self.rests_until = Some(Instant::now() + began.elapsed() * REST);
    }

    /// Whether what was the end of the log is still there: what is written later does not fill
    /// what was cut off before.
    fn goes_on(&self, header: LogHeader) -> bool {
        let frames = self.bytes.saturating_sub(at(header, 0)) / header.frame_bytes();
        let is_ours = |frame: Frame| frame.salt == header.salt;
        frames == 0 || self.content.frame(header, frames - 1).is_some_and(is_ours)
    }
}

impl Content {
    /// Whether frames are in the log as they were written. SQLite sums them up to find the end of
    /// the log at a start, and never while it reads them.
    ///
    /// # Errors
    /// Returns what is wrong where they are not.
    pub(super) fn holds(&self, frames: Range<u64>) -> Result<(), String> {
        if frames.is_empty() {
            return Ok(());
        }
        let (header, mut sum) = self
            .beginning()
            .ok_or("the beginning of its -wal is not what it was")?;
        if let Some(before) = frames.start.checked_sub(1) {
            let found = self.frame(header, before);
            sum = found.ok_or_else(|| self.lacks(header, before))?.checksum;
        }
        let mut buffer = Vec::new();
        let mut next = frames.start;
        while next < frames.end {
            let piece = next..frames.end.min(next + FRAMES_READ);
            for bytes in self.frames(header, &piece, &mut buffer) {
                let found = header.summed(bytes, sum);
                sum = found.ok_or_else(|| self.lacks(header, next))?.checksum;
                next += 1;
            }
            if next < piece.end {
                return Err(self.lacks(header, next));
            }
        }
        Ok(())
    }

    /// The problem of a frame that is not there as it was written.
    fn lacks(&self, header: LogHeader, frame: u64) -> String {
        let bytes = self.file.metadata().map_or(0, |entry| entry.len());
        if bytes < at(header, frame + 1) {
            format!("its -wal ends before frame {frame}, or in it")
        } else {
            format!("frame {frame} of its -wal is not what it was")
        }
    }

    /// The salt of every frame that was written since the log last began anew; none where its
    /// beginning is not that of a log.
    pub(super) fn salt(&self) -> Option<[u8; 8]> {
        Some(self.header()?.salt)
    }

    /// Whether no commit follows the first frames: a start takes what is behind them as far as the
    /// checksums go on, up to the last frame that ends a commit.
    pub(super) fn ends_after(&self, frames: u64) -> bool {
        let Some((header, mut sum)) = self.beginning() else {
            // It was never written.
            return frames == 0 && self.file.metadata().is_ok_and(|entry| entry.len() == 0);
        };
        if let Some(before) = frames.checked_sub(1) {
            let Some(found) = self.frame(header, before) else {
                return false;
            };
            sum = found.checksum;
        }
        let mut buffer = Vec::new();
        for frame in frames.. {
            let mut bytes = self.frames(header, &(frame..frame + 1), &mut buffer);
            match bytes.next().and_then(|bytes| header.summed(bytes, sum)) {
                Some(found) if found.pages != 0 => return false,
                Some(found) => sum = found.checksum,
                None => break,
            }
        }
        true
    }

    /// Reads frames as far as they are there as a whole.
    fn frames<'b>(
        &self,
        header: LogHeader,
        frames: &Range<u64>,
        buffer: &'b mut Vec<u8>,
    ) -> impl Iterator<Item = &'b [u8]> + use<'b> {
        let size = usize::try_from(header.frame_bytes()).unwrap_or_default();
        let wanted = frames.end.saturating_sub(frames.start);
        buffer.resize(size.saturating_mul(usize::try_from(wanted).unwrap_or(0)), 0);
        let mut read = 0;
        let begin = at(header, frames.start);
        while let Some(rest) = buffer.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, begin + offset(read)) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        buffer.truncate(read);
        buffer.chunks_exact(size.max(1))
    }

    /// The beginning; none where it is not that of a log.
    pub(super) fn header(&self) -> Option<LogHeader> {
        LogHeader::parse(&self.read(0)?)
    }

    /// The beginning, and its checksum; none where it is not what SQLite wrote.
    fn beginning(&self) -> Option<(LogHeader, [u32; 2])> {
        let bytes: [u8; HEADER_BYTES] = self.read(0)?;
        let (summed, sum) = bytes.split_first_chunk::<SUMMED_BYTES>()?;
        let header = LogHeader::parse(summed)?;
        let sum = [number(sum, 0), number(sum, 1)];
        (header.sum([0, 0], summed) == sum).then_some((header, sum))
    }

    /// The beginning of a frame, counted from zero.
    pub(super) fn frame(&self, header: LogHeader, frame: u64) -> Option<Frame> {
        Frame::parse(&self.read(at(header, frame))?)
    }

    fn read<const N: usize>(&self, offset: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact_at(&mut bytes, offset).ok()?;
        Some(bytes)
    }
}

impl LogHeader {
    fn parse(bytes: &[u8; SUMMED_BYTES]) -> Option<Self> {
        let (magic, page_bytes) = (number(bytes, 0), number(bytes, 2));
        let is_log = magic & !1 == MAGIC;
        let is_page = (PAGE_BYTES_MIN..=PAGE_BYTES_MAX).contains(&page_bytes);
        (is_log && is_page && page_bytes.is_power_of_two()).then_some(Self {
            page_bytes,
            is_big_endian: magic & 1 == 1,
            salt: *bytes.get(16..)?.first_chunk::<8>()?,
        })
    }

    fn frame_bytes(self) -> u64 {
        offset(FRAME_HEADER_BYTES) + u64::from(self.page_bytes)
    }

    /// Reads a frame; none where it is not one that goes on from a checksum.
    fn summed(self, frame: &[u8], before: [u32; 2]) -> Option<Frame> {
        let (head, page) = frame.split_first_chunk::<FRAME_HEADER_BYTES>()?;
        let (summed, _) = head.split_at(FRAME_SUMMED_BYTES);
        let sum = self.sum(self.sum(before, summed), page);
        Frame::parse(head).filter(|found| found.salt == self.salt && found.checksum == sum)
    }

    /// The checksum that goes on from another.
    fn sum(self, before: [u32; 2], bytes: &[u8]) -> [u32; 2] {
        if self.is_big_endian {
            sum(before, bytes, u32::from_be_bytes)
        } else {
            sum(before, bytes, u32::from_le_bytes)
        }
    }
}

impl Frame {
    fn parse(bytes: &[u8; FRAME_HEADER_BYTES]) -> Option<Self> {
        Some(Self {
            page: number(bytes, 0),
            pages: number(bytes, 1),
            salt: *bytes.get(8..)?.first_chunk::<8>()?,
            checksum: [number(bytes, 4), number(bytes, 5)],
        })
    }
}

/// SQLite's checksum, which goes on from another, over numbers in some order of bytes.
pub(super) fn sum(before: [u32; 2], bytes: &[u8], number: impl Fn([u8; 4]) -> u32) -> [u32; 2] {
    let [mut first, mut second] = before;
    let (pairs, _) = bytes.as_chunks::<8>();
    for &[a, b, c, d, e, f, g, h] in pairs {
        first = first
            .wrapping_add(number([a, b, c, d]))
            .wrapping_add(second);
        second = second
            .wrapping_add(number([e, f, g, h]))
            .wrapping_add(first);
    }
    [first, second]
}

/// The number at a place in a beginning; zero where the bytes end before it.
fn number(bytes: &[u8], place: usize) -> u32 {
    let (numbers, _) = bytes.as_chunks::<4>();
    numbers
        .get(place)
        .map_or(0, |number| u32::from_be_bytes(*number))
}

fn at(header: LogHeader, frame: u64) -> u64 {
    offset(HEADER_BYTES) + frame * header.frame_bytes()
}

fn offset(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 512;

    /// A log of frames that each carry one of the salts and end a commit, summed as SQLite does.
    fn log(begins_with: u8, frames: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_be_bytes().to_vec();
        bytes.extend([0; 4]);
        bytes.extend(u32::try_from(PAGE).unwrap().to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend([begins_with; 8]);
        let mut summed = sum([0, 0], &bytes, u32::from_le_bytes);
        bytes.extend(summed.iter().flat_map(|number| number.to_be_bytes()));
        for salt in frames {
            let (head, page) = ([*salt; FRAME_SUMMED_BYTES], [*salt; PAGE]);
            summed = sum(summed, &head, u32::from_le_bytes);
            summed = sum(summed, &page, u32::from_le_bytes);
            bytes.extend(head);
            bytes.extend([*salt; 8]);
            bytes.extend(summed.iter().flat_map(|number| number.to_be_bytes()));
            bytes.extend(page);
        }
        bytes
    }

    #[test]
    fn a_log_that_began_anew_has_another_salt() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("waymark.db-wal");
        fs::write(&path, log(1, &[1, 1, 1])).unwrap();
        let content = Log::open(path.clone()).unwrap().content();
        let before = content.salt();
        assert_eq!(before, Some([1; 8]));
        assert_eq!(content.holds(0..3), Ok(()));
        assert!(content.ends_after(3));

        // It began anew with two commits; the third frame is one from before.
        fs::write(&path, log(2, &[2, 2, 1])).unwrap();
        assert!(content.holds(0..3).is_err());
        assert_eq!(content.holds(0..2), Ok(()));
        assert_ne!(content.salt(), before);
        fs::write(&path, log(2, &[2, 2, 2])).unwrap();
        assert_eq!(content.holds(0..3), Ok(()));
        assert_eq!(content.holds(2..3), Ok(()));

        fs::write(&path, [0; 32]).unwrap();
        assert_eq!(content.salt(), None);
        assert!(content.holds(0..1).is_err());
    }

    #[test]
    fn every_bit_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("waymark.db-wal");
        let whole = log(1, &[1, 1, 1]);
        fs::write(&path, &whole).unwrap();
        let content = Log::open(path.clone()).unwrap().content();
        for byte in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[byte] ^= 1;
            fs::write(&path, &damaged).unwrap();
            assert!(content.holds(0..3).is_err(), "byte {byte}");
        }
        // A frame that is not there as a whole ends no commit.
        fs::write(&path, &whole).unwrap();
        assert!(!content.ends_after(2));
        let last = HEADER_BYTES + 2 * (FRAME_HEADER_BYTES + PAGE);
        for end in last..whole.len() {
            fs::write(&path, whole.get(..end).unwrap()).unwrap();
            assert!(content.ends_after(2), "{end} bytes");
        }
        // What comes before is left to who reads all.
        let mut damaged = whole.clone();
        damaged[HEADER_BYTES + FRAME_HEADER_BYTES] ^= 1;
        fs::write(&path, &damaged).unwrap();
        assert_eq!(content.holds(1..3), Ok(()));
    }
}
