//! Says in the log what has become a dead letter, which somebody has to decide about: some lines a
//! minute, however many there are.

use std::time::Duration;

use tokio::time::Instant;
use waymark_persistence::{Finished, NextStep};

/// For how long lines are counted.
const SPAN: Duration = Duration::from_mins(1);
/// How many lines there are in that time.
const LINES_MAX: usize = 10;

/// What was said of late.
#[derive(Debug, Default)]
pub(super) struct DeadLetters {
    since: Option<Instant>,
    told: usize,
    untold: usize,
}

impl DeadLetters {
    /// Says it where a delivery was given up.
    pub(super) fn note(&mut self, finished: &Finished) {
        let NextStep::GiveUp { problem } = &finished.next else {
            return;
        };
        let Some(untold) = self.admit(Instant::now()) else {
            return;
        };
        if untold > 0 {
            tracing::warn!(deliveries = untold, "so many more are dead letters");
        }
        let delivery = &finished.delivery;
        tracing::warn!(
            delivery.id = %delivery.id,
            delivery.action = %delivery.action,
            order.id = %delivery.order_id,
            "a delivery is a dead letter: {problem}"
        );
    }

    /// Whether there is a line for one more; how many had none since the last line, then.
    fn admit(&mut self, now: Instant) -> Option<usize> {
        let is_over = self.since.is_none_or(|since| now - since >= SPAN);
        if is_over {
            (self.since, self.told) = (Some(now), 0);
        }
        if self.told >= LINES_MAX {
            self.untold += 1;
            return None;
        }
        self.told += 1;
        Some(std::mem::take(&mut self.untold))
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
