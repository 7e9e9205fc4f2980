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

/// The results of a stream of steps.
type Results = Pin<Box<dyn Stream<Item = Result<v1::StreamStepsResponse, Status>> + Send>>;

service!("OrderService");

rpcs! {
    OrderService [StreamStepsStream = Results] {
        create_order(v1::CreateOrderRequest) -> v1::CreateOrderResponse:
            ParsedStep::create_order(default_workflow()) => single::carry_out;
        get_order(v1::GetOrderRequest) -> v1::GetOrderResponse:
            GetOrder::read(default_workflow()) => get;
        list_orders(v1::ListOrdersRequest) -> v1::ListOrdersResponse:
            OrderListRequest::read() => list::list;
        update_order(v1::UpdateOrderRequest) -> v1::UpdateOrderResponse:
            ParsedStep::update_order(default_workflow()) => single::carry_out;
        transition_order(v1::TransitionOrderRequest) -> v1::TransitionOrderResponse:
            ParsedStep::transition_order(default_workflow()) => single::carry_out;
        list_available_transitions(v1::ListAvailableTransitionsRequest) -> v1::ListAvailableTransitionsResponse:
            ListAvailableTransitions::read(default_workflow()) => available::list;
        record_operation(v1::RecordOperationRequest) -> v1::RecordOperationResponse:
            ParsedStep::record_operation(default_workflow()) => single::carry_out;
        hold_order(v1::HoldOrderRequest) -> v1::HoldOrderResponse:
            ParsedStep::hold_order(default_workflow()) => single::carry_out;
        release_order(v1::ReleaseOrderRequest) -> v1::ReleaseOrderResponse:
            ParsedStep::release_order(default_workflow()) => single::carry_out;
        add_comment(v1::AddCommentRequest) -> v1::AddCommentResponse:
            ParsedStep::add_comment(default_workflow()) => single::carry_out;
        execute_steps(StepsMessage) -> v1::ExecuteStepsResponse:
            ExecuteSteps::read(default_workflow()) => batch::execute;
    }

    async fn stream_steps(
        &self,
        request: Request<Streaming<v1::StreamStepsRequest>>,
    ) -> Result<Response<Self::StreamStepsStream>, Status> {
        let results = stream::execute(Arc::clone(&self.app), request.into_inner());
        Ok(Response::new(Box::pin(results)))
    }
}

async fn get(app: &App, call: GetOrder) -> Result<v1::GetOrderResponse, Error> {
    telemetry::note_order(&call.id);
    let along = match app.feeds() {
        Some(_) => Along::Tokens,
        None => Along::Workflows,
    };
    let key = (&call.workflow, &call.id);
    let (published, order, token) = view::find_and(app, key, along).await?;
    let mut order = order_to_wire(&published.graph, &order, call.store_view.as_ref());
    order.feed_url = tracking::url_of(app.store(), app.feeds(), token);
    Ok(v1::GetOrderResponse { order: Some(order) })
}
