//! What customers see with a token, and that nothing else leads there.

use std::time::Duration;

use prost_types::Timestamp;
use tokio::time::Instant;
use tonic::{Code, Response};
use waymark_proto::v1;
use waymark_tests::{
    Backend, Refusal, Server, Shop, World, refusal::invalid, refused, shop, world,
};

use crate::bench;

on_each_database!(
    a_customer_sees_what_is_meant_for_customers,
    labels_are_those_of_the_store_view,
    what_storefronts_hide_is_not_seen,
    the_newest_hundred_entries_are_seen,
    a_guest_may_see_too,
    what_is_no_token_shows_nothing,
    a_revoked_token_shows_nothing,
    a_token_ends_at_its_time,
    a_token_lasts_over_a_crash,
    repeated_calls_are_answered_again,
    validate_only_writes_nothing,
    wrong_fields_are_named,
);

/// How long something may take that happens at a time.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn create(shop: &Shop, id: &str) -> v1::CreateTrackingTokenResponse {
    let request = v1::CreateTrackingTokenRequest {
        workflow: shop.workflow(),
        order_id: id.to_owned(),
        ..Default::default()
    };
    let answer = shop.tracking().create_tracking_token(request).await;
    answer.expect("a token is created").into_inner()
}

pub(crate) async fn token(shop: &Shop, id: &str) -> String {
    let created = create(shop, id).await;
    created.tracking_token.expect("a token").token
}

async fn see(shop: &Shop, token: &str) -> shop::Answer<v1::Tracking> {
    see_in(shop, token, "").await
}

async fn see_in(shop: &Shop, token: &str, store_view: &str) -> shop::Answer<v1::Tracking> {
    let request = v1::GetTrackingRequest {
        token: token.to_owned(),
        store_view: store_view.to_owned(),
    };
    let answer = shop.tracking().get_tracking(request).await;
    answer.map(|answer| answer.into_inner().tracking.expect("a view"))
}

async fn revoke(
    shop: &Shop,
    request: v1::RevokeTrackingTokenRequest,
) -> shop::Answer<v1::RevokeTrackingTokenResponse> {
    let answer = shop.tracking().revoke_tracking_token(request).await;
    answer.map(Response::into_inner)
}

fn all_of(shop: &Shop, id: &str) -> v1::RevokeTrackingTokenRequest {
    v1::RevokeTrackingTokenRequest {
        workflow: shop.workflow(),
        order_id: id.to_owned(),
        ..Default::default()
    }
}

fn one(token: &str) -> v1::RevokeTrackingTokenRequest {
    v1::RevokeTrackingTokenRequest {
        token: token.to_owned(),
        ..Default::default()
    }
}

/// Says something to the customer of an order.
pub(crate) async fn tell(shop: &Shop, id: &str, comment: &str) {
    let request = v1::AddCommentRequest {
        visible_to_customer: true,
        ..shop.remark(id, comment)
    };
    shop.orders()
        .add_comment(request)
        .await
        .expect("it is said");
}

async fn a_customer_sees_what_is_meant_for_customers(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    shop.place("1", &[("a", "2")]).await;
    shop.comment("1", "not for the customer", "").await.unwrap();
    tell(&shop, "1", "We have it").await;
    shop.record("1", "invoice", &[]).await.unwrap();
    let shipped = v1::RecordOperationRequest {
        visible_to_customer: true,
        comment: "On its way".to_owned(),
        metadata: [("carrier".to_owned(), "secret".to_owned())].into(),
        actor: Some(shop::person("anna", &["packer"])),
        ..shop.operation("1", "ship", &[])
    };
    shop.orders().record_operation(shipped).await.unwrap();
    let entries = shop.entries("1").await;
    let visible: Vec<_> = entries
        .iter()
        .rev()
        .filter(|entry| entry.visible_to_customer)
        .collect();
    // What a step sets off is as visible as the step.
    let [completed, sent, said] = visible.as_slice() else {
        panic!("three entries are for the customer: {visible:?}");
    };
    let token = token(&shop, "1").await;
    let seen = see(&shop, &token).await.unwrap();
    let order = shop.get("1").await;
    let entry = |entry: &v1::HistoryEntry, label: &str| v1::TrackingEntry {
        label: label.to_owned(),
        comment: entry.comment.clone(),
        create_time: entry.create_time,
        status_changed: entry.status_changed,
    };
    let expected = v1::Tracking {
        order_id: "1".to_owned(),
        status_label: "Complete".to_owned(),
        status_time: order.status_time,
        entries: vec![
            entry(completed, "Complete"),
            entry(sent, "Processing"),
            entry(said, "Pending"),
        ],
    };
    assert_eq!(seen, expected);
    assert_eq!(order.feed_url, "", "feeds are off here");
}

