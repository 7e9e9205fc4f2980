//! Deliveries whose rows cannot be read: nobody can send them, so they become dead letters.

use std::slice;

use waymark_persistence::{DispatcherId, Error, Store, UnreadableDelivery};

use super::pauses::Pauses;
use crate::telemetry::chain;

/// How many are given up in one transaction.
const AT_ONCE: usize = 200;

/// Gives deliveries up whose rows cannot be read, and remembers for which the database refuses it.
#[derive(Debug, Default)]
pub(super) struct Unreadable(Pauses<String>);

impl Unreadable {
    /// Gives up what was found, and says how many that were.
    pub(super) async fn give_up(
        &mut self,
        (store, me): (&Store, &DispatcherId),
        mut found: Vec<UnreadableDelivery>,
    ) -> Result<usize, Error> {
        found.retain(|one| !self.0.is_paused(&one.id));
        let mut given_up = 0;
        for part in found.chunks(AT_ONCE) {
            match store.give_up_unreadable(me, part).await {
                Ok(count) => given_up += count,
                Err(error) if error.is_of_data() => {
                    given_up += self.one_by_one((store, me), part).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(given_up)
    }

    async fn one_by_one(
        &mut self,
        (store, me): (&Store, &DispatcherId),
        found: &[UnreadableDelivery],
    ) -> Result<usize, Error> {
        let mut given_up = 0;
        for one in found {
            match store.give_up_unreadable(me, slice::from_ref(one)).await {
                Ok(count) => {
                    self.0.worked(&one.id);
                    given_up += count;
                }
                Err(error) if error.is_of_data() => self.keep(one, &error),
                Err(error) => return Err(error),
            }
        }
        Ok(given_up)
    }

    /// Leaves one alone for a while that cannot even be given up.
    fn keep(&mut self, one: &UnreadableDelivery, error: &Error) {
        if self.0.failed(one.id.clone()) {
            tracing::error!(
                delivery.id = one.id,
                order.id = one.order_id,
                problem = one.problem,
                error = chain(error),
                "unreadable delivery not dead-lettered"
            );
        }
    }
}
