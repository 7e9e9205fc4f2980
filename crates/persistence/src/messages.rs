//! The meanings of SQLite's refusals. Diesel hands out no codes, but the texts are part of
//! SQLite, which is compiled in, and do not change with the language of a system.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// The meaning of a refusal of SQLite for the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The file is not what it was: nothing can be relied on.
    Damaged,
    /// There is no room; what was being written was rolled back.
    Full,
    ReadOnly,
    /// Another transaction is in the way.
    Conflict,
    /// Something is short for now: memory, or descriptors of the process.
    Unavailable,
}

/// SQLite's text where a file cannot be read or written. It may have other causes than
/// damage, see [`crate::storage`].
pub(crate) const DISK_ERROR: &str = "disk I/O error";

/// SQLite's text for a file that is something else.
pub(crate) const NOT_A_DATABASE: &str = "file is not a database";

pub(crate) const FULL: &str = "database or disk is full";

/// SQLite's text where the system opens no file for it.
pub(crate) const CANNOT_OPEN: &str = "unable to open database file";

const TEXTS: [(&str, Meaning); 10] = [
    ("database disk image is malformed", Meaning::Damaged),
    (NOT_A_DATABASE, Meaning::Damaged),
    ("unsupported file format", Meaning::Damaged),
    (DISK_ERROR, Meaning::Damaged),
    (FULL, Meaning::Full),
    ("attempt to write a readonly database", Meaning::ReadOnly),
    ("database is locked", Meaning::Conflict),
    ("database table is locked", Meaning::Conflict),
    ("out of memory", Meaning::Unavailable),
    (CANNOT_OPEN, Meaning::Unavailable),
];

/// Beginnings of texts that go on with a name. The program asks for no table that its
/// migrations have not made, so one that is missing was there before.
const BEGINNINGS: [(&str, Meaning); 4] = [
    ("malformed database schema", Meaning::Damaged),
    ("no such table: ", Meaning::Damaged),
    ("no such column: ", Meaning::Damaged),
    ("database table is locked: ", Meaning::Conflict),
];

/// The meaning of a text of SQLite, where it has one for the file.
pub(crate) fn meaning(text: &str) -> Option<Meaning> {
    let whole = TEXTS.iter().find(|(known, _)| *known == text);
    let found = whole.or_else(|| BEGINNINGS.iter().find(|(known, _)| text.starts_with(known)));
    found.map(|(_, meaning)| *meaning)
}

/// Whether a text of SQLite says that another process has the file to itself.
pub(crate) fn is_locked(text: &str) -> bool {
    matches!(meaning(text), Some(Meaning::Conflict))
}

/// Codes of SQLite with which a page is refused for what passes: `SQLITE_BUSY`, `SQLITE_LOCKED`,
/// `SQLITE_NOMEM` and `SQLITE_INTERRUPT` (<https://www.sqlite.org/rescode.html>).
const OF_THE_MOMENT: [u32; 4] = [5, 6, 7, 9];

/// Whether a check of all pages says that one could not be read for something that passes, such
/// as memory that was short (7): then nothing is known of the file.
pub(crate) fn is_unread(finding: &str) -> bool {
    let code = finding.rsplit_once("error code").map(|(_, code)| code);
    let code = code.and_then(|code| code.trim_matches(['=', ' ']).parse::<u32>().ok());
    // The lowest byte is the sort of error.
    code.is_some_and(|code| OF_THE_MOMENT.contains(&(code & 0xff)))
}

/// The text of a refusal that Diesel does not know by kind.
pub(crate) fn text(error: &DieselError) -> Option<&str> {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, information) => {
            Some(information.message())
        }
        // Where SQLite has rolled back by itself, Diesel's own rollback is refused.
        DieselError::RollbackErrorOnCommit { commit_error, .. } => text(commit_error),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
