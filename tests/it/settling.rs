//! Automatic transitions of standing orders, asked once after a rule has changed.

use std::collections::BTreeSet;

use futures::future::join_all;
use tonic::Code;
use waymark_proto::v1::{self, EntryKind};
use waymark_tests::{
    Backend, Server, Shop, World, binary, refused,
    shop::person,
    world::{self, fresh_code},
};

use crate::{
    applying::apply,
    reaching_orders::{DOCUMENT, place, with_guard},
};

on_each_database!(
    standing_orders_are_asked_once,
    every_order_is_asked_on_one_page,
    orders_that_cannot_move_are_passed_over,
    roles_and_guards_see_who_asks,
    an_order_that_is_refused_stays,
    a_page_has_a_request_id_of_its_own,
    a_page_that_was_cut_off_is_gone_on_with,
    the_command_settles_all_pages,
);

/// A shop with orders that wait, whose rule then changes so that they may go.
async fn changed(world: &World, orders: &[(&str, i64)]) -> Shop {
    let shop = world::apply(world, &fresh_code(), DOCUMENT).await;
    for (id, grand_total) in orders {
        place(&shop, id, *grand_total).await;
    }
    change(&shop, &with_guard("order.grand_total > 1000")).await;
    shop
}

async fn change(shop: &Shop, document: &str) {
    let request = shop.document(document, v1::WorkflowFormat::Yaml);
    apply(shop, request).await.unwrap();
}

fn page(shop: &Shop) -> v1::SettleOrdersRequest {
    v1::SettleOrdersRequest {
        workflow: shop.workflow(),
        ..Default::default()
    }
}

async fn settle(
    shop: &Shop,
    request: v1::SettleOrdersRequest,
) -> Result<v1::SettleOrdersResponse, tonic::Status> {
    shop.workflows()
        .settle_orders(request)
        .await
        .map(tonic::Response::into_inner)
}

/// The orders that moved, each with its transitions.
fn moved(answer: &v1::SettleOrdersResponse) -> Vec<(&str, Vec<&str>)> {
    let moved = answer.moved.iter().map(|order| {
        let transitions = order.transitions.iter().map(String::as_str);
        (order.order_id.as_str(), transitions.collect())
    });
    moved.collect()
}

async fn standing_orders_are_asked_once(backend: Backend) {
    let world = World::on(backend).await;
    let shop = changed(&world, &[("1", 10_000), ("2", 20_000), ("3", 5)]).await;
    let dry = v1::SettleOrdersRequest {
        validate_only: true,
        ..page(&shop)
    };
    let tried = settle(&shop, dry).await.unwrap();
    assert_eq!(moved(&tried), [("1", vec!["go"]), ("2", vec!["go"])]);
    assert_eq!((tried.looked_at, tried.next_page_token.as_str()), (3, ""));
    assert_eq!(shop.get("1").await.version, 1, "a rehearsal moves nobody");

    let request = v1::SettleOrdersRequest {
        actor: Some(person("ann", &[])),
        ..page(&shop)
    };
    let answer = settle(&shop, request.clone()).await.unwrap();
    assert_eq!(answer, tried);
    for id in ["1", "2"] {
        let entries = shop.entries(id).await;
        let [_, entry] = entries.as_slice() else {
            panic!("{entries:?}")
        };
        assert_eq!(entry.kind(), EntryKind::Transitioned);
        assert_eq!((entry.transition.as_str(), entry.caused_by), ("go", 0));
        assert_eq!(entry.actor.as_ref().unwrap().id, "ann");
        assert_eq!(shop.get(id).await.state, "mid");
    }
    assert_eq!(shop.entries("3").await.len(), 1);
    let again = settle(&shop, request).await.unwrap();
    assert_eq!((moved(&again), again.looked_at), (vec![], 1));
}

async fn every_order_is_asked_on_one_page(backend: Backend) {
    let world = World::on(backend).await;
    let ids: Vec<String> = (0..7).map(|number| format!("o{number}")).collect();
    let orders: Vec<_> = ids.iter().map(|id| (id.as_str(), 10_000)).collect();
    let shop = changed(&world, &orders).await;
    let (mut pages, mut came) = (Vec::new(), Vec::new());
    let mut request = v1::SettleOrdersRequest {
        page_size: 3,
        ..page(&shop)
    };
    loop {
        let answer = settle(&shop, request.clone()).await.unwrap();
        pages.push(answer.looked_at);
        came.extend(answer.moved.into_iter().map(|order| order.order_id));
        if answer.next_page_token.is_empty() {
            break;
        }
        request.page_token = answer.next_page_token;
        let elsewhere = v1::SettleOrdersRequest {
            actor: Some(person("ann", &[])),
            ..request.clone()
        };
        refused(
            settle(&shop, elsewhere).await,
            Code::InvalidArgument,
            "PAGE_TOKEN_INVALID",
        );
    }
    assert_eq!((pages, came), (vec![3, 3, 1], ids));
}

