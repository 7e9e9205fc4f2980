//! Restarts in order, under load: who comes again when told to loses nothing, and nobody is left in doubt.

use std::time::Duration;

use waymark_tests::{Backend, load::Run};

use crate::{
    replica::Replica,
    stage::{
        CLIENTELE, NONE, PATIENCE, Place, WORKFLOW, fresh_database, plans, run, shared_postgres,
    },
};

const RESTARTS: usize = 5;

/// How long a replica may take to stop; its own deadline is 10 seconds.
const STOP_MAX: Duration = Duration::from_secs(12);

async fn restarted_in_order(backend: Backend, name: &str) {
    let place = Place::fresh(backend).await;
    let mut replica = place.serve(&[]).await;
    let run = run(name, &replica);
    for _ in 0..RESTARTS {
        run.recorder().until_more(150, PATIENCE).await;
        replica.stop(STOP_MAX).await;
        replica.restart().await;
    }
    run.recorder().until_more(150, PATIENCE).await;
    let summary = run.judge(&replica.clients()).await;
    assert_eq!(
        summary.doubts, NONE,
        "a stop in order leaves nobody in doubt"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_in_order_loses_nothing_on_sqlite() {
    restarted_in_order(Backend::Sqlite, "restart-sqlite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_in_order_loses_nothing_on_postgres() {
    restarted_in_order(Backend::Postgres, "restart-postgres").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_are_restarted_one_after_the_other() {
    let url = fresh_database(shared_postgres().await).await;
    let mut first = Replica::start(&url, &[]).await;
    let mut second = Replica::start(&url, &[]).await;
    let servers = [
        vec![first.clients(), second.clients()],
        vec![second.clients(), first.clients()],
    ];
    let run = Run::start("rolling", WORKFLOW, CLIENTELE, plans(), &servers);
    for _ in 0..2 {
        for replica in [&mut first, &mut second] {
            run.recorder().until_more(150, PATIENCE).await;
            replica.stop(STOP_MAX).await;
            // The other serves meanwhile.
            run.recorder().until_more(150, PATIENCE).await;
            replica.restart().await;
        }
    }
    let summary = run.judge(&first.clients()).await;
    assert_eq!(
        summary.doubts, NONE,
        "a stop in order leaves nobody in doubt"
    );
}
