//! The progress of a watch, in memory and, if asked for, in a file that is replaced
//! as a whole: whoever reads it finds the old token or the new one.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::failure::Failure;

/// Longer than any token.
const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// The progress of a watch.
#[derive(Debug)]
pub(super) struct Progress {
    token: String,
    messages: u64,
    file: Option<PathBuf>,
}

impl Progress {
    /// Goes on where the file says; at the start where there is no file. Where no token can be
    /// kept, that is found out here, before anything was heard.
    pub(super) fn load(file: Option<&Path>) -> Result<Self, Failure> {
        // Behind links, so that a link stays one.
        let file = file.map(|path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()));
        let token = file.as_deref().map(read).transpose()?.unwrap_or_default();
        if let Some(path) = &file {
            beside(path).map_err(|source| Failure::Write {
                path: path.clone(),
                source,
            })?;
        }
        Ok(Self {
            token,
            messages: 0,
            file,
        })
    }

    /// The token after which to go on; empty before the first message.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// The messages that were received.
    pub(super) fn messages(&self) -> u64 {
        self.messages
    }

    /// Notes that everything up to this token was taken.
    pub(super) fn keep(&mut self, token: String) -> Result<(), Failure> {
        self.messages += 1;
        if token == self.token {
            return Ok(());
        }
        if let Some(path) = &self.file {
            replace(path, &token).map_err(|source| Failure::Write {
                path: path.clone(),
                source,
            })?;
        }
        self.token = token;
        Ok(())
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let most = u64::try_from(TOKEN_BYTES_MAX).unwrap_or(u64::MAX);
    let read = File::open(path)
        .and_then(|file| file.take(most.saturating_add(2)).read_to_string(&mut text));
    match read {
        Ok(_) => {
            let token = text.trim();
            let is_token =
                token.len() <= TOKEN_BYTES_MAX && token.bytes().all(|b| b.is_ascii_graphic());
            if token.is_empty() || !is_token {
                return Err(Failure::NoToken {
                    path: path.to_owned(),
                });
            }
            Ok(token.to_owned())
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(Failure::NoToken {
            path: path.to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(Failure::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Writes beside the file, sees that it is on the disk, and renames.
fn replace(path: &Path, token: &str) -> io::Result<()> {
    let mut file = beside(path)?;
    writeln!(file, "{token}")?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// A new file in the folder of another, which goes away unless it is kept.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_in_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let mut progress = Progress::load(Some(&path)).unwrap();
        assert_eq!(progress.token(), "");
        progress.keep("one".to_owned()).unwrap();
        progress.keep("two".to_owned()).unwrap();
        assert_eq!(Progress::load(Some(&path)).unwrap().token(), "two");
        let left = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 1, "no other file stays behind");
    }

    #[test]
    fn a_file_without_a_token_is_not_taken_for_a_beginning() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let long = "a".repeat(TOKEN_BYTES_MAX + 1);
        for text in [
            b"".as_slice(),
            b"\n",
            b"two words",
            b"\xff\0",
            long.as_bytes(),
        ] {
            fs::write(&path, text).unwrap();
            assert!(
                matches!(Progress::load(Some(&path)), Err(Failure::NoToken { .. })),
                "{:?}",
                text.get(..20)
            );
        }
        // It has no end.
        let endless = Progress::load(Some(Path::new("/dev/zero")));
        assert!(matches!(endless, Err(Failure::NoToken { .. })));
    }

    #[test]
    fn a_folder_that_takes_no_file_is_told_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("missing/token");
        let loaded = Progress::load(Some(&path));
        assert!(matches!(loaded, Err(Failure::Write { .. })), "{loaded:?}");
    }

    #[test]
    fn a_link_stays_one() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (
            directory.path().join("token"),
            directory.path().join("link"),
        );
        fs::write(&path, "one\n").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let mut progress = Progress::load(Some(&link)).unwrap();
        progress.keep("two".to_owned()).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
    }
}