async fn orders_that_cannot_move_are_passed_over(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world::apply(&world, &fresh_code(), DOCUMENT).await;
    for id in ["1", "2", "3", "4"] {
        place(&shop, id, 10_000).await;
    }
    shop.hold("1", "").await.unwrap();
    shop.take("2", "push").await.unwrap();
    shop.take("3", "push").await.unwrap();
    shop.take("3", "finish").await.unwrap();
    // From anywhere: what is held or has ended does not move all the same.
    let anywhere = DOCUMENT.replace(
        "from_states: [new], to_state: mid, trigger: automatic, guard: order.grand_total > 100000",
        "to_state: mid, trigger: automatic, guard: order.grand_total > 1000",
    );
    change(&shop, &anywhere).await;
    let answer = settle(&shop, page(&shop)).await.unwrap();
    assert_eq!(moved(&answer), [("4", vec!["go"])]);
    assert_eq!(answer.looked_at, 2, "those in new and mid");
    for (id, state) in [("1", "held"), ("2", "mid"), ("3", "end")] {
        assert_eq!(shop.get(id).await.state, state);
    }
    let nowhere = v1::SettleOrdersRequest {
        workflow: "nowhere".to_owned(),
        ..Default::default()
    };
    refused(
        settle(&shop, nowhere).await,
        Code::NotFound,
        "WORKFLOW_NOT_FOUND",
    );
}

async fn roles_and_guards_see_who_asks(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world::apply(&world, &fresh_code(), DOCUMENT).await;
    place(&shop, "1", 10_000).await;
    change(&shop, &with_guard("'\"boss\" in actor.roles'")).await;
    for (roles, expected) in [
        (&["clerk"][..], vec![]),
        (&["boss"][..], vec![("1", vec!["go"])]),
    ] {
        let request = v1::SettleOrdersRequest {
            actor: Some(person("ann", roles)),
            ..page(&shop)
        };
        let answer = settle(&shop, request).await.unwrap();
        assert_eq!(moved(&answer), expected, "{roles:?}");
    }
}

async fn an_order_that_is_refused_stays(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world::apply(&world, &fresh_code(), DOCUMENT).await;
    for (id, grand_total) in [("1", 10), ("2", 10_000)] {
        place(&shop, id, grand_total).await;
    }
    // Cheap orders go to and fro without end.
    let circle = with_guard("order.grand_total > 1000").replace(
        "  push:",
        "  to: {label: To, from_states: [new], to_state: mid, trigger: automatic, guard: order.grand_total < 100}\n  \
         fro: {label: Fro, from_states: [mid], to_state: new, trigger: automatic, guard: order.grand_total < 100}\n  \
         push:",
    );
    change(&shop, &circle).await;
    for validate_only in [true, false] {
        let request = v1::SettleOrdersRequest {
            validate_only,
            ..page(&shop)
        };
        let answer = settle(&shop, request).await.unwrap();
        assert_eq!(moved(&answer), [("2", vec!["go"])]);
        let [refused] = answer.refused.as_slice() else {
            panic!("{answer:?}")
        };
        assert_eq!(
            (refused.order_id.as_str(), refused.reason.as_str()),
            ("1", "CASCADE_LIMIT")
        );
        assert!(
            refused.message.ends_with(", among them fro, to"),
            "{refused:?}"
        );
        assert_eq!(answer.looked_at, 2);
    }
    assert_eq!(shop.entries("1").await.len(), 1);
}

