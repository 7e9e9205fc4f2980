//! The README's tour, command by command, as a reader would type it.

use std::{env, fs, process::Command};

use waymark_tests::{Backend, Server, binary, readme};

/// The address that the tour is written for.
const WRITTEN: &str = "127.0.0.1:50551";

/// Runs the tour against a server of its own and gives what each block printed.
async fn walk(backend: Backend) -> Vec<String> {
    let server = Server::start(backend).await;
    let mut path = vec![readme::grpcurl().parent().unwrap().to_owned(), binary::path().parent().unwrap().to_owned()];
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let path = env::join_paths(path).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut printed = Vec::new();
    for block in readme::tour() {
        let script = block.replace(WRITTEN, &server.address().to_string());
        fs::write(directory.path().join("tour.sh"), format!("set -eu\n{script}\n")).unwrap();
        let output = Command::new("sh")
            .arg("tour.sh")
            .current_dir(directory.path())
            .env("PATH", &path)
            .env("WAYMARK_SERVER", format!("http://{}", server.address()))
            .output()
            .unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{backend:?}\n{block}\n{out}{err}");
        printed.push(stable(&out));
    }
    printed
}

/// What is printed, without what differs from run to run: times, positions in the log, tokens.
fn stable(printed: &str) -> String {
    let varies = ["Time\"", "\"partition\"", "\"partitionCount\"", "\"offset\"", "\"resumeToken\"", "\"etag\"", "\"nextPageToken\""];
    let lines = printed.lines().filter(|line| !varies.iter().any(|key| line.contains(key)));
    lines.map(|line| line.trim_end_matches(',')).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tour_is_the_same_on_both_databases() {
    let sqlite = walk(Backend::Sqlite).await;
    let postgres = walk(Backend::Postgres).await;
    assert_eq!(sqlite, postgres);
    assert!(sqlite.iter().any(|printed| printed.contains("\"status\"")), "the tour shows orders: {sqlite:?}");
}
