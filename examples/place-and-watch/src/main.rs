//! Places an order, pays it, and prints what its history says until it is in state `processing`.

#![expect(clippy::print_stdout, reason = "it shows what it sees")]

use std::{env, error::Error};

use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;
use waymark_proto::v1::{
    self, history_service_client::HistoryServiceClient, order_service_client::OrderServiceClient,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let order_id = arguments.next();
    let order_id = order_id.ok_or("usage: place-and-watch ORDER_ID [SERVER]")?;
    let server = arguments.next();
    let server = server.unwrap_or_else(|| "http://127.0.0.1:50551".to_owned());
    let channel = Endpoint::from_shared(server)?.connect().await?;

    let mut history = HistoryServiceClient::new(channel.clone());
    let watch = v1::WatchHistoryRequest {
        order_ids: vec![order_id.clone()],
        ..Default::default()
    };
    let mut messages = history.watch_history(watch).await?.into_inner();
    // The first message comes at once: from here on nothing is missed.
    messages.message().await?;

    place_and_pay(OrderServiceClient::new(channel), order_id).await?;
    while let Some(message) = messages.message().await? {
        for entry in message.entries {
            let (kind, state, status) = (entry.kind(), &entry.to_state, &entry.to_status);
            println!("{} {} {state}/{status}", entry.sequence, kind.as_str_name());
            if state == "processing" {
                return Ok(());
            }
        }
    }
    Err("the stream ended".into())
}

/// Places an order of two mugs, and records that it was paid.
async fn place_and_pay(
    mut orders: OrderServiceClient<Channel>,
    order_id: String,
) -> Result<(), tonic::Status> {
    let line = v1::OrderLine {
        id: "1".to_owned(),
        sku: "mug".to_owned(),
        quantity_ordered: "2".to_owned(),
        ..Default::default()
    };
    let order = v1::Order {
        id: order_id.clone(),
        lines: vec![line],
        currency: "EUR".to_owned(),
        grand_total: 5_990,
        ..Default::default()
    };
    // A request id is made before the first try, and kept over all tries: then it is carried out once.
    let create = v1::CreateOrderRequest {
        order: Some(order),
        request_id: Uuid::new_v4().to_string(),
        ..Default::default()
    };
    orders.create_order(create).await?;
    let pay = v1::RecordOperationRequest {
        order_id,
        operation: "pay".to_owned(),
        request_id: Uuid::new_v4().to_string(),
        ..Default::default()
    };
    orders.record_operation(pay).await?;
    Ok(())
}
