//! What a server process prints, collected while it runs.

use std::{
    io::{BufRead, BufReader, Read},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use tokio::time::{Instant, sleep};

/// How many lines of a log a failed test shows.
const SHOWN_MAX: usize = 80;

/// The lines of a process's output so far; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Log {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Log {
    /// Collects what a pipe gives until it closes.
    pub fn collect(&self, pipe: impl Read + Send + 'static) {
        let log = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines() {
                let Ok(line) = line else { break };
                log.lines
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
            }
        });
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Whether nothing was printed yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lines after the first `since`.
    pub fn after(&self, since: usize) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.get(since..).unwrap_or_default().to_vec()
    }

    /// Waits until a line after the first `since` has something that is looked for; none when time is up.
    pub async fn find<T>(
        &self,
        since: usize,
        patience: Duration,
        look: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + patience;
        loop {
            let found = self.after(since).iter().find_map(|line| look(line));
            if found.is_some() || Instant::now() > deadline {
                return found;
            }
            // The reader is a thread; this is how often its lines are looked at.
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Shows the last lines after the first `since`, for a test that failed.
    pub fn show(&self, since: usize) {
        let lines = self.after(since);
        let from = lines.len().saturating_sub(SHOWN_MAX);
        eprintln!(
            "--- the server's log, last {} of {} lines",
            lines.len() - from,
            lines.len()
        );
        for line in &lines[from..] {
            eprintln!("{line}");
        }
    }
}
