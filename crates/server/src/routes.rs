//! The services of the contract, and those of reflection.

use std::sync::Arc;

use tonic::service::Routes;
use waymark_proto::v1;

use crate::{App, StartError, limits::MESSAGE_BYTES_MAX, services};

/// Lists the services of the contract, each behind the module that answers its calls.
macro_rules! contract {
    ($($room:ident: $contract:ident::$server:ident;)+) => {
        /// The names that have a health: those of the services, and the empty one of the server.
        pub(crate) const NAMES: &[&str] = &["", $(v1::$contract::SERVICE_NAME),+];

        fn of_contract(app: &Arc<App>) -> Routes {
            Routes::default()$(.add_service(
                v1::$contract::$server::new(services::$room::Service::new(Arc::clone(app)))
                    .max_decoding_message_size(MESSAGE_BYTES_MAX),
            ))+
        }
    };
}

contract! {
    delivery: delivery_service_server::DeliveryServiceServer;
    endpoint: endpoint_service_server::EndpointServiceServer;
    history: history_service_server::HistoryServiceServer;
    order: order_service_server::OrderServiceServer;
    state: state_service_server::StateServiceServer;
    status: status_service_server::StatusServiceServer;
    tracking: tracking_service_server::TrackingServiceServer;
    transition: transition_service_server::TransitionServiceServer;
    workflow: workflow_service_server::WorkflowServiceServer;
}

/// Routes calls to the services.
///
/// # Errors
/// Returns [`StartError::Reflection`] when the descriptors that were compiled in cannot be read.
pub(crate) fn routes(app: &Arc<App>) -> Result<Routes, StartError> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(waymark_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // With these grpcurl prints the details of an error instead of their bytes.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    Ok(of_contract(app)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?))
}
