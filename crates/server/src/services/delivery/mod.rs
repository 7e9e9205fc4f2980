//! `DeliveryService`: the ledger of deliveries.

mod ledger;
mod shown;
pub(super) mod waiting;

use std::sync::Arc;

use tonic::{Request, Response, Status};
use waymark_proto::{
    convert::delivery::{
        GetDelivery, ListDeliveries, RetryDeliveries, RetryDelivery, SkipDeliveries, SkipDelivery,
    },
    v1::{self, delivery_service_server::DeliveryService},
};

use crate::{App, Error};

/// Answers the calls of `DeliveryService`.
#[derive(Debug, Clone)]
pub struct Service {
    app: Arc<App>,
}

impl Service {
    /// The service in front of `app`.
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl DeliveryService for Service {
    async fn list_deliveries(
        &self,
        request: Request<v1::ListDeliveriesRequest>,
    ) -> Result<Response<v1::ListDeliveriesResponse>, Status> {
        let call = ListDeliveries::read(request.into_inner()).map_err(Error::from)?;
        let app = Arc::clone(&self.app);
        let page = async move { ledger::page(&app, call).await };
        Ok(Response::new(self.app.read_many(page).await?))
    }

    async fn get_delivery(
        &self,
        request: Request<v1::GetDeliveryRequest>,
    ) -> Result<Response<v1::GetDeliveryResponse>, Status> {
        let call = GetDelivery::read(request.get_ref()).map_err(Error::from)?;
        Ok(Response::new(ledger::get(&self.app, call).await?))
    }

    async fn retry_delivery(
        &self,
        request: Request<v1::RetryDeliveryRequest>,
    ) -> Result<Response<v1::RetryDeliveryResponse>, Status> {
        let call = RetryDelivery::read(request.into_inner()).map_err(Error::from)?;
        Ok(Response::new(ledger::retry(&self.app, call).await?))
    }

    async fn retry_deliveries(
        &self,
        request: Request<v1::RetryDeliveriesRequest>,
    ) -> Result<Response<v1::RetryDeliveriesResponse>, Status> {
        let call = RetryDeliveries::read(request.into_inner()).map_err(Error::from)?;
        Ok(Response::new(ledger::retry_all(&self.app, call).await?))
    }

    async fn skip_delivery(
        &self,
        request: Request<v1::SkipDeliveryRequest>,
    ) -> Result<Response<v1::SkipDeliveryResponse>, Status> {
        let call = SkipDelivery::read(request.into_inner()).map_err(Error::from)?;
        Ok(Response::new(ledger::skip(&self.app, call).await?))
    }

    async fn skip_deliveries(
        &self,
        request: Request<v1::SkipDeliveriesRequest>,
    ) -> Result<Response<v1::SkipDeliveriesResponse>, Status> {
        let call = SkipDeliveries::read(request.into_inner()).map_err(Error::from)?;
        Ok(Response::new(ledger::skip_all(&self.app, call).await?))
    }
}
