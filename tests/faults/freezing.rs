//! The process stands still, as in a swapping machine or a debugger, and goes on.

use std::time::Duration;

use tokio::time::sleep;
use waymark_tests::Backend;

use crate::stage::{NONE, PATIENCE, Place, run};

const FREEZES: usize = 5;

/// How long it stands still; on PostgreSQL longer than a transaction may stand open.
const STANDSTILL: Duration = Duration::from_millis(900);

async fn frozen_again_and_again(backend: Backend, name: &str) {
    let place = Place::fresh(backend).await;
    // With so little kept in memory, watchers go back to the database all the time.
    let settings = [
        "idle_in_transaction_timeout=400ms",
        "history_ring_bytes_max=8192",
    ];
    let mut replica = place.serve(&settings).await;
    let run = run(name, &replica);
    for _ in 0..FREEZES {
        run.recorder().until_more(150, PATIENCE).await;
        replica.freeze();
        // Not to wait for anything: this is the fault.
        sleep(STANDSTILL).await;
        replica.thaw();
    }
    run.recorder().until_more(150, PATIENCE).await;
    let summary = run.judge(&replica.clients()).await;
    assert!(replica.is_running());
    assert_eq!(
        summary.doubts, NONE,
        "what became of each step can be found out"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standstill_changes_nothing_on_sqlite() {
    frozen_again_and_again(Backend::Sqlite, "freeze-sqlite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standstill_changes_nothing_on_postgres() {
    frozen_again_and_again(Backend::Postgres, "freeze-postgres").await;
}
