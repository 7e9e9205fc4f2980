//! People who change one workflow at the same moment, and orders that move meanwhile.

use futures::future::join_all;
use tonic::Code;
use waymark_proto::v1;
use waymark_tests::{Backend, Refusal, Shop, World};

on_each_database!(
    two_new_defaults_leave_one,
    no_order_lands_on_a_pair_that_is_unassigned
);

async fn two_new_defaults_leave_one(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let codes = ["one", "two", "three", "four"];
    for code in codes {
        shop.add_status(code).await;
        shop.assign("new", code, None).await.unwrap();
    }
    let other = shop.over(world.server().clients());
    for round in 0..25 {
        let (a, b) = (codes[round % 4], codes[(round + 1) % 4]);
        let (first, second) = tokio::join!(
            shop.assign("new", a, Some(true)),
            other.assign("new", b, Some(true))
        );
        first.unwrap();
        second.unwrap();
        let state = shop.state("new").await;
        let defaults: Vec<_> = state
            .assignments
            .iter()
            .filter(|a| a.is_default)
            .map(|a| &a.status)
            .collect();
        assert_eq!(defaults, [&state.default_status], "round {round}");
        assert!(
            [a, b].contains(&state.default_status.as_str()),
            "round {round}"
        );
    }
}

/// Orders are placed on a status and moved onto it, while it is assigned and unassigned all the time.
async fn no_order_lands_on_a_pair_that_is_unassigned(backend: Backend) {
    const WRITERS: usize = 4;
    const ORDERS: usize = 300;
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    shop.add_status("brief").await;
    shop.assign("new", "brief", None).await.unwrap();

    let writers = join_all(
        (0..WRITERS)
            .map(|writer| land_on_brief(shop.over(world.server().clients()), writer, ORDERS)),
    );
    let editor = flip(&shop);
    tokio::pin!(writers, editor);
    let landed: usize = tokio::select! {
        landed = &mut writers => landed.into_iter().sum(),
        () = &mut editor => unreachable!("the editor does not end"),
    };

    let is_assigned = shop
        .state("new")
        .await
        .assignments
        .iter()
        .any(|a| a.status == "brief");
    let on_brief = orders_on(&shop, "brief").await;
    assert!(
        is_assigned || on_brief == 0,
        "{on_brief} orders stand on a pair that is not assigned"
    );
    assert!(landed > 0, "nothing was tried");
}

/// Unassigns the status and assigns it again, for ever. Where an order stands on the pair the server must refuse, and
/// where the server unassigned it no order may stand there.
async fn flip(shop: &Shop) {
    loop {
        match shop.unassign("new", "brief").await {
            Ok(_) => {
                assert_eq!(
                    orders_on(shop, "brief").await,
                    0,
                    "an order stands on a pair that was unassigned"
                );
                shop.assign("new", "brief", None).await.unwrap();
            }
            Err(status) => assert_eq!(Refusal::of(&status).reason, "STATUS_IN_USE"),
        }
    }
}

async fn land_on_brief(shop: Shop, writer: usize, orders: usize) -> usize {
    let mut landed = 0;
    for number in 0..orders {
        let id = format!("{writer}-{number}");
        shop.place(&id, &[]).await;
        match shop.comment(&id, "there", "brief").await {
            Ok(_) => {
                landed += 1;
                shop.comment(&id, "and back", "pending").await.unwrap();
            }
            Err(status) => {
                let refusal = Refusal::of(&status);
                assert_eq!(
                    (refusal.code, refusal.reason.as_str()),
                    (Code::FailedPrecondition, "STATUS_NOT_IN_STATE")
                );
            }
        }
    }
    landed
}

async fn orders_on(shop: &Shop, status: &str) -> usize {
    let request = v1::ListOrdersRequest {
        workflows: vec![shop.workflow()],
        filter: Some(v1::OrderFilter {
            statuses: vec![status.to_owned()],
            ..Default::default()
        }),
        page_size: 1_000,
        ..Default::default()
    };
    shop.orders()
        .list_orders(request)
        .await
        .unwrap()
        .into_inner()
        .orders
        .len()
}
