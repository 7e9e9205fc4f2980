//! Lists of orders: filters, order, pages and their tokens.

use std::collections::BTreeSet;

use tonic::Code;
use waymark_proto::v1;
use waymark_tests::{Backend, Shop, World, refusal::invalid, refused};

use crate::bench;

on_each_database!(
    every_filter_picks_its_orders,
    rare_orders_come_in_one_call,
    orders_are_sorted_and_paged,
    tokens_are_bound_to_their_list,
    pages_end_before_they_are_too_large,
    wrong_lists_are_named,
    workflows_are_listed_together,
);

fn request(shop: &Shop, filter: v1::OrderFilter) -> v1::ListOrdersRequest {
    v1::ListOrdersRequest {
        workflows: vec![shop.workflow()],
        filter: Some(filter),
        page_size: 3,
        ..Default::default()
    }
}

/// The ids on all pages, each of which must be as small as it was asked for, and full where another
/// follows, unless attributes are searched.
async fn ids(shop: &Shop, mut request: v1::ListOrdersRequest) -> Vec<String> {
    let mut ids = Vec::new();
    let size = usize::try_from(request.page_size).unwrap();
    let filter = request.filter.as_ref();
    let is_searched = filter.is_some_and(|filter| !filter.attributes.is_empty());
    loop {
        let page = shop
            .orders()
            .list_orders(request.clone())
            .await
            .unwrap()
            .into_inner();
        assert!(page.orders.len() <= size);
        let is_last = page.next_page_token.is_empty();
        assert!(is_last || is_searched || page.orders.len() == size);
        ids.extend(page.orders.into_iter().map(|order| order.id));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return ids;
        }
    }
}

/// Nine orders: three placed, three at work, two held, one finished.
async fn stock(shop: &Shop) {
    for number in 1..=9 {
        let order = v1::Order {
            customer: Some(v1::Customer {
                id: format!("c{}", number % 2),
                ..Default::default()
            }),
            attributes: [
                ("parity".to_owned(), (number % 3).to_string()),
                ("all".to_owned(), "yes".to_owned()),
            ]
            .into(),
            ..shop.draft(&number.to_string(), &[])
        };
        shop.create(order).await.unwrap();
    }
    for id in ["4", "5", "6", "8"] {
        shop.take(id, "begin").await.unwrap();
    }
    shop.comment("6", "for parts", "waiting").await.unwrap();
    shop.hold("7", "").await.unwrap();
    shop.hold("8", "").await.unwrap();
    shop.record("9", "pay", &[]).await.unwrap();
    shop.take("9", "finish").await.unwrap();
}

async fn every_filter_picks_its_orders(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    stock(&shop).await;
    let none = v1::OrderFilter::default;
    let list = |values: &[&str]| values.iter().map(ToString::to_string).collect::<Vec<_>>();
    let attribute = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    };
    for (filter, expected) in [
        (none(), "1 2 3 4 5 6 7 8 9"),
        (
            v1::OrderFilter {
                ids: list(&["3", "8", "77"]),
                ..none()
            },
            "3 8",
        ),
        (
            v1::OrderFilter {
                states: list(&["start", "finish"]),
                ..none()
            },
            "1 2 3 9",
        ),
        (
            v1::OrderFilter {
                statuses: list(&["busy", "parked"]),
                ..none()
            },
            "4 5 7 8",
        ),
        (
            v1::OrderFilter {
                states: list(&["work"]),
                statuses: list(&["waiting"]),
                ..none()
            },
            "6",
        ),
        (
            v1::OrderFilter {
                states: list(&["start"]),
                statuses: list(&["waiting"]),
                ..none()
            },
            "",
        ),
        (
            v1::OrderFilter {
                return_statuses: list(&["busy"]),
                ..none()
            },
            "8",
        ),
        (
            v1::OrderFilter {
                return_statuses: list(&["busy", "fresh"]),
                ..none()
            },
            "7 8",
        ),
        (
            v1::OrderFilter {
                held: Some(true),
                ..none()
            },
            "7 8",
        ),
        (
            v1::OrderFilter {
                held: Some(false),
                ..none()
            },
            "1 2 3 4 5 6 9",
        ),
        (
            v1::OrderFilter {
                customer_id: "c0".into(),
                ..none()
            },
            "2 4 6 8",
        ),
        (
            v1::OrderFilter {
                customer_id: "nobody".into(),
                ..none()
            },
            "",
        ),
        (
            v1::OrderFilter {
                visible_on_storefront: Some(false),
                ..none()
            },
            "6",
        ),
        (
            v1::OrderFilter {
                visible_on_storefront: Some(true),
                held: Some(false),
                ..none()
            },
            "1 2 3 4 5 9",
        ),
        (
            v1::OrderFilter {
                attributes: attribute(&[("parity", "0")]),
                ..none()
            },
            "3 6 9",
        ),
        (
            v1::OrderFilter {
                attributes: attribute(&[("parity", "0"), ("all", "yes")]),
                customer_id: "c1".into(),
                ..none()
            },
            "3 9",
        ),
        (
            v1::OrderFilter {
                attributes: attribute(&[("parity", "7")]),
                ..none()
            },
            "",
        ),
    ] {
        assert_eq!(
            ids(&shop, request(&shop, filter.clone())).await.join(" "),
            expected,
            "{filter:?}"
        );
    }
    let seventh = shop.get("3").await.update_time.unwrap();
    let after = v1::OrderFilter {
        updated_after: Some(seventh),
        states: list(&["start"]),
        ..none()
    };
    assert!(
        ids(&shop, request(&shop, after)).await.is_empty(),
        "later than, not at"
    );
    let before = v1::OrderFilter {
        updated_before: Some(seventh),
        states: list(&["start"]),
        ..none()
    };
    assert_eq!(ids(&shop, request(&shop, before)).await, ["1", "2"]);
}

