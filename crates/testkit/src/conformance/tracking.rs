//! Tokens with which customers see their orders.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::time::Duration;

use waymark_domain::{
    order::{Action, Customer},
    value::{Comment, Timestamp},
};
use waymark_persistence::{
    ChangeMode, CommitError, Error, NewTrackingToken, Refusal, Request, Revocation, Step,
    StepChange, Store, Tracked, TrackingAnswer, TrackingCall, TrackingError, TrackingToken,
    TrackingTokenId, migrate,
};

use super::upgrading::downgrade;
use crate::{
    Fixture,
    build::{
        act, actor, all, comment, create, create_as, done, new_order, order_id, order_workflow,
        request, workflow_code,
    },
};

type Created = Result<TrackingAnswer<TrackingToken>, TrackingError>;

fn call(request: Option<Request>) -> TrackingCall {
    TrackingCall {
        request,
        actor: actor(),
        mode: ChangeMode::Apply,
    }
}

fn dry_run() -> TrackingCall {
    TrackingCall {
        mode: ChangeMode::DryRun,
        ..call(Some(request("r-1", 1)))
    }
}

fn token_of(id: &str, expire_time: Option<Timestamp>) -> NewTrackingToken {
    NewTrackingToken {
        workflow: order_workflow(),
        order_id: order_id(id),
        expire_time,
    }
}

async fn ask(store: &Store, new: NewTrackingToken, call: TrackingCall) -> Created {
    store.create_tracking_token(&new, &call).await
}

async fn revoke(
    store: &Store,
    which: Revocation,
    call: TrackingCall,
) -> Result<TrackingAnswer<i32>, TrackingError> {
    store.revoke_tracking_tokens(&which, &call).await
}

async fn created(store: &Store, id: &str) -> TrackingToken {
    let created = ask(store, token_of(id, None), call(None)).await;
    created.unwrap().answer
}

async fn requested(store: &Store, id: &str, request_id: &str, fingerprint: u8) -> Created {
    let call = call(Some(request(request_id, fingerprint)));
    ask(store, token_of(id, None), call).await
}

async fn revoked(store: &Store, which: Revocation) -> i32 {
    let revoked = revoke(store, which, call(None)).await;
    revoked.unwrap().answer
}

fn all_of(id: &str) -> Revocation {
    Revocation::Order(order_workflow(), order_id(id))
}

async fn tracked(store: &Store, token: &TrackingToken) -> Option<Tracked> {
    store.tracked(token.id, 100).await.unwrap()
}

async fn newest(store: &Store, id: &str) -> Option<TrackingTokenId> {
    let (workflow, id) = (order_workflow(), order_id(id));
    let newest = store.newest_tracking_token(&workflow, &id).await;
    newest.unwrap()
}

fn for_customer(id: &str, text: &str) -> Step {
    let mut step = act(id, Action::Comment { status: None });
    if let StepChange::Change(command) = &mut step.change {
        command.context.comment = Comment::new(text).unwrap();
        command.context.visible_to_customer = true;
    }
    step
}

pub async fn a_token_leads_to_its_order(fixture: &Fixture) {
    let store = &fixture.store;
    for id in ["A-1", "A-2"] {
        done(store, create(id)).await;
        done(store, comment(id, "for the shop")).await;
        done(store, for_customer(id, id)).await;
    }
    let token = created(store, "A-1").await;
    assert_eq!(
        (&token.workflow, &token.order_id),
        (&order_workflow(), &order_id("A-1"))
    );
    // Another process sees it at once.
    let found = tracked(&fixture.replica().await, &token).await.unwrap();
    assert_eq!(found.order.id, order_id("A-1"));
    assert_eq!(found.published.record.workflow.code, order_workflow());
    let [entry] = found.entries.as_slice() else {
        panic!("one entry is for the customer: {:?}", found.entries);
    };
    assert_eq!(entry.entry.comment.as_str(), "A-1");
    assert!(entry.entry.visible_to_customer);
}

