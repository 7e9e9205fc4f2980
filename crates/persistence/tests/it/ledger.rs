//! Decisions about deliveries, and notes of attempts, whose commit is not answered.

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use waymark_domain::{
    delivery::{Attempt, Delivery, DeliveryState, Outcome, Verdict},
    value::{EndpointCode, Reason},
    workflow::{Action, Channel, Policy, Webhook, Work},
};
use waymark_persistence::{
    Answered, ChangeError, ChangeMode, CommitError, DeliveryQuery, DispatcherId, Finished,
    NextStep, OutboxCall, OutboxRefusal, Store, StoredDelivery,
};
use waymark_testkit::{
    Backend, Fixture,
    build::{actor, comment, create, done, request, workflow},
    proxy::{Cut, Proxy},
};

use crate::faults::through_a_proxy;

const PATIENCE: Duration = Duration::from_secs(20);
const CUTS: [Cut; 3] = [Cut::Before, Cut::After, Cut::Amid];

fn call(id: &str) -> OutboxCall {
    OutboxCall {
        request: Some(request(id, 1)),
        ..UNKNOWN_CALL.clone()
    }
}

static UNKNOWN_CALL: LazyLock<OutboxCall> = LazyLock::new(|| OutboxCall {
    request: None,
    actor: actor(),
    mode: ChangeMode::Apply,
});

fn not_needed() -> Reason {
    Reason::new("not needed").unwrap()
}

fn text(stored: &StoredDelivery) -> Vec<u8> {
    let delivery = stored.clone().readable().unwrap();
    format!("{} {:?}", delivery.id, delivery.state).into_bytes()
}

/// A store behind a proxy, and an order whose comments are told to an endpoint.
async fn stage() -> (Fixture, Store, Proxy) {
    let fixture = Fixture::open(Backend::Postgres).await;
    let endpoint = EndpointCode::new("crm").unwrap();
    let channel = Channel::Webhook(Webhook { endpoint });
    let mut workflow = workflow("magento", "order");
    workflow.on_comment = vec![Action {
        code: "tell".parse().unwrap(),
        description: waymark_domain::value::Description::default(),
        work: Work::Send(channel, Policy::default()),
        condition: None,
        position: 0,
        active: true,
    }];
    let changed = fixture
        .change("order", |_| Ok(Some(workflow.clone())))
        .await;
    changed.unwrap();
    done(&fixture.store, create("A-1")).await;
    let (store, proxy) = through_a_proxy(&fixture, PATIENCE).await;
    (fixture, store, proxy)
}

/// Writes a delivery, and finds it.
async fn delivery(fixture: &Fixture) -> Delivery {
    fixture.time.advance(Duration::from_secs(1));
    done(&fixture.store, comment("A-1", "x")).await;
    let any = DeliveryQuery::default();
    let newest = fixture.store.list_deliveries(&any, None, 1);
    let newest = newest.await.unwrap().deliveries.remove(0);
    newest.readable().unwrap()
}

fn is_unknown<T>(answered: &Result<T, ChangeError<OutboxRefusal>>) -> bool {
    matches!(
        answered,
        Err(ChangeError::Failed(CommitError::OutcomeUnknown))
    )
}

async fn found(fixture: &Fixture, delivery: &Delivery) -> StoredDelivery {
    let account = fixture.store.find_delivery(delivery.id).await.unwrap();
    account.unwrap().delivery
}

