//! The two databases, and a fresh one of either.

use std::path::Path;

use tempfile::TempDir;
use waymark_testkit::postgres;

/// On which database a scenario runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// SQLite, in a file of its own.
    Sqlite,
    /// PostgreSQL, in a database of its own.
    Postgres,
}

/// An empty database; it goes when this is dropped.
#[derive(Debug)]
pub struct Database {
    backend: Backend,
    url: String,
    storage: Storage,
}

/// What holds the data, and goes with the value.
#[derive(Debug)]
enum Storage {
    Directory(TempDir),
    Postgres { _database: postgres::Database },
}

impl Database {
    /// Creates one without tables.
    pub async fn empty(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => {
                let directory = tempfile::Builder::new()
                    .prefix("waymark-tests-")
                    .tempdir()
                    .expect("a directory");
                let url = format!("sqlite://{}", directory.path().join("waymark.db").display());
                Self {
                    backend,
                    url,
                    storage: Storage::Directory(directory),
                }
            }
            Backend::Postgres => {
                let database = postgres::empty_database().await;
                let url = database.url().to_owned();
                Self {
                    backend,
                    url,
                    storage: Storage::Postgres {
                        _database: database,
                    },
                }
            }
        }
    }

    /// Which database it is.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Its address, as `--database-url` takes it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The directory that is its own, if any.
    pub fn directory(&self) -> Option<&Path> {
        match &self.storage {
            Storage::Directory(directory) => Some(directory.path()),
            Storage::Postgres { .. } => None,
        }
    }
}
