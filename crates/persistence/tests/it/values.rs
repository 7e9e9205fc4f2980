//! What SQLite keeps and PostgreSQL would refuse: text that is not UTF-8, and numbers beyond the
//! type of their column. Each is a column of one row that cannot be read, and no matter of others.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use waymark_domain::{
    delivery::{Delivery, DeliveryState},
    order::NewOrder,
    partition::Partition,
    value::{Description, EndpointCode},
    workflow::{self as edit, Action, Channel, Policy, Record, Webhook, Work},
};
use waymark_persistence::{
    Answered, ChangeMode, ChunkLimit, Counting, DeliveryQuery, Direction, DispatcherId, Due, Error,
    Extent, HistoryQuery, OrderQuery, OrderSort, OutboxCall, Refusal, SortKey, Store, StoredEntry,
    Visibility, WorkflowChange, test_access,
};
use waymark_testkit::{
    Backend, Fixture,
    build::{
        actor, all, comment, create, create_as, done, new_order, order_id, order_workflow, refused,
        state, workflow,
    },
    change_workflow,
};

/// A text that is not UTF-8, and what can be shown of it.
const TEXT: &str = "CAST(x'61ff62' AS TEXT)";
const SHOWN: &str = "a\u{FFFD}b";
const CRM: &str = "webhook.crm";
const UNREADABLE: &str = "it cannot be read from the database: table deliveries, column ";

async fn fixture() -> Fixture {
    Fixture::open(Backend::Sqlite).await
}

