//! Notes what came of attempts, and begins those that are due.

use std::{collections::HashMap, future, sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use waymark_domain::{
    delivery::{Delivery, DeliveryId},
    history::{Destination, Readers},
};
use waymark_persistence::{Clock, Error, Finished, NextStep, Noted, RefusedNote, Round};

use super::{
    Dispatcher,
    carrier::{Carried, Endpoints, later, unattempted},
    content::Occasion,
    occasions::{self, Occasions, unread},
};
use crate::{App, fault, tracking};

/// How long a mail waits whose link could not be made.
const LINK_WAIT: Duration = Duration::from_secs(5);
/// How long a delivery waits whose attempt was broken off to make room for others.
const GIVEN_WAY_WAIT: Duration = Duration::from_secs(30);

impl Dispatcher {
    /// Reads what is due, notes what came of attempts and which ones are begun now, in one
    /// transaction, and begins them. Nothing is begun before it is noted: a database that takes no
    /// notes must not make targets hear the same again and again.
    pub(super) async fn carry_on(&mut self, mut due: Vec<Delivery>) -> Result<(), Error> {
        due.retain(|delivery| self.in_hand.take(delivery));
        // First, so that nothing is noted as begun that cannot be.
        let (occasions, read) = match occasions::read(&self.store, &due).await {
            Ok(occasions) => (occasions, Ok(())),
            Err(error) => {
                self.let_go(std::mem::take(&mut due));
                (HashMap::new(), Err(error))
            }
        };
        match self.note(&due).await {
            Ok(true) => self.begin(due, occasions),
            noted => {
                self.let_go(due);
                noted?;
            }
        }
        read
    }

    /// Notes what came of attempts, and what is under way as soon as these are begun. Says whether
    /// they may be. What could not be noted is kept.
    async fn note(&mut self, due: &[Delivery]) -> Result<bool, Error> {
        self.note_refused().await?;
        let finished = self.unnoted.take();
        let ends = finished.iter().map(|finished| finished.delivery.id);
        let survivors = ends.filter(|id| self.suspects.contains(*id));
        self.survivors.extend(survivors);
        let in_flight = self.in_hand.in_flight().chain(due);
        let in_flight = in_flight.filter(|delivery| self.suspects.is_to_blame(delivery.id));
        let in_flight: Vec<_> = in_flight.collect();
        let is_idle = in_flight.is_empty();
        let marks = !due.is_empty() || (self.is_marked && is_idle);
        if finished.is_empty() && self.survivors.is_empty() && !marks {
            return Ok(true);
        }
        let survivors: Vec<_> = self.survivors.iter().copied().collect();
        let round = Round {
            finished: &finished,
            cleared: &survivors,
            in_flight: marks.then_some(&in_flight),
        };
        let noted = self.store.carry_on(self.tenure.me(), round).await;
        if marks {
            // What failed may have been written all the same.
            self.is_marked = !is_idle || noted.is_err();
        }
        let Noted { may_begin, refused } = match noted {
            Ok(noted) => noted,
            Err(error) => {
                self.unnoted.put_back(finished);
                return Err(error);
            }
        };
        self.noted(finished, refused);
        for id in std::mem::take(&mut self.survivors) {
            self.suspects.clear(id);
        }
        if marks {
            if self.has_row && !may_begin {
                tracing::warn!("nothing is delivered: this process has no row among those that do");
            }
            self.has_row = may_begin;
        }
        Ok(may_begin)
    }

    /// Tries once more to note what the database has refused, apart from all else.
    async fn note_refused(&mut self) -> Result<(), Error> {
        let again = self.unnoted.take_refused();
        if again.is_empty() {
            return Ok(());
        }
        match self.store.finish_deliveries(self.tenure.me(), &again).await {
            Ok(refused) => {
                self.noted(again, refused);
                Ok(())
            }
            Err(error) => {
                self.unnoted.keep_refused(again);
                Err(error)
            }
        }
    }

    /// Lets go of deliveries of which it is noted what came of them, but for those that the database
    /// has refused.
    fn noted(&mut self, finished: Vec<Finished>, refused: Vec<RefusedNote>) {
        let refused = refused.into_iter().map(|note| (note.id, note.error));
        let mut refused: HashMap<DeliveryId, Error> = refused.collect();
        for finished in finished {
            let id = finished.delivery.id;
            if let Some(error) = refused.remove(&id) {
                self.unnoted.refuse(finished, &error);
                continue;
            }
            self.unnoted.noted(id);
            self.in_hand.finish(&finished);
            let is_over = !matches!(finished.next, NextStep::Retry { .. });
            if is_over || finished.delivery.to == Destination::Readers(Readers::CustomerRefused) {
                // The next in its lane may go now, and the copies of whom it did not reach.
                self.look_again = Some(Instant::now());
            }
        }
    }

    /// Lets go of deliveries that are not begun after all; they are found again.
    fn let_go(&mut self, due: Vec<Delivery>) {
        for delivery in due {
            self.in_hand.end(&delivery);
            self.suspects.ended(delivery.id);
        }
    }

    fn begin(&mut self, due: Vec<Delivery>, mut occasions: Occasions) {
        for delivery in due {
            let give_way = CancellationToken::new();
            let occasion = match occasions.remove(&delivery.id) {
                Some(Ok(occasion)) => occasion,
                missing => {
                    let why = missing.and_then(Result::err);
                    let carried = unread(delivery.clone(), why, self.store.clock().now());
                    self.in_hand
                        .spawn(delivery, give_way, future::ready(carried));
                    continue;
                }
            };
            let (app, endpoints) = (Arc::clone(&self.app), Arc::clone(&self.endpoints));
            let attempt = carry(app, delivery.clone(), occasion, endpoints);
            let clock = self.store.clock().clone();
            let attempt = unless_told(give_way.clone(), (delivery.clone(), clock), attempt);
            self.in_hand.spawn(delivery, give_way, attempt);
        }
    }
}

/// Makes an attempt, unless it is told to make room for others.
async fn unless_told(
    give_way: CancellationToken,
    (delivery, clock): (Delivery, Clock),
    attempt: impl Future<Output = Carried>,
) -> Carried {
    tokio::select! {
        biased;
        carried = attempt => carried,
        () = give_way.cancelled() => {
            let problem = "it was not answered, and was broken off while many others were not".to_owned();
            let at = later(clock.now(), GIVEN_WAY_WAIT);
            Carried {
                gave_way: true,
                ..unattempted(delivery, NextStep::Retry { at, problem })
            }
        }
    }
}

/// Carries a delivery; a mail with the link that its order has for the customer.
async fn carry(
    app: Arc<App>,
    delivery: Delivery,
    mut occasion: Occasion,
    endpoints: Arc<Endpoints>,
) -> Carried {
    fault::point("attempt", delivery.order_id.as_str());
    if matches!(delivery.to, Destination::Readers(_)) {
        match tracking::link(&app, &delivery.workflow, &delivery.order_id).await {
            Ok(url) => occasion.feed_url = url,
            Err(error) => {
                let problem = format!("no link could be made for the customer: {error}");
                let at = later(app.store.clock().now(), LINK_WAIT);
                return unattempted(delivery, NextStep::Retry { at, problem });
            }
        }
    }
    app.carrier.carry(delivery, occasion, endpoints).await
}
