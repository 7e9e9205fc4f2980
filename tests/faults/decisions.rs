//! What people decide about a delivery while an attempt at it is being made.

use std::sync::Arc;

use tokio::sync::{
    Mutex,
    mpsc::{UnboundedSender, unbounded_channel},
};
use tonic::Code;
use waymark_proto::v1::{AttemptOutcome, Delivery, DeliveryAttempt, DeliveryState};
use waymark_tests::{
    Backend, Clients, Shop, ledger,
    peer::{Peer, answer},
    refused, turning,
    world::apply,
};

use crate::{replica::Replica, stage::Place};

const SETTINGS: [&str; 3] = [
    "webhooks_allowed=127.0.0.0/8",
    "dispatch_lease=500ms",
    "dispatch_poll=50ms",
];

/// What tells an endpoint when an order turns, and what tells it with one attempt.
const ACTIONS: [(&str, &str); 2] = [
    (
        "turn",
        "{tell: {webhook: {endpoint: erp}, attempts: 5, backoff: 1ms, timeout: 1m}}",
    ),
    (
        "turn_once",
        "{tell: {webhook: {endpoint: erp}, attempts: 1, timeout: 1m}}",
    ),
];

/// A receiver that holds every answer until it is told which, and a server that has it as an endpoint.
struct Scene {
    peer: Peer,
    answers: UnboundedSender<u16>,
    shop: Shop,
    _replica: Replica,
    _place: Place,
}

impl Scene {
    async fn on(backend: Backend) -> Self {
        let (answers, given) = unbounded_channel();
        let given = Arc::new(Mutex::new(given));
        let peer = Peer::start(move |mut stream, _| {
            let given = Arc::clone(&given);
            async move {
                if let Some(status) = given.lock().await.recv().await {
                    answer(&mut stream, status, "").await;
                }
            }
        })
        .await;
        let place = Place::fresh(backend).await;
        let replica = Replica::start(place.url(), &SETTINGS).await;
        let clients = replica.clients();
        let created = ledger::create_endpoint(&clients, "erp", &peer.url("erp")).await;
        created.unwrap();
        let shop = apply(&clients, "w", &turning::document(ACTIONS)).await;
        for id in ["1", "2"] {
            shop.place(id, &[]).await;
        }
        let scene = Self {
            peer,
            answers,
            shop,
            _replica: replica,
            _place: place,
        };
        // A target is given a second attempt beside the first once it has answered one.
        scene.shop.place("0", &[]).await;
        let first = scene.turn("0").await;
        scene.answer(200);
        scene.until(&first, DeliveryState::Succeeded).await;
        scene
    }

    fn clients(&self) -> &Clients {
        &self.shop
    }

    /// Lets an order turn, and gives the id of the delivery.
    async fn turn(&self, id: &str) -> String {
        self.take(id, "turn").await
    }

    async fn take(&self, id: &str, transition: &str) -> String {
        let turned = self.shop.take(id, transition).await.unwrap();
        turned.entries[0].set_off[0].delivery_id.clone()
    }

    /// Answers the one that has waited longest.
    fn answer(&self, status: u16) {
        self.answers.send(status).unwrap();
    }

    /// Waits until the receiver has had so many requests, and gives the deliveries that they were about.
    async fn asked(&self, count: usize) -> Vec<String> {
        let requests = self.peer.until(count + 1).await;
        assert_eq!(requests.len(), count + 1, "{requests:?}");
        let ids = requests
            .iter()
            .skip(1)
            .map(|request| request.id.rsplit('_').next());
        ids.map(|id| id.unwrap().to_owned()).collect()
    }

    async fn until(&self, id: &str, state: DeliveryState) -> Delivery {
        ledger::until(self.clients(), id, state).await
    }

    async fn skip(&self, id: &str) -> Delivery {
        let skipped = ledger::skip(self.clients(), id, "told by telephone").await;
        skipped.unwrap()
    }

    async fn retry(&self, id: &str) -> Delivery {
        ledger::retry(self.clients(), id).await.unwrap()
    }
}

