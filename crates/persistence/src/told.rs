//! What the log was told of rows that cannot be read, so that each is named there once, however
//! often it is met.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How many rows are remembered, and for how long once they are so many: no more are told
/// meanwhile.
const ROWS_MAX: usize = 4_096;
const MEMORY: Duration = Duration::from_hours(1);

/// The rows that the log was told of.
#[derive(Debug)]
pub(crate) struct Told(Mutex<Memory>);

#[derive(Debug)]
struct Memory {
    begun: Instant,
    rows: HashSet<String>,
}

impl Default for Told {
    fn default() -> Self {
        Self(Mutex::new(Memory {
            begun: Instant::now(),
            rows: HashSet::new(),
        }))
    }
}

impl Told {
    /// Whether a row is to be told now: it was not yet, and not too many others were.
    pub(crate) fn is_news(&self, row: String) -> bool {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.rows.len() >= ROWS_MAX {
            if memory.begun.elapsed() < MEMORY {
                return false;
            }
            memory.begun = Instant::now();
            memory.rows.clear();
        }
        memory.rows.insert(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_told_once_and_not_too_many_are() {
        let told = Told::default();
        assert!(told.is_news("history/0/1".to_owned()));
        assert!(!told.is_news("history/0/1".to_owned()));
        let others = (2..10_000).filter(|offset| told.is_news(format!("history/0/{offset}")));
        assert_eq!(others.count(), ROWS_MAX - 1);
        assert!(!told.is_news("history/0/1".to_owned()));
    }
}
