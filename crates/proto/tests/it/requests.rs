//! What requests mean that are right: defaults, choices, and what makes a repeated call recognisable.

use std::time::Duration;

use prost::Message;
use prost_types::Timestamp as WireTimestamp;
use waymark_domain::{
    actor::{Actor, ActorKind},
    order::{Action, OperationLines, Target},
    partition::{Partition, PartitionCount},
    value::{Money, Timestamp, WorkflowCode},
    workflow::document::{Format, Mode, UnknownStates},
};
use waymark_proto::{
    convert::{
        call::ValidateOnly,
        history::{WatchFrom, WatchHistory},
        order::{Direction, OrderBy, OrderListRequest, SortKey},
        step::{ExecuteSteps, ParsedChange, ParsedStep, StreamedStep},
        workflow::{ApplyWorkflow, LintSubject, LintWorkflow, ListWorkflows},
    },
    encoded::StepsMessage,
    v1::{self, transition_order_request::Target as To},
};

use crate::sample::{default_workflow, value};

fn action(step: ParsedStep) -> Action {
    match step.change {
        ParsedChange::Change(command) => command.action,
        ParsedChange::Create { .. } => panic!("the step changes an order"),
    }
}

fn hold(request: v1::HoldOrderRequest) -> ParsedStep {
    let request = v1::HoldOrderRequest {
        order_id: "1".to_owned(),
        ..request
    };
    ParsedStep::hold_order(request, &default_workflow()).unwrap()
}

#[test]
fn what_is_left_out_has_its_default() {
    let step = hold(v1::HoldOrderRequest::default());
    assert_eq!(step.workflow, default_workflow());
    assert_eq!(step.order_id, value("1"));
    assert_eq!((step.request, step.store_view), (None, None));
    assert_eq!(step.validate_only, ValidateOnly::No);
    let ParsedChange::Change(command) = step.change else {
        panic!("a hold changes an order");
    };
    assert_eq!(command.expected_version, None);
    assert_eq!(command.context.actor, Actor::unstated());
    assert_eq!(
        command.action,
        Action::Hold {
            reason: value(""),
            status: None,
            expire_time: None,
        }
    );
    // An actor of no kind is a program.
    let actor = Some(v1::Actor {
        id: "erp".to_owned(),
        ..Default::default()
    });
    let step = hold(v1::HoldOrderRequest {
        actor,
        ..Default::default()
    });
    let ParsedChange::Change(command) = step.change else {
        panic!("a hold changes an order");
    };
    assert_eq!(command.context.actor.kind, ActorKind::Integration);
    assert_eq!(command.context.actor.id, value("erp"));
}

#[test]
fn what_is_given_is_kept() {
    let step = hold(v1::HoldOrderRequest {
        workflow: "returns".to_owned(),
        comment: "wait".to_owned(),
        notify_customer: true,
        metadata: [("ticket".to_owned(), "7".to_owned())].into(),
        store_view: "de".to_owned(),
        expected_version: 4,
        request_id: "once".to_owned(),
        validate_only: true,
        ..Default::default()
    });
    assert_eq!(step.workflow, value("returns"));
    assert_eq!(step.store_view, Some(value("de")));
    assert_eq!(step.validate_only, ValidateOnly::Yes);
    let request = step.request.unwrap();
    let ParsedChange::Change(command) = step.change else {
        panic!("a hold changes an order");
    };
    assert_eq!(command.expected_version, Some(4));
    let context = command.context;
    assert_eq!(context.request_id, Some(request.id));
    assert_eq!(context.comment, value("wait"));
    assert!(context.notify_customer && !context.visible_to_customer);
    assert_eq!(
        context.metadata.as_map().get("ticket").map(String::as_str),
        Some("7")
    );
}

