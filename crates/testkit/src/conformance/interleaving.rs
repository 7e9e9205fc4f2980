//! Whatever is done with deliveries in whatever order, held against a small model: they go in
//! turn, none is lost, and none is sent after it succeeded.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use proptest::{
    prelude::{Just, Strategy, prop_oneof},
    test_runner::{Config, TestRunner},
};
use waymark_domain::{
    delivery::{Attempt, Delivery, DeliveryId, DeliveryState, Outcome},
    value::{Reason, Timestamp},
};
use waymark_persistence::{
    ChangeError, DeliveryQuery, DispatcherId, Finished, NextStep, OutboxRefusal,
};

use super::deliveries::{
    CALL, account, all_of, attempt, dispatcher, fulfilled, later, list, nothing, readable, webhook,
};
use crate::{
    Fixture,
    build::{comment, create, done, order_id, order_workflow, workflow},
};

const ORDERS: usize = 3;
const LANES: [&str; 2] = ["webhook.crm", "webhook.erp"];
/// More than there are of one run.
const EVERYTHING: i64 = 1_000;

/// Something that is done; numbers choose among what there is.
#[derive(Debug, Clone)]
enum Deed {
    Comment { order: usize },
    Poll { lane: usize, limit: i64 },
    Finish { which: usize, end: End },
    Retry { which: usize },
    Skip { which: usize },
    Wind { seconds: u64 },
}

/// What an attempt comes to.
#[derive(Debug, Clone)]
enum End {
    Succeed,
    Retry { seconds: u64 },
    GiveUp,
    Skip,
}

/// A delivery as the model has it.
#[derive(Debug)]
struct Known {
    id: DeliveryId,
    order: usize,
    lane: String,
    state: DeliveryState,
    attempts: u32,
    /// When it may be tried, if it has its turn.
    due: Timestamp,
    /// When it last changed.
    changed: Timestamp,
    /// How many attempts were made at all.
    made: u32,
}

/// One run: orders of its own, and what is known of their deliveries, the oldest first.
struct Run<'f> {
    fixture: &'f Fixture,
    me: &'f DispatcherId,
    orders: Vec<String>,
    known: Vec<Known>,
    in_flight: Vec<Delivery>,
    attempts: i64,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let which = 0..1_000_usize;
    let end = prop_oneof![
        2 => Just(End::Succeed),
        2 => (0..20_u64).prop_map(|seconds| End::Retry { seconds }),
        1 => Just(End::GiveUp),
        1 => Just(End::Skip),
    ];
    let limit = prop_oneof![Just(EVERYTHING), 1..4_i64];
    let deed = prop_oneof![
        3 => (0..ORDERS).prop_map(|order| Deed::Comment { order }),
        4 => (0..LANES.len(), limit).prop_map(|(lane, limit)| Deed::Poll { lane, limit }),
        4 => (which.clone(), end).prop_map(|(which, end)| Deed::Finish { which, end }),
        2 => which.clone().prop_map(|which| Deed::Retry { which }),
        1 => which.prop_map(|which| Deed::Skip { which }),
        2 => (1..15_u64).prop_map(|seconds| Deed::Wind { seconds }),
    ];
    proptest::collection::vec(deed, 1..70)
}

pub async fn deliveries_go_in_turn_whatever_happens(fixture: &Fixture) {
    let mut workflow = workflow("magento", "order");
    workflow.on_comment = vec![webhook("tell_crm", "crm"), webhook("tell_erp", "erp")];
    fixture
        .change("order", |_| Ok(Some(workflow.clone())))
        .await
        .unwrap();
    let me = dispatcher(&fixture.store).await;
    let runs = AtomicUsize::new(0);
    let runtime = tokio::runtime::Handle::current();
    let mut runner = TestRunner::new(Config {
        cases: 16,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    });
    let played = tokio::task::block_in_place(|| {
        runner.run(&deeds(), |deeds| {
            let run = runs.fetch_add(1, Ordering::SeqCst);
            runtime.block_on(play(fixture, &me, run, &deeds));
            Ok(())
        })
    });
    played.unwrap();
}

