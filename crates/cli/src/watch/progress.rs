//! How far a watch is, in memory and, if asked for, in a file that is replaced
//! as a whole: whoever reads it finds the old token or the new one.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::failure::Failure;

/// Longer than any token.
const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// How far a watch is.
#[derive(Debug)]
pub(super) struct Progress {
    token: String,
    messages: u64,
    file: Option<PathBuf>,
}

impl Progress {
    /// Goes on where the file says; at the start where there is no file.
    pub(super) fn load(file: Option<&Path>) -> Result<Self, Failure> {
        let token = file.map(read).transpose()?.unwrap_or_default();
        Ok(Self {
            token,
            messages: 0,
            file: file.map(Path::to_owned),
        })
    }

    /// The token after which to go on; empty before the first message.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// How many messages were heard.
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
    match fs::read_to_string(path) {
        Ok(text) => {
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
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(Failure::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Writes beside the file, sees that it is on the disk, and renames.
fn replace(path: &Path, token: &str) -> io::Result<()> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let mut file = NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
    writeln!(file, "{token}")?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
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
        for text in ["", "\n", "two words"] {
            fs::write(&path, text).unwrap();
            assert!(
                matches!(Progress::load(Some(&path)), Err(Failure::NoToken { .. })),
                "{text:?}"
            );
        }
    }
}
