//! `kill -9` in the middle of load.

use waymark_tests::{Backend, load::Dice};

use crate::stage::{PATIENCE, Place, run};

const KILLS: usize = 20;

async fn killed_again_and_again(backend: Backend, name: &str) {
    let place = Place::fresh(backend).await;
    let mut replica = place.serve(&[]).await;
    let run = run(name, &replica);
    let mut dice = Dice::new(run.recorder().record().seed);
    for _ in 0..KILLS {
        run.recorder()
            .until_more(30 + dice.below(120), PATIENCE)
            .await;
        replica.kill();
        replica.restart().await;
    }
    run.recorder().until_more(150, PATIENCE).await;
    run.judge(&replica.clients()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_on_sqlite() {
    killed_again_and_again(Backend::Sqlite, "kill-sqlite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_on_postgres() {
    killed_again_and_again(Backend::Postgres, "kill-postgres").await;
}
