//! Calls that change anything but orders are carried out once: the same cases for every kind.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::time::Duration;

use waymark_domain::{
    value::{EndpointCode, Timestamp},
    workflow::Record,
};
use waymark_persistence::{
    Answered, ChangeError, ChangeMode, CommitError, Counting, Endpoint, EndpointEdit,
    EndpointInUse, Extent, NewTrackingToken, OutboxCall, Outcome, Refusal, Request, Revocation,
    Store, StoredDelivery, TrackingAnswer, TrackingCall, TrackingError, WorkflowChange,
};

use super::{
    deliveries::{declare, lane},
    endpoints::endpoint,
};
use crate::{
    Fixture,
    build::{actor, create, done, order_id, order_workflow, request, status},
    change_workflow,
};

/// The kinds of calls. Each can be carried out again and again, and writes something each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Adds a status to a workflow.
    Definition,
    /// Gives an endpoint another URL.
    Endpoint,
    /// Retries a delivery.
    Decision,
    /// Creates a token of an order.
    Token,
    /// Revokes the tokens of an order.
    Revocation,
}

/// What a call came to, with its answer as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// It was carried out.
    Done(String),
    /// The same call was answered before.
    Replayed(String),
    /// It was refused.
    Refused,
    /// Its request id was used for another call.
    Reused,
    /// The database failed.
    Failed(CommitError),
}

impl Kind {
    pub const ALL: [Self; 5] = [
        Self::Definition,
        Self::Endpoint,
        Self::Decision,
        Self::Token,
        Self::Revocation,
    ];

    /// The table that it writes.
    pub fn table(self) -> &'static str {
        match self {
            Self::Definition => "catalog",
            Self::Endpoint => "endpoints",
            Self::Decision => "delivery_decisions",
            Self::Token | Self::Revocation => "tracking_tokens",
        }
    }

    /// Makes what all kinds are about: an order with a delivery.
    pub async fn set_up(fixture: &Fixture) {
        declare(fixture).await;
        done(&fixture.store, create("A-1")).await;
    }

    /// Makes something to do for the next call.
    pub async fn supply(self, fixture: &Fixture) {
        if self != Self::Revocation {
            return;
        }
        // One token, and none that is left of others.
        for kind in [Self::Revocation, Self::Token] {
            let made = Box::pin(kind.call(&fixture.store, None, ChangeMode::Apply));
            assert!(made.await.is_done());
        }
    }

    /// A request id of its own, since some kinds share a scope.
    pub fn request(self, id: &str, fingerprint: u8) -> Option<Request> {
        Some(request(&format!("{self:?}-{id}"), fingerprint))
    }

    /// How often something was done.
    pub async fn effects(self, fixture: &Fixture) -> i64 {
        let sql = match self {
            Self::Definition => "SELECT count(*) FROM workflow_versions WHERE workflow = 'order'",
            Self::Endpoint => "SELECT coalesce(sum(version), 0) FROM endpoints",
            Self::Decision => "SELECT count(*) FROM delivery_decisions",
            Self::Token => "SELECT count(*) FROM tracking_tokens",
            Self::Revocation => {
                "SELECT count(*) FROM tracking_tokens WHERE revoke_time IS NOT NULL"
            }
        };
        fixture.number(sql).await
    }

    /// Makes the call.
    pub async fn call(self, store: &Store, request: Option<Request>, mode: ChangeMode) -> Told {
        let ledger = OutboxCall {
            request: request.clone(),
            actor: actor(),
            mode,
        };
        let tracking = TrackingCall {
            request: request.clone(),
            actor: actor(),
            mode,
        };
        match self {
            Self::Definition => add_status(store, request, mode).await,
            Self::Endpoint => move_endpoint(store, &ledger).await,
            Self::Decision => {
                let id = lane(store, "A-1", "erp").await.remove(0).id;
                let time = |delivery: &StoredDelivery| match delivery {
                    StoredDelivery::Readable(delivery) => text(&delivery.update_time.micros()),
                    StoredDelivery::Unreadable(row) => text(&row.update_time.micros()),
                };
                told(store.retry_delivery(&ledger, id, time).await, time)
            }
            Self::Token => {
                let new = NewTrackingToken {
                    workflow: order_workflow(),
                    order_id: order_id("A-1"),
                    expire_time: None,
                };
                let created = store.create_tracking_token(&new, &tracking).await;
                tracked(created, |token| format!("{:?}", token.id.id))
            }
            Self::Revocation => {
                let all = Revocation::Order(order_workflow(), order_id("A-1"));
                let revoked = store.revoke_tracking_tokens(&all, &tracking).await;
                tracked(revoked, ToString::to_string)
            }
        }
    }

    /// Makes the call with a request id.
    async fn requested(self, store: &Store, id: &str, fingerprint: u8) -> Told {
        let request = self.request(id, fingerprint);
        self.call(store, request, ChangeMode::Apply).await
    }
}

