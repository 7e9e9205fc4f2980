//! Lists of orders, compared with a plain sort and filter in memory.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::{collections::BTreeMap, time::Duration};

use waymark_domain::{
    order::{Action, CustomerPatch, Order, Patch},
    value::{ActorId, Timestamp},
    workflow::Standing,
};
use waymark_persistence::{Direction, OrderQuery, OrderSort, SortKey, Store};

use crate::{
    Fixture,
    build::{
        act, all, comment, create, create_as, create_for, done, hold, move_to, new_order, order_id,
        order_workflow, record, state, status, workflow, workflow_code,
    },
};

/// Forty orders of three customers in several places, touched at several times.
async fn populate(fixture: &Fixture) -> Vec<Order> {
    for number in 0..40 {
        if number % 4 != 0 {
            fixture.time.advance(Duration::from_secs(1));
        }
        let id = format!("N-{}", (number * 7) % 40);
        let channel = if number % 2 == 0 { "web" } else { "shop" };
        done(
            &fixture.store,
            create_for(&id, &format!("c-{}", number % 3), channel),
        )
        .await;
    }
    for number in 0..40 {
        let id = format!("N-{number}");
        let step = match number % 5 {
            0 => record(&id, "invoice"),
            1 => hold(&id),
            2 => move_to(&id, "received"),
            3 => comment(&id, "x"),
            _ => continue,
        };
        fixture
            .time
            .advance(Duration::from_millis(if number % 3 == 0 { 0 } else { 400 }));
        done(&fixture.store, step).await;
    }
    let mut orders = Vec::new();
    for number in 0..40 {
        orders.push(super::commits::order(&fixture.store, &format!("N-{number}")).await);
    }
    orders
}

/// Reads all pages, and checks that none is too long and the last one says so.
pub(super) async fn list(store: &Store, query: &OrderQuery, limit: usize) -> Vec<Order> {
    let (mut orders, mut cursor) = (Vec::new(), None);
    for _ in 0..1_000 {
        let page = store
            .list_orders(query, cursor.as_ref(), limit)
            .await
            .unwrap();
        assert!(page.orders.len() <= limit);
        orders.extend(page.orders);
        // A cursor survives its way through a page token.
        let text = serde_json::to_string(&page.next).unwrap();
        cursor = serde_json::from_str(&text).unwrap();
        assert_eq!(cursor, page.next);
        if cursor.is_none() {
            return orders;
        }
    }
    panic!("the list does not end");
}

fn sorted_by(by: SortKey, direction: Direction) -> OrderQuery {
    OrderQuery {
        sort: OrderSort { by, direction },
        ..OrderQuery::default()
    }
}

fn time(order: &Order, by: SortKey) -> Timestamp {
    match by {
        SortKey::CreateTime => order.create_time,
        SortKey::UpdateTime | SortKey::Id => order.update_time,
    }
}

pub async fn every_order_by_every_key(fixture: &Fixture) {
    let orders = populate(fixture).await;
    for by in [SortKey::UpdateTime, SortKey::CreateTime, SortKey::Id] {
        for direction in [Direction::Ascending, Direction::Descending] {
            let whole = list(&fixture.store, &sorted_by(by, direction), 1_000).await;
            assert_eq!(whole.len(), orders.len(), "{by:?} {direction:?}");
            for limit in [1, 7, 39, 40, 41] {
                let paged = list(&fixture.store, &sorted_by(by, direction), limit).await;
                assert_eq!(paged, whole, "{by:?} {direction:?} by {limit}");
            }
            let in_turn = whole.windows(2).all(|pair| match (by, direction) {
                (SortKey::Id, Direction::Ascending) => pair[0].id < pair[1].id,
                (SortKey::Id, Direction::Descending) => pair[0].id > pair[1].id,
                (_, Direction::Ascending) => time(&pair[0], by) <= time(&pair[1], by),
                (_, Direction::Descending) => time(&pair[0], by) >= time(&pair[1], by),
            });
            assert!(in_turn, "{by:?} {direction:?}");
        }
    }
}

/// Lists by every key in pages of three, and compares with a filter in memory.
async fn check(
    fixture: &Fixture,
    orders: &[Order],
    query: &OrderQuery,
    admits: impl Fn(&Order) -> bool,
) {
    let mut expected = orders
        .iter()
        .filter(|order| admits(order))
        .map(|order| order.id.clone())
        .collect::<Vec<_>>();
    expected.sort_unstable();
    for by in [SortKey::UpdateTime, SortKey::CreateTime, SortKey::Id] {
        for direction in [Direction::Ascending, Direction::Descending] {
            let query = OrderQuery {
                sort: OrderSort { by, direction },
                ..query.clone()
            };
            let listed = list(&fixture.store, &query, 3).await;
            let mut ids = listed.into_iter().map(|order| order.id).collect::<Vec<_>>();
            ids.sort_unstable();
            assert_eq!(ids, expected, "{query:?}");
        }
    }
}

