//! How many statements lists take on PostgreSQL.

use waymark_domain::{value::Timestamp, workflow::Standing};
use waymark_persistence::{
    ChangeMode, Clock, Direction, OrderQuery, OrderSort, SortKey, Store, migrate,
};
use waymark_testkit::{
    Fixture,
    build::{all, create, done, move_to, order_workflow, state, status, workflow},
    change_as,
    postgres::{Durability, Server},
};

const ORDERS: usize = 60;

/// How many statements the server was sent so far.
fn statements(server: &Server) -> usize {
    let log = server.log();
    let sent = log.lines().filter(|line| {
        let is_prepared = line.contains("LOG:  execute ");
        is_prepared || line.contains("LOG:  statement: ")
    });
    sent.count()
}

async fn on_a_server(server: &Server) -> Store {
    let settings = Fixture::settings(&server.url("postgres"));
    let (clock, _) = Clock::manual(Timestamp::from_micros(1));
    migrate(&settings, &clock).await.unwrap();
    let store = Store::open(settings, clock).await.unwrap();
    let order = workflow("magento", "order");
    change_as(&store, "order", ChangeMode::Apply, None, |_| {
        Ok(Some(order.clone()))
    })
    .await
    .unwrap();
    store
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_take_few_statements() {
    let server = Server::start_with(Durability::Fast, &["log_statement=all"]);
    let store = on_a_server(&server).await;
    let steps = (0..ORDERS).map(|number| create(&format!("A-{number}")));
    let steps = all(&store, steps.collect()).await;
    assert!(steps.iter().all(Result::is_ok));
    done(&store, move_to("A-7", "received")).await;
    let newest = OrderQuery {
        sort: OrderSort {
            by: SortKey::UpdateTime,
            direction: Direction::Descending,
        },
        ..OrderQuery::default()
    };
    let received = Standing {
        state: state("new"),
        status: status("received"),
    };
    let rare = OrderQuery {
        standings: Some(vec![(order_workflow(), received)]),
        sort: OrderSort {
            by: SortKey::Id,
            ..OrderSort::default()
        },
        ..OrderQuery::default()
    };
    // Places, keys, perhaps once more, and the orders with the edition of the catalog; of the rare
    // the places are known.
    for (query, found, most) in [(&newest, 50, 6), (&rare, 1, 3)] {
        // The first one opens a connection.
        store.list_orders(query, None, 50).await.unwrap();
        let before = statements(&server);
        let page = store.list_orders(query, None, 50).await.unwrap();
        let sent = statements(&server) - before;
        assert_eq!(page.orders.len(), found);
        assert!((1..=most).contains(&sent), "{sent} statements: {query:?}");
        // Which is known.
        let before = statements(&server);
        assert_eq!(store.workflows_of(&page).await.unwrap().len(), 1);
        assert_eq!(statements(&server) - before, 0);
    }
    store.workflows().await.unwrap();
    let before = statements(&server);
    assert_eq!(store.workflows().await.unwrap().len(), 1);
    assert_eq!(statements(&server) - before, 1, "the edition");
    store.close().await.unwrap();
}
