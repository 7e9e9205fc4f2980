//! The clients of all services of one server.

use std::net::SocketAddr;

use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::health_client::HealthClient;
use waymark_proto::v1::{
    delivery_service_client::DeliveryServiceClient, endpoint_service_client::EndpointServiceClient,
    history_service_client::HistoryServiceClient, order_service_client::OrderServiceClient,
    state_service_client::StateServiceClient, status_service_client::StatusServiceClient,
    tracking_service_client::TrackingServiceClient,
    transition_service_client::TransitionServiceClient,
    workflow_service_client::WorkflowServiceClient,
};

/// Clients that share one connection. A client is cheap to clone, so each call takes a new one.
#[derive(Debug, Clone)]
pub struct Clients {
    channel: Channel,
}

impl Clients {
    /// Clients of the server at an address; the connection is made with the first call.
    pub fn of(address: SocketAddr) -> Self {
        let endpoint =
            Endpoint::from_shared(format!("http://{address}")).expect("an address makes a URI");
        Self {
            channel: endpoint.connect_lazy(),
        }
    }

    /// Clients over a connection that is made elsewhere.
    pub fn of_channel(channel: Channel) -> Self {
        Self { channel }
    }

    /// The connection.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// A client of `DeliveryService`.
    pub fn deliveries(&self) -> DeliveryServiceClient<Channel> {
        DeliveryServiceClient::new(self.channel())
    }

    /// A client of `EndpointService`.
    pub fn endpoints(&self) -> EndpointServiceClient<Channel> {
        EndpointServiceClient::new(self.channel())
    }

    /// A client of `OrderService`.
    pub fn orders(&self) -> OrderServiceClient<Channel> {
        OrderServiceClient::new(self.channel())
    }

    /// A client of `HistoryService`.
    pub fn history(&self) -> HistoryServiceClient<Channel> {
        HistoryServiceClient::new(self.channel())
    }

    /// A client of `StateService`.
    pub fn states(&self) -> StateServiceClient<Channel> {
        StateServiceClient::new(self.channel())
    }

    /// A client of `StatusService`.
    pub fn statuses(&self) -> StatusServiceClient<Channel> {
        StatusServiceClient::new(self.channel())
    }

    /// A client of `TrackingService`.
    pub fn tracking(&self) -> TrackingServiceClient<Channel> {
        TrackingServiceClient::new(self.channel())
    }

    /// A client of `TransitionService`.
    pub fn transitions(&self) -> TransitionServiceClient<Channel> {
        TransitionServiceClient::new(self.channel())
    }

    /// A client of `WorkflowService`.
    pub fn workflows(&self) -> WorkflowServiceClient<Channel> {
        WorkflowServiceClient::new(self.channel())
    }

    /// A client of the health service.
    pub fn health(&self) -> HealthClient<Channel> {
        HealthClient::new(self.channel())
    }
}
