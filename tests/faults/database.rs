//! PostgreSQL goes away and comes back under load; the service stays up, and says UNAVAILABLE in between.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::task::block_in_place;
use waymark_testkit::postgres::{Durability, Server};
use waymark_tests::load::Recorder;

use crate::{
    replica::Replica,
    stage::{NONE, PATIENCE, fresh_database, run, shared_postgres, superuser},
};

/// How PostgreSQL stops, time after time: in order, or as in a crash, after which it recovers.
const STOPS: [fn(&mut Server); 6] = [
    Server::stop,
    Server::kill,
    Server::stop,
    Server::kill,
    Server::kill,
    Server::kill,
];

const TERMINATIONS: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_and_started_again() {
    let mut postgres = Server::start(Durability::Durable);
    let url = fresh_database(&postgres).await;
    let mut replica = Replica::start(&url, &["commit_patience=1500ms", "connect_timeout=1s"]).await;
    let run = run("database-stopped", &replica);
    for stop in STOPS {
        run.recorder().until_more(120, PATIENCE).await;
        block_in_place(|| stop(&mut postgres));
        // Every UNAVAILABLE was checked for RetryInfo when it came.
        let before = run.recorder().unavailable();
        run.recorder()
            .until("clients are told", PATIENCE, |recorder| {
                recorder.unavailable() > before + 3
            })
            .await;
        block_in_place(|| postgres.resume());
    }
    run.recorder().until_more(200, PATIENCE).await;
    run.judge(&replica.clients()).await;
    assert!(replica.is_running(), "the process that was started first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_terminated() {
    let postgres = shared_postgres().await;
    let url = fresh_database(postgres).await;
    let database = url.rsplit('/').next().unwrap().to_owned();
    let mut replica = Replica::start(&url, &[]).await;
    let run = run("database-sessions", &replica);
    let superuser = superuser(postgres).await;
    // In every other round those that are in a transaction come first.
    let text = "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE datname = $1 \
                ORDER BY ($2 AND xact_start IS NOT NULL) DESC, random() LIMIT 2) AS chosen";
    let mut terminated = 0;
    for round in 0..TERMINATIONS {
        run.recorder().until_more(25, PATIENCE).await;
        let row = superuser
            .query_one(text, &[&database, &(round % 2 == 0)])
            .await
            .unwrap();
        terminated += row.get::<_, i64>(0);
    }
    run.recorder().until_more(150, PATIENCE).await;
    let summary = run.judge(&replica.clients()).await;
    assert!(terminated > 40, "only {terminated} sessions were there");
    assert!(replica.is_running(), "the process that was started first");
    assert_eq!(summary.doubts, NONE, "PostgreSQL was there to be asked");
}

/// Sessions stand still with their locks, as behind a network that swallows everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_stand_still() {
    let postgres = shared_postgres().await;
    let url = fresh_database(postgres).await;
    let database = url.rsplit('/').next().unwrap().to_owned();
    let settings = [
        "commit_patience=1500ms",
        "statement_timeout=1500ms",
        "connect_timeout=1s",
    ];
    let mut replica = Replica::start(&url, &settings).await;
    let run = run("database-standstill", &replica);
    let superuser = superuser(postgres).await;
    for _ in 0..3 {
        run.recorder().until_more(120, PATIENCE).await;
        let text = "SELECT pid FROM pg_stat_activity WHERE datname = $1";
        let rows = superuser.query(text, &[&database]).await.unwrap();
        let sessions: Vec<_> = rows
            .iter()
            .filter_map(|row| Pid::from_raw(row.get(0)))
            .collect();
        for session in &sessions {
            kill_process(*session, Signal::STOP).unwrap();
        }
        let before = run.recorder().unavailable() + run.recorder().unknown();
        let told = |recorder: &Recorder| recorder.unavailable() + recorder.unknown() > before;
        run.recorder()
            .until("clients are told", Duration::from_secs(20), told)
            .await;
        for session in sessions {
            // Those that the service gave up may be gone by now.
            let _ = kill_process(session, Signal::CONT);
        }
    }
    run.recorder().until_more(120, PATIENCE).await;
    run.judge(&replica.clients()).await;
    assert!(replica.is_running(), "the process that was started first");
}
