//! What a stranger's tools ask for: reflection, health, gRPC-Web.

use futures::stream;
use prost::Message;
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
use tonic_reflection::pb::{v1 as reflection, v1alpha};
use waymark_proto::v1;
use waymark_tests::{Backend, World, raw};

on_each_database!(
    reflection_shows_every_service,
    reflection_still_speaks_alpha,
    every_service_has_its_health,
    a_browser_may_call,
);

const SERVICES: [&str; 9] = [
    "waymark.v1.DeliveryService",
    "waymark.v1.EndpointService",
    "waymark.v1.HistoryService",
    "waymark.v1.OrderService",
    "waymark.v1.StateService",
    "waymark.v1.StatusService",
    "waymark.v1.TrackingService",
    "waymark.v1.TransitionService",
    "waymark.v1.WorkflowService",
];

async fn reflection_shows_every_service(backend: Backend) {
    use reflection::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let world = World::on(backend).await;
    let request = |message| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message),
    };
    let questions = vec![
        request(MessageRequest::ListServices(String::new())),
        request(MessageRequest::FileContainingSymbol(
            "waymark.v1.OrderService".into(),
        )),
        request(MessageRequest::FileContainingSymbol(
            "waymark.v1.HistoryEntry.detail".into(),
        )),
        request(MessageRequest::FileContainingSymbol(
            "no.such.Symbol".into(),
        )),
    ];
    let mut client = ServerReflectionClient::new(world.channel());
    let mut answers = client
        .server_reflection_info(stream::iter(questions))
        .await
        .unwrap()
        .into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) =
        answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("no list of services");
    };
    let names: Vec<_> = list
        .service
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    for service in SERVICES.iter().chain(&[
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
    ]) {
        assert!(names.contains(service), "{service} in {names:?}");
    }
    let Some(MessageResponse::FileDescriptorResponse(file)) =
        answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("no file of the service");
    };
    let file =
        prost_types::FileDescriptorProto::decode(file.file_descriptor_proto[0].as_slice()).unwrap();
    assert_eq!(
        (file.package(), file.service[0].name()),
        ("waymark.v1", "OrderService")
    );
    assert!(
        !file.source_code_info.unwrap().location.is_empty(),
        "comments go along"
    );
}

async fn reflection_still_speaks_alpha(backend: Backend) {
    use v1alpha::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let world = World::on(backend).await;
    let question = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(world.channel());
    let mut answers = client
        .server_reflection_info(stream::iter([question]))
        .await
        .unwrap()
        .into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) =
        answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("no list of services");
    };
    let names: Vec<_> = list
        .service
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    assert!(
        SERVICES.iter().all(|service| names.contains(service)),
        "{names:?}"
    );
}

async fn every_service_has_its_health(backend: Backend) {
    let world = World::on(backend).await;
    let check = async |service: &str| {
        let request = HealthCheckRequest {
            service: service.into(),
        };
        world
            .health()
            .check(request)
            .await
            .map(|answer| answer.into_inner().status())
    };
    for service in SERVICES.iter().chain(&[""]) {
        assert_eq!(
            check(service).await.unwrap(),
            ServingStatus::Serving,
            "{service}"
        );
    }
    assert_eq!(
        check("no.such.Service").await.unwrap_err().code(),
        Code::NotFound
    );
}

async fn a_browser_may_call(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    shop.place("1", &[]).await;
    let address = world.server().address();
    let get = |id: &str| {
        v1::GetOrderRequest {
            workflow: shop.workflow(),
            order_id: id.into(),
            ..Default::default()
        }
        .encode_to_vec()
    };
    let answer = raw::web_call(address, "OrderService/GetOrder", &get("1")).await;
    assert_eq!(
        (answer.http.as_u16(), answer.content_type.as_str()),
        (200, "application/grpc-web+proto")
    );
    assert_eq!(answer.trailer("grpc-status"), Some("0"));
    let order = v1::GetOrderResponse::decode(answer.messages[0].clone())
        .unwrap()
        .order
        .unwrap();
    assert_eq!(order, shop.get("1").await);

    let missing = raw::web_call(address, "OrderService/GetOrder", &get("2")).await;
    assert_eq!(
        (missing.http.as_u16(), missing.trailer("grpc-status")),
        (200, Some("5"))
    );
    assert!(missing.messages.is_empty() && missing.trailer("grpc-status-details-bin").is_some());

    // A stream that ends by itself comes as several messages.
    let history = v1::StreamHistoryRequest {
        workflows: vec![shop.workflow()],
        ..Default::default()
    }
    .encode_to_vec();
    let answer = raw::web_call(address, "HistoryService/StreamHistory", &history).await;
    assert_eq!(answer.trailer("grpc-status"), Some("0"));
    let messages = answer
        .messages
        .into_iter()
        .map(|message| v1::StreamHistoryResponse::decode(message).unwrap());
    assert_eq!(
        messages.map(|message| message.entries.len()).sum::<usize>(),
        1
    );
}
