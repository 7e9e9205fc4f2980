//! Inputs made to cost as much as they can, for a moment, against a server that is short of what it needs: what
//! `make attack` does for ten minutes.

use std::process::Command;

use futures::future::join_all;
use waymark_proto::v1;
use waymark_tests::{
    Backend, Clients, Server,
    attack::{campaign::Campaign, journal::Journal},
    binary,
    load::Dice,
    world,
};

/// How many inputs there are here.
const INPUTS: usize = 400;
/// How much memory the server may have, in MiB.
const MEMORY_MIB: u64 = 512;

#[tokio::test]
async fn generated_inputs_end_nothing() {
    let seed = Dice::seed();
    let mut server = Server::start_within(Backend::Sqlite, &[], MEMORY_MIB).await;
    let mut campaign = Campaign::against(&server, "attacked", seed, &Journal::default()).await;
    while campaign.account().inputs() < INPUTS {
        campaign.one().await;
        assert!(
            server.is_running(),
            "WAYMARK_TEST_SEED={seed} ends the server: {:?}",
            campaign.account()
        );
    }
    let account = campaign.account();
    let strange = &account.strange;
    assert!(strange.is_empty(), "WAYMARK_TEST_SEED={seed}: {strange:#?}");
    // Some of each are sent, and some guards are good enough to be asked.
    for kind in [
        "template",
        "guard",
        "document",
        "request",
        "step with guard",
    ] {
        assert!(account.kinds.contains_key(kind), "{kind}: {account:?}");
    }
}

/// Leaves a server no memory for the stack of another thread.
fn take_room_for_threads(server: &Server) {
    const LEFT_KIB: u64 = 1_500;
    let process = server.process();
    let bytes = (process.memory_kib("VmData:") + LEFT_KIB) * 1024;
    let limited = Command::new("prlimit")
        .args(["--pid", &process.id().to_string()])
        .arg(format!("--data={bytes}"))
        .status();
    assert!(limited.unwrap().success());
}

async fn lint(clients: Clients, document: String) {
    let request = v1::LintWorkflowRequest {
        document,
        format: v1::WorkflowFormat::Yaml.into(),
        ..Default::default()
    };
    clients.workflows().lint_workflow(request).await.unwrap();
}

/// What takes long is done by turns on the threads that there are.
#[tokio::test]
async fn a_server_that_gets_no_more_threads_answers() {
    let server = Server::start(Backend::Sqlite).await;
    let clients = server.clients();
    let document = binary::preset("magento");
    take_room_for_threads(&server);
    let list = v1::ListOrdersRequest::default();
    clients.orders().list_orders(list).await.unwrap();
    join_all((0..8).map(|_| lint(clients.clone(), document.clone()))).await;
    let shop = world::apply(&clients, "w", &document).await;
    shop.place("1", &[("1", "2")]).await;
    shop.comment("1", "going on", "").await.unwrap();
    assert_eq!(shop.get("1").await.version, 2);
}
