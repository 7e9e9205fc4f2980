//! Deliveries and endpoints: what requests mean, and how deliveries look on the wire.

use std::time::Duration;

use prost_types::{Duration as Span, FieldMask, Timestamp};
use waymark_domain::{
    actor::Actor,
    delivery::{Attempt, Decision, Delivery, DeliveryState, Outcome, Verdict},
    history::{Destination, Readers},
    value::Reason,
};
use waymark_proto::{
    convert::{
        delivery::{
            DeliveryFilter, ListDeliveries, RetryDeliveries, RetryDelivery, SkipDeliveries,
            attempt_to_wire, decision_to_wire, delivery_to_wire,
        },
        endpoint::{CreateEndpoint, EndpointPatch, RotateEndpointSecret, UpdateEndpoint},
        timestamp_to_wire,
    },
    v1,
};

use crate::sample::{CREATED, default_workflow, value};

fn delivery(to: Destination, state: DeliveryState) -> Delivery {
    Delivery {
        id: "3-42-1".parse().unwrap(),
        workflow: default_workflow(),
        order_id: value("100000001"),
        sequence: 5,
        order_version: 7,
        transition: Some(value("start")),
        action: "transition.start.tell_erp".parse().unwrap(),
        lane: to.lane(),
        to,
        state,
        attempts: 2,
        problem: "busy".to_owned(),
        due_time: Some(CREATED),
        create_time: CREATED,
        update_time: CREATED,
    }
}

#[test]
fn a_delivery_is_shown() {
    let created = Some(Timestamp {
        seconds: 1_700_000_000,
        nanos: 123_456_000,
    });
    let expected = v1::Delivery {
        id: "3-42-1".to_owned(),
        workflow: "order".to_owned(),
        order_id: "100000001".to_owned(),
        sequence: 5,
        order_version: 7,
        transition: "start".to_owned(),
        action: "transition.start.tell_erp".to_owned(),
        kind: "webhook".to_owned(),
        destination: "erp".to_owned(),
        state: v1::DeliveryState::Pending.into(),
        attempt_count: 2,
        problem: "busy".to_owned(),
        due_time: created,
        create_time: created,
        update_time: created,
        attempts: Vec::new(),
        decisions: Vec::new(),
    };
    let to = Destination::Endpoint(value("erp"));
    assert_eq!(
        delivery_to_wire(&delivery(to, DeliveryState::Pending)),
        expected
    );
}

#[test]
fn every_target_and_state_has_its_words() {
    let targets = [
        (Destination::Subject, "publish", ""),
        (Destination::Readers(Readers::Customer), "email", "customer"),
        (Destination::Readers(Readers::Copies), "email", "copies"),
        (
            Destination::Readers(Readers::CustomerRefused),
            "email",
            "customer",
        ),
    ];
    let states = [
        (DeliveryState::Pending, v1::DeliveryState::Pending),
        (DeliveryState::Succeeded, v1::DeliveryState::Succeeded),
        (DeliveryState::Dead, v1::DeliveryState::Dead),
        (DeliveryState::Skipped, v1::DeliveryState::Skipped),
    ];
    for ((to, kind, destination), (state, shown)) in targets.into_iter().zip(states) {
        let wire = delivery_to_wire(&delivery(to, state));
        assert_eq!(
            (wire.kind.as_str(), wire.destination.as_str()),
            (kind, destination)
        );
        assert_eq!(wire.state(), shown);
    }
}

