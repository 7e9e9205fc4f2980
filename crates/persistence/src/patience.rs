//! How long the same is tried while the database does not take it.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

const ATTEMPTS_MAX: u32 = 100;
const PAUSE_MIN: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(400);

/// The attempts at one thing, and the time that is left for them.
pub(crate) struct Patience {
    until: Instant,
    pause: Duration,
    attempts: u32,
}

impl Patience {
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            until: Instant::now() + patience,
            pause: PAUSE_MIN,
            attempts: 1,
        }
    }

    pub(crate) fn attempt(&self) -> u32 {
        self.attempts
    }

    pub(crate) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Waits a random part of a growing pause; false when patience is at an end.
    pub(crate) async fn wait(&mut self) -> bool {
        let [share, ..] = Uuid::new_v4().into_bytes();
        let pause = self.pause.saturating_mul(64 + u32::from(share)) / 256;
        if self.attempts >= ATTEMPTS_MAX || Instant::now() + pause >= self.until {
            return false;
        }
        tokio::time::sleep(pause).await;
        self.pause = self.pause.saturating_mul(2).min(PAUSE_MAX);
        self.attempts += 1;
        true
    }
}