#[test]
fn fingerprints_tell_payloads_apart() {
    let of = |request: v1::HoldOrderRequest| {
        let request = v1::HoldOrderRequest {
            request_id: "once".to_owned(),
            ..request
        };
        hold(request).request.unwrap().fingerprint
    };
    let plain = of(v1::HoldOrderRequest::default());
    let answered_otherwise = v1::HoldOrderRequest {
        store_view: "de".to_owned(),
        validate_only: true,
        ..Default::default()
    };
    assert_eq!(of(answered_otherwise), plain);
    let reason = of(v1::HoldOrderRequest {
        reason: "4".to_owned(),
        ..Default::default()
    });
    assert_ne!(reason, plain);
    assert_ne!(
        of(v1::HoldOrderRequest {
            comment: "4".to_owned(),
            ..Default::default()
        }),
        plain
    );
    // This one encodes to the same bytes as the hold with a reason.
    let release = v1::ReleaseOrderRequest {
        order_id: "1".to_owned(),
        hold_id: "4".to_owned(),
        request_id: "once".to_owned(),
        ..Default::default()
    };
    let release = ParsedStep::release_order(release, &default_workflow()).unwrap();
    assert_ne!(release.request.unwrap().fingerprint, reason);
}

#[test]
fn the_default_workflow_may_be_named_or_not() {
    let named = v1::HoldOrderRequest {
        workflow: default_workflow().to_string(),
        ..Default::default()
    };
    let other = v1::HoldOrderRequest {
        workflow: "returns".to_owned(),
        ..Default::default()
    };
    let of = |request: v1::HoldOrderRequest| {
        let request = v1::HoldOrderRequest {
            request_id: "once".to_owned(),
            ..request
        };
        hold(request).request.unwrap().fingerprint
    };
    assert_eq!(of(named.clone()), of(v1::HoldOrderRequest::default()));
    assert_ne!(of(named), of(other));
    let [unnamed, named] = ["", "order"].map(|workflow| v1::Order {
        workflow: workflow.to_owned(),
        id: "1".to_owned(),
        ..Default::default()
    });
    let created = |order: &v1::Order| {
        let request = v1::CreateOrderRequest {
            order: Some(order.clone()),
            request_id: "once".to_owned(),
            ..Default::default()
        };
        let step = ParsedStep::create_order(request, &default_workflow()).unwrap();
        step.request.unwrap().fingerprint
    };
    assert_eq!(created(&unnamed), created(&named));
    let updated = |order: &v1::Order| {
        let request = v1::UpdateOrderRequest {
            order: Some(order.clone()),
            request_id: "once".to_owned(),
            ..Default::default()
        };
        let step = ParsedStep::update_order(request, &default_workflow()).unwrap();
        step.request.unwrap().fingerprint
    };
    assert_eq!(updated(&unnamed), updated(&named));
}

#[test]
fn a_step_of_a_batch_is_the_call_of_its_own() {
    let request = v1::HoldOrderRequest {
        order_id: "1".to_owned(),
        request_id: "once".to_owned(),
        reason: "fraud".to_owned(),
        ..Default::default()
    };
    let alone = ParsedStep::hold_order(request.clone(), &default_workflow());
    let step = v1::Step {
        command: Some(v1::step::Command::HoldOrder(request)),
    };
    let batch = v1::ExecuteStepsRequest {
        steps: vec![step.clone()],
        atomic: true,
        return_orders: true,
        validate_only: true,
    };
    let batch = StepsMessage::decode(batch.encode_to_vec().as_slice()).unwrap();
    let batch = ExecuteSteps::read(batch, &default_workflow()).unwrap();
    assert!(batch.atomic && batch.return_orders);
    assert_eq!(batch.validate_only, ValidateOnly::Yes);
    assert_eq!(
        batch.steps.collect::<Vec<_>>(),
        std::slice::from_ref(&alone)
    );
    let request = v1::StreamStepsRequest {
        correlation_id: "7".to_owned(),
        step: Some(step),
    };
    let streamed = StreamedStep::read(request, &default_workflow());
    assert_eq!(
        (streamed.correlation_id.as_str(), streamed.step),
        ("7", alone)
    );
}