pub async fn an_order_of_a_guest_has_tokens(fixture: &Fixture) {
    let guest = Customer {
        guest: true,
        ..Customer::default()
    };
    let order = waymark_domain::order::NewOrder {
        customer: guest,
        ..new_order("G-1")
    };
    done(&fixture.store, create_as(order)).await;
    let token = created(&fixture.store, "G-1").await;
    let found = tracked(&fixture.store, &token).await.unwrap();
    assert!(found.order.customer.guest);
}

pub async fn the_newest_entries_are_seen(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, create("A-1")).await;
    // More than the row of an order keeps of its journal, and only every third for the customer.
    let steps = (0..600).map(|number| match number % 3 {
        0 => for_customer("A-1", &number.to_string()),
        _ => comment("A-1", &number.to_string()),
    });
    all(store, steps.collect()).await;
    let token = created(store, "A-1").await;
    let found = store.tracked(token.id, 150).await.unwrap().unwrap();
    let comments: Vec<_> = found
        .entries
        .iter()
        .map(|logged| logged.entry.comment.to_string())
        .collect();
    let expected: Vec<_> = (0..200)
        .rev()
        .take(150)
        .map(|number| (number * 3).to_string())
        .collect();
    assert_eq!(comments, expected);
}

pub async fn tokens_that_are_not_there(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, create("A-1")).await;
    let token = created(store, "A-1").await;
    let unknown = TrackingTokenId {
        id: [7; 16],
        ..token.id
    };
    assert_eq!(store.tracked(unknown, 100).await.unwrap(), None);
    let refused = revoke(store, Revocation::Token(unknown), call(None)).await;
    assert_eq!(refused, Err(TrackingError::TokenNotFound));

    let nowhere = ask(store, token_of("B-1", None), call(None));
    let not_found = Refusal::OrderNotFound {
        workflow: order_workflow(),
        order_id: order_id("B-1"),
    };
    assert_eq!(nowhere.await, Err(not_found.clone().into()));
    let nothing = revoke(store, all_of("B-1"), call(None));
    assert_eq!(nothing.await, Err(not_found.into()));
    let workflow = workflow_code("nowhere");
    let new = NewTrackingToken {
        workflow: workflow.clone(),
        ..token_of("A-1", None)
    };
    let nowhere = ask(store, new.clone(), call(None));
    assert_eq!(
        nowhere.await,
        Err(Refusal::WorkflowNotFound { workflow }.into())
    );
}

pub async fn a_revoked_token_leads_nowhere(fixture: &Fixture) {
    let store = &fixture.store;
    let replica = fixture.replica().await;
    for id in ["A-1", "A-2"] {
        done(store, create(id)).await;
    }
    let (one, two, three) = (
        created(store, "A-1").await,
        created(store, "A-1").await,
        created(store, "A-1").await,
    );
    let other = created(store, "A-2").await;
    assert_eq!(revoked(store, Revocation::Token(one.id)).await, 1);
    assert_eq!(revoked(store, Revocation::Token(one.id)).await, 0);
    assert_eq!(tracked(&replica, &one).await, None);
    assert!(tracked(&replica, &two).await.is_some());
    assert_eq!(revoked(&replica, all_of("A-1")).await, 2);
    assert_eq!(revoked(store, all_of("A-1")).await, 0);
    for token in [&one, &two, &three] {
        assert_eq!(tracked(store, token).await, None);
    }
    assert!(tracked(store, &other).await.is_some());
    // A token that is made later is not concerned.
    let later = created(store, "A-1").await;
    assert!(tracked(store, &later).await.is_some());
}

