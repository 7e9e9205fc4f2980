//! The deliveries of a dispatcher that are in flight, and the log lines about those that end as dead
//! letters, which somebody has to decide about: some a minute, however many there are.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use tokio::{
    task::{self, JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use waymark_domain::{
    delivery::{Delivery, DeliveryId},
    partition::Partition,
    value::Timestamp,
};
use waymark_persistence::{Finished, NextStep};

use super::{
    attempt::DeliveryResult,
    lanes::{LATE, Load},
};

/// For how long lines are counted.
const SPAN: Duration = Duration::from_mins(1);
/// How many lines there are in that time.
const LINES_MAX: usize = 10;

/// The deliveries in flight: from the poll that found them until their results are recorded.
#[derive(Default)]
pub(super) struct InFlight {
    pub(super) tasks: JoinSet<DeliveryResult>,
    by_task: HashMap<task::Id, Attempting>,
    pub(super) ids: HashSet<DeliveryId>,
    /// How many there are in each lane.
    lanes: HashMap<String, usize>,
    dead_letters: DeadLetters,
}

struct Attempting {
    delivery: Delivery,
    began: Instant,
    /// Tells it to make room for others.
    give_way: CancellationToken,
}

pub(super) type Ended = Result<(task::Id, DeliveryResult), JoinError>;

impl InFlight {
    pub(super) fn spawn(
        &mut self,
        delivery: Delivery,
        give_way: CancellationToken,
        attempt: impl Future<Output = DeliveryResult> + Send + 'static,
    ) {
        let id = self.tasks.spawn(attempt).id();
        let attempting = Attempting {
            delivery,
            began: Instant::now(),
            give_way,
        };
        self.by_task.insert(id, attempting);
    }

    /// The result of a task, and how long it took. A panic counts as an attempt.
    pub(super) fn settle(
        &mut self,
        ended: Ended,
        now: Timestamp,
    ) -> Option<(DeliveryResult, Duration)> {
        match ended {
            Ok((id, result)) => {
                let attempting = self.by_task.remove(&id)?;
                Some((result, attempting.began.elapsed()))
            }
            Err(error) => {
                let attempting = self.by_task.remove(&error.id())?;
                let Attempting {
                    delivery, began, ..
                } = attempting;
                tracing::error!(
                    delivery.id = %delivery.id,
                    order.id = %delivery.order_id,
                    error = %error,
                    "delivery attempt panicked"
                );
                let took = began.elapsed();
                Some((DeliveryResult::panicked(delivery, now, took), took))
            }
        }
    }

    /// Adds a delivery, unless it is in flight. Says whether it was added.
    pub(super) fn take(&mut self, delivery: &Delivery) -> bool {
        let is_new = self.ids.insert(delivery.id);
        if is_new {
            *self.lanes.entry(delivery.lane.clone()).or_default() += 1;
        }
        is_new
    }

    /// Removes a delivery whose result is recorded.
    pub(super) fn finish(&mut self, finished: &Finished) {
        self.dead_letters.note(finished);
        self.end(&finished.delivery);
    }

    pub(super) fn end(&mut self, delivery: &Delivery) {
        if !self.ids.remove(&delivery.id) {
            return;
        }
        if let Some(known) = self.lanes.get_mut(&delivery.lane) {
            *known = known.saturating_sub(1);
            if *known == 0 {
                self.lanes.remove(&delivery.lane);
            }
        }
    }

    pub(super) fn loads(&self) -> HashMap<&str, Load> {
        let mut loads: HashMap<&str, Load> = self
            .lanes
            .iter()
            .map(|(lane, known)| (lane.as_str(), Load::of(*known)))
            .collect();
        for attempting in self.by_task.values() {
            let load = loads.entry(attempting.delivery.lane.as_str()).or_default();
            load.tried += 1;
            load.late += usize::from(attempting.is_late());
        }
        loads
    }

    /// The deliveries of which attempts are being made.
    pub(super) fn attempted(&self) -> impl Iterator<Item = &Delivery> {
        self.by_task.values().map(|attempting| &attempting.delivery)
    }

    /// Tells so many late attempts to make room: of the lanes that have the most, the oldest first.
    pub(super) fn make_room(&self, count: usize) {
        let late = self
            .by_task
            .values()
            .filter(|attempting| attempting.is_late());
        let mut late: Vec<_> = late.collect();
        let told = late.iter().filter(|a| a.give_way.is_cancelled()).count();
        late.sort_by_key(|attempting| Reverse(attempting.began));
        let mut ranks: HashMap<&str, usize> = HashMap::new();
        let ranked = late.into_iter().map(|attempting| {
            let rank = ranks.entry(attempting.delivery.lane.as_str()).or_default();
            *rank += 1;
            (*rank, attempting)
        });
        let mut ranked: Vec<_> = ranked.collect();
        ranked.sort_by_key(|(rank, attempting)| (Reverse(*rank), attempting.began));
        let untold = ranked
            .into_iter()
            .filter(|(_, attempting)| !attempting.give_way.is_cancelled());
        for (_, attempting) in untold.take(count.saturating_sub(told)) {
            attempting.give_way.cancel();
        }
    }

    pub(super) fn partitions(&self) -> BTreeSet<Partition> {
        let partitions = self.ids.iter().map(|id| id.position.partition);
        partitions.collect()
    }
}

impl Attempting {
    fn is_late(&self) -> bool {
        self.began.elapsed() >= LATE
    }
}

#[derive(Debug, Default)]
struct DeadLetters {
    since: Option<Instant>,
    logged: usize,
    unlogged: usize,
}

impl DeadLetters {
    fn note(&mut self, finished: &Finished) {
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
    use std::future::pending;

    use waymark_domain::delivery::Outcome;

    use super::*;
    use crate::tests::delivery;

    #[tokio::test(start_paused = true)]
    async fn lanes_with_most_late_attempts_make_room_and_the_oldest_of_them() {
        let mut in_flight = InFlight::default();
        let mut tokens = Vec::new();
        for (offset, endpoint) in [(1, "b"), (2, "a"), (3, "a"), (4, "a")] {
            let token = CancellationToken::new();
            tokens.push(token.clone());
            let delivery = delivery(endpoint, offset);
            assert!(in_flight.take(&delivery) && !in_flight.take(&delivery));
            in_flight.spawn(delivery, token, pending());
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        let told = || {
            tokens
                .iter()
                .map(CancellationToken::is_cancelled)
                .collect::<Vec<_>>()
        };
        in_flight.make_room(4);
        assert_eq!(told(), [false; 4], "none of them is late");
        tokio::time::advance(LATE).await;
        let load = in_flight.loads()["webhook.a"];
        assert_eq!((load.known, load.tried, load.late), (3, 3, 3));
        in_flight.make_room(2);
        assert_eq!(told(), [false, true, true, false]);
        in_flight.make_room(2);
        assert_eq!(told(), [false, true, true, false], "they are on their way");
        in_flight.make_room(3);
        assert_eq!(told(), [true, true, true, false]);
    }

    #[tokio::test]
    async fn an_attempt_that_panics_is_counted_and_given_up_in_the_end() {
        for (attempts, gives_up) in [(0, false), (1, false), (2, true)] {
            let mut in_flight = InFlight::default();
            let delivery = Delivery {
                attempts,
                ..delivery("a", 1)
            };
            in_flight.take(&delivery);
            in_flight.spawn(delivery, CancellationToken::new(), async {
                panic!("a fault")
            });
            let ended = in_flight.tasks.join_next_with_id().await.unwrap();
            let now = Timestamp::from_micros(1_000_000);
            let (result, _) = in_flight.settle(ended, now).unwrap();
            let Finished { attempt, next, .. } = result.finished;
            assert_eq!(
                attempt.map(|attempt| attempt.outcome),
                Some(Outcome::Failed)
            );
            assert_eq!(
                matches!(next, NextStep::GiveUp { .. }),
                gives_up,
                "{attempts}"
            );
            assert_eq!(in_flight.attempted().count(), 0);
        }
    }

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
