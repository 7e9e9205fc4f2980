//! Health as `grpc.health.v1` reports it: each service and the whole serve while
//! the database answers and the server is not stopping.

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tonic_health::{
    ServingStatus,
    pb::{
        HealthCheckRequest, HealthCheckResponse,
        health_server::{Health as HealthContract, HealthServer},
    },
    server::{HealthReporter, HealthService},
};
use waymark_persistence::StorageState;

use crate::routes;

#[derive(Debug)]
pub(crate) struct Health {
    reporter: HealthReporter,
    /// Ends the streams of those who watch.
    released: CancellationToken,
}

impl Health {
    /// All services as not serving, and the service that reports it.
    pub(crate) async fn new() -> (Self, HealthServer<ReportedHealth>) {
        let health = Self {
            reporter: HealthReporter::new(),
            released: CancellationToken::new(),
        };
        health.set(ServingStatus::NotServing).await;
        let service = ReportedHealth {
            service: HealthService::from_health_reporter(health.reporter.clone()),
            released: health.released.clone(),
        };
        (health, HealthServer::new(service))
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

    /// Reports that nothing serves any more.
    pub(crate) async fn retire(&self) {
        self.set(ServingStatus::NotServing).await;
    }

    /// Ends the streams of those who watch the health, once they have got what was set; they would
    /// keep the server from stopping. Who asks on a connection that is still open goes on being
    /// answered.
    pub(crate) fn release(&self) {
        self.released.cancel();
    }

    async fn set(&self, status: ServingStatus) {
        for name in routes::NAMES {
            self.reporter.set_service_status(name, status).await;
        }
    }
}

/// Reports what was set. Taking a service off the list would end the streams of it as well, and then
/// say that there is no such service.
#[derive(Debug)]
pub(crate) struct ReportedHealth {
    service: HealthService,
    released: CancellationToken,
}

#[tonic::async_trait]
impl HealthContract for ReportedHealth {
    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        self.service.check(request).await
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let reports = self.service.watch(request).await?.into_inner();
        let watching = (reports, self.released.clone());
        let watching = stream::unfold(watching, |(mut reports, released)| async move {
            let next = tokio::select! {
                // What was set before the end is reported before it.
                biased;
                next = reports.next() => next,
                () = released.cancelled() => None,
            };
            next.map(|next| (next, (reports, released)))
        });
        Ok(Response::new(watching.boxed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asks_while_it_stops_is_told_so() {
        let (health, _) = Health::new().await;
        let service = ReportedHealth {
            service: HealthService::from_health_reporter(health.reporter.clone()),
            released: health.released.clone(),
        };
        let request = || Request::new(HealthCheckRequest::default());
        let not_serving = HealthCheckResponse {
            status: i32::from(tonic_health::pb::health_check_response::ServingStatus::NotServing),
        };
        health.set(ServingStatus::Serving).await;
        let mut watching = service.watch(request()).await.unwrap().into_inner();
        let first = watching.next().await.unwrap().unwrap();
        assert_ne!(first, not_serving);
        health.retire().await;
        health.release();
        let last = watching.next().await.unwrap().unwrap();
        assert_eq!(last, not_serving);
        assert!(watching.next().await.is_none());
        // On a connection that is still open.
        let checked = service.check(request()).await.unwrap().into_inner();
        assert_eq!(checked, not_serving);
        let mut late = service.watch(request()).await.unwrap().into_inner();
        assert_eq!(late.next().await.unwrap().unwrap(), not_serving);
        assert!(late.next().await.is_none());
    }
}
