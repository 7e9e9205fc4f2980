//! Connections break at the very COMMIT: before PostgreSQL gets it, at that moment, and after it was done.

use waymark_testkit::proxy::{Cut, Proxy};

use crate::{
    replica::Replica,
    stage::{NONE, PATIENCE, fresh_database, run, shared_postgres},
};

const ROUNDS: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_cut_at_commit() {
    let postgres = shared_postgres().await;
    let url = fresh_database(postgres).await;
    let proxy = Proxy::start(postgres.port()).await;
    let through_proxy = url.replace(&postgres.port().to_string(), &proxy.port().to_string());
    let mut replica = Replica::start(&through_proxy, &[]).await;
    let run = run("database-commits", &replica);
    for _ in 0..ROUNDS {
        for cut in [Cut::Before, Cut::Amid, Cut::After] {
            run.recorder().until_more(20, PATIENCE).await;
            // The connection on which it comes again as well.
            proxy.cut(cut, 2);
            run.recorder()
                .until("COMMITs are cut", PATIENCE, |_| proxy.cuts_left(cut) == 0)
                .await;
        }
    }
    run.recorder().until_more(150, PATIENCE).await;
    let summary = run.judge(&replica.clients()).await;
    assert!(replica.is_running(), "the process that was started first");
    assert_eq!(summary.doubts, NONE, "PostgreSQL was there to be asked");
}
