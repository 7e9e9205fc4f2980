//! The first start on a fresh database dies at any moment; the next one finds or makes everything that it needs.

use std::time::Duration;

use tokio::time::sleep;
use waymark_proto::v1::{CreateOrderRequest, GetWorkflowRequest, Order};
use waymark_tests::{Backend, binary, log::Log, process::Process};

use crate::stage::{Place, WORKFLOW};

const STARTS: u64 = 24;

async fn killed_while_it_starts(backend: Backend) {
    let place = Place::fresh(backend).await;
    for start in 0..STARTS {
        let arguments: &[&str] = match backend {
            Backend::Sqlite => &["serve", "--listen", "127.0.0.1:0"],
            Backend::Postgres => &["migrate"],
        };
        let mut command = binary::command(arguments);
        command.args(["--database-url", place.url()]);
        let mut process = Process::start(command, &Log::default(), None);
        // Not to wait for anything: each start comes a little further.
        sleep(Duration::from_millis(5 * start)).await;
        process.kill();
    }
    let replica = place.serve(&[]).await;
    let request = GetWorkflowRequest {
        workflow: WORKFLOW.to_owned(),
    };
    let workflow = replica
        .clients()
        .workflows()
        .get_workflow(request)
        .await
        .unwrap()
        .into_inner()
        .workflow
        .unwrap();
    assert_eq!((workflow.code.as_str(), workflow.version), (WORKFLOW, 1));
    let order = Order {
        id: "1".to_owned(),
        ..Order::default()
    };
    let request = CreateOrderRequest {
        order: Some(order),
        ..CreateOrderRequest::default()
    };
    let order = replica
        .clients()
        .orders()
        .create_order(request)
        .await
        .unwrap()
        .into_inner()
        .order
        .unwrap();
    assert_eq!(
        (order.workflow.as_str(), order.status.as_str()),
        (WORKFLOW, "pending")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_start_may_die_on_sqlite() {
    killed_while_it_starts(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_migration_may_die_on_postgres() {
    killed_while_it_starts(Backend::Postgres).await;
}