#[test]
fn a_step_that_places_or_updates_an_order_is_the_call_of_its_own() {
    let default = default_workflow();
    let order = |workflow: &str| v1::Order {
        workflow: workflow.to_owned(),
        id: "1".to_owned(),
        store_view: "german".to_owned(),
        ..Default::default()
    };
    let created = |workflow: &str| v1::CreateOrderRequest {
        order: Some(order(workflow)),
        request_id: "once".to_owned(),
        ..Default::default()
    };
    let updated = |workflow: &str| v1::UpdateOrderRequest {
        order: Some(order(workflow)),
        request_id: "once".to_owned(),
        ..Default::default()
    };
    let alone = [
        ParsedStep::create_order(created(""), &default),
        ParsedStep::update_order(updated(""), &default),
    ];
    let steps = [
        v1::step::Command::CreateOrder(created(default.as_str())),
        v1::step::Command::UpdateOrder(updated(default.as_str())),
    ];
    let batch = v1::ExecuteStepsRequest {
        steps: steps
            .map(|command| v1::Step {
                command: Some(command),
            })
            .into(),
        ..Default::default()
    };
    let batch = StepsMessage::decode(batch.encode_to_vec().as_slice()).unwrap();
    let batch = ExecuteSteps::read(batch, &default).unwrap();
    assert_eq!(batch.steps.collect::<Vec<_>>(), alone);
    let fingerprints = alone.map(|step| step.unwrap().request.unwrap().fingerprint);
    assert_ne!(fingerprints[0], fingerprints[1]);
}

/// An import sends a few hundred orders at once, whose lines say as little as they may.
#[test]
fn fifty_thousand_short_lines_fit_a_batch() {
    let default = default_workflow();
    for (orders, lines) in [(1_000, 20), (100, 500), (1_000, 50)] {
        let lines = (0..lines).map(|number| v1::OrderLine {
            id: format!("{number:x}"),
            quantity_ordered: "1".to_owned(),
            ..Default::default()
        });
        let order = v1::Order {
            id: "1".to_owned(),
            lines: lines.collect(),
            ..Default::default()
        };
        let placed = v1::CreateOrderRequest {
            order: Some(order),
            ..Default::default()
        };
        let step = v1::Step {
            command: Some(v1::step::Command::CreateOrder(placed)),
        };
        let batch = v1::ExecuteStepsRequest {
            steps: vec![step; orders],
            ..Default::default()
        };
        let batch = StepsMessage::decode(batch.encode_to_vec().as_slice()).unwrap();
        let mut steps = ExecuteSteps::read(batch, &default).unwrap().steps;
        assert_eq!(steps.find_map(Result::err), None);
    }
}

#[test]
fn targets() {
    let read = |target, land_on: &str| {
        let request = v1::TransitionOrderRequest {
            order_id: "1".to_owned(),
            target: Some(target),
            land_on_status: land_on.to_owned(),
            ..Default::default()
        };
        action(ParsedStep::transition_order(request, &default_workflow()).unwrap())
    };
    let to = |status: &str, keep_status| {
        let (state, status) = ("new".to_owned(), status.to_owned());
        To::To(v1::TransitionTarget {
            state,
            status,
            keep_status,
        })
    };
    let by_code = |land_on| Target::Transition {
        code: value("start"),
        land_on,
    };
    let start = || To::Transition("start".to_owned());
    assert_eq!(read(start(), ""), Action::Transition(by_code(None)));
    assert_eq!(
        read(start(), "packing"),
        Action::Transition(by_code(Some(value("packing"))))
    );
    let status = To::ToStatus("packing".to_owned());
    assert_eq!(
        read(status, ""),
        Action::Transition(Target::Status(value("packing")))
    );
    assert_eq!(
        read(to("", false), ""),
        Action::Transition(Target::State(value("new")))
    );
    assert_eq!(
        read(to("", true), ""),
        Action::Transition(Target::KeepStatus(value("new")))
    );
    let standing = Target::Standing(value("new"), value("pending"));
    assert_eq!(read(to("pending", false), ""), Action::Transition(standing));
}

