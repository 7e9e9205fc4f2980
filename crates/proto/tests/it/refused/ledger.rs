//! Requests about deliveries and endpoints.

use prost_types::{Duration, FieldMask};
use waymark_proto::{
    convert::{
        delivery::{
            GetDelivery, ListDeliveries, RetryDeliveries, RetryDelivery, SkipDeliveries,
            SkipDelivery,
        },
        endpoint::{
            CreateEndpoint, DeleteEndpoint, GetEndpoint, ListEndpoints, RotateEndpointSecret,
            UpdateEndpoint,
        },
    },
    v1,
};

use super::{CODE, NUL, VISIBLE, check, text, texts};

const DELIVERY: &str = "must be the id of a delivery, such as 3-1532-0";
const ACTION: &str =
    "must be the name of an action, such as transition.ship.tell_erp or create.mail";
const GRACE: &str = "must be a period of at most 30 days, not negative";

#[test]
fn listing_deliveries() {
    let filter = v1::DeliveryFilter {
        order_ids: texts(&["1", ""]),
        states: vec![1, 0, 9],
        kinds: texts(&["webhook", "fax"]),
        transitions: texts(&["?"]),
        actions: texts(&["create.mail", "mail"]),
        endpoints: texts(&["?"]),
    };
    let request = v1::ListDeliveriesRequest {
        workflows: texts(&["order", "other"]),
        filter: Some(filter),
        page_size: -1,
        page_token: String::new(),
    };
    check(
        ListDeliveries::read(request),
        &[
            ("workflows", "must have at most 1 entries, has 2"),
            ("filter.order_ids[1]", "must not be empty"),
            ("filter.states[1]", "is required"),
            ("filter.states[2]", "has no value with the number 9"),
            ("filter.kinds[1]", "must be webhook, email or publish"),
            ("filter.transitions[0]", CODE),
            ("filter.actions[1]", ACTION),
            ("filter.endpoints[0]", CODE),
            ("page_size", "must lie between 0 and 2147483647"),
        ],
    );
    let filter = v1::DeliveryFilter {
        order_ids: vec![text("1"); 101],
        states: vec![1; 1_001],
        kinds: vec![text("email"); 1_001],
        transitions: texts(&["a"; 1_001]),
        ..Default::default()
    };
    let request = v1::ListDeliveriesRequest {
        workflows: texts(&["?"]),
        filter: Some(filter),
        ..Default::default()
    };
    check(
        ListDeliveries::read(request),
        &[
            ("workflows[0]", CODE),
            ("filter.order_ids", "must have at most 100 entries, has 101"),
            ("filter.states", "must have at most 1000 entries, has 1001"),
            ("filter.kinds", "must have at most 1000 entries, has 1001"),
            (
                "filter.transitions",
                "must have at most 1000 entries, has 1001",
            ),
        ],
    );
}

#[test]
fn deciding_about_deliveries() {
    for delivery_id in [
        "", "1", "1-2", "1-2-3-4", "01-2-3", "1-2--3", "a-2-3", "1-2-+3",
    ] {
        let delivery_id = text(delivery_id);
        check(
            GetDelivery::read(v1::GetDeliveryRequest { delivery_id }),
            &[("delivery_id", DELIVERY)],
        );
    }
    let actor = Some(v1::Actor {
        kind: 9,
        ..Default::default()
    });
    let request = v1::RetryDeliveryRequest {
        delivery_id: text("?"),
        actor: actor.clone(),
        request_id: "x".repeat(129),
        validate_only: false,
    };
    check(
        RetryDelivery::read(request),
        &[
            ("delivery_id", DELIVERY),
            ("actor.kind", "has no value with the number 9"),
            ("request_id", "must have at most 128 characters, has 129"),
        ],
    );
    let request = v1::SkipDeliveryRequest {
        delivery_id: text("?"),
        reason: text(" \n"),
        actor,
        ..Default::default()
    };
    check(
        SkipDelivery::read(request),
        &[
            ("delivery_id", DELIVERY),
            ("reason", "must not be empty"),
            ("actor.kind", "has no value with the number 9"),
        ],
    );
    let request = v1::SkipDeliveryRequest {
        delivery_id: text("1-2-3"),
        reason: "x".repeat(513),
        ..Default::default()
    };
    check(
        SkipDelivery::read(request),
        &[("reason", "must have at most 512 bytes in all, has 513")],
    );
}

#[test]
fn retrying_many_deliveries() {
    let request = v1::RetryDeliveriesRequest {
        workflows: texts(&["?"]),
        request_id: text("\0"),
        ..Default::default()
    };
    check(
        RetryDeliveries::read(request),
        &[("workflows[0]", CODE), ("request_id", NUL)],
    );
    let filter = v1::DeliveryFilter {
        states: vec![3, 2],
        ..Default::default()
    };
    let request = v1::RetryDeliveriesRequest {
        filter: Some(filter),
        ..Default::default()
    };
    check(
        RetryDeliveries::read(request),
        &[(
            "filter.states[1]",
            "is the state of deliveries that are done, which are not tried again",
        )],
    );
}

