//! Pages of lists of orders: each filter in every order, by pages of several sizes and by every
//! way to find orders.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::{collections::BTreeMap, time::Duration};

use waymark_domain::{
    order::{Customer, Order},
    value::{ActorId, Attributes, OrderId, WorkflowCode},
};
use waymark_persistence::{Direction, OrderQuery, OrderSort, SortKey, Step, Store, test_access};

use super::listing::{list, place};
use crate::{
    Fixture,
    build::{
        all, comment, create, create_as, done, hold, move_to, new_order, order_id, order_workflow,
        record, status, workflow, workflow_code,
    },
};

/// How many orders are looked up before and after a sorted index is tried: none, few, and as ever.
const PROBES: [(usize, usize); 3] = [(0, 0), (3, 20), (1_000, 10_000)];

const SORTS: [OrderSort; 6] = [
    sort(SortKey::UpdateTime, Direction::Ascending),
    sort(SortKey::UpdateTime, Direction::Descending),
    sort(SortKey::CreateTime, Direction::Ascending),
    sort(SortKey::CreateTime, Direction::Descending),
    sort(SortKey::Id, Direction::Ascending),
    sort(SortKey::Id, Direction::Descending),
];

const fn sort(by: SortKey, direction: Direction) -> OrderSort {
    OrderSort { by, direction }
}

/// The workflow and the id of one of ninety orders: each id is there in both workflows.
fn named(number: usize) -> (WorkflowCode, OrderId) {
    let workflow = if number.is_multiple_of(2) {
        "order"
    } else {
        "returns"
    };
    let id = format!("N-{:02}", (number * 37) % 45);
    (workflow_code(workflow), order_id(&id))
}

fn placed(number: usize) -> Step {
    let (workflow, id) = named(number);
    let mut new = new_order(id.as_str());
    new.workflow = workflow;
    // Two thirds are of one customer.
    let customer = format!("c-{}", (number % 3) / 2);
    new.customer = Customer {
        id: ActorId::new(&customer).unwrap(),
        ..Customer::default()
    };
    let channel = if number.is_multiple_of(5) {
        "shop"
    } else {
        "web"
    };
    let attributes = BTreeMap::from([("channel".to_owned(), channel.to_owned())]);
    new.attributes = Attributes::new(attributes).unwrap();
    create_as(new)
}

fn changed(number: usize) -> Vec<Step> {
    let (workflow, id) = named(number);
    let id = id.as_str();
    let steps = match number % 7 {
        0 => vec![record(id, "invoice")],
        1 => vec![hold(id)],
        2 => vec![move_to(id, "received")],
        3 => vec![comment(id, "x")],
        4 => vec![move_to(id, "received"), hold(id)],
        _ => Vec::new(),
    };
    let there = steps.into_iter().map(|step| Step {
        workflow: workflow.clone(),
        ..step
    });
    there.collect()
}

/// Ninety orders of two workflows, many of them placed or touched at one time.
async fn crowd(fixture: &Fixture) -> Vec<Order> {
    const ORDERS: usize = 90;
    let returns = workflow("magento", "returns");
    fixture
        .change("returns", |_| Ok(Some(returns.clone())))
        .await
        .unwrap();
    let numbers: Vec<_> = (0..ORDERS).collect();
    for numbers in numbers.chunks(8) {
        fixture.time.advance(Duration::from_millis(300));
        let steps = numbers.iter().map(|number| placed(*number)).collect();
        assert!(all(&fixture.store, steps).await.iter().all(Result::is_ok));
    }
    for numbers in numbers.chunks(12) {
        fixture.time.advance(Duration::from_millis(700));
        let steps = numbers.iter().flat_map(|number| changed(*number)).collect();
        assert!(all(&fixture.store, steps).await.iter().all(Result::is_ok));
    }
    let mut orders = Vec::new();
    for number in numbers {
        let (workflow, id) = named(number);
        let order = fixture.store.find_order(&workflow, &id).await.unwrap();
        orders.push(order.unwrap());
    }
    orders
}

/// What a list is about, said a second time.
fn is_wanted(query: &OrderQuery, order: &Order) -> bool {
    let place = (order.workflow.clone(), order.standing.clone());
    let attributes = order.attributes.as_map();
    let back = order.return_to.as_ref().map(|back| &back.status);
    (query.workflows.is_empty() || query.workflows.contains(&order.workflow))
        && (query.ids.is_empty() || query.ids.contains(&order.id))
        && query
            .standings
            .as_ref()
            .is_none_or(|places| places.contains(&place))
        && (query.return_statuses.is_empty()
            || back.is_some_and(|back| query.return_statuses.contains(back)))
        && query
            .customer
            .as_ref()
            .is_none_or(|customer| order.customer.id == *customer)
        && query
            .updated_after
            .is_none_or(|after| order.update_time > after)
        && query
            .updated_before
            .is_none_or(|before| order.update_time < before)
        && query
            .attributes
            .iter()
            .all(|(key, value)| attributes.get(key) == Some(value))
}

