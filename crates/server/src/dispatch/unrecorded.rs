//! Results of deliveries that are not recorded yet.

use std::collections::HashMap;

use tokio::time::Instant;
use waymark_domain::delivery::DeliveryId;
use waymark_persistence::{Error, Finished};

use super::pauses::Pauses;
use crate::telemetry::chain;

/// How many that the database refuses take no room of others: they must not pile up without end.
const REFUSED_MAX: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Unrecorded {
    ready: Vec<Finished>,
    /// Those that the database refuses, each alone: they stay in flight, so that nothing is sent again.
    refused: HashMap<DeliveryId, Finished>,
    pauses: Pauses<DeliveryId>,
}

impl Unrecorded {
    pub(super) fn push(&mut self, finished: Finished) {
        self.ready.push(finished);
    }

    /// Takes the results that the database has not refused.
    pub(super) fn take(&mut self) -> Vec<Finished> {
        std::mem::take(&mut self.ready)
    }

    /// Keeps results that could not be recorded now.
    pub(super) fn put_back(&mut self, mut finished: Vec<Finished>) {
        finished.append(&mut self.ready);
        self.ready = finished;
    }

    /// Takes those that the database has refused whose pause is over.
    pub(super) fn take_refused(&mut self) -> Vec<Finished> {
        let pauses = &self.pauses;
        let over = self.refused.extract_if(|id, _| !pauses.is_paused(id));
        over.map(|(_, finished)| finished).collect()
    }

    /// Keeps those that were refused before and could not be tried again now.
    pub(super) fn keep_refused(&mut self, refused: Vec<Finished>) {
        let refused = refused.into_iter();
        self.refused
            .extend(refused.map(|finished| (finished.delivery.id, finished)));
    }

    /// Keeps one that the database refuses; it is tried again after a pause, apart from others.
    pub(super) fn refuse(&mut self, finished: Finished, error: &Error) {
        let delivery = &finished.delivery;
        let error = chain(error);
        if self.pauses.failed(delivery.id) {
            tracing::error!(
                delivery.id = %delivery.id,
                order.id = %delivery.order_id,
                error,
                "delivery result refused by the database; retrying"
            );
        } else {
            tracing::debug!(delivery.id = %delivery.id, error, "delivery result refused");
        }
        self.refused.insert(delivery.id, finished);
    }

    /// Forgets that one was refused, which is recorded now.
    pub(super) fn recorded(&mut self, id: DeliveryId) {
        self.pauses.worked(&id);
    }

    /// How many are refused and take no room of others.
    pub(super) fn apart(&self) -> usize {
        self.refused.len().min(REFUSED_MAX)
    }

    /// When one that was refused is tried again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.pauses.next()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use waymark_persistence::NextStep;

    use super::*;
    use crate::tests::delivery;

    fn finished(offset: i64) -> Finished {
        Finished {
            delivery: delivery("erp", offset),
            attempt: None,
            next: NextStep::Succeed,
        }
    }

    fn refusal() -> Error {
        Error::Corrupt {
            table: "deliveries",
            column: "state",
            row: "1".to_owned(),
            source: "refused".into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_is_tried_again_apart_and_takes_no_room() {
        let mut unrecorded = Unrecorded::default();
        unrecorded.push(finished(1));
        unrecorded.push(finished(2));
        let mut taken = unrecorded.take();
        assert_eq!(taken, [finished(1), finished(2)]);
        unrecorded.refuse(taken.remove(0), &refusal());
        unrecorded.push(finished(3));
        unrecorded.put_back(taken);
        assert_eq!(unrecorded.take(), [finished(2), finished(3)]);
        assert_eq!(
            (unrecorded.apart(), unrecorded.take_refused()),
            (1, Vec::new())
        );

        tokio::time::advance(Duration::from_secs(1)).await;
        let again = unrecorded.take_refused();
        assert_eq!((unrecorded.apart(), &again), (0, &vec![finished(1)]));
        // The database did not answer.
        unrecorded.keep_refused(again);
        let mut again = unrecorded.take_refused();
        unrecorded.refuse(again.remove(0), &refusal());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(unrecorded.take_refused(), Vec::new());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(unrecorded.take_refused(), [finished(1)]);
        unrecorded.recorded(finished(1).delivery.id);
        assert_eq!((unrecorded.apart(), unrecorded.next()), (0, None));
    }
}
