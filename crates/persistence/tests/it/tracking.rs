//! Tracking tokens whose commit is not answered.

use std::time::Duration;

use waymark_persistence::{
    ChangeMode, CommitError, NewTrackingToken, Request, Revocation, TrackingCall, TrackingError,
};
use waymark_testkit::{
    Backend, Fixture,
    build::{actor, create, done, order_id, order_workflow, request},
    proxy::Cut,
};

use crate::faults::through_a_proxy;

const PATIENCE: Duration = Duration::from_secs(20);
const CUTS: [Cut; 3] = [Cut::Before, Cut::After, Cut::Amid];

fn call(request: Option<Request>) -> TrackingCall {
    TrackingCall {
        request,
        actor: actor(),
        mode: ChangeMode::Apply,
    }
}

fn token_of(id: &str) -> NewTrackingToken {
    NewTrackingToken {
        workflow: order_workflow(),
        order_id: order_id(id),
        expire_time: None,
    }
}

fn all_of(id: &str) -> Revocation {
    Revocation::Order(order_workflow(), order_id(id))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_whose_commit_was_not_answered_is_created_once() {
    let fixture = Fixture::open(Backend::Postgres).await;
    let (store, proxy) = through_a_proxy(&fixture, PATIENCE).await;
    done(&store, create("A-1")).await;
    for (cut, count) in CUTS.into_iter().zip([1, 3, 5]) {
        // Without a request id the store itself must not do it twice.
        for (id, more) in [(None, 0), (Some(request(&format!("r-{count}"), 1)), 1)] {
            proxy.cut(cut, 1);
            let call = call(id);
            let created = store.create_tracking_token(&token_of("A-1"), &call).await;
            let created = created.unwrap();
            assert!(!created.replayed, "{cut:?}");
            assert_eq!(proxy.cuts_left(cut), 0, "the proxy saw no COMMIT");
            assert!(store.tracked(created.answer.id, 1).await.unwrap().is_some());
            let tokens = fixture.number("SELECT count(*) FROM tracking_tokens").await;
            assert_eq!(tokens, count + more, "{cut:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_whose_commit_was_not_answered() {
    let fixture = Fixture::open(Backend::Postgres).await;
    let (store, proxy) = through_a_proxy(&fixture, PATIENCE).await;
    done(&store, create("A-1")).await;
    for (number, cut) in CUTS.into_iter().enumerate() {
        let created = store
            .create_tracking_token(&token_of("A-1"), &call(None))
            .await
            .unwrap();
        proxy.cut(cut, 1);
        let id = request(&format!("r-{number}"), 1);
        let revoked = store
            .revoke_tracking_tokens(&all_of("A-1"), &call(Some(id)))
            .await;
        assert_eq!(revoked.unwrap().answer, 1, "{cut:?}");
        assert_eq!(proxy.cuts_left(cut), 0, "the proxy saw no COMMIT");
        assert_eq!(store.tracked(created.answer.id, 1).await.unwrap(), None);
    }
    // Without a request id nobody could say what was revoked by which attempt.
    proxy.cut(Cut::After, 1);
    let revoked = store
        .revoke_tracking_tokens(&all_of("A-1"), &call(None))
        .await;
    let unknown = TrackingError::Failed(CommitError::OutcomeUnknown);
    assert_eq!(revoked, Err(unknown));
}
