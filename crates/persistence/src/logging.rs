//! Log entries about errors, and those about rows that cannot be read, of which each is logged
//! once, however often it is met.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{Error, error::ErrorChain};

/// How many rows are remembered, and for how long once they are so many: no more are logged
/// meanwhile.
const ROWS_MAX: usize = 4_096;
const REMEMBERED: Duration = Duration::from_hours(1);

#[derive(Debug)]
pub(crate) struct LogOnce(Mutex<LoggedRows>);

#[derive(Debug)]
struct LoggedRows {
    begun: Instant,
    rows: HashSet<String>,
}

impl Default for LogOnce {
    fn default() -> Self {
        Self(Mutex::new(LoggedRows {
            begun: Instant::now(),
            rows: HashSet::new(),
        }))
    }
}

impl LogOnce {
    /// Whether a row is to be logged now: it was not yet, and not too many others were.
    pub(crate) fn is_first(&self, row: String) -> bool {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.rows.len() >= ROWS_MAX {
            if logged.begun.elapsed() < REMEMBERED {
                return false;
            }
            logged.begun = Instant::now();
            logged.rows.clear();
        }
        logged.rows.insert(row)
    }
}

/// Logs an error, but for one of the SQLite file, which `storage` logs once for all calls.
pub(crate) fn report(error: &Error, message: &'static str) {
    if error.is_of_storage() {
        tracing::debug!(error = %ErrorChain(error), "{message}");
        return;
    }
    tracing::error!(error = %ErrorChain(error), "{message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_logged_once_and_not_too_many_are() {
        let rows = LogOnce::default();
        assert!(rows.is_first("history/0/1".to_owned()));
        assert!(!rows.is_first("history/0/1".to_owned()));
        let others = (2..10_000).filter(|offset| rows.is_first(format!("history/0/{offset}")));
        assert_eq!(others.count(), ROWS_MAX - 1);
        assert!(!rows.is_first("history/0/1".to_owned()));
    }
}
