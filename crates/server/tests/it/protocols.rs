//! Reflection, health and gRPC-Web beside the services.

use std::io::{Read, Write};

use prost::Message;
use tokio_stream::once;
use tonic_reflection::pb::{v1 as reflection, v1alpha};
use waymark_proto::v1;

use crate::running::{Running, create, start};

fn services(response: reflection::server_reflection_response::MessageResponse) -> Vec<String> {
    match response {
        reflection::server_reflection_response::MessageResponse::ListServicesResponse(list) => list
            .service
            .into_iter()
            .map(|service| service.name)
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn reflection_lists_the_services_in_both_versions() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), &[]).await;
    let list = reflection::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = reflection::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(list),
    };
    let mut client =
        reflection::server_reflection_client::ServerReflectionClient::new(server.channel().await);
    let mut stream = client
        .server_reflection_info(once(request))
        .await
        .unwrap()
        .into_inner();
    let found = services(
        stream
            .message()
            .await
            .unwrap()
            .unwrap()
            .message_response
            .unwrap(),
    );
    for name in [
        "HistoryService",
        "OrderService",
        "StateService",
        "StatusService",
        "TransitionService",
        "WorkflowService",
    ] {
        assert!(
            found.contains(&format!("waymark.v1.{name}")),
            "{name}: {found:?}"
        );
    }
    let list = v1alpha::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(list),
    };
    let mut client =
        v1alpha::server_reflection_client::ServerReflectionClient::new(server.channel().await);
    let mut stream = client
        .server_reflection_info(once(request))
        .await
        .unwrap()
        .into_inner();
    assert!(
        stream
            .message()
            .await
            .unwrap()
            .unwrap()
            .message_response
            .is_some()
    );
}

/// Posts a gRPC-Web call over HTTP/1.1, as a browser would, and gives the whole answer.
fn post(server: &Running, path: &str, message: &impl Message) -> Vec<u8> {
    let body = message.encode_to_vec();
    let mut frame = vec![0];
    frame.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    frame.extend(body);
    let mut stream = std::net::TcpStream::connect(server.address).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/grpc-web+proto\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        frame.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&frame).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_web_is_served_on_the_same_port() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), &[]).await;
    create(&mut server.orders().await, "web-1").await;
    let request = v1::GetOrderRequest {
        order_id: "web-1".to_owned(),
        ..v1::GetOrderRequest::default()
    };
    let (server, answer) = tokio::task::spawn_blocking(move || {
        let answer = post(&server, "/waymark.v1.OrderService/GetOrder", &request);
        (server, answer)
    })
    .await
    .unwrap();
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(
        text.contains("web-1") && text.contains("grpc-status:0"),
        "{text}"
    );
    drop(server);
}

#[tokio::test]
async fn a_message_over_four_mebibytes_is_refused_and_the_server_stays() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path(), &[]).await;
    let mut orders = server.orders().await;
    let order = v1::Order {
        id: "x".repeat(5 * 1024 * 1024),
        ..v1::Order::default()
    };
    let request = v1::CreateOrderRequest {
        order: Some(order),
        ..v1::CreateOrderRequest::default()
    };
    let status = orders.create_order(request).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::OutOfRange, "{status}");
    create(&mut server.orders().await, "1").await;
}
