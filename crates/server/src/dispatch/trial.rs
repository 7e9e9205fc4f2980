//! One action, run without a step: so many at once, for so long, and no longer than its caller
//! waits.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};
use waymark_domain::{
    delivery::Attempt,
    history::{Destination, Readers, SetOff},
    order::Order,
    workflow::ActionPath,
};
use waymark_persistence::{Batched, Published};

use super::{carrier, content::Occasion};
use crate::{App, Error, tracking};

/// How long a test may take, whatever the policy of its action says. The contract names it.
const TIME_MAX: Duration = Duration::from_secs(30);

/// How many tests may be under way.
#[derive(Debug)]
pub(crate) struct Trials {
    places: Semaphore,
    max: usize,
}

/// As many tests are under way as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{max} tests of actions are under way, which is as many as may be; nothing was sent")]
pub struct TrialLimit {
    /// How many may be under way.
    pub max: usize,
}

impl Trials {
    /// Tests get a quarter of what may be tried at once, at least one.
    pub(crate) fn new(in_flight_max: usize) -> Self {
        let max = (in_flight_max / 4).max(1);
        Self {
            places: Semaphore::new(max),
            max,
        }
    }

    /// How many are under way; each makes one attempt at a time.
    pub(super) fn under_way(&self) -> usize {
        self.max.saturating_sub(self.places.available_permits())
    }

    /// Takes a place for one test, until it is dropped.
    ///
    /// # Errors
    /// Returns [`TrialLimit`] when all are taken.
    pub(crate) fn enter(&self) -> Result<SemaphorePermit<'_>, TrialLimit> {
        let place = self.places.try_acquire();
        place.map_err(|_| TrialLimit { max: self.max })
    }
}

/// What is tested: an action, as if the last entry of an order had set it off.
#[derive(Debug, Clone)]
pub(crate) struct Tested {
    /// The workflow of the order.
    pub(crate) published: Arc<Published>,
    /// The order as it stands.
    pub(crate) order: Order,
    /// Its last entry.
    pub(crate) entry: Batched,
    /// The action.
    pub(crate) action: ActionPath,
}

/// Carries what an action sends, one after the other, and says what came of each. Nothing is noted
/// anywhere, and nothing is tried again. It ends when it is dropped.
///
/// # Errors
/// Returns the error of the store when the database cannot be read; nothing was carried then.
pub(crate) async fn test(
    app: &App,
    tested: Tested,
    destinations: Vec<Destination>,
) -> Result<Vec<(Destination, Attempt)>, Error> {
    let until = Instant::now() + TIME_MAX;
    let Tested {
        published,
        order,
        entry,
        action,
    } = tested;
    let endpoints = carrier::endpoints(&app.store).await?;
    let occasion = Occasion {
        feed_url: tracking::feed_url(app, &order.workflow, &order.id).await?,
        entry,
        order,
        published,
    };
    let mut carried = Vec::with_capacity(destinations.len());
    let mut left = VecDeque::from(destinations);
    while let Some(to) = left.pop_front() {
        let set_off = SetOff {
            action: action.clone(),
            to: to.clone(),
        };
        let attempt = app.carrier.test(set_off, &occasion, &endpoints, until);
        let (attempt, addressee_refused) = attempt.await;
        if addressee_refused && to == Destination::Readers(Readers::Customer) {
            // As after a step, the copies go by themselves then.
            left.push_front(Destination::Readers(Readers::Copies));
        }
        carried.push((to, attempt));
    }
    Ok(carried)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_get_a_quarter() {
        for (in_flight_max, expected) in [(1, 1), (3, 1), (4, 1), (8, 2), (64, 16)] {
            assert_eq!(Trials::new(in_flight_max).max, expected);
        }
    }

    #[test]
    fn one_too_many_is_refused_until_another_ends() {
        let trials = Trials::new(8);
        let (first, second) = (trials.enter().unwrap(), trials.enter().unwrap());
        assert_eq!(trials.under_way(), 2);
        assert_eq!(trials.enter().unwrap_err(), TrialLimit { max: 2 });
        drop(first);
        assert_eq!(trials.under_way(), 1);
        assert!(trials.enter().is_ok());
        drop(second);
        assert_eq!(trials.under_way(), 0);
    }
}