async fn rare_orders_come_in_one_call(backend: Backend) {
    const ORDERS: usize = 150;
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    for number in 0..ORDERS {
        let order = shop.draft(&format!("{number:03}"), &[]);
        shop.create(order).await.unwrap();
    }
    // The last ones of all, and the first one.
    let rare = ["000", "147", "149"];
    for id in rare {
        shop.take(id, "begin").await.unwrap();
    }
    for order_by in [
        "",
        "id desc",
        "create_time",
        "create_time desc",
        "update_time",
    ] {
        let filter = v1::OrderFilter {
            statuses: vec!["busy".into()],
            ..v1::OrderFilter::default()
        };
        let request = v1::ListOrdersRequest {
            order_by: order_by.into(),
            ..request(&shop, filter)
        };
        let page = shop.orders().list_orders(request).await.unwrap();
        let page = page.into_inner();
        let ids = page.orders.iter().map(|order| order.id.as_str());
        let mut ids: Vec<_> = ids.collect();
        ids.sort_unstable();
        assert_eq!(ids, rare, "{order_by}");
        assert_eq!(page.next_page_token, "", "{order_by}: this was the last");
    }
}

async fn orders_are_sorted_and_paged(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    stock(&shop).await;
    let sorted = async |order_by: &str| {
        ids(
            &shop,
            v1::ListOrdersRequest {
                order_by: order_by.into(),
                ..request(&shop, v1::OrderFilter::default())
            },
        )
        .await
        .join("")
    };
    for (order_by, expected) in [
        ("", "123456789"),
        ("id", "123456789"),
        ("id desc", "987654321"),
        ("create_time", "123456789"),
        ("create_time desc", "987654321"),
        (
            "update_time",
            "123456789"
                .replace(['4', '5', '6', '7', '8', '9'], "")
                .as_str(),
        ),
    ] {
        let got = sorted(order_by).await;
        assert!(
            got == expected || order_by == "update_time" && got.starts_with(expected),
            "{order_by}: {got}"
        );
    }
    assert_eq!(sorted("update_time").await, "123456789");
    shop.comment("2", "touched", "").await.unwrap();
    assert_eq!(sorted("update_time desc").await, "298765431");

    // An order that is touched between two pages is not seen twice by id.
    let first = v1::ListOrdersRequest {
        page_size: 4,
        ..request(&shop, v1::OrderFilter::default())
    };
    let page = shop
        .orders()
        .list_orders(first.clone())
        .await
        .unwrap()
        .into_inner();
    shop.place("0", &[]).await;
    let rest = ids(
        &shop,
        v1::ListOrdersRequest {
            page_token: page.next_page_token,
            ..first
        },
    )
    .await;
    assert_eq!(rest.join(""), "56789");
}

async fn tokens_are_bound_to_their_list(backend: Backend) {
    let world = World::on(backend).await;
    let (shop, other) = (bench::shop(&world).await, bench::shop(&world).await);
    stock(&shop).await;
    let first = request(&shop, v1::OrderFilter::default());
    let token = shop
        .orders()
        .list_orders(first.clone())
        .await
        .unwrap()
        .into_inner()
        .next_page_token;
    let with = |page_token: String| v1::ListOrdersRequest {
        page_token,
        ..first.clone()
    };
    let filtered = v1::OrderFilter {
        held: Some(false),
        ..Default::default()
    };
    let mut tampered = token.clone().into_bytes();
    let last = tampered.len() - 1;
    tampered[last] = if tampered[last] == b'A' { b'B' } else { b'A' };
    let tampered = String::from_utf8(tampered).unwrap();
    for wrong in [
        v1::ListOrdersRequest {
            filter: Some(filtered),
            ..with(token.clone())
        },
        v1::ListOrdersRequest {
            order_by: "id desc".into(),
            ..with(token.clone())
        },
        v1::ListOrdersRequest {
            workflows: vec![other.workflow()],
            ..with(token.clone())
        },
        with(tampered),
        with(token[..token.len() / 2].to_owned()),
        with("not a token".into()),
        with("x".repeat(100_000)),
    ] {
        refused(
            shop.orders().list_orders(wrong).await,
            Code::InvalidArgument,
            "PAGE_TOKEN_INVALID",
        )
        .names("page_token");
    }
    let bigger = v1::ListOrdersRequest {
        page_size: 100,
        ..with(token)
    };
    assert_eq!(
        shop.orders()
            .list_orders(bigger)
            .await
            .unwrap()
            .into_inner()
            .orders
            .len(),
        6,
        "the size may change"
    );
}