impl Told {
    /// What a repetition of this call is told.
    #[must_use]
    pub fn again(&self) -> Self {
        match self {
            Self::Done(answer) | Self::Replayed(answer) => Self::Replayed(answer.clone()),
            Self::Refused | Self::Reused | Self::Failed(_) => self.clone(),
        }
    }

    fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }
}

fn text(value: &impl ToString) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn words(answer: Vec<u8>) -> String {
    String::from_utf8(answer).unwrap()
}

fn told<T, E>(
    answered: Result<Answered<T>, ChangeError<E>>,
    encode: impl Fn(&T) -> Vec<u8>,
) -> Told {
    match answered {
        Ok(Answered::Done(done)) => Told::Done(words(encode(&done))),
        Ok(Answered::Replayed(answer)) => Told::Replayed(words(answer)),
        Err(ChangeError::Refused(_)) => Told::Refused,
        Err(ChangeError::RequestIdReused) => Told::Reused,
        Err(ChangeError::Failed(error)) => Told::Failed(error),
    }
}

fn tracked<A>(
    answered: Result<TrackingAnswer<A>, TrackingError>,
    encode: impl Fn(&A) -> String,
) -> Told {
    match answered {
        Ok(answered) if answered.replayed => Told::Replayed(encode(&answered.answer)),
        Ok(answered) => Told::Done(encode(&answered.answer)),
        Err(TrackingError::Refused(Refusal::RequestIdReused { .. })) => Told::Reused,
        Err(TrackingError::Failed(error)) => Told::Failed(error),
        Err(
            TrackingError::Refused(_)
            | TrackingError::TokenNotFound
            | TrackingError::ExpireTimePassed,
        ) => Told::Refused,
    }
}

async fn add_status(store: &Store, request: Option<Request>, mode: ChangeMode) -> Told {
    let change = WorkflowChange {
        workflow: order_workflow(),
        request,
        actor: actor(),
        mode,
        counting: Counting::Nothing,
        extent: Extent::Part,
    };
    let add = |record: Option<&Record>| {
        let mut workflow = record.unwrap().workflow.clone();
        let mut extra = workflow.statuses[0].clone();
        extra.code = status(&format!("extra_{}", workflow.statuses.len()));
        workflow.statuses.push(extra);
        Ok(Some(workflow))
    };
    let version = |outcome: &Outcome| {
        let published = outcome.record.as_ref().unwrap();
        text(&published.record.stamp.version)
    };
    told(change_workflow(store, &change, add).await, version)
}

async fn move_endpoint(store: &Store, call: &OutboxCall) -> Told {
    let code = EndpointCode::new("erp").unwrap();
    let edit = |before: Option<&Endpoint>, now: Timestamp| {
        let version = before.map_or(0, |endpoint| endpoint.version);
        let moved = Endpoint {
            url: format!("https://erp.example/{version}"),
            ..endpoint("erp", now)
        };
        Ok::<_, Option<EndpointInUse>>(EndpointEdit::Save(moved))
    };
    let version = |endpoint: &Endpoint| text(&endpoint.version);
    let changed = store.change_endpoint(call, &code, edit, version).await;
    told(changed, version)
}

pub async fn a_call_of_each_kind_is_answered_once(fixture: &Fixture) {
    Kind::set_up(fixture).await;
    let (store, replica) = (&fixture.store, fixture.replica().await);
    for kind in Kind::ALL {
        kind.supply(fixture).await;
        let before = kind.effects(fixture).await;
        let first = kind.requested(store, "r-1", 1).await;
        assert!(first.is_done(), "{kind:?}: {first:?}");
        for store in [store, &replica] {
            let again = kind.requested(store, "r-1", 1).await;
            assert_eq!(again, first.again(), "{kind:?}");
        }
        let other = kind.requested(&replica, "r-1", 2).await;
        assert_eq!(other, Told::Reused, "{kind:?}");
        assert_eq!(kind.effects(fixture).await, before + 1, "{kind:?}");
        // Under another id it is another call, and so it is without any.
        for request in [kind.request("r-2", 1), None, None] {
            kind.supply(fixture).await;
            let next = kind.call(store, request, ChangeMode::Apply).await;
            assert!(next.is_done(), "{kind:?}: {next:?}");
        }
    }
}

