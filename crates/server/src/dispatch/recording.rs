//! Records the results of deliveries, and begins those that are due.

use std::{collections::HashMap, future, sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use waymark_domain::{
    delivery::{Delivery, DeliveryId},
    history::{Destination, Readers},
};
use waymark_persistence::{
    Clock, DispatchRound, Error, Finished, NextStep, Recorded, RefusedResult,
};

use super::{
    attempt::DeliveryResult,
    contexts::{self, Contexts, unread},
    dispatcher::Dispatcher,
    pauses::later,
};

/// How long a delivery waits whose attempt was ended to make room for others.
const GIVEN_WAY_WAIT: Duration = Duration::from_secs(30);

impl Dispatcher {
    /// Reads what is due, records results and which deliveries are begun now, in one transaction,
    /// and begins them. Nothing is begun before it is recorded: a database that takes no results
    /// must not make targets hear the same again and again.
    pub(super) async fn record_and_begin(&mut self, mut due: Vec<Delivery>) -> Result<(), Error> {
        due.retain(|delivery| self.in_flight.take(delivery));
        // First, so that nothing is recorded as begun that cannot be.
        let (contexts, read) = match contexts::read(&self.parts.store, &due).await {
            Ok(contexts) => (contexts, Ok(())),
            Err(error) => {
                self.let_go(std::mem::take(&mut due));
                (HashMap::new(), Err(error))
            }
        };
        match self.record(&due).await {
            Ok(true) => self.begin(due, contexts),
            recorded => {
                self.let_go(due);
                recorded?;
            }
        }
        read
    }

    /// Records results, and what is in flight as soon as these are begun. Says whether they may be.
    /// Results that could not be recorded are kept.
    async fn record(&mut self, due: &[Delivery]) -> Result<bool, Error> {
        self.record_refused().await?;
        let finished = self.unrecorded.take();
        let ends = finished.iter().map(|finished| finished.delivery.id);
        let survivors = ends.filter(|id| self.suspects.contains(*id));
        self.survivors.extend(survivors);
        let in_flight = self.in_flight.attempted().chain(due);
        let in_flight = in_flight.filter(|delivery| self.suspects.is_to_blame(delivery.id));
        let in_flight: Vec<_> = in_flight.collect();
        let is_idle = in_flight.is_empty();
        let marks = !due.is_empty() || (self.is_marked && is_idle);
        if finished.is_empty() && self.survivors.is_empty() && !marks {
            return Ok(true);
        }
        let survivors: Vec<_> = self.survivors.iter().copied().collect();
        let round = DispatchRound {
            finished: &finished,
            cleared: &survivors,
            in_flight: marks.then_some(&in_flight),
        };
        let recorded = self.parts.store.record_round(self.leases.me(), round).await;
        if marks {
            // It may have been written all the same.
            self.is_marked = !is_idle || recorded.is_err();
        }
        let Recorded { may_begin, refused } = match recorded {
            Ok(recorded) => recorded,
            Err(error) => {
                self.unrecorded.put_back(finished);
                return Err(error);
            }
        };
        self.recorded(finished, refused);
        for id in std::mem::take(&mut self.survivors) {
            self.suspects.clear(id);
        }
        if marks {
            if self.has_row && !may_begin {
                tracing::warn!("dispatcher row missing: nothing is delivered");
            }
            self.has_row = may_begin;
        }
        Ok(may_begin)
    }

    /// Tries once more to record the results that the database has refused, apart from all else.
    async fn record_refused(&mut self) -> Result<(), Error> {
        let again = self.unrecorded.take_refused();
        if again.is_empty() {
            return Ok(());
        }
        let store = &self.parts.store;
        match store.record_results(self.leases.me(), &again).await {
            Ok(refused) => {
                self.recorded(again, refused);
                Ok(())
            }
            Err(error) => {
                self.unrecorded.keep_refused(again);
                Err(error)
            }
        }
    }

    /// Lets go of deliveries whose results are recorded, but for those that the database has refused.
    fn recorded(&mut self, finished: Vec<Finished>, refused: Vec<RefusedResult>) {
        let refused = refused.into_iter().map(|note| (note.id, note.error));
        let mut refused: HashMap<DeliveryId, Error> = refused.collect();
        for finished in finished {
            let id = finished.delivery.id;
            if let Some(error) = refused.remove(&id) {
                self.unrecorded.refuse(finished, &error);
                continue;
            }
            self.unrecorded.recorded(id);
            self.in_flight.finish(&finished);
            let is_over = !matches!(finished.next, NextStep::Retry { .. });
            if is_over || finished.delivery.to == Destination::Readers(Readers::CustomerRefused) {
                // The next in its lane may go now, and the copies of whom it did not reach.
                self.poll_again = Some(Instant::now());
            }
        }
    }

    /// Lets go of deliveries that are not begun after all; they are found again.
    fn let_go(&mut self, due: Vec<Delivery>) {
        for delivery in due {
            self.in_flight.end(&delivery);
            self.suspects.ended(delivery.id);
        }
    }

    fn begin(&mut self, due: Vec<Delivery>, mut contexts: Contexts) {
        for delivery in due {
            let give_way = CancellationToken::new();
            let context = match contexts.remove(&delivery.id) {
                Some(Ok(context)) => context,
                missing => {
                    let why = missing.and_then(Result::err);
                    let now = self.parts.store.clock().now();
                    let result = unread(delivery.clone(), why, now);
                    self.in_flight
                        .spawn(delivery, give_way, future::ready(result));
                    continue;
                }
            };
            let transports = Arc::clone(&self.parts.transports);
            let (attempted, endpoints) = (delivery.clone(), self.endpoints.shared());
            let attempt = async move { transports.deliver(attempted, context, &endpoints).await };
            let clock = self.parts.store.clock().clone();
            let attempt = unless_cancelled(give_way.clone(), (delivery.clone(), clock), attempt);
            self.in_flight.spawn(delivery, give_way, attempt);
        }
    }
}

/// Makes an attempt, unless it is told to make room for others.
async fn unless_cancelled(
    give_way: CancellationToken,
    (delivery, clock): (Delivery, Clock),
    attempt: impl Future<Output = DeliveryResult>,
) -> DeliveryResult {
    tokio::select! {
        biased;
        result = attempt => result,
        () = give_way.cancelled() => {
            let problem = "it was not answered, and was broken off while many others were not".to_owned();
            let at = later(clock.now(), GIVEN_WAY_WAIT);
            DeliveryResult {
                gave_way: true,
                ..DeliveryResult::unattempted(delivery, NextStep::Retry { at, problem })
            }
        }
    }
}
