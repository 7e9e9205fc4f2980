//! `kill -9` in the middle of load.

use waymark_tests::{Backend, load::Dice};

use crate::stage::{PATIENCE, Stage};

const KILLS: usize = 20;

async fn killed_again_and_again(backend: Backend, name: &str) {
    let mut stage = Stage::on(backend, &[]).await;
    let run = stage.run(name);
    let mut dice = Dice::new(run.recorder().record().seed);
    for _ in 0..KILLS {
        run.recorder().until_more(30 + dice.below(120), PATIENCE).await;
        stage.replica.kill();
        stage.replica.restart().await;
    }
    run.recorder().until_more(150, PATIENCE).await;
    run.judge(&stage.replica.clients()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_on_sqlite() {
    killed_again_and_again(Backend::Sqlite, "kill-sqlite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_on_postgres() {
    killed_again_and_again(Backend::Postgres, "kill-postgres").await;
}
