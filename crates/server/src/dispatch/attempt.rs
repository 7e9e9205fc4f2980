//! The end of an attempt: what is recorded of it, and what happens to its delivery next.

use std::time::Duration;

use tokio::time::Instant;
use waymark_domain::{
    delivery::{Attempt, Delivery, Outcome},
    history::{Destination, Readers},
    value::Timestamp,
    workflow::Policy,
};
use waymark_persistence::{Finished, NextStep};
use waymark_transports as transports;

use super::{pauses::later, poison::TRIES_MAX};

/// The variation of waits, so that what failed together is not tried together.
const JITTER: f64 = 0.1;
/// The longest that a target may ask to be left alone.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);
/// How long a delivery waits whose attempt panicked.
const PANIC_WAIT: Duration = Duration::from_secs(5);

pub(super) struct DeliveryResult {
    pub(super) finished: Finished,
    /// How long the target asks to be left alone.
    pub(super) pause: Option<Duration>,
    /// The URL that answered that it is gone.
    pub(super) gone: Option<String>,
    /// Whether it was ended to make room for others.
    pub(super) gave_way: bool,
    /// Whether the address of a mail's addressee was not taken, which says nothing of the others.
    pub(super) addressee_refused: bool,
}

impl DeliveryResult {
    pub(super) fn unattempted(delivery: Delivery, next: NextStep) -> Self {
        Self::new(delivery, None, next)
    }

    /// The result of an attempt that panicked, which counts as one: again and again, it ends in giving up.
    pub(super) fn panicked(delivery: Delivery, now: Timestamp, took: Duration) -> Self {
        let problem = "the attempt ended by a fault of the service, which is in its log".to_owned();
        let made = delivery.attempts.saturating_add(1);
        let attempt = Attempt {
            start_time: now,
            duration: took,
            outcome: Outcome::Failed,
            code: None,
            problem: problem.clone(),
            answer: Vec::new(),
        };
        let next = if made >= TRIES_MAX {
            NextStep::GiveUp { problem }
        } else {
            let at = later(now, PANIC_WAIT * made);
            NextStep::Retry { at, problem }
        };
        Self::new(delivery, Some(attempt), next)
    }

    fn new(delivery: Delivery, attempt: Option<Attempt>, next: NextStep) -> Self {
        Self {
            finished: Finished {
                delivery,
                attempt,
                next,
            },
            pause: None,
            gone: None,
            gave_way: false,
            addressee_refused: false,
        }
    }
}

/// Decides what happens to a delivery after an attempt; `url` is that of its endpoint.
pub(super) fn judge(
    mut delivery: Delivery,
    policy: Policy,
    attempt: transports::Attempt,
    (began, now): ((Instant, Timestamp), Timestamp),
    url: Option<String>,
) -> DeliveryResult {
    let is_gone = matches!(attempt.outcome, transports::Outcome::Gone);
    let addressee_refused = attempt.addressee_refused;
    if addressee_refused && is_of_customer(&delivery.to) {
        delivery.to = Destination::Readers(Readers::CustomerRefused);
    }
    let (attempt, pause) = recorded(attempt, began);
    let problem = attempt.problem.clone();
    let failed = delivery.attempts.saturating_add(1);
    let next = match (attempt.outcome, policy.wait_after(failed)) {
        // It waits until somebody switches the endpoint on again.
        _ if is_gone => NextStep::Retry { at: now, problem },
        (Outcome::Accepted, _) => NextStep::Succeed,
        (Outcome::Failed, Some(wait)) => {
            let wait = jittered(wait.duration()).max(pause.unwrap_or_default());
            let at = later(now, wait);
            NextStep::Retry { at, problem }
        }
        (Outcome::Failed, None) | (Outcome::Refused, _) => NextStep::GiveUp { problem },
    };
    DeliveryResult {
        pause,
        gone: url.filter(|_| is_gone),
        addressee_refused,
        ..DeliveryResult::new(delivery, Some(attempt), next)
    }
}

fn is_of_customer(to: &Destination) -> bool {
    match to {
        Destination::Readers(
            Readers::Customer | Readers::CustomerAlone | Readers::CustomerRefused,
        ) => true,
        Destination::Readers(Readers::Copies | Readers::Copy(_))
        | Destination::Endpoint(_)
        | Destination::Subject => false,
    }
}

/// An attempt as it is recorded, and how long its target asks to be left alone.
pub(super) fn recorded(
    attempt: transports::Attempt,
    (began, start_time): (Instant, Timestamp),
) -> (Attempt, Option<Duration>) {
    let (outcome, problem, pause) = match attempt.outcome {
        transports::Outcome::Accepted => (Outcome::Accepted, String::new(), None),
        transports::Outcome::Failed {
            problem,
            retry_after,
        } => (Outcome::Failed, problem, retry_after),
        transports::Outcome::Refused { problem } => (Outcome::Refused, problem, None),
        transports::Outcome::Gone => {
            let problem = "the endpoint says that it is gone for good (410)".to_owned();
            (Outcome::Failed, problem, None)
        }
    };
    let attempt = Attempt {
        start_time,
        duration: began.elapsed(),
        outcome,
        code: attempt.code,
        problem,
        answer: attempt.answer,
    };
    (attempt, pause.map(|pause| pause.min(RETRY_AFTER_MAX)))
}

fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(1.0 + JITTER * (2.0 * fastrand::f64() - 1.0))
}