pub async fn a_dry_run_of_each_kind_takes_no_request_id(fixture: &Fixture) {
    Kind::set_up(fixture).await;
    let store = &fixture.store;
    for kind in Kind::ALL {
        kind.supply(fixture).await;
        let remembered = async || fixture.number("SELECT count(*) FROM requests").await;
        let before = (kind.effects(fixture).await, remembered().await);
        let dry = async |fingerprint| {
            let request = kind.request("r-1", fingerprint);
            kind.call(store, request, ChangeMode::DryRun).await
        };
        for fingerprint in [1, 2, 1] {
            let tried = dry(fingerprint).await;
            assert!(tried.is_done(), "{kind:?}: {tried:?}");
        }
        let after = (kind.effects(fixture).await, remembered().await);
        assert_eq!(after, before, "{kind:?}");
        // Once it is used, it answers as the call would.
        let first = kind.requested(store, "r-1", 1).await;
        assert!(first.is_done(), "{kind:?}: {first:?}");
        assert_eq!(dry(1).await, first.again(), "{kind:?}");
        assert_eq!(dry(2).await, Told::Reused, "{kind:?}");
        assert_eq!(kind.effects(fixture).await, before.0 + 1, "{kind:?}");
    }
}

pub async fn one_request_id_of_each_kind_from_many_callers(fixture: &Fixture) {
    Kind::set_up(fixture).await;
    let replica = fixture.replica().await;
    for kind in Kind::ALL {
        kind.supply(fixture).await;
        let before = kind.effects(fixture).await;
        let mut callers = tokio::task::JoinSet::new();
        for number in 0..10 {
            let store = match number % 2 {
                0 => fixture.store.clone(),
                _ => replica.clone(),
            };
            callers.spawn(async move { kind.requested(&store, "r-1", 1).await });
        }
        let answers = callers.join_all().await;
        let first = answers.iter().filter(|told| told.is_done()).count();
        assert_eq!(first, 1, "{kind:?}: {answers:?}");
        let same = answers
            .iter()
            .all(|told| told.again() == answers[0].again());
        assert!(same, "{kind:?}: {answers:?}");
        assert_eq!(kind.effects(fixture).await, before + 1, "{kind:?}");
    }
}

pub async fn old_answers_are_forgotten_and_no_others(fixture: &Fixture) {
    Kind::set_up(fixture).await;
    let store = &fixture.store;
    let mut answers = Vec::new();
    for id in ["old", "young"] {
        fixture.time.advance(Duration::from_hours(1));
        for kind in Kind::ALL {
            kind.supply(fixture).await;
            answers.push((kind, id, kind.requested(store, id, 1).await));
        }
    }
    let until = Timestamp::from_micros(fixture.clock().now().micros() - 1);
    assert_eq!(store.forget_requests(until).await.unwrap(), 5);
    assert_eq!(store.forget_requests(until).await.unwrap(), 0);
    for (kind, id, first) in answers {
        kind.supply(fixture).await;
        let before = kind.effects(fixture).await;
        let again = kind.requested(store, id, 1).await;
        if id == "young" {
            assert_eq!(again, first.again(), "{kind:?}");
            continue;
        }
        // Carried out anew, and remembered from then on, whatever it says.
        assert!(again.is_done(), "{kind:?}: {again:?}");
        assert!(kind.effects(fixture).await > before, "{kind:?}");
        let other = kind.requested(store, id, 2).await;
        assert_eq!(other, Told::Reused, "{kind:?}");
    }
}

pub async fn many_old_answers_are_forgotten_a_few_at_a_time(fixture: &Fixture) {
    let (kept, answer) = (fixture.blob(&"01".repeat(16)), fixture.blob("61"));
    let row = |number: i64| {
        format!("(0, 'workflow/order', 'r-{number}', {kept}, {kept}, {answer}, {number})")
    };
    let rows: Vec<_> = (1..=450).map(row).collect();
    fixture
        .execute(&format!(
            "INSERT INTO requests (partition, scope, request_id, fingerprint, change_id, answer, \
             create_time) VALUES {}",
            rows.join(", ")
        ))
        .await;
    let until = Timestamp::from_micros(440);
    for expected in [200, 200, 40, 0] {
        let forgotten = fixture.store.forget_requests(until).await;
        assert_eq!(forgotten.unwrap(), expected);
    }
    let left = fixture.number("SELECT min(create_time) FROM requests");
    assert_eq!(left.await, 441);
}
