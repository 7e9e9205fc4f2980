//! Circuit breakers, one for each lane. A target that failed many times in a row is probed by one
//! delivery at a time, at most ten in a second, until it takes one: that spares the target, the
//! database and the steps, and changes nothing about how often each delivery is tried.

use std::{collections::BTreeMap, time::Duration};

use waymark_domain::delivery::Outcome;

/// How many attempts in a row fail before a lane is probed.
const FAILURES_MAX: u32 = 8;
/// How long a lane is left alone after a probe that failed.
const PROBE_INTERVAL: Duration = Duration::from_millis(100);

/// How many attempts of each lane failed since the last one that its target took; lanes whose
/// last attempt was taken are not here.
#[derive(Debug, Default)]
pub(super) struct Breakers(BTreeMap<String, u32>);

impl Breakers {
    /// Counts an attempt. What was refused for its content says nothing about its target.
    pub(super) fn count(&mut self, lane: &str, outcome: Outcome) {
        match outcome {
            Outcome::Accepted => {
                if self.0.remove(lane).unwrap_or_default() >= FAILURES_MAX {
                    tracing::info!(delivery.lane = lane, "circuit breaker closed");
                }
            }
            Outcome::Failed => {
                let failures = self.0.entry(lane.to_owned()).or_default();
                *failures = failures.saturating_add(1);
                if *failures == FAILURES_MAX {
                    tracing::warn!(
                        delivery.lane = lane,
                        failures = *failures,
                        "circuit breaker half-open"
                    );
                }
            }
            Outcome::Refused => {}
        }
    }

    /// Whether a lane is half open: one delivery at a time is tried.
    pub(super) fn is_half_open(&self, lane: &str) -> bool {
        self.0
            .get(lane)
            .is_some_and(|failures| *failures >= FAILURES_MAX)
    }

    /// How long a lane is left alone now that an attempt has ended.
    pub(super) fn pause(&self, lane: &str) -> Option<Duration> {
        self.is_half_open(lane).then_some(PROBE_INTERVAL)
    }

    /// Forgets lanes in which nothing waits.
    pub(super) fn retain(&mut self, busy: &[String]) {
        self.0.retain(|lane, _| busy.contains(lane));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERP: &str = "webhook.erp";

    fn after(outcomes: &[(Outcome, u32)]) -> Breakers {
        let mut breakers = Breakers::default();
        for (outcome, times) in outcomes {
            for _ in 0..*times {
                breakers.count(ERP, *outcome);
            }
        }
        breakers
    }

    #[test]
    fn failures_in_a_row_open_it_half_and_one_success_closes_it() {
        for (outcomes, is_half_open) in [
            (vec![], false),
            (vec![(Outcome::Failed, 7)], false),
            (vec![(Outcome::Failed, 8)], true),
            (vec![(Outcome::Failed, 80)], true),
            (
                vec![
                    (Outcome::Failed, 7),
                    (Outcome::Accepted, 1),
                    (Outcome::Failed, 7),
                ],
                false,
            ),
            (vec![(Outcome::Failed, 80), (Outcome::Accepted, 1)], false),
            (vec![(Outcome::Refused, 80)], false),
            (
                vec![
                    (Outcome::Failed, 4),
                    (Outcome::Refused, 1),
                    (Outcome::Failed, 4),
                ],
                true,
            ),
            (vec![(Outcome::Failed, 8), (Outcome::Refused, 8)], true),
        ] {
            let breakers = after(&outcomes);
            assert_eq!(breakers.is_half_open(ERP), is_half_open, "{outcomes:?}");
            assert_eq!(breakers.pause(ERP).is_some(), is_half_open, "{outcomes:?}");
        }
    }

    #[test]
    fn lanes_do_not_count_for_each_other() {
        let breakers = after(&[(Outcome::Failed, 8)]);
        assert!(!breakers.is_half_open("webhook.shop"));
    }

    #[test]
    fn a_lane_in_which_nothing_waits_is_forgotten() {
        let mut breakers = after(&[(Outcome::Failed, 8)]);
        breakers.retain(&[ERP.to_owned(), "email".to_owned()]);
        assert!(breakers.is_half_open(ERP));
        breakers.retain(&["email".to_owned()]);
        assert!(!breakers.is_half_open(ERP));
    }
}
