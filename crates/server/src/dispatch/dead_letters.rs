//! Log lines about dead letters, which somebody has to decide about: some a minute, however many
//! there are.

use std::time::Duration;

use tokio::time::Instant;
use waymark_persistence::{Finished, NextStep};

/// For how long lines are counted.
const SPAN: Duration = Duration::from_mins(1);
/// How many lines there are in that time.
const LINES_MAX: usize = 10;

#[derive(Debug, Default)]
pub(super) struct DeadLetters {
    since: Option<Instant>,
    logged: usize,
    unlogged: usize,
}

impl DeadLetters {
    pub(super) fn note(&mut self, finished: &Finished) {
        let NextStep::GiveUp { problem } = &finished.next else {
            return;
        };
        let Some(unlogged) = self.admit(Instant::now()) else {
            return;
        };
        if unlogged > 0 {
            tracing::warn!(deliveries = unlogged, "more deliveries dead-lettered");
        }
        let delivery = &finished.delivery;
        tracing::warn!(
            delivery.id = %delivery.id,
            delivery.action = %delivery.action,
            order.id = %delivery.order_id,
            error = problem,
            "delivery dead-lettered"
        );
    }

    /// Whether there is a line for one more; how many had none since the last line, then.
    fn admit(&mut self, now: Instant) -> Option<usize> {
        let is_over = self.since.is_none_or(|since| now - since >= SPAN);
        if is_over {
            (self.since, self.logged) = (Some(now), 0);
        }
        if self.logged >= LINES_MAX {
            self.unlogged += 1;
            return None;
        }
        self.logged += 1;
        Some(std::mem::take(&mut self.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_dead_letters_are_counted() {
        let mut letters = DeadLetters::default();
        let now = Instant::now();
        for _ in 0..LINES_MAX {
            assert_eq!(letters.admit(now), Some(0));
        }
        for _ in 0..3 {
            assert_eq!(letters.admit(now + SPAN / 2), None);
        }
        assert_eq!(letters.admit(now + SPAN), Some(3));
        assert_eq!(letters.admit(now + SPAN), Some(0));
    }
}
