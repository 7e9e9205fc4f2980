//! The README's tour, command by command, as a reader would type it.

use waymark_tests::{Backend, Server, readme, script};

/// Runs the tour against a server of its own, as one script, and gives what it printed.
async fn walk(backend: Backend) -> String {
    let server = Server::start(backend).await;
    let directory = tempfile::tempdir().unwrap();
    let printed = script::run(&server, directory.path(), &readme::tour().join("\n"));
    stable(&printed)
}

/// What is printed, without what differs from run to run: times, positions in the log, tokens.
fn stable(printed: &str) -> String {
    let varies = [
        "Time\"",
        "\"partition\"",
        "\"partitionCount\"",
        "\"offset\"",
        "\"resumeToken\"",
        "\"etag\"",
        "\"nextPageToken\"",
    ];
    let lines = printed
        .lines()
        .filter(|line| !varies.iter().any(|key| line.contains(key)));
    lines
        .map(|line| line.trim_end_matches(','))
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tour_is_the_same_on_both_databases() {
    let sqlite = walk(Backend::Sqlite).await;
    let postgres = walk(Backend::Postgres).await;
    assert_eq!(sqlite, postgres);
    assert!(
        sqlite.contains("ENTRY_KIND_RELEASED"),
        "the tour shows its history: {sqlite}"
    );
}