async fn labels_are_those_of_the_store_view(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let update = v1::UpdateStatusRequest {
        workflow: shop.workflow(),
        status: Some(v1::OrderStatus {
            code: "pending".to_owned(),
            store_view_labels: [
                ("de".to_owned(), "Ausstehend".to_owned()),
                ("fr".to_owned(), "En attente".to_owned()),
            ]
            .into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    shop.statuses().update_status(update).await.unwrap();
    let german = v1::Order {
        store_view: "de".to_owned(),
        ..shop.draft("1", &[("a", "1")])
    };
    shop.create(german).await.unwrap();
    tell(&shop, "1", "Danke").await;
    let token = token(&shop, "1").await;
    for (asked, label) in [
        ("", "Ausstehend"),
        ("fr", "En attente"),
        ("xx", "Ausstehend"),
    ] {
        let seen = see_in(&shop, &token, asked).await.unwrap();
        assert_eq!(seen.status_label, label);
        assert_eq!(seen.entries[0].label, label);
    }
}

async fn what_storefronts_hide_is_not_seen(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let unpaid = v1::Order {
        state: "pending_payment".to_owned(),
        ..shop.draft("1", &[("a", "1")])
    };
    shop.create(unpaid).await.unwrap();
    tell(&shop, "1", "Please pay").await;
    let token = token(&shop, "1").await;
    let hidden = refused(
        see(&shop, &token).await,
        Code::NotFound,
        "TRACKING_NOT_FOUND",
    );
    let wrong = refused(
        see(&shop, "wrong").await,
        Code::NotFound,
        "TRACKING_NOT_FOUND",
    );
    assert_eq!(hidden.message, wrong.message);
    shop.record("1", "pay", &[]).await.unwrap();
    let seen = see(&shop, &token).await.unwrap();
    assert_eq!(seen.status_label, "Processing");
    let [entry] = seen.entries.as_slice() else {
        panic!("one entry is for the customer: {seen:?}");
    };
    // The status at that time is none of the customer's business still.
    assert_eq!((entry.label.as_str(), entry.status_changed), ("", false));
    assert_eq!(entry.comment, "Please pay");
}

async fn the_newest_hundred_entries_are_seen(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    shop.place("1", &[("a", "1")]).await;
    let step = |number: usize| v1::Step {
        command: Some(v1::step::Command::AddComment(v1::AddCommentRequest {
            visible_to_customer: number.is_multiple_of(4),
            ..shop.remark("1", &number.to_string())
        })),
    };
    let steps = v1::ExecuteStepsRequest {
        steps: (0..1_000).map(step).collect(),
        ..Default::default()
    };
    shop.orders().execute_steps(steps).await.unwrap();
    let seen = see(&shop, &token(&shop, "1").await).await.unwrap();
    let comments: Vec<_> = seen
        .entries
        .iter()
        .map(|entry| entry.comment.clone())
        .collect();
    let newest = (0..250)
        .rev()
        .take(100)
        .map(|number| (number * 4).to_string());
    assert_eq!(comments, newest.collect::<Vec<_>>());
}

async fn a_guest_may_see_too(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let guest = v1::Order {
        customer: Some(v1::Customer {
            email: "guest@shop.example".to_owned(),
            guest: true,
            ..Default::default()
        }),
        ..shop.draft("1", &[("a", "1")])
    };
    shop.create(guest).await.unwrap();
    let seen = see(&shop, &token(&shop, "1").await).await.unwrap();
    assert_eq!(seen.order_id, "1");
}

async fn what_is_no_token_shows_nothing(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    shop.place("1", &[("a", "1")]).await;
    let own = token(&shop, "1").await;
    assert_eq!(own.len(), 68);
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    assert!(own.chars().all(plain), "it goes into an address as it is");

    let elsewhere = Server::start(backend).await;
    let other = world::apply(&elsewhere.clients(), "bench", bench::DOCUMENT).await;
    other.place("1", &[]).await;
    let foreign = token(&other, "1").await;
    assert!(see(&other, &foreign).await.is_ok());

    let flipped = (0..own.len()).map(|place| {
        let mut text = own.clone().into_bytes();
        text[place] = if text[place] == b'A' { b'B' } else { b'A' };
        String::from_utf8(text).unwrap()
    });
    let cut = (1..own.len())
        .step_by(7)
        .map(|length| own[..length].to_owned());
    let others = [
        foreign,
        own.to_lowercase(),
        format!("{own}A"),
        format!("{own}="),
        format!("{own}.atom"),
        format!(" {own}"),
        "A".repeat(68),
        "\u{1F980}".repeat(17),
        "x".repeat(100_000),
    ];
    let mut texts = Vec::new();
    for wrong in flipped.chain(cut).chain(others) {
        let answer = see(&shop, &wrong).await;
        let refusal = refused(answer, Code::NotFound, "TRACKING_NOT_FOUND");
        assert!(refusal.metadata.is_empty(), "{refusal:?}");
        texts.push(refusal.message);
        let answer = revoke(&shop, one(&wrong)).await;
        refused(answer, Code::NotFound, "TRACKING_NOT_FOUND");
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(see(&shop, &own).await.is_ok());
}

async fn a_revoked_token_shows_nothing(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    shop.place("1", &[("a", "1")]).await;
    let (first, second, third) = (
        token(&shop, "1").await,
        token(&shop, "1").await,
        token(&shop, "1").await,
    );
    assert_eq!(revoke(&shop, one(&first)).await.unwrap().revoked, 1);
    assert_eq!(revoke(&shop, one(&first)).await.unwrap().revoked, 0);
    refused(
        see(&shop, &first).await,
        Code::NotFound,
        "TRACKING_NOT_FOUND",
    );
    assert!(see(&shop, &second).await.is_ok());
    assert_eq!(revoke(&shop, all_of(&shop, "1")).await.unwrap().revoked, 2);
    for token in [&second, &third] {
        refused(
            see(&shop, token).await,
            Code::NotFound,
            "TRACKING_NOT_FOUND",
        );
    }
    let later = token(&shop, "1").await;
    assert!(see(&shop, &later).await.is_ok());
}

async fn a_token_ends_at_its_time(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let order = shop.place("1", &[("a", "1")]).await;
    let mut end = order.create_time.unwrap();
    end.seconds += 3;
    let request = v1::CreateTrackingTokenRequest {
        workflow: shop.workflow(),
        order_id: "1".to_owned(),
        expire_time: Some(end),
        ..Default::default()
    };
    let created = shop.tracking().create_tracking_token(request.clone()).await;
    let created = created.unwrap().into_inner().tracking_token.unwrap();
    assert_eq!(created.expire_time, Some(end));
    let deadline = Instant::now() + PATIENCE;
    let refusal = loop {
        match see(&shop, &created.token).await {
            Err(status) => break Refusal::of(&status),
            Ok(_) => assert!(Instant::now() < deadline, "the token does not end"),
        }
    };
    assert_eq!(refusal.reason, "TRACKING_NOT_FOUND");
    invalid(
        shop.tracking().create_tracking_token(request).await,
        "expire_time",
    );
}

async fn a_token_lasts_over_a_crash(backend: Backend) {
    let mut server = Server::start(backend).await;
    let shop = world::apply(&server.clients(), "bench", bench::DOCUMENT).await;
    shop.place("1", &[]).await;
    let (kept, revoked) = (token(&shop, "1").await, token(&shop, "1").await);
    revoke(&shop, one(&revoked)).await.unwrap();
    server.kill();
    server.restart().await;
    let shop = shop.over(server.clients());
    assert!(see(&shop, &kept).await.is_ok());
    refused(
        see(&shop, &revoked).await,
        Code::NotFound,
        "TRACKING_NOT_FOUND",
    );
    let lines = server.log().after(0);
    let told = lines.iter().find(|line| line.contains(&kept));
    assert_eq!(told, None, "a token is never logged");
}

async fn repeated_calls_are_answered_again(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    shop.place("1", &[("a", "1")]).await;
    let create = v1::CreateTrackingTokenRequest {
        workflow: shop.workflow(),
        order_id: "1".to_owned(),
        request_id: "mail-1".to_owned(),
        ..Default::default()
    };
    let ask = async |request: &v1::CreateTrackingTokenRequest| {
        let answer = shop.tracking().create_tracking_token(request.clone()).await;
        answer.map(Response::into_inner)
    };
    let first = ask(&create).await.unwrap();
    assert!(!first.replayed);
    let again = ask(&create).await.unwrap();
    assert_eq!(
        again,
        v1::CreateTrackingTokenResponse {
            replayed: true,
            ..first.clone()
        }
    );
    let other = v1::CreateTrackingTokenRequest {
        expire_time: Some(Timestamp {
            seconds: 32_503_680_000,
            nanos: 0,
        }),
        ..create.clone()
    };
    refused(ask(&other).await, Code::AlreadyExists, "REQUEST_ID_REUSED");
    let request = v1::RevokeTrackingTokenRequest {
        request_id: "revoke-1".to_owned(),
        ..all_of(&shop, "1")
    };
    let revoked = revoke(&shop, request.clone()).await.unwrap();
    assert_eq!((revoked.revoked, revoked.replayed), (1, false));
    let kept = token(&shop, "1").await;
    let revoked = revoke(&shop, request).await.unwrap();
    assert_eq!((revoked.revoked, revoked.replayed), (1, true));
    assert!(see(&shop, &kept).await.is_ok(), "it came later");
    let again = ask(&create).await.unwrap();
    assert!(again.replayed && again.tracking_token.unwrap().revoke_time.is_some());
}

async fn validate_only_writes_nothing(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    shop.place("1", &[("a", "1")]).await;
    let request = v1::CreateTrackingTokenRequest {
        workflow: shop.workflow(),
        order_id: "1".to_owned(),
        validate_only: true,
        ..Default::default()
    };
    let answer = shop.tracking().create_tracking_token(request.clone()).await;
    let answer = answer.unwrap().into_inner();
    let token = answer.tracking_token.unwrap();
    assert_eq!((token.order_id.as_str(), token.token.as_str()), ("1", ""));
    let nothing = v1::RevokeTrackingTokenRequest {
        validate_only: true,
        ..all_of(&shop, "1")
    };
    assert_eq!(revoke(&shop, nothing.clone()).await.unwrap().revoked, 0);
    let kept = create(&shop, "1").await.tracking_token.unwrap();
    assert_eq!(revoke(&shop, nothing).await.unwrap().revoked, 1);
    assert!(see(&shop, &kept.token).await.is_ok());
    let nowhere = v1::CreateTrackingTokenRequest {
        order_id: "2".to_owned(),
        ..request
    };
    let answer = shop.tracking().create_tracking_token(nowhere).await;
    refused(answer, Code::NotFound, "ORDER_NOT_FOUND");
}

async fn wrong_fields_are_named(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    shop.place("1", &[("a", "1")]).await;
    let request = v1::CreateTrackingTokenRequest {
        workflow: shop.workflow(),
        order_id: "1".to_owned(),
        ..Default::default()
    };
    let past = v1::CreateTrackingTokenRequest {
        expire_time: Some(Timestamp::default()),
        ..request.clone()
    };
    invalid(
        shop.tracking().create_tracking_token(past).await,
        "expire_time",
    );
    let nowhere = v1::CreateTrackingTokenRequest {
        workflow: "nowhere".to_owned(),
        ..request.clone()
    };
    let answer = shop.tracking().create_tracking_token(nowhere).await;
    refused(answer, Code::NotFound, "WORKFLOW_NOT_FOUND");
    let nothing = v1::CreateTrackingTokenRequest {
        order_id: String::new(),
        ..request
    };
    invalid(
        shop.tracking().create_tracking_token(nothing).await,
        "order_id",
    );
    let both = v1::RevokeTrackingTokenRequest {
        token: "x".to_owned(),
        ..all_of(&shop, "1")
    };
    invalid(revoke(&shop, both).await, "order_id");
    invalid(revoke(&shop, one("")).await, "order_id");
    refused(
        revoke(&shop, all_of(&shop, "2")).await,
        Code::NotFound,
        "ORDER_NOT_FOUND",
    );
    invalid(see(&shop, "").await, "token");
    invalid(see_in(&shop, "x", "?").await, "store_view");
}
