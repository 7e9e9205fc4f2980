//! Health as `grpc.health.v1` tells it: each service and the whole serve while
//! the database answers and the server is not stopping.

use tokio::sync::watch;
use tonic_health::{
    ServingStatus,
    pb::health_server::{Health as HealthService, HealthServer},
    server::{HealthReporter, health_reporter},
};
use waymark_persistence::StorageState;
use waymark_proto::v1::{
    action_service_server, history_service_server, order_service_server, state_service_server,
    status_service_server, tracking_service_server, transition_service_server,
    workflow_service_server,
};

/// The services, and the empty name of the whole server.
const NAMES: [&str; 9] = [
    "",
    action_service_server::SERVICE_NAME,
    history_service_server::SERVICE_NAME,
    order_service_server::SERVICE_NAME,
    state_service_server::SERVICE_NAME,
    status_service_server::SERVICE_NAME,
    tracking_service_server::SERVICE_NAME,
    transition_service_server::SERVICE_NAME,
    workflow_service_server::SERVICE_NAME,
];

/// Says whether the services serve.
#[derive(Debug, Clone)]
pub(crate) struct Health(HealthReporter);

impl Health {
    /// All services as not serving, and the service that tells it.
    pub(crate) async fn new() -> (Self, HealthServer<impl HealthService>) {
        let (reporter, service) = health_reporter();
        let health = Self(reporter);
        health.set(ServingStatus::NotServing).await;
        (health, service)
    }

    /// Follows the database and, on SQLite, its file, until dropped or one of them is gone.
    pub(crate) async fn follow(
        &self,
        mut well: watch::Receiver<bool>,
        mut storage: watch::Receiver<StorageState>,
    ) {
        loop {
            let takes_writes = *storage.borrow_and_update() == StorageState::Sound;
            let serving = *well.borrow_and_update() && takes_writes;
            self.set(if serving {
                ServingStatus::Serving
            } else {
                ServingStatus::NotServing
            })
            .await;
            let ended = tokio::select! {
                changed = well.changed() => changed.is_err(),
                changed = storage.changed() => changed.is_err(),
            };
            if ended {
                return;
            }
        }
    }

    /// Tells everybody that nothing serves any more.
    pub(crate) async fn retire(&self) {
        self.set(ServingStatus::NotServing).await;
    }

    /// Ends the streams of those who watch the health; they would keep the server from stopping.
    pub(crate) async fn release(mut self) {
        for name in NAMES {
            self.0.clear_service_status(name).await;
        }
    }

    async fn set(&self, status: ServingStatus) {
        for name in NAMES {
            self.0.set_service_status(name, status).await;
        }
    }
}
