//! Deliveries in short words: an endpoint to send to, and the outbox.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tonic::{Response, Status};
use waymark_proto::v1::{self, DeliveryState};

use crate::{
    Clients,
    shop::{Answer, mask},
};

/// How long something may take to happen, on a machine that compiles as well.
const PATIENCE: Duration = Duration::from_mins(1);

/// Creates an endpoint, and gives its secret.
///
/// # Errors
/// Returns the status of the call.
pub async fn create_endpoint(clients: &Clients, code: &str, url: &str) -> Answer<String> {
    let endpoint = v1::Endpoint {
        code: code.to_owned(),
        url: url.to_owned(),
        ..Default::default()
    };
    let request = v1::CreateEndpointRequest {
        endpoint: Some(endpoint),
        ..Default::default()
    };
    let created = clients.endpoints().create_endpoint(request).await;
    created.map(|created| created.into_inner().secret)
}

/// Reads an endpoint that exists.
pub async fn endpoint(clients: &Clients, code: &str) -> v1::Endpoint {
    let request = v1::GetEndpointRequest {
        code: code.to_owned(),
    };
    let found = clients.endpoints().get_endpoint(request).await;
    found
        .expect("the endpoint exists")
        .into_inner()
        .endpoint
        .expect("an endpoint")
}

/// Switches an endpoint on or off.
///
/// # Panics
/// Panics where that is refused.
pub async fn switch(clients: &Clients, code: &str, active: bool) {
    let endpoint = v1::Endpoint {
        code: code.to_owned(),
        active: Some(active),
        ..Default::default()
    };
    let request = v1::UpdateEndpointRequest {
        endpoint: Some(endpoint),
        update_mask: Some(mask(&["active"])),
        ..Default::default()
    };
    let updated = clients.endpoints().update_endpoint(request).await;
    updated.expect("the endpoint is switched");
}

/// Asks that an endpoint be deleted.
///
/// # Errors
/// Returns the status of the call.
pub async fn delete_endpoint(clients: &Clients, code: &str) -> Answer<()> {
    let request = v1::DeleteEndpointRequest {
        code: code.to_owned(),
        ..Default::default()
    };
    let deleted = clients.endpoints().delete_endpoint(request).await;
    deleted.map(|_| ())
}

/// Waits until nothing blocks the deletion of an endpoint.
///
/// # Panics
/// Panics where it cannot be deleted in time.
pub async fn until_deleted(clients: &Clients, code: &str) {
    let deadline = Instant::now() + PATIENCE;
    while let Err(status) = delete_endpoint(clients, code).await {
        assert!(Instant::now() < deadline, "it is in use: {status}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Lists all deliveries to an endpoint.
///
/// # Panics
/// Panics where they cannot be listed.
pub async fn to_endpoint(clients: &Clients, code: &str) -> Vec<v1::Delivery> {
    let mut request = v1::ListDeliveriesRequest {
        filter: Some(v1::DeliveryFilter {
            endpoints: vec![code.to_owned()],
            ..Default::default()
        }),
        page_size: 1_000,
        ..Default::default()
    };
    let mut deliveries = Vec::new();
    loop {
        let page = clients.deliveries().list_deliveries(request.clone()).await;
        let page = page.expect("deliveries are listed").into_inner();
        deliveries.extend(page.deliveries);
        if page.next_page_token.is_empty() {
            return deliveries;
        }
        request.page_token = page.next_page_token;
    }
}

/// Reads a delivery that exists, with its attempts.
pub async fn delivery(clients: &Clients, id: &str) -> v1::Delivery {
    let request = v1::GetDeliveryRequest {
        delivery_id: id.to_owned(),
    };
    let found = clients.deliveries().get_delivery(request).await;
    found
        .expect("the delivery exists")
        .into_inner()
        .delivery
        .expect("a delivery")
}

/// Waits until there is a delivery that an attempt makes.
///
/// # Panics
/// Panics where it is not there in time.
pub async fn until_there(clients: &Clients, id: &str) {
    let deadline = Instant::now() + PATIENCE;
    let request = v1::GetDeliveryRequest {
        delivery_id: id.to_owned(),
    };
    while let Err(status) = clients.deliveries().get_delivery(request.clone()).await {
        assert!(Instant::now() < deadline, "it is not there: {status}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until a delivery is as a test wants it.
///
/// # Panics
/// Panics where it does not become so in time.
pub async fn until_is(
    clients: &Clients,
    id: &str,
    is_so: impl Fn(&v1::Delivery) -> bool,
) -> v1::Delivery {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let delivery = delivery(clients, id).await;
        if is_so(&delivery) {
            return delivery;
        }
        assert!(
            Instant::now() < deadline,
            "it stays as it is: {delivery:#?}"
        );
        sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until a delivery is in a state.
pub async fn until(clients: &Clients, id: &str, state: DeliveryState) -> v1::Delivery {
    until_is(clients, id, |delivery| delivery.state() == state).await
}

/// Waits until so many attempts were made.
pub async fn until_attempts(clients: &Clients, id: &str, count: usize) -> v1::Delivery {
    until_is(clients, id, |delivery| delivery.attempts.len() >= count).await
}

/// Asks that a delivery be tried again.
///
/// # Errors
/// Returns the status of the call.
pub async fn retry(clients: &Clients, id: &str) -> Result<v1::Delivery, Status> {
    let request = v1::RetryDeliveryRequest {
        delivery_id: id.to_owned(),
        ..Default::default()
    };
    let answer = clients.deliveries().retry_delivery(request).await;
    answer
        .map(Response::into_inner)
        .map(|answer| answer.delivery.expect("a delivery"))
}

/// Asks that a delivery be not sent.
///
/// # Errors
/// Returns the status of the call.
pub async fn skip(clients: &Clients, id: &str, reason: &str) -> Result<v1::Delivery, Status> {
    let request = v1::SkipDeliveryRequest {
        delivery_id: id.to_owned(),
        reason: reason.to_owned(),
        ..Default::default()
    };
    let answer = clients.deliveries().skip_delivery(request).await;
    answer
        .map(Response::into_inner)
        .map(|answer| answer.delivery.expect("a delivery"))
}
