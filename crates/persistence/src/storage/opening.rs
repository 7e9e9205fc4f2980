//! Opening a SQLite file: whether there is one, whether one may be made, and what is wrong
//! with it in words that name the file.

use std::{fs, io, path::Path};

use rustix::fs::{Access, access};

use super::{files::with_suffix, obstacle};
use crate::{
    Error,
    messages::{DISK_ERROR, NOT_A_DATABASE},
    sqlite,
};

/// Finds the file, or makes it where it may be made.
///
/// # Errors
/// Returns [`Error::CannotOpen`] when it is not there and `create` forbids to make it, or when
/// the system does not let it be read and written.
pub(crate) fn find_or_create(path: &Path, create: bool) -> Result<(), Error> {
    let refused = |cause: &str| Error::CannotOpen {
        path: path.to_owned(),
        cause: cause.to_owned(),
    };
    let found = fs::metadata(path);
    if found.as_ref().map_or(0, fs::Metadata::len) == 0 && log_of(path) > 0 {
        return Err(refused(
            "the file is not there or empty, but its log is, in -wal: it was moved, removed or cut. Put it back, or move \
             -wal away for a new database; SQLite would remove it",
        ));
    }
    match found {
        Ok(entry) if entry.is_dir() => Err(refused("it is a folder")),
        Ok(entry) if !entry.is_file() => Err(refused("it is not a file")),
        Ok(entry) if entry.len() == 0 && !create => Err(refused(
            "the file is empty, and create_database is false, so no database is made of it",
        )),
        Ok(entry) => {
            access(path, Access::READ_OK).map_err(|_| refused("the file may not be read"))?;
            obstacle::may_be_written(path)
                .map_err(|error| refused(&format!("the file may not be written: {error}")))?;
            if entry.len() == 0 {
                make(path)?;
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = folder(path);
            if !folder.exists() {
                let cause = format!("the folder {} does not exist", folder.display());
                return Err(refused(&cause));
            }
            if !create {
                return Err(refused(
                    "there is no such file, and create_database is false, so none is made",
                ));
            }
            obstacle::may_be_written(folder).map_err(|error| {
                let folder = folder.display();
                refused(&format!("no file may be made in {folder}: {error}"))
            })?;
            make(path)
        }
        Err(error) => Err(refused(&error.to_string())),
    }
}

/// Puts an error of opening the file into words that name it.
pub(crate) fn explain(path: &Path, error: Error) -> Error {
    match error {
        Error::Damaged { found } if found == NOT_A_DATABASE => Error::CannotOpen {
            path: path.to_owned(),
            cause: "it is not a SQLite database, or its beginning is damaged".to_owned(),
        },
        Error::Damaged { found } if found == DISK_ERROR => match obstacle::find(path) {
            Some(obstacle) => obstacle.into(),
            None => Error::Damaged { found },
        },
        error => error,
    }
}

fn make(path: &Path) -> Result<(), Error> {
    sqlite::create(path).map_err(Error::not_connected)
}

/// How large the log is that lies beside the file.
fn log_of(path: &Path) -> u64 {
    let log = fs::metadata(with_suffix(path, "-wal"));
    log.map_or(0, |entry| entry.len())
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}
