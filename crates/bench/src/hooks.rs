//! Orders whose creation sends a webhook, and the endpoint that gets it. Its address
//! is another one in every run, so it is set when a row begins.

use waymark_proto::v1::{
    ApplyWorkflowRequest, ApplyWorkflowResponse, CreateEndpointRequest, CreateEndpointResponse,
    Endpoint, UpdateEndpointRequest, UpdateEndpointResponse,
};

use crate::{
    failure::Failure,
    filling, shop,
    wire::{Call, Connections, Method},
};

/// The code of their workflow.
const WORKFLOW: &str = "hooks";
/// The workflow as a document.
const DOCUMENT: &str = include_str!("hooks.yaml");
const ENDPOINT: &str = "receiver";
/// An address at which nobody listens.
const NOWHERE: &str = "http://127.0.0.1:9/";

/// Makes the endpoint, switched off, and so many orders with a webhook to it.
pub(crate) async fn set_off(connections: &Connections, orders: usize) -> Result<(), Failure> {
    let create = CreateEndpointRequest {
        endpoint: Some(Endpoint {
            code: ENDPOINT.to_owned(),
            url: NOWHERE.to_owned(),
            active: Some(false),
            ..Endpoint::default()
        }),
        ..CreateEndpointRequest::default()
    };
    let _: CreateEndpointResponse = connections.ask(Method::CREATE_ENDPOINT, &create).await?;
    let apply = ApplyWorkflowRequest {
        document: DOCUMENT.to_owned(),
        ..ApplyWorkflowRequest::default()
    };
    let _: ApplyWorkflowResponse = connections.ask(Method::APPLY_WORKFLOW, &apply).await?;
    filling::create(connections, WORKFLOW, 0..orders).await
}

/// Creates one more of these orders.
pub(crate) async fn create(
    connections: &Connections,
    call: &Call,
    number: usize,
) -> Result<(), Failure> {
    let request = shop::create(WORKFLOW, number);
    call.send_and_drain(connections.sender()?, request).await
}

/// Switches the endpoint on, at an address.
pub(crate) async fn switch_on(connections: &Connections, url: &str) -> Result<(), Failure> {
    let endpoint = Endpoint {
        url: url.to_owned(),
        active: Some(true),
        ..Endpoint::default()
    };
    update(connections, endpoint).await
}

/// Switches the endpoint off.
pub(crate) async fn switch_off(connections: &Connections) -> Result<(), Failure> {
    let endpoint = Endpoint {
        active: Some(false),
        ..Endpoint::default()
    };
    update(connections, endpoint).await
}

async fn update(connections: &Connections, endpoint: Endpoint) -> Result<(), Failure> {
    let update = UpdateEndpointRequest {
        endpoint: Some(Endpoint {
            code: ENDPOINT.to_owned(),
            ..endpoint
        }),
        ..UpdateEndpointRequest::default()
    };
    let _: UpdateEndpointResponse = connections.ask(Method::UPDATE_ENDPOINT, &update).await?;
    Ok(())
}
