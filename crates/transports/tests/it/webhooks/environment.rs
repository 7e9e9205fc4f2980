//! Tests that need an environment of their own run themselves again in a second
//! process, since a process cannot change its own without `unsafe`.

use std::{env, process::Command};

use axum::response::Response;
use waymark_transports::Outcome;

use super::{LOOPBACK, post_to, receiver::Receiver, webhooks};

const URL: &str = "WAYMARK_TEST_URL";

/// The URL to post to, in the second process.
pub(super) fn url_in_second_process() -> Option<String> {
    env::var_os(URL).map(|url| url.into_string().unwrap())
}

/// Runs a test again, with these variables set, and with its URL.
pub(super) async fn run_again(test: &str, url: String, variables: Vec<(&'static str, String)>) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]);
    command.env(URL, url).envs(variables);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("1 passed"), "{said}\n{problem}");
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_not_used() {
    if let Some(url) = url_in_second_process() {
        let attempt = webhooks(LOOPBACK).post(post_to(&url)).await;
        assert_eq!(attempt.outcome, Outcome::Accepted);
        return;
    }
    let receiver = Receiver::answering(Response::default).await;
    let proxy = Receiver::answering(Response::default).await;
    let proxy_url = format!("http://{}", proxy.address);
    let mut variables: Vec<_> = ["http_proxy", "https_proxy", "all_proxy"]
        .into_iter()
        .chain(["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
        .map(|name| (name, proxy_url.clone()))
        .collect();
    // The machine may except loopback from its proxies.
    variables.extend(["no_proxy", "NO_PROXY"].map(|name| (name, String::new())));
    let test = "webhooks::environment::a_proxy_of_the_environment_is_not_used";

    run_again(test, receiver.url(), variables).await;

    assert_eq!(receiver.received().len(), 1);
    assert_eq!(proxy.received().len(), 0);
}