#[test]
fn quantities_of_an_operation() {
    let read = |lines, amount_only, amount| {
        let request = v1::RecordOperationRequest {
            order_id: "1".to_owned(),
            operation: "ship".to_owned(),
            lines,
            amount_only,
            amount,
            ..Default::default()
        };
        match action(ParsedStep::record_operation(request, &default_workflow()).unwrap()) {
            Action::RecordOperation { lines, amount, .. } => (lines, amount),
            other => panic!("an operation is read as one, not as {other:?}"),
        }
    };
    assert_eq!(
        read(Vec::new(), false, None),
        (OperationLines::AllLeft, None)
    );
    let zero = Some(Money::ZERO);
    assert_eq!(
        read(Vec::new(), true, Some(0)),
        (OperationLines::AmountOnly, zero)
    );
    let line = v1::OperationLine {
        line_id: "1".to_owned(),
        quantity: "0.50".to_owned(),
        returned: String::new(),
    };
    let back = v1::OperationLine {
        line_id: "2".to_owned(),
        quantity: "2".to_owned(),
        returned: "2.0".to_owned(),
    };
    let (OperationLines::Given(lines), None) = read(vec![line, back], false, None) else {
        panic!("lines are given, an amount is not");
    };
    let texts: Vec<_> = lines
        .iter()
        .map(|line| (line.quantity.to_string(), line.returned.to_string()))
        .collect();
    assert_eq!(
        texts,
        [("0.5", "0"), ("2", "2")].map(|(moved, back)| (moved.to_owned(), back.to_owned()))
    );
}

#[test]
fn an_operation_is_taken_back() {
    for reverse in [false, true] {
        let request = v1::RecordOperationRequest {
            order_id: "1".to_owned(),
            operation: "ship".to_owned(),
            reverse,
            ..Default::default()
        };
        let step = ParsedStep::record_operation(request, &default_workflow()).unwrap();
        let read = match action(step) {
            Action::RecordOperation { reverse, .. } => reverse,
            other => panic!("an operation is read as one, not as {other:?}"),
        };
        assert_eq!(read, reverse);
    }
}

#[test]
fn a_new_order_that_expects_a_version_says_so() {
    let request = v1::CreateOrderRequest {
        order: Some(v1::Order {
            id: "1".to_owned(),
            ..Default::default()
        }),
        expected_version: 2,
        ..Default::default()
    };
    let step = ParsedStep::create_order(request, &default_workflow()).unwrap();
    let ParsedChange::Create { order, .. } = step.change else {
        panic!("the order is to be created");
    };
    assert_eq!(order.expected_version, Some(2));
    assert_eq!(
        (order.state, order.status, order.currency),
        (None, None, None)
    );
}

#[test]
fn pages() {
    let read = |page_size, page_token: &str| {
        let page_token = page_token.to_owned();
        let request = v1::ListWorkflowsRequest {
            page_size,
            page_token,
        };
        ListWorkflows::read(request).unwrap().page
    };
    let sizes = [0, 1, 1_000, 1_001, i32::MAX].map(|size| read(size, "").size);
    assert_eq!(sizes, [50, 1, 1_000, 1_000, 1_000]);
    assert_eq!(read(0, "").token, None);
    assert_eq!(read(0, "next").token.as_deref(), Some("next"));
    // A token is good for pages of other sizes, and for the same list only.
    assert_eq!(read(7, "next").arguments, read(0, "").arguments);
    let orders = |order_by: &str| {
        let request = v1::ListOrdersRequest {
            order_by: order_by.to_owned(),
            ..Default::default()
        };
        OrderListRequest::read(request).unwrap().page.arguments
    };
    assert_ne!(orders("id"), orders("id desc"));
}

#[test]
fn sorting_and_bounds_of_orders() {
    let read = |order_by: &str| {
        let order_by = order_by.to_owned();
        let instant = Some(WireTimestamp {
            seconds: 1,
            nanos: 1_500,
        });
        let filter = v1::OrderFilter {
            held: Some(false),
            updated_after: instant,
            updated_before: instant,
            ..Default::default()
        };
        let request = v1::ListOrdersRequest {
            order_by,
            filter: Some(filter),
            ..Default::default()
        };
        OrderListRequest::read(request).unwrap()
    };
    let by = |key, direction| OrderBy { key, direction };
    assert_eq!(read("").order_by, by(SortKey::Id, Direction::Ascending));
    assert_eq!(
        read("id  desc").order_by,
        by(SortKey::Id, Direction::Descending)
    );
    assert_eq!(
        read("update_time").order_by,
        by(SortKey::UpdateTime, Direction::Ascending)
    );
    assert_eq!(
        read("create_time desc").order_by,
        by(SortKey::CreateTime, Direction::Descending)
    );
    let filter = read("").filter;
    assert_eq!(
        (filter.held, filter.visible_on_storefront),
        (Some(false), None)
    );
    assert_eq!(
        filter.updated_after,
        Some(Timestamp::from_micros(1_000_001))
    );
    assert_eq!(
        filter.updated_before,
        Some(Timestamp::from_micros(1_000_002))
    );
}

