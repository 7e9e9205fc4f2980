//! Every request, and how it is decoded and checked.

use futures::executor::block_on;
use http_body_util::Full;
use prost::Message;
use tonic::{
    Status,
    codec::{Codec, Streaming},
};
use waymark_domain::{partition::PartitionCount, value::WorkflowCode, workflow::document};
use waymark_proto::{
    codec::Weighed,
    convert::{
        delivery, endpoint, history, order, state, status,
        step::{ExecuteSteps, ParsedStep, StreamedStep},
        tracking, transition, workflow,
    },
    encoded::StepsMessage,
    shape::Shaped,
    v1,
};

/// A request.
pub(crate) struct Request {
    /// Its name in the contract.
    pub(crate) name: &'static str,
    /// Takes a message off the wire and checks it.
    pub(crate) read: fn(&[u8]),
}

/// What a server does with the body of a call.
fn decode<U: Message + Default + Shaped + Send + 'static>(message: &[u8]) -> Result<U, Status> {
    let mut body = vec![0];
    body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    body.extend_from_slice(message);
    let decoder = Weighed::<v1::GetOrderResponse, U>::default().decoder();
    let body = Full::new(bytes::Bytes::from(body));
    let mut stream = Streaming::new_request(decoder, body, None, None);
    let message = block_on(stream.message())?;
    Ok(message.expect("a message"))
}

fn default() -> WorkflowCode {
    "order".parse().unwrap()
}

macro_rules! requests {
    ($($name:ident: $type:ty => |$request:ident| $read:expr;)+) => {
        pub(crate) const REQUESTS: &[Request] = &[
            $(Request {
                name: stringify!($name),
                read: |message| {
                    // What was made of it stands until it is carried out.
                    let read = decode::<$type>(message).map(|$request| $read);
                    drop(read);
                },
            },)+
        ];
    };
}

