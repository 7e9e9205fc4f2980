//! `ActionService`: the ledger of deliveries, and the endpoints of webhooks.

mod endpoint;
mod ledger;
mod shown;
mod trial;
mod waiting;

use std::sync::Arc;

use prost::Message;
use tonic::{Request, Response, Status};
use waymark_persistence::{Answered, ChangeMode, LedgerCall};
use waymark_proto::{
    convert::{
        call::{EditCall, ValidateOnly},
        delivery::{
            GetDelivery, ListDeliveries, RetryDeliveries, RetryDelivery, SkipDeliveries,
            SkipDelivery, TestAction,
        },
        endpoint::{
            CreateEndpoint, DeleteEndpoint, GetEndpoint, ListEndpoints, RotateEndpointSecret,
            UpdateEndpoint,
        },
    },
    v1::{self, action_service_server::ActionService},
};

use crate::{App, Error, telemetry};

/// Answers the calls of `ActionService`.
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

/// What the store needs to know of a call.
fn ledger_call(edit: &EditCall) -> LedgerCall {
    let request = edit.request.as_ref();
    telemetry::note_request(request.map(|request| &request.id));
    LedgerCall {
        request: request.map(|key| waymark_persistence::Request {
            id: key.id.clone(),
            fingerprint: key.fingerprint,
        }),
        actor: edit.actor.clone(),
        mode: match edit.validate_only {
            ValidateOnly::No => ChangeMode::Apply,
            ValidateOnly::Yes => ChangeMode::Rehearse,
        },
    }
}

/// The answer to a call; the flag says whether it is that to an earlier one.
fn answer<T, R: Message + Default>(
    answered: &Answered<T>,
    answer: impl Fn(&T) -> R,
) -> Result<(R, bool), Error> {
    match answered {
        Answered::Done(done) => Ok((answer(done), false)),
        Answered::Replayed(stored) => {
            let what = "a stored answer cannot be read";
            let stored = R::decode(stored.as_slice()).map_err(|_| Error::Internal { what })?;
            Ok((stored, true))
        }
    }
}

#[tonic::async_trait]
impl ActionService for Service {
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

    async fn test_action(
        &self,
        request: Request<v1::TestActionRequest>,
    ) -> Result<Response<v1::TestActionResponse>, Status> {
        let call = TestAction::read(request.into_inner(), self.app.default_workflow())
            .map_err(Error::from)?;
        Ok(Response::new(Box::pin(trial::run(&self.app, call)).await?))
    }

    async fn create_endpoint(
        &self,
        request: Request<v1::CreateEndpointRequest>,
    ) -> Result<Response<v1::CreateEndpointResponse>, Status> {
        let call = CreateEndpoint::read(request.into_inner()).map_err(Error::from)?;
        Ok(Response::new(endpoint::create(&self.app, call).await?))
    }

    async fn get_endpoint(
        &self,
        request: Request<v1::GetEndpointRequest>,
    ) -> Result<Response<v1::GetEndpointResponse>, Status> {
        let call = GetEndpoint::read(request.get_ref()).map_err(Error::from)?;
        Ok(Response::new(endpoint::get(&self.app, call).await?))
    }

    async fn list_endpoints(
        &self,
        request: Request<v1::ListEndpointsRequest>,
    ) -> Result<Response<v1::ListEndpointsResponse>, Status> {
        let call = ListEndpoints::read(request.into_inner()).map_err(Error::from)?;
        Ok(Response::new(endpoint::page(&self.app, call).await?))
    }

    async fn update_endpoint(
        &self,
        request: Request<v1::UpdateEndpointRequest>,
    ) -> Result<Response<v1::UpdateEndpointResponse>, Status> {
        let call = UpdateEndpoint::read(request.into_inner()).map_err(Error::from)?;
        Ok(Response::new(endpoint::update(&self.app, call).await?))
    }

    async fn delete_endpoint(
        &self,
        request: Request<v1::DeleteEndpointRequest>,
    ) -> Result<Response<v1::DeleteEndpointResponse>, Status> {
        let call = DeleteEndpoint::read(request.into_inner()).map_err(Error::from)?;
        Ok(Response::new(endpoint::delete(&self.app, call).await?))
    }

    async fn rotate_endpoint_secret(
        &self,
        request: Request<v1::RotateEndpointSecretRequest>,
    ) -> Result<Response<v1::RotateEndpointSecretResponse>, Status> {
        let call = RotateEndpointSecret::read(request.into_inner()).map_err(Error::from)?;
        Ok(Response::new(endpoint::rotate(&self.app, call).await?))
    }
}
