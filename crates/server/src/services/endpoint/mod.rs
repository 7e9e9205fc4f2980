//! `EndpointService`: where webhooks go.

mod edit;
mod shown;

use std::sync::Arc;

use tonic::{Request, Response, Status};
use waymark_proto::{
    convert::endpoint::{
        CreateEndpoint, DeleteEndpoint, GetEndpoint, ListEndpoints, RotateEndpointSecret,
        UpdateEndpoint,
    },
    v1::{self, endpoint_service_server::EndpointService},
};

use crate::{App, Error};

/// Answers the calls of `EndpointService`.
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
impl EndpointService for Service {
    async fn create_endpoint(
        &self,
        request: Request<v1::CreateEndpointRequest>,
    ) -> Result<Response<v1::CreateEndpointResponse>, Status> {
        let call = CreateEndpoint::read(request.into_inner()).map_err(Error::from)?;
        Ok(Response::new(edit::create(&self.app, call).await?))
    }

    async fn get_endpoint(
        &self,
        request: Request<v1::GetEndpointRequest>,
    ) -> Result<Response<v1::GetEndpointResponse>, Status> {
        let call = GetEndpoint::read(request.get_ref()).map_err(Error::from)?;
        Ok(Response::new(edit::get(&self.app, call).await?))
    }

    async fn list_endpoints(
        &self,
        request: Request<v1::ListEndpointsRequest>,
    ) -> Result<Response<v1::ListEndpointsResponse>, Status> {
        let call = ListEndpoints::read(request.into_inner()).map_err(Error::from)?;
        Ok(Response::new(edit::page(&self.app, call).await?))
    }

    async fn update_endpoint(
        &self,
        request: Request<v1::UpdateEndpointRequest>,
    ) -> Result<Response<v1::UpdateEndpointResponse>, Status> {
        let call = UpdateEndpoint::read(request.into_inner()).map_err(Error::from)?;
        Ok(Response::new(edit::update(&self.app, call).await?))
    }

    async fn delete_endpoint(
        &self,
        request: Request<v1::DeleteEndpointRequest>,
    ) -> Result<Response<v1::DeleteEndpointResponse>, Status> {
        let call = DeleteEndpoint::read(request.into_inner()).map_err(Error::from)?;
        Ok(Response::new(edit::delete(&self.app, call).await?))
    }

    async fn rotate_endpoint_secret(
        &self,
        request: Request<v1::RotateEndpointSecretRequest>,
    ) -> Result<Response<v1::RotateEndpointSecretResponse>, Status> {
        let call = RotateEndpointSecret::read(request.into_inner()).map_err(Error::from)?;
        Ok(Response::new(edit::rotate(&self.app, call).await?))
    }
}
