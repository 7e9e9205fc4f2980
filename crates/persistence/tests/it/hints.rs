//! Hints between processes.

use std::time::Duration;

use waymark_domain::partition::Partition;
use waymark_persistence::{Hint, Hints, Store};
use waymark_testkit::{Backend, Fixture};

const PATIENCE: Duration = Duration::from_secs(20);

fn hint(partitions: &[i32], sets_off: bool) -> Hint {
    let partitions = partitions.iter().copied().map(Partition::new);
    Hint {
        partitions: partitions.collect(),
        sets_off,
    }
}

/// The hints that a store hears, with the work behind them under way.
fn heard(store: &Store) -> Hints {
    let (hints, listening) = store.hints();
    tokio::spawn(listening);
    hints
}

/// Has what a store hints at sent.
fn send(store: &Store) {
    for (_, work) in store.work() {
        tokio::spawn(work);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hint_reaches_the_other_process() {
    let fixture = Fixture::bare(Backend::Postgres).await;
    let mut hints = heard(&fixture.replica().await);
    send(&fixture.store);
    // The first one comes with the connection: anything may have happened before.
    let first = tokio::time::timeout(PATIENCE, hints.next()).await.unwrap();
    assert!(first.partitions.is_empty() && first.sets_off);
    for sets_off in [true, false] {
        fixture.store.notify(&hint(&[2, 0], sets_off));
        let heard = tokio::time::timeout(PATIENCE, hints.next()).await.unwrap();
        assert_eq!(heard, hint(&[0, 2], sets_off));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hints_come_back_after_a_lost_connection() {
    let fixture = Fixture::bare(Backend::Postgres).await;
    let mut hints = heard(&fixture.store);
    assert!(
        tokio::time::timeout(PATIENCE, hints.next())
            .await
            .unwrap()
            .partitions
            .is_empty()
    );
    fixture
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND query LIKE 'LISTEN%'",
        )
        .await;
    assert!(
        tokio::time::timeout(PATIENCE, hints.next())
            .await
            .unwrap()
            .partitions
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_no_hints_on_sqlite() {
    let fixture = Fixture::bare(Backend::Sqlite).await;
    let mut hints = heard(&fixture.store);
    send(&fixture.store);
    fixture.store.notify(&hint(&[0], true));
    assert!(
        tokio::time::timeout(Duration::from_millis(50), hints.next())
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_does_not_hear_its_own_hints() {
    let fixture = Fixture::bare(Backend::Postgres).await;
    let (here, there) = (&fixture.store, fixture.replica().await);
    let (mut own, mut others) = (heard(here), heard(&there));
    send(here);
    send(&there);
    for hints in [&mut own, &mut others] {
        let first = tokio::time::timeout(PATIENCE, hints.next()).await.unwrap();
        assert!(first.partitions.is_empty());
    }
    // PostgreSQL tells everybody in one order, so what was heard there had its turn here.
    here.notify(&hint(&[0], true));
    let heard = tokio::time::timeout(PATIENCE, others.next()).await.unwrap();
    assert_eq!(heard, hint(&[0], true));
    there.notify(&hint(&[1], true));
    let heard = tokio::time::timeout(PATIENCE, own.next()).await.unwrap();
    assert_eq!(heard, hint(&[1], true));
}
