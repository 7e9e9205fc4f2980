//! Endpoints of webhooks: saved, changed, deleted, switched off.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::time::Duration;

use waymark_domain::{
    value::{Description, EndpointCode, Reason, Timestamp},
    workflow::Workflow,
};
use waymark_persistence::{
    Answered, ChangeError, ChangeMode, Endpoint, EndpointEdit, EndpointInUse, EndpointSecret,
    OutboxCall, Store,
};

use super::deliveries::{CALL, readable, webhook};
use crate::{
    Fixture,
    build::{create, done, order_workflow, request},
};

type Refused = ChangeError<Option<EndpointInUse>>;

fn erp() -> EndpointCode {
    EndpointCode::new("erp").unwrap()
}

fn secret(text: &str, create_time: Timestamp, expire_time: Option<Timestamp>) -> EndpointSecret {
    EndpointSecret {
        secret: text.to_owned(),
        create_time,
        expire_time,
    }
}

pub(super) fn endpoint(code: &str, now: Timestamp) -> Endpoint {
    Endpoint {
        code: EndpointCode::new(code).unwrap(),
        url: "https://erp.example/hooks?a='b'".to_owned(),
        description: Description::new("The warehouse.\nIts \"ERP\".").unwrap(),
        active: true,
        problem: String::new(),
        secrets: vec![secret("whsec_1", now, None)],
        version: 0,
        create_time: now,
        update_time: now,
    }
}

async fn change(
    store: &Store,
    call: &OutboxCall,
    code: &EndpointCode,
    edit: impl Fn(Option<&Endpoint>, Timestamp) -> Result<EndpointEdit, Option<EndpointInUse>> + Send,
) -> Result<Answered<Endpoint>, Refused> {
    let version = |endpoint: &Endpoint| endpoint.version.to_string().into_bytes();
    store.change_endpoint(call, code, edit, version).await
}

/// Creates an endpoint, unless it is there.
async fn create_as(store: &Store, call: &OutboxCall, code: &str) -> Result<Endpoint, Refused> {
    let edit = |before: Option<&Endpoint>, now| match before {
        Some(_) => Err(None),
        None => Ok(EndpointEdit::Save(endpoint(code, now))),
    };
    let code = EndpointCode::new(code).unwrap();
    change(store, call, &code, edit).await.map(saved)
}

fn saved(answered: Answered<Endpoint>) -> Endpoint {
    match answered {
        Answered::Done(endpoint) => endpoint,
        Answered::Replayed(_) => panic!("a call without a request id was replayed"),
    }
}

async fn edit(store: &Store, edit: impl Fn(&mut Endpoint, Timestamp) + Sync) -> Endpoint {
    let code = erp();
    let edited = change(store, &CALL, &code, |before, now| {
        let mut after = before.unwrap().clone();
        edit(&mut after, now);
        Ok(EndpointEdit::Save(after))
    });
    saved(edited.await.unwrap())
}

async fn delete(store: &Store) -> Result<Answered<Endpoint>, Refused> {
    change(store, &CALL, &erp(), |_, _| Ok(EndpointEdit::Delete)).await
}

pub async fn endpoints_come_back_as_they_were_saved(fixture: &Fixture) {
    let store = &fixture.store;
    let created = create_as(store, &CALL, "erp").await.unwrap();
    let now = fixture.clock().now();
    let expected = Endpoint {
        version: 1,
        ..endpoint("erp", now)
    };
    assert_eq!(created, expected);
    assert_eq!(store.find_endpoint(&erp()).await.unwrap(), Some(expected));
    assert!(create_as(store, &CALL, "erp").await.is_err());
    create_as(store, &CALL, "crm").await.unwrap();
    let codes = store.endpoints().await.unwrap().into_iter();
    let codes: Vec<_> = codes.map(|endpoint| endpoint.code.to_string()).collect();
    assert_eq!(codes, ["crm", "erp"]);

    fixture.time.advance(Duration::from_secs(1));
    assert_eq!(edit(store, |_, _| {}).await, created);
    let changed = edit(store, |endpoint, _| {
        "http://a.example/".clone_into(&mut endpoint.url);
        endpoint.active = false;
    });
    let expected = Endpoint {
        url: "http://a.example/".to_owned(),
        active: false,
        version: 2,
        update_time: fixture.clock().now(),
        ..created
    };
    assert_eq!(changed.await, expected);
    let replica = fixture.replica().await;
    assert_eq!(replica.find_endpoint(&erp()).await.unwrap(), Some(expected));
    assert!(!format!("{:?}", store.endpoints().await.unwrap()).contains("whsec"));
}

pub async fn secrets_that_expired_are_dropped(fixture: &Fixture) {
    let store = &fixture.store;
    create_as(store, &CALL, "erp").await.unwrap();
    let rotated = edit(store, |endpoint, now| {
        let end = Timestamp::from_micros(now.micros() + 1_000_000);
        endpoint.secrets[0].expire_time = Some(end);
        endpoint.secrets.insert(0, secret("whsec_2", now, None));
    });
    assert_eq!(rotated.await.secrets.len(), 2);
    fixture.time.advance(Duration::from_millis(999));
    let now = fixture.clock().now();
    let found = store.find_endpoint(&erp()).await.unwrap().unwrap();
    assert!(found.secrets.iter().all(|secret| secret.is_valid(now)));
    fixture.time.advance(Duration::from_millis(1));
    let now = fixture.clock().now();
    assert!(!found.secrets[1].is_valid(now));
    let kept = edit(store, |_, _| {}).await.secrets;
    let texts: Vec<_> = kept.iter().map(|secret| secret.secret.as_str()).collect();
    assert_eq!(texts, ["whsec_2"]);
}