#[test]
fn watches() {
    let read = |request| WatchHistory::read(request, PartitionCount::new(8).unwrap()).unwrap();
    let plain = read(v1::WatchHistoryRequest::default());
    assert_eq!(
        (plain.start, plain.checkpoint_interval),
        (WatchFrom::Now, Duration::from_secs(10))
    );
    let some = read(v1::WatchHistoryRequest {
        start: v1::WatchStart::Beginning.into(),
        partitions: vec![3, 0, 3],
        checkpoint_interval: Some(prost_types::Duration {
            seconds: 3_600,
            nanos: 0,
        }),
        ..Default::default()
    });
    assert_eq!(some.start, WatchFrom::Beginning);
    assert_eq!(some.partitions, [Partition::new(0), Partition::new(3)]);
    assert_eq!(some.checkpoint_interval, Duration::from_hours(1));
    let resumed = v1::WatchHistoryRequest {
        resume_token: "token".to_owned(),
        ..Default::default()
    };
    assert_eq!(read(resumed).start, WatchFrom::Token("token".to_owned()));
}

#[test]
fn documents() {
    use v1::{ApplyMode as M, WorkflowFormat as F};
    let apply = |format: F, mode: M| {
        let request = v1::ApplyWorkflowRequest {
            document: "{}".to_owned(),
            format: format.into(),
            mode: mode.into(),
            ..Default::default()
        };
        let read = ApplyWorkflow::read(request).unwrap();
        (read.workflow, read.format, read.mode)
    };
    assert_eq!(
        apply(F::Unspecified, M::Unspecified),
        (None, Format::Yaml, Mode::Replace)
    );
    assert_eq!(apply(F::Json, M::Merge), (None, Format::Json, Mode::Merge));
    let xml = (None, Format::MagentoConfigXml, Mode::Merge);
    assert_eq!(apply(F::MagentoConfigXml, M::Unspecified), xml);
    // That this cannot be is the domain's to say, with a reason of its own.
    let replace = (None, Format::MagentoConfigXml, Mode::Replace);
    assert_eq!(apply(F::MagentoConfigXml, M::Replace), replace);
    let creating = v1::ApplyWorkflowRequest {
        document: "<config/>".to_owned(),
        format: F::MagentoConfigXml.into(),
        create_states: true,
        ..Default::default()
    };
    let read = ApplyWorkflow::read(creating).unwrap();
    assert_eq!(read.unknown_states, UnknownStates::Create);
}

#[test]
fn documents_to_check() {
    let lint = |workflow: &str, document: &str| {
        let (workflow, document) = (workflow.to_owned(), document.to_owned());
        let request = v1::LintWorkflowRequest {
            workflow,
            document,
            ..Default::default()
        };
        LintWorkflow::read(request, &default_workflow())
            .unwrap()
            .subject
    };
    let document = |workflow: Option<WorkflowCode>| LintSubject::Document {
        workflow,
        document: "{}".to_owned(),
        format: Format::Yaml,
        mode: Mode::Replace,
    };
    assert_eq!(lint("", ""), LintSubject::Stored(default_workflow()));
    assert_eq!(lint("returns", ""), LintSubject::Stored(value("returns")));
    assert_eq!(lint("", "{}"), document(None));
    assert_eq!(lint("returns", "{}"), document(Some(value("returns"))));
    let fragment = v1::LintWorkflowRequest {
        document: "<config/>".to_owned(),
        format: v1::WorkflowFormat::MagentoConfigXml.into(),
        mode: v1::ApplyMode::Merge.into(),
        ..Default::default()
    };
    let read = LintWorkflow::read(fragment, &default_workflow()).unwrap();
    assert!(matches!(
        read.subject,
        LintSubject::Document {
            workflow: None,
            format: Format::MagentoConfigXml,
            mode: Mode::Merge,
            ..
        }
    ));
}