async fn pages_end_before_they_are_too_large(backend: Backend) {
    const SIZE_MAX: usize = 2 * 1024 * 1024;
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let lines = (0..500).map(|number| v1::OrderLine {
        name: "n".repeat(256),
        ..waymark_tests::shop::line(&format!("line-{number}"), "1")
    });
    let lines: Vec<_> = lines.collect();
    for number in 0..16 {
        shop.create(v1::Order {
            lines: lines.clone(),
            ..shop.draft(&format!("{number:02}"), &[])
        })
        .await
        .unwrap();
    }
    let mut seen = BTreeSet::new();
    let mut pages = 0;
    let mut request = v1::ListOrdersRequest {
        page_size: 1_000,
        ..request(&shop, v1::OrderFilter::default())
    };
    loop {
        let page = shop
            .orders()
            .list_orders(request.clone())
            .await
            .unwrap()
            .into_inner();
        assert!(prost::Message::encoded_len(&page) < SIZE_MAX);
        pages += 1;
        let count = seen.len();
        seen.extend(page.orders.iter().map(|order| order.id.clone()));
        assert_eq!(seen.len(), count + page.orders.len(), "none twice");
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), 16);
    assert!(pages > 1, "16 orders of some 150 KB do not fit one page");
}

async fn wrong_lists_are_named(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let good = || request(&shop, v1::OrderFilter::default());
    let filter = |filter| request(&shop, filter);
    let none = v1::OrderFilter::default;
    for (wrong, field) in [
        (
            v1::ListOrdersRequest {
                page_size: -1,
                ..good()
            },
            "page_size",
        ),
        (
            v1::ListOrdersRequest {
                order_by: "status".into(),
                ..good()
            },
            "order_by",
        ),
        (
            v1::ListOrdersRequest {
                order_by: "id asc desc".into(),
                ..good()
            },
            "order_by",
        ),
        (
            v1::ListOrdersRequest {
                store_view: "no view".into(),
                ..good()
            },
            "store_view",
        ),
        (
            v1::ListOrdersRequest {
                workflows: vec!["A".into()],
                ..good()
            },
            "workflows[0]",
        ),
        (
            filter(v1::OrderFilter {
                states: vec!["ok".into(), "Not".into()],
                ..none()
            }),
            "filter.states[1]",
        ),
        (
            filter(v1::OrderFilter {
                ids: vec![String::new()],
                ..none()
            }),
            "filter.ids[0]",
        ),
        (
            filter(v1::OrderFilter {
                ids: (0..1_001).map(|n| n.to_string()).collect(),
                ..none()
            }),
            "filter.ids",
        ),
        (
            filter(v1::OrderFilter {
                customer_id: "c".repeat(129),
                ..none()
            }),
            "filter.customer_id",
        ),
    ] {
        invalid(shop.orders().list_orders(wrong).await, field);
    }
    let unknown = v1::ListOrdersRequest {
        workflows: vec!["no_such_workflow".into()],
        ..good()
    };
    refused(
        shop.orders().list_orders(unknown).await,
        Code::NotFound,
        "WORKFLOW_NOT_FOUND",
    );
    let large = v1::ListOrdersRequest {
        page_size: i32::MAX,
        ..good()
    };
    assert!(
        shop.orders()
            .list_orders(large)
            .await
            .unwrap()
            .into_inner()
            .orders
            .is_empty(),
        "coerced, not refused"
    );
}

async fn workflows_are_listed_together(backend: Backend) {
    let world = World::on(backend).await;
    let (shop, other) = (bench::shop(&world).await, bench::shop(&world).await);
    shop.place("a", &[]).await;
    other.place("a", &[]).await;
    other.place("b", &[]).await;
    let both = v1::ListOrdersRequest {
        workflows: vec![shop.workflow(), other.workflow()],
        page_size: 1,
        ..Default::default()
    };
    assert_eq!(ids(&shop, both).await, ["a", "a", "b"]);
    let mut codes = Vec::new();
    let mut request = v1::ListWorkflowsRequest {
        page_size: 2,
        ..Default::default()
    };
    loop {
        let page = shop
            .workflows()
            .list_workflows(request.clone())
            .await
            .unwrap()
            .into_inner();
        codes.extend(page.workflows.into_iter().map(|workflow| workflow.code));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert!(
        codes.is_sorted()
            && codes.contains(&shop.workflow())
            && codes.contains(&"order".to_owned()),
        "{codes:?}"
    );
}
