//! Opening a SQLite file: whether there is one, whether one may be made, and what is wrong
//! with it in words that name the file.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

use super::{files::with_suffix, obstacle};
use crate::{
    Error,
    messages::{self, DISK_ERROR, NOT_A_DATABASE},
    sqlite,
};

/// The system follows no more links one after the other.
const LINKS_MAX: usize = 40;

/// Finds the file, or makes it where it may be made, and makes sure whose it is.
///
/// # Errors
/// Returns those of [`find_or_create`] and [`check_owner`].
pub(crate) fn prepare(path: &Path, create: bool, known: &[String]) -> Result<(), Error> {
    let ready = || find_or_create(path, create).and_then(|()| check_owner(path, create, known));
    let found = ready();
    // A process that was killed while it made the file left what that look has undone.
    let is_undone = fs::metadata(path).is_ok_and(|entry| entry.len() == 0);
    if is_undone { ready() } else { found }
}

/// Finds the file, or makes it where it may be made.
///
/// # Errors
/// Returns [`Error::CannotOpen`] when it is not there and `create` forbids to make it, or when
/// the system does not let it be read and written.
fn find_or_create(path: &Path, create: bool) -> Result<(), Error> {
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
            beside_may_be_written(path).map_err(|error| {
                let cause = "SQLite may not keep its log beside the file";
                refused(&format!("{cause}: {error}"))
            })?;
            if entry.len() == 0 {
                make(path)?;
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
                return Err(refused("the path of a file has no / at its end"));
            }
            // A link to a file that is not there has one made where it leads.
            let file = behind_links(path);
            let folder = folder(&file);
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

/// Makes sure that the file holds a database of this program, whose migrations have the versions
/// `known`, or nothing yet. It writes nothing to the file.
///
/// # Errors
/// Returns [`Error::CannotOpen`] where it is the database of something else, or holds nothing and
/// `create` forbids to make a database of it, and the errors of reading it.
fn check_owner(path: &Path, create: bool, known: &[String]) -> Result<(), Error> {
    let content = sqlite::content(path).map_err(Error::not_connected)?;
    let is_ours = content.versions.iter().any(|it| known.contains(it));
    let is_blank = !content.has_tables && content.versions.is_empty();
    let cause = if is_ours || (is_blank && create) {
        return Ok(());
    } else if is_blank {
        "the file has no tables, and create_database is false, so no database is made of it"
    } else {
        "it is the database of another program: it holds something, and none of the migrations of Waymark was applied \
         to it. Nothing was written to it"
    };
    Err(Error::CannotOpen {
        path: path.to_owned(),
        cause: cause.to_owned(),
    })
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
        Error::Conflict { .. } => Error::Locked {
            path: path.to_owned(),
        },
        Error::Unavailable { source } if messages::is_locked(&source.to_string()) => {
            Error::Locked {
                path: path.to_owned(),
            }
        }
        error => error,
    }
}

fn make(path: &Path) -> Result<(), Error> {
    let made = sqlite::create(path).map_err(Error::not_connected);
    made.map_err(|error| match error {
        Error::Unavailable { source } if !messages::is_locked(&source.to_string()) => {
            Error::CannotOpen {
                path: path.to_owned(),
                cause: format!("the file cannot be made: {source}"),
            }
        }
        error => error,
    })
}

/// Whether SQLite may make the files that it keeps beside the main one, or has them.
fn beside_may_be_written(path: &Path) -> io::Result<()> {
    let file = behind_links(path);
    let mut others = ["-wal", "-shm"].iter();
    if others.all(|suffix| with_suffix(&file, suffix).exists()) {
        return Ok(());
    }
    obstacle::may_be_written(folder(&file))
}

fn log_of(path: &Path) -> u64 {
    let log = fs::metadata(with_suffix(&behind_links(path), "-wal"));
    log.map_or(0, |entry| entry.len())
}

/// The file that a name stands for, which need not be there: where the name is a link, SQLite
/// keeps the log beside the file itself.
fn behind_links(path: &Path) -> PathBuf {
    let mut file = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(target) = fs::read_link(&file) else {
            break;
        };
        file = folder(&file).join(target);
    }
    file
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// The beginning of a journal that says that the file was empty before it, in pages of 4,096
    /// bytes: <https://sqlite.org/fileformat2.html#the_rollback_journal>.
    fn journal_of_an_empty_file() -> Vec<u8> {
        let magic = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
        let numbers = [0, 0x5eed, 0, 512, 4_096_u32];
        let numbers = numbers.iter().flat_map(|number| number.to_be_bytes());
        let mut journal: Vec<u8> = magic.into_iter().chain(numbers).collect();
        journal.resize(512, 0);
        journal
    }

    #[test]
    fn what_another_process_has_locked_is_named_and_may_be_free_later() {
        let path = Path::new("/data/w.db");
        let refused = explain(path, Error::unavailable("database is locked"));
        assert_eq!(
            refused.to_string(),
            "cannot open /data/w.db: another process has locked it"
        );
        assert!(refused.is_transient() && !refused.is_of_settings());
        let other = explain(path, Error::unavailable("out of memory"));
        assert!(matches!(other, Error::Unavailable { .. }), "{other:?}");
    }

    #[test]
    fn a_file_whose_making_was_cut_off_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("waymark.db");
        fs::write(&path, vec![0; 4_096]).unwrap();
        fs::write(with_suffix(&path, "-journal"), journal_of_an_empty_file()).unwrap();
        prepare(&path, true, &[]).unwrap();
        assert!(fs::read(&path).unwrap().starts_with(b"SQLite format 3"));
        sqlite::connect(&path).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_place_that_takes_no_files_is_named() {
        let refused = prepare(Path::new("/proc/waymark.db"), true, &[]).unwrap_err();
        assert!(refused.is_of_settings(), "{refused:?}");
        let said = refused.to_string();
        assert!(
            said.starts_with("cannot open /proc/waymark.db: the file cannot be made"),
            "{said}"
        );
    }

    #[test]
    fn a_log_beside_what_a_link_leads_to_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let file = data.join("orders.db");
        let log = with_suffix(&file, "-wal");
        fs::write(&log, [1; 64]).unwrap();
        let direct = folder.path().join("direct.db");
        symlink(&file, &direct).unwrap();
        let relative = folder.path().join("relative.db");
        symlink("data/orders.db", &relative).unwrap();
        let chained = folder.path().join("chained.db");
        symlink("relative.db", &chained).unwrap();

        // The file is not there at first, and then empty.
        for _ in 0..2 {
            for path in [&file, &direct, &relative, &chained] {
                let refused = find_or_create(path, true);
                assert!(
                    matches!(&refused, Err(Error::CannotOpen { cause, .. }) if cause.contains("-wal")),
                    "{}: {refused:?}",
                    path.display()
                );
                assert_eq!(fs::metadata(&log).unwrap().len(), 64);
            }
            fs::write(&file, []).unwrap();
        }
    }
}
