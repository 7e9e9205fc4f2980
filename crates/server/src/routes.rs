//! The services of the contract, and those of reflection.

use std::sync::Arc;

use tonic::service::Routes;
use waymark_proto::v1;

use crate::{App, StartError, limits::MESSAGE_BYTES_MAX, services};

/// Routes calls to the services.
///
/// # Errors
/// Returns [`StartError::Reflection`] when the descriptors that were compiled in cannot be read.
pub(crate) fn routes(app: &Arc<App>) -> Result<Routes, StartError> {
    macro_rules! service {
        ($room:ident, $contract:ident :: $server:ident :: $name:ident) => {
            $contract::$server::$name::new(services::$room::Service::new(Arc::clone(app)))
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
        };
    }
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(waymark_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // With these grpcurl prints the details of an error instead of their bytes.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    Ok(Routes::default()
        .add_service(service!(
            delivery,
            v1::delivery_service_server::DeliveryServiceServer
        ))
        .add_service(service!(
            endpoint,
            v1::endpoint_service_server::EndpointServiceServer
        ))
        .add_service(service!(
            history,
            v1::history_service_server::HistoryServiceServer
        ))
        .add_service(service!(
            order,
            v1::order_service_server::OrderServiceServer
        ))
        .add_service(service!(
            state,
            v1::state_service_server::StateServiceServer
        ))
        .add_service(service!(
            status,
            v1::status_service_server::StatusServiceServer
        ))
        .add_service(service!(
            tracking,
            v1::tracking_service_server::TrackingServiceServer
        ))
        .add_service(service!(
            transition,
            v1::transition_service_server::TransitionServiceServer
        ))
        .add_service(service!(
            workflow,
            v1::workflow_service_server::WorkflowServiceServer
        ))
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?))
}
