//! Hints between processes.

use std::time::Duration;

use waymark_domain::partition::Partition;
use waymark_testkit::{Backend, Fixture};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hint_reaches_the_other_process() {
    let fixture = Fixture::bare(Backend::Postgres).await;
    let mut hints = fixture.replica().await.hints();
    // The first one comes with the connection: anything may have happened before.
    let first = tokio::time::timeout(PATIENCE, hints.next()).await.unwrap();
    assert!(first.partitions.is_empty());
    fixture
        .store
        .notify(&[Partition::new(2), Partition::new(0)]);
    let hint = tokio::time::timeout(PATIENCE, hints.next()).await.unwrap();
    assert_eq!(hint.partitions, [Partition::new(0), Partition::new(2)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hints_come_back_after_a_lost_connection() {
    let fixture = Fixture::bare(Backend::Postgres).await;
    let mut hints = fixture.store.hints();
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
    let mut hints = fixture.store.hints();
    fixture.store.notify(&[Partition::new(0)]);
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
    let (mut own, mut others) = (here.hints(), there.hints());
    for hints in [&mut own, &mut others] {
        let first = tokio::time::timeout(PATIENCE, hints.next()).await.unwrap();
        assert!(first.partitions.is_empty());
    }
    // PostgreSQL tells everybody in one order, so what was heard there had its turn here.
    here.notify(&[Partition::new(0)]);
    let hint = tokio::time::timeout(PATIENCE, others.next()).await.unwrap();
    assert_eq!(hint.partitions, [Partition::new(0)]);
    there.notify(&[Partition::new(1)]);
    let hint = tokio::time::timeout(PATIENCE, own.next()).await.unwrap();
    assert_eq!(hint.partitions, [Partition::new(1)]);
}