#[test]
fn an_attempt_is_shown() {
    let attempt = |outcome, code| Attempt {
        start_time: CREATED,
        duration: Duration::from_micros(61_000_002),
        outcome,
        code,
        problem: "busy".to_owned(),
        answer: b"\xff".to_vec(),
    };
    let wire = attempt_to_wire(3, &attempt(Outcome::Refused, Some(410)));
    assert_eq!(
        (wire.number, wire.code, wire.answer.as_slice()),
        (3, 410, b"\xff".as_slice())
    );
    assert_eq!(wire.outcome(), v1::AttemptOutcome::Refused);
    let expected = Span {
        seconds: 61,
        nanos: 2_000,
    };
    assert_eq!(wire.duration, Some(expected));
    for (outcome, shown) in [
        (Outcome::Accepted, v1::AttemptOutcome::Accepted),
        (Outcome::Failed, v1::AttemptOutcome::Failed),
    ] {
        let wire = attempt_to_wire(1, &attempt(outcome, None));
        assert_eq!((wire.outcome(), wire.code), (shown, 0));
    }
}

#[test]
fn a_decision_is_shown() {
    let decision = |verdict| Decision {
        verdict,
        actor: Actor::system(),
        time: CREATED,
    };
    let reason = Reason::new("told by telephone").unwrap();
    let wire = decision_to_wire(&decision(Verdict::Skipped(reason)));
    assert_eq!(wire.action(), v1::DecisionAction::Skipped);
    assert_eq!(wire.reason, "told by telephone");
    assert_eq!(wire.actor.unwrap().kind(), v1::ActorKind::System);
    assert_eq!(wire.time, Some(timestamp_to_wire(CREATED)));
    let wire = decision_to_wire(&decision(Verdict::Retried));
    assert_eq!(
        (wire.action(), wire.reason.as_str()),
        (v1::DecisionAction::Retried, "")
    );
}

#[test]
fn orders_belong_to_one_workflow() {
    let read = |workflows: &[&str], order_ids: &[&str]| {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let request = v1::ListDeliveriesRequest {
            workflows: texts(workflows),
            filter: Some(v1::DeliveryFilter {
                order_ids: texts(order_ids),
                ..Default::default()
            }),
            ..Default::default()
        };
        let filter = ListDeliveries::read(request).unwrap().filter;
        let workflows = filter.workflows.iter().map(ToString::to_string);
        workflows.collect::<Vec<_>>()
    };
    assert_eq!(read(&[], &[]), Vec::<String>::new());
    assert_eq!(read(&["other"], &["1"]), ["other"]);
    assert_eq!(read(&["a", "b"], &[]), ["a", "b"]);
}

#[test]
fn dead_deliveries_are_retried_unless_states_are_named() {
    let states = |states: Vec<i32>| {
        let request = v1::RetryDeliveriesRequest {
            filter: Some(v1::DeliveryFilter {
                states,
                ..Default::default()
            }),
            ..Default::default()
        };
        let call = RetryDeliveries::read(request).unwrap();
        call.filter.states
    };
    assert_eq!(states(Vec::new()), [DeliveryState::Dead]);
    assert_eq!(
        states(vec![4, 1]),
        [DeliveryState::Skipped, DeliveryState::Pending]
    );
    let call = RetryDeliveries::read(v1::RetryDeliveriesRequest::default());
    let expected = DeliveryFilter {
        states: vec![DeliveryState::Dead],
        ..DeliveryFilter::default()
    };
    assert_eq!(call.unwrap().filter, expected);
}

#[test]
fn pending_deliveries_are_skipped_unless_states_are_named() {
    let read = |states: Vec<i32>| {
        let request = v1::SkipDeliveriesRequest {
            filter: Some(v1::DeliveryFilter {
                endpoints: vec!["erp".to_owned()],
                states,
                ..Default::default()
            }),
            reason: "nobody listens there".to_owned(),
            ..Default::default()
        };
        SkipDeliveries::read(request).unwrap()
    };
    let usual = read(Vec::new());
    assert_eq!(usual.reason.as_str(), "nobody listens there");
    let expected = DeliveryFilter {
        states: vec![DeliveryState::Pending],
        endpoints: vec![value("erp")],
        ..DeliveryFilter::default()
    };
    assert_eq!(usual.filter, expected);
    assert_eq!(
        read(vec![3, 1]).filter.states,
        [DeliveryState::Dead, DeliveryState::Pending]
    );
}