fn outcomes(delivery: &Delivery) -> Vec<AttemptOutcome> {
    let attempts = delivery.attempts.iter();
    attempts.map(DeliveryAttempt::outcome).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decisions_meet_attempts_on_sqlite() {
    decisions_meet_attempts(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn decisions_meet_attempts_on_postgres() {
    decisions_meet_attempts(Backend::Postgres).await;
}

async fn decisions_meet_attempts(backend: Backend) {
    what_was_taken_has_succeeded_although_it_was_skipped(&Scene::on(backend).await).await;
    what_was_not_taken_stays_skipped(&Scene::on(backend).await).await;
    a_retry_does_not_send_a_second_time_meanwhile(&Scene::on(backend).await).await;
    a_retry_stands_although_the_last_attempt_fails(&Scene::on(backend).await).await;
    a_skip_taken_back_does_not_send_a_second_time_meanwhile(&Scene::on(backend).await).await;
}

async fn what_was_taken_has_succeeded_although_it_was_skipped(scene: &Scene) {
    let id = scene.turn("1").await;
    scene.asked(1).await;
    let skipped = scene.skip(&id).await;
    assert_eq!(skipped.state(), DeliveryState::Skipped);
    // The next of the order has its turn.
    let next = scene.turn("1").await;
    assert_eq!(scene.asked(2).await, [id.clone(), next.clone()]);
    scene.answer(200);
    let taken = scene.until(&id, DeliveryState::Succeeded).await;
    assert_eq!(outcomes(&taken), [AttemptOutcome::Accepted]);
    assert_eq!(taken.problem, "");
    let late = ledger::skip(scene.clients(), &id, "too late").await;
    refused(late, Code::FailedPrecondition, "DELIVERY_SUCCEEDED");
    let late = ledger::retry(scene.clients(), &id).await;
    refused(late, Code::FailedPrecondition, "DELIVERY_SUCCEEDED");
    scene.answer(200);
    scene.until(&next, DeliveryState::Succeeded).await;
}

async fn what_was_not_taken_stays_skipped(scene: &Scene) {
    let id = scene.turn("1").await;
    scene.asked(1).await;
    scene.skip(&id).await;
    scene.answer(500);
    let noted = ledger::until_attempts(scene.clients(), &id, 1).await;
    assert_eq!(outcomes(&noted), [AttemptOutcome::Failed]);
    assert_eq!(
        (noted.state(), noted.problem.as_str(), noted.due_time),
        (DeliveryState::Skipped, "told by telephone", None)
    );
    // Whoever asks for the next one has looked for this one too.
    let next = scene.turn("1").await;
    assert_eq!(scene.asked(2).await, [id, next.clone()]);
    scene.answer(200);
    scene.until(&next, DeliveryState::Succeeded).await;
}

async fn a_retry_does_not_send_a_second_time_meanwhile(scene: &Scene) {
    let id = scene.turn("1").await;
    scene.asked(1).await;
    let retried = scene.retry(&id).await;
    assert_eq!(retried.state(), DeliveryState::Pending);
    assert!(retried.due_time.is_some());
    // Both are due; the one that is being sent is left alone.
    let other = scene.turn("2").await;
    assert_eq!(scene.asked(2).await, [id.clone(), other.clone()]);
    scene.answer(200);
    let taken = scene.until(&id, DeliveryState::Succeeded).await;
    assert_eq!(outcomes(&taken), [AttemptOutcome::Accepted]);
    // One that fails is sent again, once it has failed.
    scene.retry(&other).await;
    scene.answer(500);
    assert_eq!(scene.asked(3).await, [id, other.clone(), other.clone()]);
    scene.answer(200);
    let taken = scene.until(&other, DeliveryState::Succeeded).await;
    let expected = [AttemptOutcome::Failed, AttemptOutcome::Accepted];
    assert_eq!(outcomes(&taken), expected);
    assert_eq!(scene.peer.most_at_once(), 2, "one of each order");
}

async fn a_retry_stands_although_the_last_attempt_fails(scene: &Scene) {
    let id = scene.take("1", "turn_once").await;
    scene.asked(1).await;
    scene.retry(&id).await;
    scene.answer(500);
    assert_eq!(scene.asked(2).await, [id.clone(), id.clone()]);
    let waiting = ledger::until_attempts(scene.clients(), &id, 1).await;
    assert_eq!(
        (waiting.state(), waiting.attempt_count),
        (DeliveryState::Pending, 0)
    );
    scene.answer(500);
    let given_up = scene.until(&id, DeliveryState::Dead).await;
    assert_eq!(outcomes(&given_up), [AttemptOutcome::Failed; 2]);
}

async fn a_skip_taken_back_does_not_send_a_second_time_meanwhile(scene: &Scene) {
    let id = scene.turn("1").await;
    scene.asked(1).await;
    scene.skip(&id).await;
    let retried = scene.retry(&id).await;
    assert_eq!(
        (retried.state(), retried.problem.as_str()),
        (DeliveryState::Pending, "")
    );
    let other = scene.turn("2").await;
    assert_eq!(scene.asked(2).await, [id.clone(), other.clone()]);
    // What was asked for is done: it fails, and is sent again.
    scene.answer(500);
    assert_eq!(
        scene.asked(3).await,
        [id.clone(), other.clone(), id.clone()]
    );
    scene.answer(200);
    scene.until(&other, DeliveryState::Succeeded).await;
    scene.answer(200);
    let taken = scene.until(&id, DeliveryState::Succeeded).await;
    let expected = [AttemptOutcome::Failed, AttemptOutcome::Accepted];
    assert_eq!(outcomes(&taken), expected);
}