async fn play(fixture: &Fixture, me: &DispatcherId, run: usize, deeds: &[Deed]) {
    let orders = (0..ORDERS).map(|order| format!("R{run}-{order}"));
    let mut run = Run {
        fixture,
        me,
        orders: orders.collect(),
        known: Vec::new(),
        in_flight: Vec::new(),
        attempts: 0,
    };
    for order in &run.orders {
        done(&fixture.store, create(order)).await;
    }
    for deed in deeds {
        match *deed {
            Deed::Comment { order } => run.comment(order).await,
            Deed::Poll { lane, limit } => run.poll(lane, limit).await,
            Deed::Finish { which, ref end } => run.finish(which, end).await,
            Deed::Retry { which } => run.retry(which).await,
            Deed::Skip { which } => run.skip(which).await,
            Deed::Wind { seconds } => fixture.time.advance(Duration::from_secs(seconds)),
        }
    }
    run.compare().await;
    run.deliver_the_rest().await;
    run.compare().await;
}

impl Run<'_> {
    async fn comment(&mut self, order: usize) {
        let committed = done(&self.fixture.store, comment(&self.orders[order], "x")).await;
        let logged = &committed.entries[0];
        for (number, set_off) in (0..).zip(&logged.entry.set_off) {
            self.known.push(Known {
                id: DeliveryId {
                    position: logged.position,
                    number,
                },
                order,
                lane: set_off.to.lane(),
                state: DeliveryState::Pending,
                attempts: 0,
                due: logged.entry.create_time,
                changed: logged.entry.create_time,
                made: 0,
            });
        }
    }

    /// Whether a delivery waits, and for no earlier one.
    fn has_its_turn(&self, known: &Known) -> bool {
        let of_queue = |other: &&Known| other.order == known.order && other.lane == known.lane;
        let mut queue = self.known.iter().filter(of_queue);
        let first = queue.find(|other| other.state == DeliveryState::Pending);
        first.is_some_and(|first| first.id == known.id)
    }

    fn find(&mut self, id: DeliveryId) -> &mut Known {
        let mut known = self.known.iter_mut();
        known.find(|known| known.id == id).unwrap()
    }

    async fn poll(&mut self, lane: usize, limit: i64) {
        let (store, lane) = (&self.fixture.store, LANES[lane]);
        let partitions = all_of(store);
        let found = store.due_deliveries(self.me, &partitions, lane, limit);
        let mut found = found.await.unwrap();
        // A run that failed leaves things behind.
        found.retain(|delivery| {
            self.orders
                .iter()
                .any(|id| *id == delivery.order_id.as_str())
        });
        let now = self.fixture.clock().now();
        let due = self
            .known
            .iter()
            .filter(|known| known.lane == lane && known.due <= now && self.has_its_turn(known));
        let due: BTreeSet<_> = due.map(|known| known.id).collect();
        let ids: BTreeSet<_> = found.iter().map(|delivery| delivery.id).collect();
        assert!(ids.is_subset(&due), "out of turn: {found:?}");
        if limit == EVERYTHING {
            assert_eq!(ids, due, "lost");
        }
        assert_eq!(ids.len(), found.len());
        for delivery in &found {
            assert_eq!(delivery.attempts, self.find(delivery.id).attempts);
        }
        self.in_flight.extend(found);
    }

    async fn finish(&mut self, which: usize, end: &End) {
        if self.in_flight.is_empty() {
            return;
        }
        let delivery = self.in_flight.remove(which % self.in_flight.len());
        let (id, seen, found) = (delivery.id, delivery.attempts, delivery.update_time);
        let problem = String::new;
        let now = self.fixture.clock().now();
        let (next, state, due) = match end {
            End::Succeed => (NextStep::Succeed, DeliveryState::Succeeded, now),
            End::GiveUp => (
                NextStep::GiveUp { problem: problem() },
                DeliveryState::Dead,
                now,
            ),
            End::Skip => (
                NextStep::Skip { problem: problem() },
                DeliveryState::Skipped,
                now,
            ),
            End::Retry { seconds } => {
                let at = later(self.fixture, Duration::from_secs(*seconds));
                let problem = problem();
                (NextStep::Retry { at, problem }, DeliveryState::Pending, at)
            }
        };
        self.attempts += 1;
        let finished = Finished {
            delivery,
            attempt: Some(Attempt {
                start_time: Timestamp::from_micros(self.attempts),
                ..attempt(self.fixture, Outcome::Failed)
            }),
            next,
        };
        let store = &self.fixture.store;
        store.record_results(self.me, &[finished]).await.unwrap();
        let known = self.find(id);
        known.made += 1;
        // What somebody decided meanwhile stands.
        let untouched = known.state == DeliveryState::Pending
            && (known.attempts, known.changed) == (seen, found);
        if untouched || state == DeliveryState::Succeeded {
            (known.state, known.attempts, known.due) = (state, seen + 1, due);
            known.changed = now;
        }
    }

    async fn retry(&mut self, which: usize) {
        if self.known.is_empty() {
            return;
        }
        let index = which % self.known.len();
        let (id, state) = (self.known[index].id, self.known[index].state);
        let retried = self.fixture.store.retry_delivery(&CALL, id, nothing).await;
        if state == DeliveryState::Succeeded {
            let refusal = OutboxRefusal::DeliverySucceeded { id };
            assert!(matches!(retried, Err(ChangeError::Refused(found)) if found == refusal));
            return;
        }
        let retried = readable(fulfilled(retried.unwrap()));
        assert_eq!(retried.state, DeliveryState::Pending);
        if retried.due_time.is_none() {
            // It was parked, and stays so.
            assert!(state == DeliveryState::Pending && !self.has_its_turn(&self.known[index]));
            return;
        }
        let now = self.fixture.clock().now();
        let known = self.find(id);
        (known.state, known.attempts, known.due) = (DeliveryState::Pending, 0, now);
        known.changed = now;
    }

    async fn skip(&mut self, which: usize) {
        if self.known.is_empty() {
            return;
        }
        let index = which % self.known.len();
        let (id, state) = (self.known[index].id, self.known[index].state);
        let reason = Reason::new("not needed").unwrap();
        let store = &self.fixture.store;
        let skipped = store.skip_delivery(&CALL, id, &reason, nothing).await;
        if state == DeliveryState::Succeeded {
            let refusal = OutboxRefusal::DeliverySucceeded { id };
            assert!(matches!(skipped, Err(ChangeError::Refused(found)) if found == refusal));
            return;
        }
        let skipped = readable(fulfilled(skipped.unwrap()));
        assert_eq!(skipped.state, DeliveryState::Skipped);
        let now = self.fixture.clock().now();
        let known = self.find(id);
        if known.state != DeliveryState::Skipped {
            (known.state, known.changed) = (DeliveryState::Skipped, now);
        }
    }

    /// Nothing that waits is forgotten: all of it is found, in the end.
    async fn deliver_the_rest(&mut self) {
        self.in_flight.clear();
        for _ in 0..=self.known.len() {
            self.fixture.time.advance(Duration::from_mins(1));
            for lane in 0..LANES.len() {
                self.poll(lane, EVERYTHING).await;
            }
            while !self.in_flight.is_empty() {
                self.finish(0, &End::Succeed).await;
            }
        }
        let waits = |known: &&Known| known.state == DeliveryState::Pending;
        assert_eq!(self.known.iter().find(waits).map(|known| known.id), None);
    }

    async fn compare(&self) {
        let store = &self.fixture.store;
        let orders = self
            .orders
            .iter()
            .map(|id| (order_workflow(), order_id(id)));
        let query = DeliveryQuery {
            orders: orders.collect(),
            ..DeliveryQuery::default()
        };
        let ledger = list(store, &query, 1_000).await;
        assert_eq!(ledger.len(), self.known.len());
        for delivery in ledger {
            let known = self
                .known
                .iter()
                .find(|known| known.id == delivery.id)
                .unwrap();
            assert_eq!(
                (delivery.state, delivery.attempts),
                (known.state, known.attempts)
            );
            if delivery.state != DeliveryState::Pending {
                assert_eq!(delivery.due_time, None);
            } else if self.has_its_turn(known) {
                assert!(delivery.due_time.is_some(), "forgotten: {delivery:?}");
            }
            let attempts = account(store, known.id).await.attempts;
            let numbers = attempts.iter().map(|(number, _)| *number);
            assert!(numbers.eq(1..=known.made));
        }
    }
}