#[test]
fn a_secret_is_part_of_what_is_asked_and_is_never_shown() {
    let read = |secret: &str| {
        let request = v1::CreateEndpointRequest {
            endpoint: Some(v1::Endpoint {
                code: "erp".to_owned(),
                url: "https://erp.example/".to_owned(),
                ..Default::default()
            }),
            secret: secret.to_owned(),
            request_id: "r-1".to_owned(),
            ..Default::default()
        };
        CreateEndpoint::read(request).unwrap()
    };
    let (none, given) = (read(""), read("whsec_AAAA"));
    assert!(none.secret.is_none() && none.endpoint.active);
    assert_eq!(given.secret.as_ref().unwrap().as_str(), "whsec_AAAA");
    assert!(!format!("{given:?}").contains("AAAA"));
    let print = |call: CreateEndpoint| call.edit.request.unwrap().fingerprint;
    assert_ne!(print(none), print(given));
}

#[test]
fn calls_are_told_apart_by_their_names() {
    let delivery_id = "1-2-3".to_owned();
    let request = v1::RetryDeliveryRequest {
        delivery_id: delivery_id.clone(),
        request_id: "r-1".to_owned(),
        ..Default::default()
    };
    let same = v1::RetryDeliveryRequest {
        request_id: "r-2".to_owned(),
        validate_only: true,
        ..request.clone()
    };
    let print = |request| {
        let call = RetryDelivery::read(request).unwrap();
        call.edit.request.unwrap().fingerprint
    };
    assert_eq!(print(request.clone()), print(same));
    let other = v1::RetryDeliveryRequest {
        delivery_id: "1-2-4".to_owned(),
        ..request.clone()
    };
    assert_ne!(print(request), print(other));
}

#[test]
fn an_update_of_an_endpoint_is_about_what_is_set_or_named() {
    let read = |endpoint: v1::Endpoint, paths: &[&str]| {
        let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
        let request = v1::UpdateEndpointRequest {
            endpoint: Some(v1::Endpoint {
                code: "erp".to_owned(),
                ..endpoint
            }),
            update_mask: (!paths.is_empty()).then_some(FieldMask { paths }),
            ..Default::default()
        };
        UpdateEndpoint::read(request).unwrap().patch
    };
    assert_eq!(read(v1::Endpoint::default(), &[]), EndpointPatch::default());
    let off = v1::Endpoint {
        active: Some(false),
        url: "https://a.example/".to_owned(),
        problem: "ignored".to_owned(),
        ..Default::default()
    };
    let expected = EndpointPatch {
        url: Some("https://a.example/".to_owned()),
        active: Some(false),
        description: None,
    };
    assert_eq!(read(off.clone(), &[]), expected);
    let expected = EndpointPatch {
        description: Some(value("")),
        ..EndpointPatch::default()
    };
    assert_eq!(read(off.clone(), &["description"]), expected);
    let expected = EndpointPatch {
        url: Some("https://a.example/".to_owned()),
        active: Some(false),
        description: Some(value("")),
    };
    assert_eq!(read(off, &["*"]), expected);
    let unset = read(v1::Endpoint::default(), &["active"]);
    assert_eq!(unset.active, Some(true));
}

#[test]
fn old_secrets_have_a_day_unless_another_time_is_asked() {
    let read = |grace_period| {
        let request = v1::RotateEndpointSecretRequest {
            code: "erp".to_owned(),
            grace_period,
            ..Default::default()
        };
        RotateEndpointSecret::read(request).unwrap().grace_period
    };
    let span = |seconds, nanos| Some(Span { seconds, nanos });
    assert_eq!(read(None), Duration::from_hours(24));
    assert_eq!(read(span(0, 0)), Duration::ZERO);
    assert_eq!(read(span(1, 5)), Duration::new(1, 5));
    assert_eq!(read(span(2_592_000, 0)), Duration::from_hours(720));
}
