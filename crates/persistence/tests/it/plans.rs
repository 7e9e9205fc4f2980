//! Which indexes PostgreSQL takes.

use std::time::Duration;

use waymark_testkit::{
    Backend, Fixture,
    build::{all, comment, create},
};

const PATIENCE: Duration = Duration::from_secs(20);
const ORDERS: usize = 120;

/// A plan is made once for each connection, from what PostgreSQL knows of the tables then: of
/// young ones nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_take_the_right_indexes_while_nothing_is_known_of_the_tables() {
    let fixture = Fixture::open(Backend::Postgres).await;
    let store = fixture.replica().await;
    let ids: Vec<_> = (0..ORDERS).map(|number| format!("A-{number}")).collect();
    for size in [1, 40] {
        for ids in ids.chunks(size) {
            let steps = if size == 1 {
                ids.iter().map(|id| create(id)).collect()
            } else {
                ids.iter().map(|id| comment(id, "x")).collect()
            };
            let steps = all(&store, steps).await;
            assert!(steps.iter().all(Result::is_ok));
        }
    }
    // A connection tells what it did when it ends, at the latest.
    store.close().await.unwrap();
    let scans = |index: &str| {
        format!("SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = '{index}'")
    };
    let told = async {
        let expected = i64::try_from(2 * ORDERS).unwrap();
        while fixture.number(&scans("orders_id")).await < expected {}
    };
    tokio::time::timeout(PATIENCE, told)
        .await
        .expect("orders are found by their ids");
    assert_eq!(fixture.number(&scans("orders_standing")).await, 0);
    let read = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'orders_pkey'";
    // Each comment reads the row that it changes, and what earlier changes left of that row.
    assert!(fixture.number(read).await <= i64::try_from(4 * ORDERS).unwrap());
}