requests! {
    ApplyWorkflowRequest: v1::ApplyWorkflowRequest => |r| workflow::ApplyWorkflow::read(r).map(|call| {
        let document = document::parse(&call.document, call.format);
        (call, document)
    });
    ExportWorkflowRequest: v1::ExportWorkflowRequest => |r| workflow::ExportWorkflow::read(r, &default());
    GetWorkflowRequest: v1::GetWorkflowRequest => |r| workflow::GetWorkflow::read(r, &default());
    ListWorkflowsRequest: v1::ListWorkflowsRequest => |r| workflow::ListWorkflows::read(r);
    DeleteWorkflowRequest: v1::DeleteWorkflowRequest => |r| workflow::DeleteWorkflow::read(r, &default());
    ListWorkflowVersionsRequest: v1::ListWorkflowVersionsRequest => |r| workflow::ListWorkflowVersions::read(r, &default());
    LintWorkflowRequest: v1::LintWorkflowRequest => |r| workflow::LintWorkflow::read(r, &default());
    DiagramWorkflowRequest: v1::DiagramWorkflowRequest => |r| workflow::DiagramWorkflow::read(r, &default());
    SettleOrdersRequest: v1::SettleOrdersRequest => |r| workflow::SettleOrders::read(r, &default());
    CreateStatusRequest: v1::CreateStatusRequest => |r| status::CreateStatus::read(r, &default());
    GetStatusRequest: v1::GetStatusRequest => |r| status::GetStatus::read(r, &default());
    ListStatusesRequest: v1::ListStatusesRequest => |r| status::ListStatuses::read(r, &default());
    UpdateStatusRequest: v1::UpdateStatusRequest => |r| status::UpdateStatus::read(r, &default());
    DeleteStatusRequest: v1::DeleteStatusRequest => |r| status::DeleteStatus::read(r, &default());
    GetStateRequest: v1::GetStateRequest => |r| state::GetState::read(r, &default());
    ListStatesRequest: v1::ListStatesRequest => |r| state::ListStates::read(r, &default());
    ListAssignmentsRequest: v1::ListAssignmentsRequest => |r| state::ListAssignments::read(r, &default());
    AssignStatusRequest: v1::AssignStatusRequest => |r| state::AssignStatus::read(r, &default());
    UnassignStatusRequest: v1::UnassignStatusRequest => |r| state::UnassignStatus::read(r, &default());
    CreateTransitionRequest: v1::CreateTransitionRequest => |r| transition::CreateTransition::read(r, &default());
    GetTransitionRequest: v1::GetTransitionRequest => |r| transition::GetTransition::read(r, &default());
    ListTransitionsRequest: v1::ListTransitionsRequest => |r| transition::ListTransitions::read(r, &default());
    UpdateTransitionRequest: v1::UpdateTransitionRequest => |r| transition::UpdateTransition::read(r, &default());
    DeleteTransitionRequest: v1::DeleteTransitionRequest => |r| transition::DeleteTransition::read(r, &default());
    CreateOrderRequest: v1::CreateOrderRequest => |r| ParsedStep::create_order(r, &default());
    GetOrderRequest: v1::GetOrderRequest => |r| order::GetOrder::read(r, &default());
    ListOrdersRequest: v1::ListOrdersRequest => |r| order::OrderListRequest::read(r);
    UpdateOrderRequest: v1::UpdateOrderRequest => |r| ParsedStep::update_order(r, &default());
    TransitionOrderRequest: v1::TransitionOrderRequest => |r| ParsedStep::transition_order(r, &default());
    ListAvailableTransitionsRequest: v1::ListAvailableTransitionsRequest => |r| order::ListAvailableTransitions::read(r, &default());
    RecordOperationRequest: v1::RecordOperationRequest => |r| ParsedStep::record_operation(r, &default());
    HoldOrderRequest: v1::HoldOrderRequest => |r| ParsedStep::hold_order(r, &default());
    ReleaseOrderRequest: v1::ReleaseOrderRequest => |r| ParsedStep::release_order(r, &default());
    AddCommentRequest: v1::AddCommentRequest => |r| ParsedStep::add_comment(r, &default());
    ExecuteStepsRequest: StepsMessage => |r| ExecuteSteps::read(r, &default()).map(|batch| {
        // Refusals become the answer one by one.
        let mut steps = Vec::with_capacity(batch.steps.len());
        steps.extend(batch.steps.filter_map(Result::ok));
        steps
    });
    StreamStepsRequest: v1::StreamStepsRequest => |r| StreamedStep::read(r, &default());
    ListHistoryRequest: v1::ListHistoryRequest => |r| history::ListHistory::read(r, &default());
    StreamHistoryRequest: v1::StreamHistoryRequest => |r| history::StreamHistory::read(r);
    WatchHistoryRequest: v1::WatchHistoryRequest => |r| history::WatchHistory::read(r, PartitionCount::new(8).unwrap());
    CreateTrackingTokenRequest: v1::CreateTrackingTokenRequest => |r| tracking::CreateTrackingToken::read(r, &default());
    RevokeTrackingTokenRequest: v1::RevokeTrackingTokenRequest => |r| tracking::RevokeTrackingToken::read(r, &default());
    GetTrackingRequest: v1::GetTrackingRequest => |r| tracking::GetTracking::read(r);
    ListDeliveriesRequest: v1::ListDeliveriesRequest => |r| delivery::ListDeliveries::read(r);
    GetDeliveryRequest: v1::GetDeliveryRequest => |r| delivery::GetDelivery::read(r);
    RetryDeliveryRequest: v1::RetryDeliveryRequest => |r| delivery::RetryDelivery::read(r);
    RetryDeliveriesRequest: v1::RetryDeliveriesRequest => |r| delivery::RetryDeliveries::read(r);
    SkipDeliveryRequest: v1::SkipDeliveryRequest => |r| delivery::SkipDelivery::read(r);
    SkipDeliveriesRequest: v1::SkipDeliveriesRequest => |r| delivery::SkipDeliveries::read(r);
    TestActionRequest: v1::TestActionRequest => |r| workflow::TestAction::read(r, &default());
    CreateEndpointRequest: v1::CreateEndpointRequest => |r| endpoint::CreateEndpoint::read(r);
    GetEndpointRequest: v1::GetEndpointRequest => |r| endpoint::GetEndpoint::read(r);
    ListEndpointsRequest: v1::ListEndpointsRequest => |r| endpoint::ListEndpoints::read(r);
    UpdateEndpointRequest: v1::UpdateEndpointRequest => |r| endpoint::UpdateEndpoint::read(r);
    DeleteEndpointRequest: v1::DeleteEndpointRequest => |r| endpoint::DeleteEndpoint::read(r);
    RotateEndpointSecretRequest: v1::RotateEndpointSecretRequest => |r| endpoint::RotateEndpointSecret::read(r);
}