pub(super) fn place(at: &str, on: &str) -> Standing {
    Standing {
        state: state(at),
        status: status(on),
    }
}

pub async fn filters_hold(fixture: &Fixture) {
    let orders = populate(fixture).await;
    let any = OrderQuery::default();
    let named = ["N-3", "N-30", "N-7", "X-1", "N-11"].map(order_id);
    let query = OrderQuery {
        ids: named.to_vec(),
        ..any.clone()
    };
    check(fixture, &orders, &query, |order| named.contains(&order.id)).await;
    let places = [place("new", "received"), place("processing", "processing")];
    let standings = places
        .iter()
        .map(|place| (order_workflow(), place.clone()))
        .collect::<Vec<_>>();
    let query = OrderQuery {
        standings: Some(standings.clone()),
        ..any.clone()
    };
    check(fixture, &orders, &query, |order| {
        places.contains(&order.standing)
    })
    .await;
    check(
        fixture,
        &orders,
        &OrderQuery {
            standings: Some(Vec::new()),
            ..any.clone()
        },
        |_| false,
    )
    .await;
    let both = OrderQuery {
        standings: Some(standings),
        ids: named.to_vec(),
        ..any.clone()
    };
    check(fixture, &orders, &both, |order| {
        places.contains(&order.standing) && named.contains(&order.id)
    })
    .await;
    let elsewhere = OrderQuery {
        workflows: vec![workflow_code("elsewhere")],
        ..any
    };
    check(fixture, &orders, &elsewhere, |_| false).await;
}

pub async fn filters_by_time_hold(fixture: &Fixture) {
    let orders = populate(fixture).await;
    let any = OrderQuery::default();
    let mut times = orders
        .iter()
        .map(|order| order.update_time)
        .collect::<Vec<_>>();
    times.sort_unstable();
    let (after, before) = (times[8], times[30]);
    let query = OrderQuery {
        updated_after: Some(after),
        updated_before: Some(before),
        ..any.clone()
    };
    check(fixture, &orders, &query, |order| {
        order.update_time > after && order.update_time < before
    })
    .await;
    check(
        fixture,
        &orders,
        &OrderQuery {
            updated_after: Some(after),
            ..any
        },
        |order| order.update_time > after,
    )
    .await;
}

pub async fn the_orders_of_a_customer(fixture: &Fixture) {
    let orders = populate(fixture).await;
    let customer = ActorId::new("c-1").unwrap();
    let query = OrderQuery {
        customer: Some(customer.clone()),
        ..OrderQuery::default()
    };
    check(fixture, &orders, &query, |order| {
        order.customer.id == customer
    })
    .await;
    let web = BTreeMap::from([("channel".to_owned(), "web".to_owned())]);
    let query = OrderQuery {
        attributes: web,
        ..query
    };
    let is_web = |order: &Order| {
        order
            .attributes
            .as_map()
            .get("channel")
            .is_some_and(|channel| channel == "web")
    };
    check(fixture, &orders, &query, |order| {
        order.customer.id == customer && is_web(order)
    })
    .await;
}