pub async fn a_token_ends_at_its_time(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, create("A-1")).await;
    let now = fixture.clock().now();
    let end = Timestamp::from_micros(now.micros() + 1_000_000);
    let new = token_of("A-1", Some(end));
    let created = ask(store, new.clone(), call(Some(request("r-1", 1))));
    let token = created.await.unwrap().answer;
    assert_eq!(token.expire_time, Some(end));
    fixture.time.advance(Duration::from_micros(999_999));
    assert!(tracked(store, &token).await.is_some());
    assert_eq!(newest(store, "A-1").await, Some(token.id));
    fixture.time.advance(Duration::from_micros(1));
    assert_eq!(tracked(store, &token).await, None);
    assert_eq!(newest(store, "A-1").await, None);

    let late = ask(store, new.clone(), call(None)).await;
    assert_eq!(late, Err(TrackingError::ExpireTimePassed));
    // The call that came in time is answered all the same.
    let again = ask(store, new.clone(), call(Some(request("r-1", 1))));
    let again = again.await.unwrap();
    assert_eq!((again.answer.id, again.replayed), (token.id, true));
    // What has ended can be revoked.
    assert_eq!(revoked(store, all_of("A-1")).await, 1);
}

pub async fn the_newest_token_that_can_be_used(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, create("A-1")).await;
    assert_eq!(newest(store, "A-1").await, None);
    let mut tokens = Vec::new();
    for _ in 0..3 {
        fixture.time.advance(Duration::from_secs(1));
        tokens.push(created(store, "A-1").await);
        let last = tokens.last().map(|token| token.id);
        assert_eq!(newest(store, "A-1").await, last);
    }
    while let Some(token) = tokens.pop() {
        revoked(store, Revocation::Token(token.id)).await;
        let before = tokens.last().map(|token| token.id);
        assert_eq!(newest(store, "A-1").await, before);
    }
}

pub async fn a_token_is_created_once(fixture: &Fixture) {
    let store = &fixture.store;
    for id in ["A-1", "A-2"] {
        done(store, create(id)).await;
    }
    let first = requested(store, "A-1", "r-1", 1).await.unwrap();
    assert!(!first.replayed);
    let replica = fixture.replica().await;
    let again = requested(&replica, "A-1", "r-1", 1).await.unwrap();
    assert_eq!(
        again,
        TrackingAnswer {
            replayed: true,
            ..first.clone()
        }
    );
    let request_id = request("r-1", 1).id;
    assert_eq!(
        requested(store, "A-1", "r-1", 2).await,
        Err(Refusal::RequestIdReused { request_id }.into())
    );
    // Ids are those of one order.
    assert!(!requested(store, "A-2", "r-1", 1).await.unwrap().replayed);
    // The answer shows the token as it is now.
    revoked(store, all_of("A-1")).await;
    let revoked = requested(store, "A-1", "r-1", 1).await.unwrap();
    assert!(revoked.replayed && revoked.answer.revoke_time.is_some());
    let count = "SELECT count(*) FROM tracking_tokens";
    assert_eq!(fixture.number(count).await, 2);
    // What was refused is not remembered.
    assert!(requested(store, "B-1", "r-2", 1).await.is_err());
    done(store, create("B-1")).await;
    assert!(!requested(store, "B-1", "r-2", 1).await.unwrap().replayed);
}

pub async fn tokens_are_revoked_once(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, create("A-1")).await;
    created(store, "A-1").await;
    let call = call(Some(request("r-1", 1)));
    let first = revoke(store, all_of("A-1"), call.clone()).await;
    let first = first.unwrap();
    assert_eq!((first.answer, first.replayed), (1, false));
    let token = created(store, "A-1").await;
    let again = revoke(store, all_of("A-1"), call.clone()).await;
    let again = again.unwrap();
    assert_eq!((again.answer, again.replayed), (1, true));
    assert!(tracked(store, &token).await.is_some(), "it came later");
}

pub async fn one_request_id_from_many_callers(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..20 {
        let store = match number % 2 {
            0 => fixture.store.clone(),
            _ => fixture.replica().await,
        };
        callers.spawn(async move { requested(&store, "A-1", "r-1", 1).await.unwrap() });
    }
    let answers = callers.join_all().await;
    let first = answers.iter().filter(|answered| !answered.replayed);
    assert_eq!(first.count(), 1);
    let ids = answers.iter().map(|answered| answered.answer.id);
    assert!(ids.clone().all(|id| Some(id) == ids.clone().next()));
    let count = "SELECT count(*) FROM tracking_tokens";
    assert_eq!(fixture.number(count).await, 1);
}

