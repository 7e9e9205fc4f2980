//! The README's tour, command by command, as a reader would type it.

use std::{
    env,
    fs::{self, File},
    process::{Command, Stdio},
};

use waymark_tests::{Backend, Server, binary, readme};

/// The address that the tour is written for.
const WRITTEN: &str = "127.0.0.1:50551";

/// Runs the tour against a server of its own, as one script, and gives what it printed.
async fn walk(backend: Backend) -> String {
    let server = Server::start(backend).await;
    let mut path = vec![
        readme::grpcurl().parent().unwrap().to_owned(),
        binary::path().parent().unwrap().to_owned(),
    ];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let script = readme::tour()
        .join("\n")
        .replace(WRITTEN, &server.address().to_string());
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    fs::write(file("tour.sh"), format!("set -eu\n{script}\n")).unwrap();
    // Into files: a command that the tour leaves running would keep a pipe open.
    let status = Command::new("sh")
        .args(["-x", "tour.sh"])
        .current_dir(directory.path())
        .env("PATH", env::join_paths(path).unwrap())
        .env("WAYMARK_SERVER", format!("http://{}", server.address()))
        .stdin(Stdio::null())
        .stdout(File::create(file("printed")).unwrap())
        .stderr(File::create(file("complaints")).unwrap())
        .status()
        .unwrap();
    let printed = fs::read_to_string(file("printed")).unwrap();
    let complaints = fs::read_to_string(file("complaints")).unwrap();
    assert!(status.success(), "{backend:?}\n{printed}\n{complaints}");
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