pub async fn an_order_changes_hands(fixture: &Fixture) {
    all(
        &fixture.store,
        vec![create_for("A-1", "c-1", "web"), create("A-2")],
    )
    .await;
    let give = |id: &str, customer: &str| {
        let customer = CustomerPatch {
            id: Some(ActorId::new(customer).unwrap()),
            ..CustomerPatch::default()
        };
        act(
            id,
            Action::Update(Patch {
                customer,
                ..Patch::default()
            }),
        )
    };
    let listed = async |customer: &str| {
        let customer = Some(ActorId::new(customer).unwrap());
        let orders = list(
            &fixture.store,
            &OrderQuery {
                customer,
                ..OrderQuery::default()
            },
            10,
        )
        .await;
        orders
            .into_iter()
            .map(|order| order.id.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(listed("c-1").await, ["A-1"]);
    all(&fixture.store, vec![give("A-1", "c-2"), give("A-2", "c-1")]).await;
    assert_eq!(
        (listed("c-1").await, listed("c-2").await),
        (vec!["A-2".to_owned()], vec!["A-1".to_owned()])
    );
    // Twice in one batch: only where it ends counts.
    all(&fixture.store, vec![give("A-1", "c-1"), give("A-1", "c-3")]).await;
    done(&fixture.store, give("A-2", "")).await;
    assert_eq!(
        fixture.number("SELECT count(*) FROM customer_orders").await,
        1
    );
    assert_eq!(listed("c-3").await, ["A-1"]);
}

pub async fn attributes_are_searched_boundedly(fixture: &Fixture) {
    let steps = (0..5_200).map(|number| {
        let channel = if number % 2_600 == 2_599 {
            "rare"
        } else {
            "web"
        };
        create_for(&format!("N-{number:05}"), "c-1", channel)
    });
    assert!(
        all(&fixture.store, steps.collect())
            .await
            .iter()
            .all(Result::is_ok)
    );
    let attributes = BTreeMap::from([("channel".to_owned(), "rare".to_owned())]);
    let query = OrderQuery {
        attributes,
        ..sorted_by(SortKey::Id, Direction::Ascending)
    };
    let page = fixture.store.list_orders(&query, None, 50).await.unwrap();
    assert_eq!(
        (page.orders.len(), page.next.is_some()),
        (1, true),
        "a short page with a next one"
    );
    let ids = list(&fixture.store, &query, 50)
        .await
        .into_iter()
        .map(|order| order.id.to_string())
        .collect::<Vec<_>>();
    assert_eq!(ids, ["N-02599", "N-05199"]);
}

pub async fn held_orders_by_where_they_return_to(fixture: &Fixture) {
    let orders = populate(fixture).await;
    let back = [status("received"), status("pending")];
    let query = OrderQuery {
        return_statuses: back.to_vec(),
        ..OrderQuery::default()
    };
    let returns = |order: &Order| {
        order
            .return_to
            .as_ref()
            .is_some_and(|to| back.contains(&to.status))
    };
    check(fixture, &orders, &query, returns).await;
    assert!(orders.iter().any(returns));
}

pub async fn orders_of_several_workflows(fixture: &Fixture) {
    let returns = workflow("magento", "returns");
    fixture
        .change("returns", |_| Ok(Some(returns.clone())))
        .await
        .unwrap();
    for number in 0..10 {
        let mut new = new_order(&format!("N-{number}"));
        done(&fixture.store, create_as(new.clone())).await;
        new.workflow = workflow_code("returns");
        done(&fixture.store, create_as(new)).await;
    }
    for direction in [Direction::Ascending, Direction::Descending] {
        let query = sorted_by(SortKey::Id, direction);
        let listed = list(&fixture.store, &query, 3).await;
        let mut keys = listed
            .iter()
            .map(|order| (order.id.clone(), order.workflow.clone()))
            .collect::<Vec<_>>();
        assert_eq!(keys.len(), 20);
        if direction == Direction::Descending {
            keys.reverse();
        }
        assert!(keys.is_sorted());
        let one = OrderQuery {
            workflows: vec![workflow_code("returns")],
            ..query
        };
        assert_eq!(list(&fixture.store, &one, 3).await.len(), 10);
    }
    assert_eq!(
        list(
            &fixture.store,
            &sorted_by(SortKey::UpdateTime, Direction::Descending),
            3
        )
        .await
        .len(),
        20
    );
}

pub async fn orders_are_counted_by_place(fixture: &Fixture) {
    let orders = populate(fixture).await;
    let mut expected = BTreeMap::new();
    for order in &orders {
        *expected.entry(order.standing.clone()).or_insert(0_i64) += 1;
    }
    let counts = fixture.store.count_orders(&order_workflow()).await.unwrap();
    assert_eq!(counts, expected.into_iter().collect::<Vec<_>>());
    assert!(
        fixture
            .store
            .count_orders(&workflow_code("elsewhere"))
            .await
            .unwrap()
            .is_empty()
    );
}

pub async fn an_order_that_is_not_whole_hides_no_other(fixture: &Fixture) {
    let store = &fixture.store;
    let other = workflow("magento", "other");
    let change = fixture.change("other", |_| Ok(Some(other.clone())));
    change.await.unwrap();
    let in_other = |id: &str| {
        let mut new = new_order(id);
        new.workflow = workflow_code("other");
        create_as(new)
    };
    for step in [create("A-1"), in_other("B-1"), create("A-2"), create("A-3")] {
        done(store, step).await;
    }
    // The body of another order, and an order whose workflow is gone.
    let copied =
        "UPDATE orders SET body = (SELECT body FROM orders WHERE id = 'A-1') WHERE id = 'A-2'";
    fixture.execute(copied).await;
    for table in [
        "workflow_versions",
        "assignments",
        "transitions",
        "statuses",
        "states",
    ] {
        let delete = format!("DELETE FROM {table} WHERE workflow = 'other'");
        fixture.execute(&delete).await;
    }
    let gone = "DELETE FROM workflows WHERE code = 'other'; \
         INSERT INTO catalog (version, change_id, workflow, create_time) \
         SELECT max(version) + 1, (SELECT id FROM deployment), 'other', 0 FROM catalog";
    fixture.execute(gone).await;

    let query = sorted_by(SortKey::CreateTime, Direction::Ascending);
    let page = store.list_orders(&query, None, 10).await.unwrap();
    let mut ids: Vec<_> = page.orders.iter().map(|order| order.id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["A-1", "A-3", "B-1"]);
    // Whoever shows them leaves out those without a workflow.
    let workflows = store.workflows_of(&page).await.unwrap();
    let codes: Vec<_> = workflows.keys().map(ToString::to_string).collect();
    assert_eq!(codes, ["order"]);
    let found = store.find_order(&order_workflow(), &order_id("A-2")).await;
    let error = found.unwrap_err().to_string();
    assert!(
        error.contains("(order \"A-2\" of workflow \"order\"): column body"),
        "{error}"
    );
}
