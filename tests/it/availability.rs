//! `ListAvailableTransitions` says what `TransitionOrder` would do.

use tonic::Code;
use waymark_proto::v1::{self, transition_order_request::Target};
use waymark_tests::{Backend, Shop, World, refused, shop::person};

use crate::bench;

on_each_database!(
    what_is_listed_is_what_happens,
    blocked_transitions_come_with_reasons,
    nothing_is_available_when_held_or_terminal
);

async fn list(
    shop: &Shop,
    id: &str,
    roles: &[&str],
    include_blocked: bool,
) -> Vec<(String, bool, Vec<String>)> {
    let request = v1::ListAvailableTransitionsRequest {
        workflow: shop.workflow(),
        order_id: id.into(),
        actor: Some(person("eve", roles)),
        include_blocked,
    };
    let answer = shop
        .orders()
        .list_available_transitions(request)
        .await
        .unwrap()
        .into_inner();
    let row = |available: v1::AvailableTransition| {
        assert!(
            available
                .reasons
                .iter()
                .all(|reason| !reason.message.is_empty())
        );
        let reasons = available
            .reasons
            .into_iter()
            .map(|reason| reason.reason)
            .collect();
        (
            available.transition.unwrap().code,
            available.allowed,
            reasons,
        )
    };
    answer.transitions.into_iter().map(row).collect()
}

async fn what_is_listed_is_what_happens(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("start", &[]).await;
    shop.place("work", &[]).await;
    shop.take("work", "begin").await.unwrap();
    for (id, roles) in [
        ("start", ["clerk"]),
        ("work", ["clerk"]),
        ("work", ["boss"]),
    ] {
        for (code, allowed, reasons) in list(&shop, id, &roles, true).await {
            let step = v1::TransitionOrderRequest {
                actor: Some(person("eve", &roles)),
                validate_only: true,
                ..shop.step(id, Target::Transition(code.clone()))
            };
            match shop.orders().transition_order(step).await {
                Ok(_) => assert!(allowed && reasons.is_empty(), "{code} on {id}: {reasons:?}"),
                Err(status) => assert_eq!(
                    reasons,
                    [waymark_tests::Refusal::of(&status).reason],
                    "{code} on {id}"
                ),
            }
        }
    }
}

async fn blocked_transitions_come_with_reasons(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    shop.take("1", "begin").await.unwrap();
    let open = list(&shop, "1", &["boss"], false).await;
    assert_eq!(
        open.iter().map(|row| row.0.as_str()).collect::<Vec<_>>(),
        ["pause", "loop", "approve"]
    );
    assert!(open.iter().all(|row| row.1));
    let all = list(&shop, "1", &["clerk"], true).await;
    let blocked: Vec<_> = all
        .iter()
        .filter(|row| !row.1)
        .map(|row| (row.0.as_str(), row.2.join(" ")))
        .collect();
    let expected = [
        ("approve", "ROLE_REQUIRED"),
        ("wait", "GUARD_REFUSED"),
        ("finish", "ENTRY_GUARD_REFUSED"),
    ];
    assert_eq!(
        blocked,
        expected.map(|(code, reason)| (code, reason.to_owned())),
        "those from here only"
    );
    let request = v1::ListAvailableTransitionsRequest {
        workflow: shop.workflow(),
        order_id: "2".into(),
        ..Default::default()
    };
    refused(
        shop.orders().list_available_transitions(request).await,
        Code::NotFound,
        "ORDER_NOT_FOUND",
    );
}

async fn nothing_is_available_when_held_or_terminal(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    shop.hold("1", "").await.unwrap();
    assert!(list(&shop, "1", &[], false).await.is_empty());
    assert!(
        list(&shop, "1", &[], true)
            .await
            .iter()
            .all(|row| !row.1 && row.2 == ["ORDER_HELD"])
    );
    shop.release("1", "").await.unwrap();
    shop.record("1", "pay", &[]).await.unwrap();
    shop.take("1", "finish").await.unwrap();
    assert!(list(&shop, "1", &[], false).await.is_empty());
}