#[test]
fn skipping_many_deliveries() {
    check(
        SkipDeliveries::read(v1::SkipDeliveriesRequest::default()),
        &[
            (
                "filter",
                "must name orders, kinds, transitions, actions or endpoints where `workflows` is empty",
            ),
            ("reason", "must not be empty"),
        ],
    );
    for state in [2, 4] {
        let filter = v1::DeliveryFilter {
            states: vec![1, state],
            ..Default::default()
        };
        let request = v1::SkipDeliveriesRequest {
            workflows: texts(&["order"]),
            filter: Some(filter),
            reason: "x".repeat(513),
            request_id: text("\0"),
            ..Default::default()
        };
        check(
            SkipDeliveries::read(request),
            &[
                (
                    "filter.states[1]",
                    "is the state of deliveries that are done with, which are not skipped",
                ),
                ("reason", "must have at most 512 bytes in all, has 513"),
                ("request_id", NUL),
            ],
        );
    }
    let filters = [
        v1::DeliveryFilter {
            order_ids: texts(&["1"]),
            ..Default::default()
        },
        v1::DeliveryFilter {
            kinds: texts(&["email"]),
            ..Default::default()
        },
        v1::DeliveryFilter {
            transitions: texts(&["ship"]),
            ..Default::default()
        },
        v1::DeliveryFilter {
            actions: texts(&["create.mail"]),
            ..Default::default()
        },
        v1::DeliveryFilter {
            endpoints: texts(&["erp"]),
            ..Default::default()
        },
    ];
    for filter in filters {
        let has_orders = !filter.order_ids.is_empty();
        let request = v1::SkipDeliveriesRequest {
            workflows: texts(if has_orders { &["order"] } else { &[] }),
            filter: Some(filter),
            reason: text("x"),
            ..Default::default()
        };
        assert!(SkipDeliveries::read(request).is_ok());
    }
}

#[test]
fn creating_endpoints() {
    check(
        CreateEndpoint::read(v1::CreateEndpointRequest::default()),
        &[("endpoint", "is required")],
    );
    let endpoint = v1::Endpoint {
        code: text("?"),
        description: "x".repeat(4_097),
        ..Default::default()
    };
    let request = v1::CreateEndpointRequest {
        endpoint: Some(endpoint),
        secret: "x".repeat(257),
        request_id: "x".repeat(129),
        ..Default::default()
    };
    check(
        CreateEndpoint::read(request),
        &[
            ("request_id", "must have at most 128 characters, has 129"),
            ("secret", "must have at most 256 bytes in all, has 257"),
            ("endpoint.code", CODE),
            ("endpoint.url", "must not be empty"),
            (
                "endpoint.description",
                "must have at most 4096 bytes in all, has 4097",
            ),
        ],
    );
}

#[test]
fn reading_and_deleting_endpoints() {
    let request = v1::GetEndpointRequest { code: text("?") };
    check(GetEndpoint::read(request), &[("code", CODE)]);
    let request = v1::ListEndpointsRequest {
        page_size: -1,
        ..Default::default()
    };
    check(
        ListEndpoints::read(request),
        &[("page_size", "must lie between 0 and 2147483647")],
    );
    let request = v1::DeleteEndpointRequest {
        code: text("?"),
        etag: "x".repeat(129),
        ..Default::default()
    };
    check(
        DeleteEndpoint::read(request),
        &[
            ("code", CODE),
            ("etag", "must have at most 128 bytes in all, has 129"),
        ],
    );
}

#[test]
fn changing_endpoints() {
    check(
        UpdateEndpoint::read(v1::UpdateEndpointRequest::default()),
        &[("endpoint", "is required")],
    );
    let paths = ["url", "code", "secrets", "problem", "etag", "colour"];
    let endpoint = v1::Endpoint {
        code: text("?"),
        etag: "x".repeat(129),
        ..Default::default()
    };
    let request = v1::UpdateEndpointRequest {
        endpoint: Some(endpoint),
        update_mask: Some(FieldMask {
            paths: texts(&paths),
        }),
        ..Default::default()
    };
    check(
        UpdateEndpoint::read(request),
        &[
            ("update_mask", "names `code`, which is immutable"),
            ("update_mask", "names `secrets`, which is output only"),
            ("update_mask", "names `problem`, which is output only"),
            ("update_mask", "names `etag`, which is output only"),
            ("update_mask", "names `colour`, which is unknown"),
            (
                "endpoint.etag",
                "must have at most 128 bytes in all, has 129",
            ),
            ("endpoint.code", CODE),
            ("endpoint.url", "must not be empty"),
        ],
    );
}

#[test]
fn rotating_secrets() {
    let request = |seconds, nanos| v1::RotateEndpointSecretRequest {
        code: text("erp"),
        grace_period: Some(Duration { seconds, nanos }),
        ..Default::default()
    };
    for (seconds, nanos) in [(-1, 0), (0, -1), (0, 1_000_000_000), (2_592_000, 1)] {
        check(
            RotateEndpointSecret::read(request(seconds, nanos)),
            &[("grace_period", GRACE)],
        );
    }
    let request = v1::RotateEndpointSecretRequest {
        code: text("?"),
        secret: "x".repeat(257),
        etag: "x".repeat(129),
        request_id: text("a\n"),
        ..Default::default()
    };
    check(
        RotateEndpointSecret::read(request),
        &[
            ("code", CODE),
            ("secret", "must have at most 256 bytes in all, has 257"),
            ("etag", "must have at most 128 bytes in all, has 129"),
            (
                "request_id",
                "U+000A at character 2 is a control character, which is refused",
            ),
        ],
    );
}

#[test]
fn order_ids_are_visible() {
    let filter = v1::DeliveryFilter {
        order_ids: texts(&["a b"]),
        ..Default::default()
    };
    let request = v1::ListDeliveriesRequest {
        filter: Some(filter),
        ..Default::default()
    };
    check(
        ListDeliveries::read(request),
        &[
            (
                "workflows",
                "must name the workflow of the orders that `filter` names",
            ),
            ("filter.order_ids[0]", VISIBLE),
        ],
    );
}
