//! The write-ahead log beside the main file, `-wal`. SQLite holds no lock on it, so it may be
//! opened and read here. Its form is fixed: <https://sqlite.org/fileformat2.html#walformat>.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::Arc,
};

use super::files::{Id, same};

const HEADER_BYTES: u64 = 32;
const FRAME_HEADER_BYTES: u64 = 24;
/// The first bytes, but for the last bit.
const MAGIC: u32 = 0x377f_0682;

pub(super) struct Log {
    path: PathBuf,
    id: Id,
    content: Content,
    bytes: u64,
}

/// The log as it is, whatever is remembered of it. Reading all of it needs no lock on that.
#[derive(Clone)]
pub(super) struct Content {
    file: Arc<File>,
}

/// The beginning of the log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    page_bytes: u32,
    /// In every frame that was written since the log last began anew.
    pub(super) salt: [u8; 8],
}

/// The beginning of a frame.
pub(super) struct Frame {
    /// Which page it holds.
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
            id: Id::of(&entry),
            bytes: entry.len(),
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

    /// What is in the log, to be read without this.
    pub(super) fn content(&self) -> Content {
        self.content.clone()
    }

    /// Notes that the log was read and is whole.
    pub(super) fn is_sound(&mut self) {
        if let Ok(entry) = fs::metadata(&self.path) {
            self.bytes = entry.len();
        }
    }

    /// Whether what was the end of the log is still there: what is written later does not fill
    /// what was cut off before.
    fn goes_on(&self, header: Header) -> bool {
        let frames = self.bytes.saturating_sub(HEADER_BYTES) / header.frame_bytes();
        frames == 0 || self.content.salt_of(header, frames - 1) == Some(header.salt)
    }
}

impl Content {
    /// Whether all of the first frames are in the log, as they were written.
    ///
    /// # Errors
    /// Returns what is wrong where they are not.
    pub(super) fn holds(&self, frames: u64) -> Result<(), String> {
        if frames == 0 {
            return Ok(());
        }
        let header = self
            .header()
            .ok_or("the beginning of its -wal is not what it was")?;
        for frame in 0..frames {
            match self.salt_of(header, frame) {
                Some(salt) if salt == header.salt => {}
                Some(_) => return Err(format!("frame {frame} of its -wal is not what it was")),
                None => return Err(format!("its -wal ends before frame {frame} of {frames}")),
            }
        }
        Ok(())
    }

    /// What is in every frame that was written since the log last began anew; none where its
    /// beginning is not that of a log.
    pub(super) fn salt(&self) -> Option<[u8; 8]> {
        Some(self.header()?.salt)
    }

    /// Whether nothing was written after the first frames since the log last began anew.
    pub(super) fn ends_after(&self, frames: u64) -> bool {
        let Some(header) = self.header() else {
            // It was never written.
            return frames == 0 && self.file.metadata().is_ok_and(|entry| entry.len() == 0);
        };
        self.salt_of(header, frames) != Some(header.salt)
    }

    /// The beginning; none where it is not that of a log.
    pub(super) fn header(&self) -> Option<Header> {
        let bytes: [u8; 24] = self.read(0)?;
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        let (page, salt) = (rest.get(4..8)?, rest.get(12..20)?);
        let header = Header {
            page_bytes: u32::from_be_bytes(page.try_into().ok()?),
            salt: salt.try_into().ok()?,
        };
        let is_log = u32::from_be_bytes(*magic) & !1 == MAGIC;
        (is_log && header.page_bytes.is_power_of_two()).then_some(header)
    }

    /// The beginning of a frame, counted from zero.
    pub(super) fn frame(&self, header: Header, frame: u64) -> Option<Frame> {
        let at = HEADER_BYTES + frame * header.frame_bytes();
        let bytes: [u8; 24] = self.read(at)?;
        let [page, pages, _, _, first, second] = numbers(&bytes);
        Some(Frame {
            page,
            pages,
            salt: *bytes.get(8..)?.first_chunk::<8>()?,
            checksum: [first, second],
        })
    }

    fn salt_of(&self, header: Header, frame: u64) -> Option<[u8; 8]> {
        self.read(HEADER_BYTES + frame * header.frame_bytes() + 8)
    }

    fn read<const N: usize>(&self, offset: u64) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact_at(&mut bytes, offset).ok()?;
        Some(bytes)
    }
}

/// The numbers of a beginning of a frame.
fn numbers(bytes: &[u8; 24]) -> [u32; 6] {
    let mut numbers = [0; 6];
    let (words, _) = bytes.as_chunks::<4>();
    for (number, word) in numbers.iter_mut().zip(words) {
        *number = u32::from_be_bytes(*word);
    }
    numbers
}

impl Header {
    fn frame_bytes(self) -> u64 {
        FRAME_HEADER_BYTES + u64::from(self.page_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 512;

    /// A log of frames that each carry one of the salts.
    fn log(begins_with: u8, frames: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_be_bytes().to_vec();
        bytes.extend([0; 4]);
        bytes.extend(u32::try_from(PAGE).unwrap().to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend([begins_with; 8]);
        bytes.extend([0; 8]);
        for salt in frames {
            bytes.extend([0; 8]);
            bytes.extend([*salt; 8]);
            bytes.extend([0; 8]);
            bytes.extend([0; PAGE]);
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
        assert_eq!(content.holds(3), Ok(()));
        assert!(content.ends_after(3));

        // It began anew with two commits; the third frame is one from before.
        fs::write(&path, log(2, &[2, 2, 1])).unwrap();
        assert!(content.holds(3).is_err());
        assert_eq!(content.holds(2), Ok(()));
        assert_ne!(content.salt(), before);
        fs::write(&path, log(2, &[2, 2, 2])).unwrap();
        assert_eq!(content.holds(3), Ok(()));

        fs::write(&path, [0; 32]).unwrap();
        assert_eq!(content.salt(), None);
        assert!(content.holds(1).is_err());
    }
}
