//! Workflows and their parts: documents, statuses, assignments and transitions.

mod statuses;
mod transitions;
mod workflows;

use tonic::transport::Channel;
use waymark_proto::v1::{
    state_service_client::StateServiceClient, status_service_client::StatusServiceClient,
    transition_service_client::TransitionServiceClient,
    workflow_service_client::WorkflowServiceClient,
};

use crate::running::{Running, start};

struct Clients {
    workflows: WorkflowServiceClient<Channel>,
    statuses: StatusServiceClient<Channel>,
    states: StateServiceClient<Channel>,
    transitions: TransitionServiceClient<Channel>,
}

async fn server() -> (tempfile::TempDir, Running, Clients) {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), &[]).await;
    let channel = server.channel().await;
    let clients = Clients {
        workflows: WorkflowServiceClient::new(channel.clone()),
        statuses: StatusServiceClient::new(channel.clone()),
        states: StateServiceClient::new(channel.clone()),
        transitions: TransitionServiceClient::new(channel),
    };
    (directory, server, clients)
}
