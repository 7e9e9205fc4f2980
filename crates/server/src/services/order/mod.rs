//! `OrderService`: placing, moving and reading orders.

mod available;
mod batch;
mod list;
mod single;
mod stream;
pub(super) mod view;

use std::{pin::Pin, sync::Arc};

use futures::Stream;
use tonic::{Request, Response, Status, Streaming};
use waymark_domain::value::WorkflowCode;
use waymark_persistence::Along;
use waymark_proto::{
    convert::{
        order::{GetOrder, ListAvailableTransitions, OrderListRequest, order_to_wire},
        step::{ExecuteSteps, ParsedStep},
    },
    encoded::StepsMessage,
    v1::{self, order_service_server::OrderService},
};

pub(super) use self::view::find;
use crate::{App, Error, telemetry, tracking};

/// Answers the calls of `OrderService`.
#[derive(Debug, Clone)]
pub struct Service {
    app: Arc<App>,
}

impl Service {
    /// The service in front of `app`.
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    fn default_workflow(&self) -> &WorkflowCode {
        self.app.default_workflow()
    }
}

#[tonic::async_trait]
impl OrderService for Service {
    type StreamStepsStream =
        Pin<Box<dyn Stream<Item = Result<v1::StreamStepsResponse, Status>> + Send>>;

    async fn create_order(
        &self,
        request: Request<v1::CreateOrderRequest>,
    ) -> Result<Response<v1::CreateOrderResponse>, Status> {
        let step = ParsedStep::create_order(request.into_inner(), self.default_workflow());
        let done = single::carry_out(&self.app, step).await?;
        Ok(Response::new(done.into()))
    }

    async fn get_order(
        &self,
        request: Request<v1::GetOrderRequest>,
    ) -> Result<Response<v1::GetOrderResponse>, Status> {
        let call =
            GetOrder::read(request.into_inner(), self.default_workflow()).map_err(Error::from)?;
        telemetry::note_order(&call.id);
        let key = (&call.workflow, &call.id);
        let along = match self.app.feeds() {
            Some(_) => Along::Tokens,
            None => Along::Workflows,
        };
        let (published, order, token) = view::find_and(&self.app, key, along).await?;
        let mut order = order_to_wire(&published.graph, &order, call.store_view.as_ref());
        order.feed_url = tracking::url_of(self.app.store(), self.app.feeds(), token);
        Ok(Response::new(v1::GetOrderResponse { order: Some(order) }))
    }

    async fn list_orders(
        &self,
        request: Request<v1::ListOrdersRequest>,
    ) -> Result<Response<v1::ListOrdersResponse>, Status> {
        let call = OrderListRequest::read(request.into_inner()).map_err(Error::from)?;
        let app = Arc::clone(&self.app);
        let page = async move { list::page(&app, call).await };
        Ok(Response::new(self.app.read_many(page).await?))
    }

    async fn update_order(
        &self,
        request: Request<v1::UpdateOrderRequest>,
    ) -> Result<Response<v1::UpdateOrderResponse>, Status> {
        let step = ParsedStep::update_order(request.into_inner(), self.default_workflow());
        let done = single::carry_out(&self.app, step).await?;
        Ok(Response::new(done.into()))
    }

    async fn transition_order(
        &self,
        request: Request<v1::TransitionOrderRequest>,
    ) -> Result<Response<v1::TransitionOrderResponse>, Status> {
        let step = ParsedStep::transition_order(request.into_inner(), self.default_workflow());
        let done = single::carry_out(&self.app, step).await?;
        Ok(Response::new(done.into()))
    }

    async fn list_available_transitions(
        &self,
        request: Request<v1::ListAvailableTransitionsRequest>,
    ) -> Result<Response<v1::ListAvailableTransitionsResponse>, Status> {
        let call = ListAvailableTransitions::read(request.into_inner(), self.default_workflow());
        let call = call.map_err(Error::from)?;
        Ok(Response::new(available::list(&self.app, call).await?))
    }

    async fn record_operation(
        &self,
        request: Request<v1::RecordOperationRequest>,
    ) -> Result<Response<v1::RecordOperationResponse>, Status> {
        let step = ParsedStep::record_operation(request.into_inner(), self.default_workflow());
        let done = single::carry_out(&self.app, step).await?;
        Ok(Response::new(done.into()))
    }

    async fn hold_order(
        &self,
        request: Request<v1::HoldOrderRequest>,
    ) -> Result<Response<v1::HoldOrderResponse>, Status> {
        let step = ParsedStep::hold_order(request.into_inner(), self.default_workflow());
        let done = single::carry_out(&self.app, step).await?;
        Ok(Response::new(done.into()))
    }

    async fn release_order(
        &self,
        request: Request<v1::ReleaseOrderRequest>,
    ) -> Result<Response<v1::ReleaseOrderResponse>, Status> {
        let step = ParsedStep::release_order(request.into_inner(), self.default_workflow());
        let done = single::carry_out(&self.app, step).await?;
        Ok(Response::new(done.into()))
    }

    async fn add_comment(
        &self,
        request: Request<v1::AddCommentRequest>,
    ) -> Result<Response<v1::AddCommentResponse>, Status> {
        let step = ParsedStep::add_comment(request.into_inner(), self.default_workflow());
        let done = single::carry_out(&self.app, step).await?;
        Ok(Response::new(done.into()))
    }

    async fn execute_steps(
        &self,
        request: Request<StepsMessage>,
    ) -> Result<Response<v1::ExecuteStepsResponse>, Status> {
        let batch = ExecuteSteps::read(request.into_inner(), self.default_workflow())
            .map_err(Error::from)?;
        let results = batch::execute(&self.app, batch).await?;
        Ok(Response::new(v1::ExecuteStepsResponse { results }))
    }

    async fn stream_steps(
        &self,
        request: Request<Streaming<v1::StreamStepsRequest>>,
    ) -> Result<Response<Self::StreamStepsStream>, Status> {
        let results = stream::execute(Arc::clone(&self.app), request.into_inner());
        Ok(Response::new(Box::pin(results)))
    }
}
