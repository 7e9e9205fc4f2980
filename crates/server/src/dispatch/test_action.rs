//! Tests of actions: one action, run without a step. So many run at once, each for so long and no
//! longer than its caller waits.

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
use waymark_persistence::{Batched, Error, Published};

use super::{content::DeliveryContext, endpoints, transports::Transports};
use crate::tracking;

/// How long a test may take, whatever the policy of its action says. The contract names it.
const TIME_MAX: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct TestSlots {
    slots: Semaphore,
    max: usize,
}

/// As many tests are under way as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{max} tests of actions are under way, which is as many as may be; nothing was sent")]
pub struct TestLimit {
    /// How many may be under way.
    pub max: usize,
}

impl TestSlots {
    /// Tests get a quarter of what may be in flight, at least one.
    pub(crate) fn new(in_flight_max: usize) -> Self {
        let max = (in_flight_max / 4).max(1);
        Self {
            slots: Semaphore::new(max),
            max,
        }
    }

    /// How many are under way; each makes one attempt at a time.
    pub(super) fn under_way(&self) -> usize {
        self.max.saturating_sub(self.slots.available_permits())
    }

    /// Takes a slot for one test, until it is dropped.
    ///
    /// # Errors
    /// Returns [`TestLimit`] when all are taken.
    pub(crate) fn enter(&self) -> Result<SemaphorePermit<'_>, TestLimit> {
        let slot = self.slots.try_acquire();
        slot.map_err(|_| TestLimit { max: self.max })
    }
}

/// An action to be tested, as if the last entry of an order had set it off.
#[derive(Debug, Clone)]
pub(crate) struct ActionTest {
    pub(crate) published: Arc<Published>,
    /// The order as it stands.
    pub(crate) order: Order,
    /// Its last entry.
    pub(crate) entry: Batched,
    pub(crate) action: ActionPath,
}

/// Sends what an action sends, one after the other, and gives the attempts. Nothing is recorded
/// anywhere, and nothing is tried again. It ends when it is dropped.
///
/// # Errors
/// Returns [`Error`] when the database cannot be read; nothing was sent then.
pub(crate) async fn test(
    transports: &Transports,
    test: ActionTest,
    destinations: Vec<Destination>,
) -> Result<Vec<(Destination, Attempt)>, Error> {
    let until = Instant::now() + TIME_MAX;
    let (store, links) = (&transports.store, transports.links.as_ref());
    let endpoints = endpoints::by_code(store.endpoints().await?);
    let order = &test.order;
    let context = DeliveryContext {
        feed_url: tracking::feed_url(store, links, &order.workflow, &order.id).await?,
        entry: test.entry,
        order: test.order,
        published: test.published,
    };
    let mut sent = Vec::with_capacity(destinations.len());
    let mut left = VecDeque::from(destinations);
    while let Some(to) = left.pop_front() {
        let set_off = SetOff {
            action: test.action.clone(),
            to: to.clone(),
        };
        let attempt = transports.send_once(set_off, &context, &endpoints, until);
        let (attempt, addressee_refused) = attempt.await;
        if addressee_refused && to == Destination::Readers(Readers::Customer) {
            // As after a step, the copies go by themselves then.
            left.push_front(Destination::Readers(Readers::Copies));
        }
        sent.push((to, attempt));
    }
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_get_a_quarter() {
        for (in_flight_max, expected) in [(1, 1), (3, 1), (4, 1), (8, 2), (64, 16)] {
            assert_eq!(TestSlots::new(in_flight_max).max, expected);
        }
    }

    #[test]
    fn one_too_many_is_refused_until_another_ends() {
        let slots = TestSlots::new(8);
        let (first, second) = (slots.enter().unwrap(), slots.enter().unwrap());
        assert_eq!(slots.under_way(), 2);
        assert_eq!(slots.enter().unwrap_err(), TestLimit { max: 2 });
        drop(first);
        assert_eq!(slots.under_way(), 1);
        assert!(slots.enter().is_ok());
        drop(second);
        assert_eq!(slots.under_way(), 0);
    }
}