async fn a_page_has_a_request_id_of_its_own(backend: Backend) {
    let world = World::on(backend).await;
    let shop = changed(&world, &[("1", 10_000), ("2", 5), ("3", 10_000)]).await;
    let request = v1::SettleOrdersRequest {
        page_size: 2,
        request_id: "page-1".to_owned(),
        ..page(&shop)
    };
    let first = settle(&shop, request.clone()).await.unwrap();
    assert_eq!(
        (moved(&first), first.replayed),
        (vec![("1", vec!["go"])], false)
    );
    assert_eq!(shop.entries("1").await[1].request_id, "page-1");
    let dry = v1::SettleOrdersRequest {
        validate_only: true,
        ..request.clone()
    };
    for again in [request.clone(), dry] {
        let again = settle(&shop, again).await.unwrap();
        assert!(again.replayed);
        let replayed = v1::SettleOrdersResponse {
            replayed: true,
            ..first.clone()
        };
        assert_eq!(again, replayed);
    }
    let other = [
        v1::SettleOrdersRequest {
            page_size: 1,
            ..request.clone()
        },
        v1::SettleOrdersRequest {
            page_token: first.next_page_token.clone(),
            ..request.clone()
        },
    ];
    for other in other {
        refused(
            settle(&shop, other).await,
            Code::AlreadyExists,
            "REQUEST_ID_REUSED",
        );
    }
    let next = v1::SettleOrdersRequest {
        page_token: first.next_page_token,
        request_id: "page-2".to_owned(),
        ..request
    };
    let next = settle(&shop, next).await.unwrap();
    assert_eq!(
        (moved(&next), next.replayed),
        (vec![("3", vec!["go"])], false)
    );
    assert_eq!(next.next_page_token, "");
    // Ids of single orders are another matter: such an order is refused, the others move.
    place(&shop, "4", 5).await;
    let remark = v1::AddCommentRequest {
        request_id: "page-3".to_owned(),
        ..shop.remark("2", "x")
    };
    shop.orders().add_comment(remark).await.unwrap();
    change(&shop, &with_guard("order.grand_total > 1")).await;
    let third = v1::SettleOrdersRequest {
        request_id: "page-3".to_owned(),
        ..page(&shop)
    };
    let third = settle(&shop, third).await.unwrap();
    assert_eq!(moved(&third), [("4", vec!["go"])]);
    assert_eq!(third.refused[0].reason, "REQUEST_ID_REUSED");
}

async fn a_page_that_was_cut_off_is_gone_on_with(backend: Backend) {
    const ORDERS: usize = 900;
    let mut server = Server::start(backend).await;
    let shop = world::apply(&server.clients(), "reach", DOCUMENT).await;
    let ids: Vec<String> = (0..ORDERS).map(|number| format!("o{number:04}")).collect();
    for ids in ids.chunks(100) {
        let created = ids.iter().map(async |id| {
            let request = v1::CreateOrderRequest {
                order: Some(shop.draft(id, &[])),
                ..Default::default()
            };
            shop.orders().create_order(request).await.unwrap();
        });
        join_all(created).await;
    }
    change(&shop, &with_guard("order.grand_total > 1000")).await;
    let request = v1::SettleOrdersRequest {
        page_size: 1_000,
        request_id: "the-page".to_owned(),
        ..page(&shop)
    };
    // It takes most of a second, of which this sees the beginning.
    let asking = {
        let (shop, request) = (shop.clone(), request.clone());
        tokio::spawn(async move { settle(&shop, request).await })
    };
    let first = ids.first().unwrap();
    while shop.get(first).await.version == 1 {}
    server.kill();
    // Perhaps it has come to its end all the same, on a machine with much else to do.
    let heard = asking.await.unwrap();
    server.restart().await;

    let shop = shop.over(server.clients());
    let answer = settle(&shop, request.clone()).await.unwrap();
    assert!(answer.replayed || heard.is_err());
    let came: BTreeSet<&str> = answer.moved.iter().map(|o| o.order_id.as_str()).collect();
    let all: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
    assert_eq!(came, all);
    assert_eq!((answer.moved.len(), answer.refused.len()), (ORDERS, 0));
    for id in ids.iter().step_by(50) {
        assert_eq!(shop.entries(id).await.len(), 2, "{id} moved once");
    }
    let again = settle(&shop, request).await.unwrap();
    assert!(again.replayed);
    assert_eq!(again.moved, answer.moved);
}

async fn the_command_settles_all_pages(backend: Backend) {
    let world = World::on(backend).await;
    let shop = changed(&world, &[("1", 10_000), ("2", 20_000), ("3", 5)]).await;
    let (workflow, address) = (shop.workflow(), world.server().address());
    let server = format!("http://{address}");
    let run = |more: &[&str]| {
        let call = [
            "workflow",
            "settle",
            workflow.as_str(),
            "--server",
            server.as_str(),
        ];
        let output = binary::run(&[&call[..], more].concat());
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let told = "1: go\n2: go\n";
    assert_eq!(
        run(&["--dry-run"]),
        (Some(0), format!("{told}2 of 3 orders would move\n"))
    );
    assert_eq!(
        run(&["--actor", "ann"]),
        (Some(0), format!("{told}2 of 3 orders moved\n"))
    );
    assert_eq!(run(&[]), (Some(0), "0 of 1 orders moved\n".to_owned()));
    let entry = shop.entries("1").await.pop().unwrap();
    assert_eq!(entry.actor.unwrap().id, "ann");
    assert!(!entry.request_id.is_empty());
}