fn state(stored: &StoredDelivery) -> DeliveryState {
    stored.clone().readable().unwrap().state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_whose_commit_was_not_answered_is_answered_once() {
    let (fixture, store, proxy) = stage().await;
    let reason = not_needed();
    for (number, cut) in CUTS.into_iter().enumerate() {
        let delivery = delivery(&fixture).await;
        let skip = call(&format!("skip-{number}"));
        proxy.cut(cut, 1);
        let skipped = store.skip_delivery(&skip, delivery.id, &reason, text).await;
        let Ok(Answered::Done(skipped)) = skipped else {
            panic!("{cut:?}: {skipped:?}")
        };
        assert_eq!(proxy.cuts_left(cut), 0, "the proxy saw no COMMIT");
        assert_eq!(state(&skipped), DeliveryState::Skipped);
        assert_eq!(found(&fixture, &delivery).await, skipped);

        fixture.time.advance(Duration::from_secs(1));
        let retry = call(&format!("retry-{number}"));
        proxy.cut(cut, 1);
        let retried = store.retry_delivery(&retry, delivery.id, text).await;
        let Ok(Answered::Done(retried)) = retried else {
            panic!("{cut:?}: {retried:?}")
        };
        assert_eq!(proxy.cuts_left(cut), 0, "the proxy saw no COMMIT");
        assert_eq!(found(&fixture, &delivery).await, retried);

        // Whoever comes again gets the answers of then, and nothing happens.
        fixture.time.advance(Duration::from_secs(1));
        let again = store.skip_delivery(&skip, delivery.id, &reason, text).await;
        assert_eq!(again.unwrap(), Answered::Replayed(text(&skipped)));
        let again = store.retry_delivery(&retry, delivery.id, text).await;
        assert_eq!(again.unwrap(), Answered::Replayed(text(&retried)));
        let account = fixture
            .store
            .find_delivery(delivery.id)
            .await
            .unwrap()
            .unwrap();
        let verdicts: Vec<_> = account.decisions.into_iter().map(|d| d.verdict).collect();
        assert_eq!(
            verdicts,
            [Verdict::Skipped(reason.clone()), Verdict::Retried]
        );
        assert_eq!(found(&fixture, &delivery).await, retried);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_retries_whose_commits_were_not_answered_are_counted_once() {
    let (fixture, store, proxy) = stage().await;
    let reason = not_needed();
    let mut deliveries = Vec::new();
    for _ in 0..5 {
        deliveries.push(delivery(&fixture).await);
    }
    let skipped = DeliveryQuery {
        states: vec![DeliveryState::Skipped],
        ..DeliveryQuery::default()
    };
    let count = |retried: &usize| retried.to_string().into_bytes();
    // What becomes of a COMMIT that was cut amid is open for a moment, so it is left out.
    for (number, cut) in [Cut::Before, Cut::After].into_iter().enumerate() {
        for delivery in &deliveries {
            let skip = fixture
                .store
                .skip_delivery(&UNKNOWN_CALL, delivery.id, &reason, text);
            skip.await.unwrap();
        }
        // The first COMMIT is that of the deliveries, which is known by no request id.
        let all = call(&format!("all-{number}"));
        proxy.cut(cut, 1);
        let retried = store.retry_deliveries(&all, &skipped, count).await;
        assert!(is_unknown(&retried), "{retried:?}");
        assert_eq!(proxy.cuts_left(cut), 0, "the proxy saw no COMMIT");
        // The same call does the rest.
        let left = fixture
            .store
            .list_deliveries(&skipped, None, 10)
            .await
            .unwrap();
        let left = left.deliveries.len();
        assert!(left == 0 || left == 5, "{left}");
        let retried = store.retry_deliveries(&all, &skipped, count).await;
        assert_eq!(retried.unwrap(), Answered::Done(left));
        let again = store.retry_deliveries(&all, &skipped, count).await;
        assert_eq!(again.unwrap(), Answered::Replayed(count(&left)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_request_id_nobody_knows() {
    let (fixture, store, proxy) = stage().await;
    let reason = not_needed();
    let delivery = delivery(&fixture).await;
    for cut in [Cut::Before, Cut::After] {
        proxy.cut(cut, 1);
        let skipped = store
            .skip_delivery(&UNKNOWN_CALL, delivery.id, &reason, text)
            .await;
        assert!(is_unknown(&skipped), "{skipped:?}");
        let state = state(&found(&fixture, &delivery).await);
        let expected = match cut {
            Cut::Before => DeliveryState::Pending,
            Cut::After | Cut::Amid => DeliveryState::Skipped,
        };
        assert_eq!(state, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attempts_whose_commit_was_not_answered_are_noted_once() {
    let (fixture, store, proxy) = stage().await;
    let me = DispatcherId::random();
    store.heartbeat(&me).await.unwrap();
    let whole = store.partition_count().all().collect();
    store
        .take_leases(&me, &BTreeMap::new(), &whole)
        .await
        .unwrap();
    for cut in CUTS {
        let delivery = delivery(&fixture).await;
        let finished = Finished {
            delivery: delivery.clone(),
            attempt: Some(Attempt {
                start_time: fixture.clock().now(),
                duration: Duration::from_millis(3),
                outcome: Outcome::Failed,
                code: Some(503),
                problem: "busy".to_owned(),
                answer: Vec::new(),
            }),
            next: NextStep::GiveUp {
                problem: "busy".to_owned(),
            },
        };
        proxy.cut(cut, 1);
        let finished = [finished];
        assert!(store.record_results(&me, &finished).await.is_err());
        assert_eq!(proxy.cuts_left(cut), 0, "the proxy saw no COMMIT");
        // Nobody knows whether it was noted, so it is noted again.
        store.record_results(&me, &finished).await.unwrap();
        let account = store.find_delivery(delivery.id).await.unwrap().unwrap();
        assert_eq!(account.attempts.len(), 1, "{cut:?}");
        let dead = account.delivery.readable().unwrap();
        assert_eq!((dead.state, dead.attempts), (DeliveryState::Dead, 1));
    }
}
