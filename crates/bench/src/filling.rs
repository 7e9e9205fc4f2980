//! Orders for the load: those that are missing are created through the service
//! itself, and where the others stand is asked.

use futures::{StreamExt, TryStreamExt, stream};
use waymark_proto::v1::{
    ApplyWorkflowResponse, ListOrdersRequest, ListOrdersResponse, OrderFilter,
};

use crate::{
    deck::Deck,
    failure::Failure,
    shop,
    wire::{Connections, Method},
};

/// The number of creations in flight.
const CREATIONS: usize = 256;
/// Creations that an interrupted run may have left out before the last order that is there.
const OVERLAP: usize = 2 * CREATIONS;
const PAGE: i32 = 1_000;

/// Sees to it that the workflow and the orders `0..orders` are there, and finds out how they stand.
pub(crate) async fn fill(connections: &Connections, orders: usize) -> Result<Deck, Failure> {
    let _: ApplyWorkflowResponse = connections
        .ask(Method::APPLY_WORKFLOW, &shop::apply())
        .await?;
    let present = present(connections, orders).await?;
    if present < orders {
        create(
            connections,
            shop::WORKFLOW,
            present.saturating_sub(OVERLAP)..orders,
        )
        .await?;
    }
    Ok(Deck::new(orders, &packed(connections).await?))
}

/// The number of orders that are there, up to `orders`, found by halving.
async fn present(connections: &Connections, orders: usize) -> Result<usize, Failure> {
    let (mut least, mut most) = (0, orders);
    // The usual answers come first: all, or none.
    let mut tried = orders;
    while least < most {
        if exists(connections, tried.saturating_sub(1)).await? {
            least = tried;
        } else {
            most = tried - 1;
        }
        tried = if least == 0 && most == orders - 1 {
            1
        } else {
            least + (most - least).div_ceil(2)
        };
    }
    Ok(least)
}

async fn exists(connections: &Connections, number: usize) -> Result<bool, Failure> {
    let filter = OrderFilter {
        ids: vec![shop::order_id(number)],
        ..OrderFilter::default()
    };
    Ok(!page(connections, filter, String::new())
        .await?
        .orders
        .is_empty())
}

/// Creates orders of a workflow.
pub(crate) async fn create(
    connections: &Connections,
    workflow: &str,
    numbers: std::ops::Range<usize>,
) -> Result<(), Failure> {
    let call = &Method::CREATE_ORDER.call()?;
    stream::iter(numbers)
        .map(async |number| {
            call.send_and_drain(connections.sender()?, shop::create(workflow, number))
                .await
        })
        .buffer_unordered(CREATIONS)
        .try_collect()
        .await
}

/// The numbers of the orders that are packed.
async fn packed(connections: &Connections) -> Result<Vec<usize>, Failure> {
    let mut packed = Vec::new();
    let mut page_token = String::new();
    loop {
        let filter = OrderFilter {
            states: vec![shop::PACKED.to_owned()],
            ..OrderFilter::default()
        };
        let page = page(connections, filter, page_token).await?;
        let numbers = page
            .orders
            .iter()
            .map(|order| shop::order_number(&order.id));
        packed.extend(numbers.flatten());
        if page.next_page_token.is_empty() {
            return Ok(packed);
        }
        page_token = page.next_page_token;
    }
}

async fn page(
    connections: &Connections,
    filter: OrderFilter,
    page_token: String,
) -> Result<ListOrdersResponse, Failure> {
    let request = ListOrdersRequest {
        workflows: vec![shop::WORKFLOW.to_owned()],
        filter: Some(filter),
        order_by: "update_time".to_owned(),
        page_size: PAGE,
        page_token,
        ..ListOrdersRequest::default()
    };
    connections.ask(Method::LIST_ORDERS, &request).await
}
