//! Two replicas on one PostgreSQL: history is one, and one that stands still in the middle of a batch, with its locks,
//! does not stop the other for longer than it is allowed.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::Instant;
use tokio_postgres::Client;
use waymark_tests::load::{Recorder, Run};

use crate::{
    replica::Replica,
    stage::{
        CLIENTELE, NONE, PATIENCE, WORKFLOW, fresh_database, plans, shared_postgres, superuser,
    },
};

const FREEZES: usize = 4;

/// How long PostgreSQL lets a transaction stand open.
const ALLOWED: Duration = Duration::from_millis(800);

/// How much later than that the other replica must have written everywhere, on a machine that compiles as well.
const SLACK: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_stands_still_does_not_stop_the_other() {
    let postgres = shared_postgres().await;
    let url = fresh_database(postgres).await;
    let settings = ["idle_in_transaction_timeout=800ms", "lock_timeout=2s"];
    let frozen = Replica::start(&format!("{url}?application_name=frozen"), &settings).await;
    let other = Replica::start(&format!("{url}?application_name=other"), &settings).await;
    // Each client and watcher stays with one of the two.
    let servers = [vec![frozen.clients()], vec![other.clients()]];
    let run = Run::start("replicas", WORKFLOW, CLIENTELE, plans(), &servers);
    let superuser = superuser(postgres).await;
    for _ in 0..FREEZES {
        run.recorder().until_more(150, PATIENCE).await;
        freeze_in_a_batch(&frozen, &superuser).await;
        let since = run.recorder().now();
        let everywhere = partitions_written(run.recorder(), 0);
        let began = Instant::now();
        let is_everywhere =
            |recorder: &Recorder| partitions_written(recorder, since).is_superset(&everywhere);
        run.recorder()
            .until("the other writes everywhere", PATIENCE, is_everywhere)
            .await;
        assert!(
            began.elapsed() < ALLOWED + SLACK,
            "the other stood still for {:?}",
            began.elapsed()
        );
        frozen.thaw();
    }
    run.recorder().until_more(200, PATIENCE).await;
    let summary = run.judge(&other.clients()).await;
    assert_eq!(
        summary.doubts, NONE,
        "what became of each step can be found out"
    );
}

/// Freezes the replica at a moment at which a transaction of it stands open with the locks of a batch.
async fn freeze_in_a_batch(replica: &Replica, superuser: &Client) {
    let text = "SELECT count(*) FROM pg_stat_activity AS a JOIN pg_locks AS l ON l.pid = a.pid \
                WHERE a.application_name = 'frozen' AND a.state = 'idle in transaction' \
                AND l.mode = 'RowShareLock' AND l.granted";
    let deadline = Instant::now() + PATIENCE;
    loop {
        replica.freeze();
        let row = superuser.query_one(text, &[]).await.unwrap();
        if row.get::<_, i64>(0) > 0 {
            return;
        }
        replica.thaw();
        assert!(
            Instant::now() < deadline,
            "the replica is never in the middle of a batch"
        );
        tokio::task::yield_now().await;
    }
}

/// The partitions in which steps were acknowledged that were sent at an instant or later.
fn partitions_written(recorder: &Recorder, since: u64) -> BTreeSet<i32> {
    let record = recorder.record();
    let steps = record.steps.iter().filter(|step| step.began >= since);
    let entries = steps
        .filter_map(|step| step.done())
        .flat_map(|done| &done.entries);
    entries
        .filter_map(|entry| entry.log_position)
        .map(|position| position.partition)
        .collect()
}
