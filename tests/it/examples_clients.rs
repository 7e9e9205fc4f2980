//! The clients of `examples` in other languages, against a real server. The one in Rust has its test beside it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tokio::task::block_in_place;
use waymark_proto::v1::{self, DeliveryState};
use waymark_testkit::python;
use waymark_tests::{
    Backend, Server, Shop, binary::workspace, ledger, log::Log, process::Process, turning, web,
    world::apply,
};

on_each_database!(
    a_consumer_goes_on_after_restarts,
    a_receiver_takes_what_is_genuine,
);

/// How long something may take to happen, on a machine that compiles as well.
const PATIENCE: Duration = Duration::from_mins(1);
/// The secret of the receiver's README.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A consumer in a folder of its own, with the stubs that its README makes.
struct Consumer<'s> {
    folder: &'s Path,
    python: PathBuf,
    log: Log,
}

impl<'s> Consumer<'s> {
    fn new(folder: &'s Path) -> Self {
        let python = python::with("grpcio-tools");
        let example = workspace().join("examples/consumer/consumer.py");
        fs::copy(example, folder.join("consumer.py")).expect("the example is copied");
        let contract = workspace().join("proto");
        let files = fs::read_dir(contract.join("waymark/v1")).expect("the contract is there");
        let made = Command::new(&python)
            .args([
                "-m",
                "grpc_tools.protoc",
                "--python_out=.",
                "--grpc_python_out=.",
            ])
            .arg("-I")
            .arg(&contract)
            .args(files.map(|file| file.expect("a file").path()))
            .current_dir(folder)
            .status();
        assert!(made.is_ok_and(|status| status.success()), "no stubs");
        Self {
            folder,
            python,
            log: Log::default(),
        }
    }

    fn start(&self, server: &Server) -> Process {
        let mut command = Command::new(&self.python);
        command
            .args(["consumer.py", &server.address().to_string()])
            .current_dir(self.folder)
            // A proxy of the person who runs the tests does not see this machine's own ports.
            .env("NO_PROXY", "*")
            .env("no_proxy", "*");
        Process::start(command, &self.log, None)
    }

    /// Waits until it has handled the first entry of an order.
    async fn handles(&self, order: &str) {
        let begin = format!("{order} 1 ");
        let look = |line: &str| line.starts_with(&begin).then_some(());
        let found = self.log.find(0, PATIENCE, look).await;
        if found.is_none() {
            self.log.show(0);
        }
        assert!(found.is_some(), "no entry of order {order}");
    }
}

async fn a_consumer_goes_on_after_restarts(backend: Backend) {
    let mut server = Server::start(backend).await;
    let shop = Shop::new(server.clients(), "order");
    let folder = tempfile::tempdir().unwrap();
    let consumer = block_in_place(|| Consumer::new(folder.path()));
    shop.place("1", &[]).await;
    let mut process = consumer.start(&server);
    consumer.handles("1").await;
    process.kill();

    shop.place("2", &[]).await;
    process = consumer.start(&server);
    consumer.handles("2").await;
    server.kill();
    server.restart().await;
    let shop = shop.over(server.clients());
    shop.place("3", &[]).await;
    consumer.handles("3").await;
    process.kill();

    // The token that covers the first two was written before the third was handled.
    let since = consumer.log.len();
    shop.place("4", &[]).await;
    process = consumer.start(&server);
    consumer.handles("4").await;
    process.kill();
    let handled = consumer.log.after(since);
    let is_old = |line: &String| line.starts_with("1 ") || line.starts_with("2 ");
    assert!(!handled.iter().any(is_old), "{handled:?}");
}

async fn a_receiver_takes_what_is_genuine(backend: Backend) {
    let example = workspace().join("examples/receiver");
    let checked = Command::new("node")
        .args(["--test", "verify.test.mjs"])
        .current_dir(&example)
        .output()
        .expect("Node is installed and on the PATH");
    let told = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{told}");

    let mut command = Command::new("node");
    command
        .arg("receiver.mjs")
        .current_dir(&example)
        .env("PORT", "0")
        .env("WEBHOOK_SECRET", SECRET);
    let log = Log::default();
    let _receiver = Process::start(command, &log, None);
    let address = |line: &str| line.strip_prefix("listening on ").map(str::to_owned);
    let address = log.find(0, PATIENCE, address).await;
    let url = format!("http://{}/", address.expect("it says where it listens"));

    let allowed = ["--set", "webhooks_allowed=127.0.0.0/8"];
    let server = Server::start_with(backend, &allowed).await;
    let clients = server.clients();
    let endpoint = v1::Endpoint {
        code: "erp".to_owned(),
        url: url.clone(),
        ..Default::default()
    };
    let request = v1::CreateEndpointRequest {
        endpoint: Some(endpoint),
        secret: SECRET.to_owned(),
        ..Default::default()
    };
    clients.endpoints().create_endpoint(request).await.unwrap();
    let document = turning::document([("turn", "{tell: {webhook: {endpoint: erp}}}")]);
    let shop = apply(&clients, "turning", &document).await;
    shop.place("1", &[]).await;
    let turned = shop.take("1", "turn").await.unwrap();
    let delivery = &turned.entries[0].set_off[0].delivery_id;
    ledger::until(&shop, delivery, DeliveryState::Succeeded).await;
    let handled = log.after(0);
    let line = "order.transitioned 1 2 new/new".to_owned();
    assert!(handled.contains(&line), "{handled:?}");

    let unsigned = web::ask("POST", &url, &[]).await;
    assert_eq!(unsigned.status, 401);
    assert_eq!(log.after(0), handled, "nothing was done for it");
}