/// Reads all pages, each of which but the last must be full unless bodies are searched.
async fn paged(
    store: &Store,
    query: &OrderQuery,
    (limit, first, most): (usize, usize, usize),
) -> Vec<Order> {
    let (mut orders, mut cursor): (Vec<Order>, _) = (Vec::new(), None);
    for _ in 0..1_000 {
        let sizes = (limit, first, most);
        let page = test_access::list_orders(store, query, cursor.as_ref(), sizes)
            .await
            .unwrap();
        let is_full = page.orders.len() == limit || !query.attributes.is_empty();
        assert!(page.orders.len() <= limit);
        assert!(page.next.is_none() || is_full, "{sizes:?} {query:?}");
        assert!(
            cursor.is_none() || !page.orders.is_empty(),
            "an empty page at the end: {sizes:?} {query:?}"
        );
        orders.extend(page.orders);
        cursor = page.next;
        if cursor.is_none() {
            return orders;
        }
    }
    panic!("the list does not end: {query:?}");
}

/// What orders are sorted by, as far as they show it.
fn rank(store: &Store, by: SortKey, order: &Order) -> (i64, i32, String, String) {
    let partition = store.partition_of(&order.workflow, &order.id).number();
    match by {
        SortKey::UpdateTime => (
            order.update_time.micros(),
            partition,
            String::new(),
            String::new(),
        ),
        SortKey::CreateTime => (
            order.create_time.micros(),
            partition,
            String::new(),
            String::new(),
        ),
        SortKey::Id => (0, 0, order.id.to_string(), order.workflow.to_string()),
    }
}

/// Compares a list in every order and by pages of several sizes with a filter in memory.
async fn compare(store: &Store, orders: &[Order], query: &OrderQuery) {
    let key = |order: &Order| (order.workflow.clone(), order.id.clone());
    let mut expected: Vec<_> = orders
        .iter()
        .filter(|order| is_wanted(query, order))
        .map(key)
        .collect();
    expected.sort_unstable();
    for sort in SORTS {
        let query = OrderQuery {
            sort,
            ..query.clone()
        };
        let whole = list(store, &query, 1_000).await;
        let mut found: Vec<_> = whole.iter().map(key).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{query:?}");
        let ranks = whole.iter().map(|order| rank(store, sort.by, order));
        let mut ranks: Vec<_> = ranks.collect();
        if sort.direction == Direction::Descending {
            ranks.reverse();
        }
        assert!(ranks.is_sorted(), "{query:?}");
        for (first, most) in PROBES {
            for limit in [1, 7, 50] {
                // Pages of one are many; they are read without any lookup, which is the longest way.
                if limit > 1 || most == 0 {
                    let listed = paged(store, &query, (limit, first, most)).await;
                    assert_eq!(listed, whole, "{limit} {first} {most} {query:?}");
                }
            }
        }
    }
}

fn asking(ask: impl FnOnce(&mut OrderQuery)) -> OrderQuery {
    let mut query = OrderQuery::default();
    ask(&mut query);
    query
}

/// What lists are asked for, in several combinations.
fn queries(orders: &[Order]) -> Vec<OrderQuery> {
    let on = |at: &str, on: &str| {
        let workflows = ["order", "returns"].map(workflow_code);
        workflows.map(|workflow| (workflow, place(at, on))).to_vec()
    };
    let received = || Some(on("new", "received"));
    let untouched_or_held = [on("new", "pending"), on("holded", "holded")].concat();
    let mut times: Vec<_> = orders.iter().map(|order| order.update_time).collect();
    times.sort_unstable();
    let (after, before) = (Some(times[20]), Some(times[75]));
    let customer = |id: &str| Some(ActorId::new(id).unwrap());
    let channel = || BTreeMap::from([("channel".to_owned(), "shop".to_owned())]);
    let ids: Vec<_> = orders
        .iter()
        .step_by(4)
        .map(|order| order.id.clone())
        .collect();
    vec![
        asking(|_| ()),
        asking(|query| query.workflows = vec![workflow_code("returns")]),
        asking(|query| query.standings = received()),
        asking(|query| query.standings = Some(untouched_or_held)),
        asking(|query| query.standings = Some(Vec::new())),
        asking(|query| query.return_statuses = vec![status("received")]),
        asking(|query| query.customer = customer("c-0")),
        asking(|query| (query.customer, query.standings) = (customer("c-1"), received())),
        asking(|query| (query.updated_after, query.updated_before) = (after, before)),
        asking(|query| (query.updated_after, query.standings) = (after, received())),
        asking(|query| (query.updated_before, query.customer) = (before, customer("c-0"))),
        asking(|query| {
            query.workflows = vec![order_workflow()];
            query.updated_before = before;
        }),
        asking(|query| query.attributes = channel()),
        asking(|query| (query.attributes, query.customer) = (channel(), customer("c-0"))),
        asking(|query| query.ids.clone_from(&ids)),
        asking(|query| {
            query.ids.clone_from(&ids);
            query.customer = customer("c-1");
            query.updated_after = after;
        }),
    ]
}