fn partitions(store: &Store) -> BTreeSet<Partition> {
    store.partition_count().all().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_body_of_an_order_among_those_that_are_due() {
    let fixture = fixture().await;
    let store = &fixture.store;
    for id in ["A-1", "A-2", "A-3"] {
        let unpaid = NewOrder {
            state: Some(state("pending_payment")),
            ..new_order(id)
        };
        done(store, create_as(unpaid)).await;
    }
    let spoilt = format!("UPDATE orders SET body = {TEXT} WHERE id = 'A-2'");
    fixture.execute(&spoilt).await;
    fixture.time.advance(Duration::from_hours(8));
    let (mut read, mut unread) = (Vec::new(), Vec::new());
    for partition in partitions(store) {
        for found in store.due_orders(partition, 100).await.unwrap() {
            match found {
                Ok(due) => read.push(due.order.id.to_string()),
                Err(order) => unread.push(order),
            }
        }
    }
    read.sort();
    assert_eq!(read, ["A-1", "A-3"]);
    let [order] = &unread[..] else {
        panic!("{unread:?}");
    };
    assert_eq!(order.id, "A-2");
    assert!(
        matches!(&order.error, Error::Corrupt { column: "body", .. }),
        "{order:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workflows_whose_timers_have_changed() {
    let fixture = fixture().await;
    let store = &fixture.store;
    done(store, create("A-1")).await;
    for partition in partitions(store) {
        let number = partition.number();
        // One before the workflow that can be read, and two behind it.
        for code in [
            "CAST(x'01ff' AS TEXT)",
            TEXT,
            "CAST(x'ff' AS TEXT)",
            "'order'",
        ] {
            let insert = format!(
                "INSERT INTO timer_refreshes (partition, workflow, catalog_version, after_key) \
                 VALUES ({number}, {code}, 1, 0)"
            );
            fixture.execute(&insert).await;
        }
        while store.refresh_timers(partition).await.unwrap() {}
    }
    let left = fixture.number("SELECT count(*) FROM timer_refreshes").await;
    let partitions = i64::try_from(partitions(store).len()).unwrap();
    assert_eq!(left, 3 * partitions);
}

/// Reads all pages of a list, of one order each, and sorts their ids.
async fn listed(store: &Store, sort: OrderSort) -> Vec<String> {
    let query = OrderQuery {
        sort,
        ..OrderQuery::default()
    };
    let (mut ids, mut cursor) = (Vec::new(), None);
    for pages in 0.. {
        assert!(pages < 100, "the list does not end");
        let page = test_access::list_orders(store, &query, cursor.as_ref(), (1, 0, 0)).await;
        let page = page.unwrap();
        ids.extend(page.orders.iter().map(|order| order.id.to_string()));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_of_orders_in_lists() {
    let fixture = fixture().await;
    let store = &fixture.store;
    let ids = [
        "M-1", "N-0", "N-1", "N-2", "N-3", "N-4", "N-5", "N-6", "O-1",
    ];
    let created = all(store, ids.map(create).to_vec()).await;
    assert!(created.iter().all(Result::is_ok));
    for (id, column, text) in [
        ("N-1", "status", TEXT),
        ("N-2", "id", "CAST(x'4e2d80' AS TEXT)"),
        ("N-3", "id", "CAST(x'4e2dff' AS TEXT)"),
        ("N-4", "workflow", TEXT),
        ("N-6", "body", TEXT),
    ] {
        let spoilt = format!("UPDATE orders SET {column} = {text} WHERE id = '{id}'");
        fixture.execute(&spoilt).await;
    }
    for by in [SortKey::UpdateTime, SortKey::CreateTime, SortKey::Id] {
        for direction in [Direction::Ascending, Direction::Descending] {
            let found = listed(store, OrderSort { by, direction }).await;
            assert_eq!(found, ["M-1", "N-0", "N-5", "O-1"], "{by:?} {direction:?}");
        }
    }
    let found = store.find_order(&order_workflow(), &order_id("N-1")).await;
    assert!(
        matches!(
            found,
            Err(Error::Corrupt {
                column: "status",
                ..
            })
        ),
        "{found:?}"
    );
    // Those that stand nowhere, or in no workflow, are not counted.
    let counts = store.count_orders(&order_workflow()).await.unwrap();
    assert_eq!(counts.iter().map(|(_, count)| count).sum::<i64>(), 7);
}

/// Lets the workflow `order` tell an endpoint of comments.
async fn declare(fixture: &Fixture) {
    let endpoint = EndpointCode::new("crm").unwrap();
    let mut telling = workflow("magento", "order");
    telling.on_comment = vec![Action {
        code: "tell".parse().unwrap(),
        description: Description::default(),
        work: Work::Send(Channel::Webhook(Webhook { endpoint }), Policy::default()),
        condition: None,
        position: 0,
        active: true,
    }];
    let changed = fixture.change("order", |_| Ok(Some(telling.clone())));
    changed.await.unwrap();
}

async fn carrier(store: &Store) -> DispatcherId {
    let me = DispatcherId::random();
    store.heartbeat(&me).await.unwrap();
    let whole = partitions(store);
    let taken = store.take_leases(&me, &BTreeMap::new(), &whole).await;
    assert_eq!(taken.unwrap(), whole);
    me
}

/// An order with so many comments, and their deliveries, the oldest first.
async fn queue(store: &Store, id: &str, count: usize) -> Vec<Delivery> {
    done(store, create(id)).await;
    let comments = all(store, vec![comment(id, "x"); count]).await;
    assert!(comments.iter().all(Result::is_ok));
    let query = DeliveryQuery {
        orders: vec![(order_workflow(), order_id(id))],
        ..DeliveryQuery::default()
    };
    let page = store.list_deliveries(&query, None, 100).await.unwrap();
    let deliveries = page.deliveries.into_iter().rev();
    deliveries.map(|one| one.readable().unwrap()).collect()
}

fn at(delivery: &Delivery) -> String {
    let position = delivery.id.position;
    let (partition, offset) = (position.partition.number(), position.offset);
    format!("partition = {partition} AND log_offset = {offset}")
}

async fn spoil(fixture: &Fixture, delivery: &Delivery, change: &str) {
    let spoilt = format!("UPDATE deliveries SET {change} WHERE {}", at(delivery));
    fixture.execute(&spoilt).await;
}

async fn due(store: &Store, me: &DispatcherId) -> Due {
    let lanes = BTreeMap::from([(CRM.to_owned(), 100)]);
    let all = partitions(store);
    store.due_in_lanes(me, &all, lanes).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_of_deliveries_that_are_due() {
    let fixture = fixture().await;
    let store = &fixture.store;
    declare(&fixture).await;
    let me = carrier(store).await;
    let other = queue(store, "A-1", 1).await.remove(0);
    let texts = [
        "destination",
        "kind",
        "action",
        "workflow",
        "order_id",
        "transition",
        "state",
        "problem",
    ];
    let texts = texts.map(|column| (column, TEXT));
    let numbers = [
        ("attempts", "5000000000"),
        ("attempts", "3000000000"),
        // Its low half is the number of another one.
        ("number", "4294967297"),
    ];
    let cases = texts.into_iter().chain(numbers);
    for (number, (column, value)) in cases.enumerate() {
        let queue = queue(store, &format!("N-{number}"), 2).await;
        spoil(&fixture, &queue[0], &format!("{column} = {value}")).await;
        let found = due(store, &me).await;
        assert!(found.deliveries.contains(&other), "{column}");
        let [unreadable] = &found.unreadable[..] else {
            panic!("{column}: {:?}", found.unreadable);
        };
        let expected = format!("{UNREADABLE}{column}: ");
        let problem = &unreadable.problem;
        assert!(problem.starts_with(&expected), "{problem}");

        let given_up = store.give_up_unreadable(&me, &found.unreadable).await;
        assert_eq!(given_up.unwrap(), 1, "{column}");
        let dead = format!("state = 'dead' AND {}", at(&queue[0]));
        let dead = format!("SELECT count(*) FROM deliveries WHERE {dead}");
        assert_eq!(fixture.number(&dead).await, 1, "{column}");
        let next = store.find_delivery(queue[1].id).await.unwrap().unwrap();
        let next = next.delivery.readable().unwrap();
        assert!(next.due_time.is_some(), "{column}");
        let every = DeliveryQuery::default();
        let listed = store.list_deliveries(&every, None, 100).await;
        let listed = listed.unwrap().deliveries;
        assert_eq!(listed.len(), 2 * number + 3, "{column}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_cannot_be_read_is_decided_about() {
    let fixture = fixture().await;
    let store = &fixture.store;
    declare(&fixture).await;
    let delivery = queue(store, "A-1", 1).await.remove(0);
    spoil(&fixture, &delivery, &format!("state = {TEXT}")).await;
    let call = OutboxCall {
        request: None,
        actor: actor(),
        mode: ChangeMode::Apply,
    };
    let retried = store.retry_delivery(&call, delivery.id, |_| Vec::new());
    retried.await.unwrap();
    let account = store.find_delivery(delivery.id).await.unwrap().unwrap();
    let delivery = account.delivery.readable().unwrap();
    assert_eq!(delivery.state, DeliveryState::Pending);
    assert_eq!(account.decisions.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lane_of_a_delivery() {
    let fixture = fixture().await;
    let store = &fixture.store;
    declare(&fixture).await;
    let me = carrier(store).await;
    let spoilt = queue(store, "A-1", 1).await.remove(0);
    let other = queue(store, "A-2", 1).await.remove(0);
    spoil(&fixture, &spoilt, &format!("lane = {TEXT}")).await;
    assert_eq!(store.busy_lanes().await.unwrap(), [SHOWN, CRM]);
    assert_eq!(due(store, &me).await.deliveries, [other]);
    // Whoever walks what waits gives it up.
    let partition = spoilt.id.position.partition;
    let waiting = store.waiting_deliveries(partition, None).await.unwrap();
    let [unreadable] = &waiting.unreadable[..] else {
        panic!("{waiting:?}");
    };
    let expected = format!("{UNREADABLE}lane: ");
    assert!(unreadable.problem.starts_with(&expected), "{unreadable:?}");
    assert_eq!(unreadable.lane, SHOWN);
    let given_up = store.give_up_unreadable(&me, &waiting.unreadable).await;
    assert_eq!(given_up.unwrap(), 1);
    assert_eq!(store.busy_lanes().await.unwrap(), [CRM]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_of_leases() {
    let fixture = fixture().await;
    let spoilt = format!(
        "INSERT INTO dispatchers (id, renewal) VALUES ({TEXT}, 7); \
         UPDATE dispatch_leases SET owner = {TEXT}"
    );
    fixture.execute(&spoilt).await;
    // It gets all of them.
    carrier(&fixture.store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_of_an_endpoint() {
    let fixture = fixture().await;
    for (code, url) in [("bad", TEXT), ("good", "'https://example.com'")] {
        let insert = format!(
            "INSERT INTO endpoints (code, url, description, active, problem, secrets, version, \
             create_time, update_time) VALUES ('{code}', {url}, '', true, '', '[]', 1, 0, 0)"
        );
        fixture.execute(&insert).await;
    }
    let (endpoints, unreadable) = fixture.store.stored_endpoints().await.unwrap();
    let codes: Vec<_> = endpoints.iter().map(|one| one.code.as_str()).collect();
    assert_eq!(codes, ["good"]);
    let problems: Vec<_> = unreadable.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        ["table endpoints, row bad: column url cannot be read"]
    );
}

fn assert_comment_is_unreadable(entries: &[StoredEntry]) {
    let columns: Vec<_> = entries
        .iter()
        .map(|entry| entry.as_ref().err().map(|unreadable| unreadable.column))
        .collect();
    assert_eq!(columns, [None, Some("comment"), None]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_comment_of_an_entry_in_a_stream() {
    let fixture = fixture().await;
    let store = &fixture.store;
    done(store, create("A-1")).await;
    let position = done(store, comment("A-1", "x")).await.entries[0].position;
    done(store, comment("A-1", "y")).await;
    let (partition, offset) = (position.partition, position.offset);
    let spoilt = format!(
        "UPDATE history SET comment = {TEXT} WHERE partition = {} AND log_offset = {offset}",
        partition.number()
    );
    fixture.execute(&spoilt).await;

    let limit = ChunkLimit {
        entries: 100,
        bytes: 1_000_000,
    };
    let chunk = store.history_chunk(partition, 0, limit).await.unwrap();
    assert_comment_is_unreadable(&chunk.entries);
    let news = store.history_after_each(&[(partition, 0)], 100).await;
    assert_comment_is_unreadable(&news.unwrap()[0].1);
    // What is left of a history is not the whole of it.
    let query = HistoryQuery {
        direction: Direction::Ascending,
        after_sequence: None,
        visibility: Visibility::All,
        limit: 100,
    };
    let (workflow, order) = (order_workflow(), order_id("A-1"));
    let listed = store.order_history(&workflow, &order, &query).await;
    assert!(
        matches!(
            listed,
            Err(Error::Corrupt {
                column: "comment",
                ..
            })
        ),
        "{listed:?}"
    );
    done(store, comment("A-1", "z")).await;
}

/// Replaces the workflow `order` as a whole.
async fn replace(store: &Store) {
    let change = WorkflowChange {
        workflow: order_workflow(),
        request: None,
        actor: actor(),
        mode: ChangeMode::Apply,
        counting: Counting::Nothing,
        extent: Extent::Whole,
    };
    let preset = workflow("magento", "order");
    let whole = move |_: Option<&Record>| Ok::<_, edit::Refusal>(Some(preset.clone()));
    let changed = change_workflow(store, &change, whole).await;
    assert!(matches!(changed.unwrap(), Answered::Done(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_of_a_workflow() {
    let fixture = fixture().await;
    let store = &fixture.store;
    done(store, create("A-1")).await;
    for (table, code, column, value, said) in [
        (
            "statuses",
            "pending",
            "label",
            TEXT,
            "status pending cannot be read, for its `label`: it is not UTF-8",
        ),
        (
            "transitions",
            "cancel",
            "guard",
            TEXT,
            "transition cancel cannot be read, for its `guard`: it is not UTF-8",
        ),
        (
            "states",
            "new",
            "position",
            "4294967296",
            "state new cannot be read, for its `position`: ",
        ),
    ] {
        // What another process writes when it changes the workflow.
        let spoilt = format!(
            "UPDATE {table} SET {column} = {value} WHERE workflow = 'order' AND code = '{code}'; \
             INSERT INTO catalog (version, change_id, workflow, create_time) \
             SELECT max(version) + 1, (SELECT id FROM deployment), 'order', 0 FROM catalog"
        );
        fixture.execute(&spoilt).await;
        let refusal = refused(store, comment("A-1", "refused")).await;
        let Refusal::WorkflowUnusable { finding, .. } = &refusal else {
            panic!("{refusal:?}");
        };
        assert!(finding.contains(said), "{finding}");
        let listed = store.list_orders(&OrderQuery::default(), None, 10).await;
        assert_eq!(listed.unwrap().orders.len(), 1);

        replace(store).await;
        done(store, comment("A-1", "goes on")).await;
        let replica = fixture.replica().await;
        let mended = replica.workflow(&order_workflow()).await.unwrap().unwrap();
        assert_eq!(mended.unusable(), None, "{said}");
    }
}
