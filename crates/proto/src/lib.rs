//! The gRPC contract in Rust: messages, clients and servers generated from `proto/waymark/v1`, their descriptors, and
//! conversions between messages and the values of the domain.
//!
//! It deliberately lacks rules of workflows and any transport: what a request means is decided in the domain, and how
//! a refusal becomes a status in the server. Start with [`v1::order_service_server::OrderService`], or read the
//! `.proto` files, whose comments are the docs of [`v1`]; then [`convert`], which reads requests and writes answers,
//! and [`invalid`], which says what is wrong with a request;
//! [`encoded`] is how the server streams history and takes batches, [`json`] how receivers of webhooks read entries.
//! [`codec`] is how servers decode: what would take too much memory is refused before.

pub mod codec;
pub mod convert;
pub mod encoded;
pub mod invalid;
pub mod json;
pub mod servers;
pub mod shape;

/// Package `waymark.v1`, as generated: messages and clients, and [`servers`]. Maps are sorted, so equal messages encode
/// to equal bytes.
#[expect(
    clippy::allow_attributes_without_reason,
    clippy::doc_markdown,
    clippy::missing_errors_doc,
    clippy::struct_excessive_bools,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("waymark.v1");

    pub use crate::servers::*;
}

/// The encoded `FileDescriptorSet` of [`v1`] with its imports and comments, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("waymark_descriptor");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;
    use prost_types::{FileDescriptorSet, ServiceDescriptorProto};

    use super::{FILE_DESCRIPTOR_SET, v1};

    fn descriptors() -> FileDescriptorSet {
        FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("the embedded descriptors decode")
    }

    #[test]
    fn descriptors_hold_every_service_and_import() {
        let files = descriptors().file;
        let services: BTreeSet<_> = files
            .iter()
            .flat_map(|f| &f.service)
            .map(ServiceDescriptorProto::name)
            .collect();
        let expected = [
            "DeliveryService",
            "EndpointService",
            "HistoryService",
            "OrderService",
            "StateService",
            "StatusService",
            "TrackingService",
            "TransitionService",
            "WorkflowService",
        ];
        assert_eq!(services, BTreeSet::from(expected));
        for file in &files {
            for import in &file.dependency {
                assert!(
                    files.iter().any(|f| f.name() == import),
                    "{import} is missing"
                );
            }
        }
    }

    #[test]
    fn mutations_of_orders_number_common_fields_alike() {
        let files = descriptors().file;
        let message = |name: &str| {
            let found = files
                .iter()
                .flat_map(|f| &f.message_type)
                .find(|m| m.name() == name);
            found.unwrap_or_else(|| panic!("{name} exists"))
        };
        let common = |name: &str| -> Vec<_> {
            message(name)
                .field
                .iter()
                .filter(|f| f.number() >= 20)
                .map(|f| (f.number(), f.name()))
                .collect()
        };
        let expected = [
            (20, "comment"),
            (21, "notify_customer"),
            (22, "visible_to_customer"),
            (23, "metadata"),
            (24, "actor"),
            (25, "store_view"),
            (26, "expected_version"),
            (27, "request_id"),
            (28, "validate_only"),
        ];
        for verb in [
            "CreateOrder",
            "UpdateOrder",
            "TransitionOrder",
            "RecordOperation",
            "HoldOrder",
            "ReleaseOrder",
            "AddComment",
        ] {
            assert_eq!(common(&format!("{verb}Request")), expected, "{verb}");
        }
    }

    #[test]
    fn equal_messages_encode_to_equal_bytes() {
        let request = |keys: [&str; 3]| v1::AddCommentRequest {
            metadata: keys.map(|key| (key.to_owned(), key.to_uppercase())).into(),
            ..Default::default()
        };
        let bytes = request(["a", "b", "c"]).encode_to_vec();
        assert_eq!(bytes, request(["c", "a", "b"]).encode_to_vec());
        assert_eq!(
            v1::AddCommentRequest::decode(bytes.as_slice()),
            Ok(request(["b", "c", "a"]))
        );
    }
}