pub async fn every_filter_in_every_order_by_full_pages(fixture: &Fixture) {
    let orders = crowd(fixture).await;
    for query in queries(&orders) {
        compare(&fixture.store, &orders, &query).await;
    }
}

pub async fn a_page_is_cut_anywhere(fixture: &Fixture) {
    crowd(fixture).await;
    for sort in SORTS {
        let query = OrderQuery {
            sort,
            standings: Some(vec![(order_workflow(), place("new", "pending"))]),
            ..OrderQuery::default()
        };
        let whole = list(&fixture.store, &query, 1_000).await;
        let begun = fixture.store.list_orders(&query, None, 3).await.unwrap();
        // A page that does not begin at the beginning.
        let page = fixture
            .store
            .list_orders(&query, begun.next.as_ref(), 6)
            .await
            .unwrap();
        for count in 0..=6 {
            let after = page.next_after(count);
            let rest = fixture.store.list_orders(&query, after.as_ref(), 1_000);
            let rest = rest.await.unwrap();
            assert_eq!(rest.orders, whole[3 + count..], "{count} {query:?}");
        }
    }
}

pub async fn orders_that_change_between_pages(fixture: &Fixture) {
    let store = &fixture.store;
    for (round, (first, most)) in PROBES.into_iter().enumerate() {
        for (turn, by) in [SortKey::Id, SortKey::CreateTime].into_iter().enumerate() {
            // Two times ten orders that are not asked for, and between them ten that are.
            let id = |number: usize| format!("R-{round}-{turn}-{number:02}");
            let steps = (0..30).map(|number| create(&id(number))).collect();
            assert!(all(store, steps).await.iter().all(Result::is_ok));
            let received = (0_usize..30).filter(|number| number % 3 == 1);
            let steps = received.map(|number| move_to(&id(number), "received"));
            assert!(all(store, steps.collect()).await.iter().all(Result::is_ok));
            let query = OrderQuery {
                standings: Some(vec![(order_workflow(), place("new", "received"))]),
                sort: sort(by, Direction::Ascending),
                ..OrderQuery::default()
            };
            let before = paged(store, &query, (1_000, 1_000, 10_000)).await;
            assert_eq!(before.len(), 10);
            let page = test_access::list_orders(store, &query, None, (4, first, most))
                .await
                .unwrap();
            assert_eq!(page.orders, before[..4]);
            // One that was shown leaves, so does one that was not, and all others change.
            let gone = [&before[0], &before[6]].map(|order| order.id.clone());
            for order in &before {
                let id = order.id.as_str();
                let step = if gone.contains(&order.id) {
                    move_to(id, "pending")
                } else {
                    comment(id, "x")
                };
                done(store, step).await;
            }
            let rest =
                test_access::list_orders(store, &query, page.next.as_ref(), (5, first, most))
                    .await
                    .unwrap();
            let rest: Vec<_> = rest.orders.into_iter().map(|order| order.id).collect();
            let kept = before[4..].iter().filter(|order| !gone.contains(&order.id));
            let kept: Vec<_> = kept.map(|order| order.id.clone()).collect();
            assert_eq!(rest, kept, "{by:?} {first} {most}");
            // The next round begins with none.
            let steps = kept
                .iter()
                .chain(before[1..4].iter().map(|order| &order.id));
            let steps = steps.map(|id| move_to(id.as_str(), "pending")).collect();
            assert!(all(store, steps).await.iter().all(Result::is_ok));
        }
    }
}

pub async fn an_order_that_cannot_be_read_ends_no_list(fixture: &Fixture) {
    let steps = (0..9).map(|number| create(&format!("N-{number}")));
    let steps = all(&fixture.store, steps.collect()).await;
    assert!(steps.iter().all(Result::is_ok));
    fixture
        .execute("UPDATE orders SET body = '{' WHERE id = 'N-3'")
        .await;
    for sort in SORTS {
        let query = OrderQuery {
            sort,
            ..OrderQuery::default()
        };
        let mut ids: Vec<_> = list(&fixture.store, &query, 2)
            .await
            .into_iter()
            .map(|order| order.id.to_string())
            .collect();
        ids.sort_unstable();
        let expected = [0, 1, 2, 4, 5, 6, 7, 8].map(|number| format!("N-{number}"));
        assert_eq!(ids, expected, "{sort:?}");
    }
}
