//! The example against a real server.

use std::process::Command;

use waymark_tests::{Backend, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_placed_and_watched_until_it_is_paid() {
    let server = Server::start(Backend::Sqlite).await;
    let mut example = Command::new(env!("CARGO_BIN_EXE_place-and-watch"));
    example.args(["mugs-1", &format!("http://{}", server.address())]);
    let ended = tokio::task::block_in_place(|| example.output()).expect("it runs");
    let (printed, complaints) = (
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr),
    );
    assert!(ended.status.success(), "{printed}\n{complaints}");
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(
        lines.first(),
        Some(&"1 ENTRY_KIND_CREATED new/pending"),
        "{printed}"
    );
    let last = lines.last().expect("there is a line");
    assert!(last.ends_with(" processing/processing"), "{printed}");
}