pub async fn a_dry_run_of_tokens_writes_nothing(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, create("A-1")).await;
    let new = token_of("A-1", None);
    let created = ask(store, new, dry_run()).await;
    assert!(!created.unwrap().replayed);
    assert_eq!(newest(store, "A-1").await, None);
    // The id of a dry run is still free.
    let token = requested(store, "A-1", "r-1", 1).await.unwrap().answer;
    let again = ask(store, token_of("A-1", None), dry_run()).await;
    let again = again.unwrap();
    assert_eq!((again.answer.id, again.replayed), (token.id, true));
    let dry_run_of = |id: &str, fingerprint| TrackingCall {
        request: Some(request(id, fingerprint)),
        ..dry_run()
    };
    let reused = ask(store, token_of("A-1", None), dry_run_of("r-1", 2)).await;
    assert!(matches!(
        reused,
        Err(TrackingError::Refused(Refusal::RequestIdReused { .. }))
    ));
    let revoked = revoke(store, all_of("A-1"), dry_run_of("r-2", 1));
    assert_eq!(revoked.await.unwrap().answer, 1);
    assert!(tracked(store, &token).await.is_some());
    let nowhere = ask(store, token_of("B-1", None), dry_run());
    assert!(matches!(
        nowhere.await,
        Err(TrackingError::Refused(Refusal::OrderNotFound { .. }))
    ));
}

pub async fn the_key_lasts(fixture: &Fixture) {
    let replica = fixture.replica().await;
    assert_eq!(replica.tracking_key(), fixture.store.tracking_key());
    let clock = fixture.clock();
    migrate(&fixture.settings, &clock).await.unwrap();
    let replica = fixture.replica().await;
    assert_eq!(replica.tracking_key(), fixture.store.tracking_key());
    assert_ne!(fixture.store.tracking_key().secret(), &[0; 32]);
}

pub async fn an_older_database_gets_a_key(fixture: &Fixture) {
    let versions = downgrade(fixture, "2026-11-22-200000_tracking").await;
    let clock = fixture.clock();
    // Two processes upgrade it at once.
    let (one, other) = tokio::join!(
        migrate(&fixture.settings, &clock),
        migrate(&fixture.settings, &clock)
    );
    let applied = [one.unwrap().applied, other.unwrap().applied].concat();
    assert_eq!(applied, versions);
    let (one, other) = (fixture.replica().await, fixture.replica().await);
    assert_eq!(one.tracking_key(), other.tracking_key());
    assert_ne!(one.tracking_key(), fixture.store.tracking_key());
}

pub async fn a_migration_that_was_cut_off_is_finished(fixture: &Fixture) {
    fixture.execute("DELETE FROM tracking_key").await;
    let clock = fixture.clock();
    if fixture.database().is_some() {
        let refused = Store::open(fixture.settings.clone(), clock.clone()).await;
        assert!(
            matches!(refused, Err(Error::SchemaOlder { .. })),
            "{refused:?}"
        );
        migrate(&fixture.settings, &clock).await.unwrap();
    }
    assert_ne!(
        fixture.replica().await.tracking_key(),
        fixture.store.tracking_key()
    );
}

pub async fn a_corrupt_token_is_said_to_be_so(fixture: &Fixture) {
    let store = &fixture.store;
    done(store, create("A-1")).await;
    let token = created(store, "A-1").await;
    fixture
        .execute("UPDATE tracking_tokens SET order_id = ''")
        .await;
    let found = store.tracked(token.id, 100).await;
    assert!(matches!(
        found,
        Err(Error::Corrupt {
            table: "tracking_tokens",
            ..
        })
    ));
    let refused = revoke(store, Revocation::Token(token.id), call(None));
    assert_eq!(
        refused.await,
        Err(TrackingError::Failed(CommitError::Database))
    );
}