pub async fn an_endpoint_in_use_stays(fixture: &Fixture) {
    let store = &fixture.store;
    create_as(store, &CALL, "erp").await.unwrap();
    let sends = |workflow: Option<&Workflow>| {
        Ok(Some(Workflow {
            on_create: vec![webhook("tell_erp", "erp")],
            ..workflow.unwrap().clone()
        }))
    };
    fixture.change("order", sends).await.unwrap();
    done(store, create("A-1")).await;
    done(store, create("A-2")).await;
    let query = waymark_persistence::DeliveryQuery::default();
    let page = store.list_deliveries(&query, None, 10).await.unwrap();
    let deliveries = page.deliveries.into_iter().map(readable);
    let mut ids: Vec<_> = deliveries.map(|delivery| delivery.id).collect();
    ids.sort_unstable();

    let Err(ChangeError::Refused(Some(in_use))) = delete(store).await else {
        panic!("an endpoint that is in use was deleted");
    };
    assert_eq!(in_use.code, erp());
    let action = "create.tell_erp".parse().unwrap();
    assert_eq!(in_use.actions, [(order_workflow(), action)]);
    let mut waiting = in_use.deliveries;
    waiting.sort_unstable();
    assert_eq!(waiting, ids);

    let silent = |workflow: Option<&Workflow>| {
        Ok(Some(Workflow {
            on_create: Vec::new(),
            ..workflow.unwrap().clone()
        }))
    };
    fixture.change("order", silent).await.unwrap();
    for id in ids {
        let Err(ChangeError::Refused(Some(in_use))) = delete(store).await else {
            panic!("an endpoint was deleted for which deliveries wait");
        };
        assert!(in_use.actions.is_empty());
        let reason = Reason::new("the endpoint goes").unwrap();
        let skipped = store
            .skip_delivery(&CALL, id, &reason, |_| Vec::new())
            .await;
        skipped.unwrap();
    }
    assert_eq!(saved(delete(store).await.unwrap()).code, erp());
    assert_eq!(store.find_endpoint(&erp()).await.unwrap(), None);
}

pub async fn an_endpoint_is_answered_once(fixture: &Fixture) {
    let store = &fixture.store;
    let call = |request_id, fingerprint, mode| OutboxCall {
        request: Some(request(request_id, fingerprint)),
        mode,
        ..CALL.clone()
    };
    let dry_run = call("r-1", 1, ChangeMode::DryRun);
    let tried = create_as(store, &dry_run, "erp").await.unwrap();
    assert_eq!(tried.version, 1);
    assert_eq!(store.endpoints().await.unwrap(), []);
    let first = call("r-1", 1, ChangeMode::Apply);
    create_as(store, &first, "erp").await.unwrap();
    delete(store).await.unwrap();
    let again = change(store, &first, &erp(), |_, _| Err(None)).await;
    assert_eq!(again.unwrap(), Answered::Replayed(b"1".to_vec()));
    let tried = change(store, &dry_run, &erp(), |_, _| Err(None)).await;
    assert_eq!(tried.unwrap(), Answered::Replayed(b"1".to_vec()));
    for mode in [ChangeMode::Apply, ChangeMode::DryRun] {
        let other = call("r-1", 2, mode);
        let reused = create_as(store, &other, "erp").await;
        assert!(matches!(reused, Err(ChangeError::RequestIdReused)));
    }
}

pub async fn two_callers_create_one_endpoint(fixture: &Fixture) {
    let replica = fixture.replica().await;
    let (one, two) = (
        async { create_as(&fixture.store, &CALL, "erp").await.is_ok() },
        async { create_as(&replica, &CALL, "erp").await.is_ok() },
    );
    let (one, two) = tokio::join!(one, two);
    assert_ne!(one, two);
    let found = fixture.store.find_endpoint(&erp()).await.unwrap().unwrap();
    assert_eq!(found.version, 1);
}

pub async fn an_endpoint_is_switched_off(fixture: &Fixture) {
    let store = &fixture.store;
    let created = create_as(store, &CALL, "erp").await.unwrap();
    let url = created.url.clone();
    assert!(
        !store
            .disable_endpoint(&erp(), "https://old.example/", "gone")
            .await
            .unwrap()
    );
    assert_eq!(
        store.find_endpoint(&erp()).await.unwrap(),
        Some(created.clone())
    );
    fixture.time.advance(Duration::from_secs(1));
    assert!(store.disable_endpoint(&erp(), &url, "gone").await.unwrap());
    let expected = Endpoint {
        active: false,
        problem: "gone".to_owned(),
        version: 2,
        update_time: fixture.clock().now(),
        ..created
    };
    assert_eq!(store.find_endpoint(&erp()).await.unwrap(), Some(expected));
    assert!(!store.disable_endpoint(&erp(), &url, "gone").await.unwrap());
    let none = EndpointCode::new("none").unwrap();
    assert!(!store.disable_endpoint(&none, &url, "gone").await.unwrap());
}
