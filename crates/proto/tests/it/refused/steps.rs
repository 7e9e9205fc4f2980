//! Mutations of orders.

use prost::Message;
use prost_types::{FieldMask, Timestamp};
use waymark_proto::{
    convert::step::{ExecuteSteps, ParsedStep, StreamedStep},
    encoded::StepsMessage,
    invalid::InvalidRequest,
    v1,
};

use super::{
    CODE, INSTANT, LINE_BREAK, MONEY, NUL, QUANTITY, STORE_VIEW, VISIBLE, check, text, texts,
};
use crate::sample::default_workflow;

fn create(order: v1::Order) -> Result<ParsedStep, InvalidRequest> {
    let request = v1::CreateOrderRequest {
        order: Some(v1::Order {
            id: text("1"),
            ..order
        }),
        ..Default::default()
    };
    ParsedStep::create_order(request, &default_workflow())
}

fn hold(request: v1::HoldOrderRequest) -> Result<ParsedStep, InvalidRequest> {
    let request = v1::HoldOrderRequest {
        order_id: text("1"),
        ..request
    };
    ParsedStep::hold_order(request, &default_workflow())
}

fn transition(request: v1::TransitionOrderRequest) -> Result<ParsedStep, InvalidRequest> {
    let request = v1::TransitionOrderRequest {
        order_id: text("1"),
        ..request
    };
    ParsedStep::transition_order(request, &default_workflow())
}

fn record(request: v1::RecordOperationRequest) -> Result<ParsedStep, InvalidRequest> {
    let request = v1::RecordOperationRequest {
        order_id: text("1"),
        operation: text("ship"),
        ..request
    };
    ParsedStep::record_operation(request, &default_workflow())
}

#[test]
fn common_fields_of_mutations() {
    let request = v1::HoldOrderRequest {
        workflow: text("Order"),
        comment: text("\0"),
        metadata: [(text("waymark.guard_failed"), text("x"))].into(),
        actor: Some(v1::Actor {
            kind: 9,
            id: "x".repeat(129),
            on_behalf_of: text("\u{7}"),
            roles: texts(&["clerk", "two words"]),
        }),
        store_view: text("de at"),
        expected_version: -1,
        request_id: text("a\nb"),
        ..Default::default()
    };
    check(
        hold(request),
        &[
            ("workflow", CODE),
            ("comment", NUL),
            (
                "metadata",
                "must be a map without keys that begin with `waymark.`",
            ),
            ("actor.kind", "has no value with the number 9"),
            ("actor.id", "must have at most 128 bytes in all, has 129"),
            (
                "actor.on_behalf_of",
                "U+0007 at character 1 is a control character, which is refused",
            ),
            ("actor.roles[1]", VISIBLE),
            ("store_view", STORE_VIEW),
            (
                "expected_version",
                "must lie between 0 and 9223372036854775807",
            ),
            (
                "request_id",
                "U+000A at character 2 is a control character, which is refused",
            ),
        ],
    );
    let metadata = [(text("key"), "x".repeat(4_094))].into();
    let actor = Some(v1::Actor {
        roles: vec![text("clerk"); 65],
        ..Default::default()
    });
    check(
        hold(v1::HoldOrderRequest {
            metadata,
            actor,
            ..Default::default()
        }),
        &[
            ("metadata", "must have at most 4096 bytes in all, has 4097"),
            ("actor.roles", "must have at most 64 entries, has 65"),
        ],
    );
}

#[test]
fn no_caller_is_the_system_or_has_lines_for_a_name() {
    let by = |actor: v1::Actor| {
        hold(v1::HoldOrderRequest {
            actor: Some(actor),
            ..Default::default()
        })
    };
    let system = "must be a user, an integration or a customer: the system is Waymark itself";
    check(
        by(v1::Actor {
            kind: v1::ActorKind::System.into(),
            id: "x".repeat(129),
            ..Default::default()
        }),
        &[
            ("actor.kind", system),
            ("actor.id", "must have at most 128 bytes in all, has 129"),
        ],
    );
    check(
        by(v1::Actor {
            id: text("\nann"),
            on_behalf_of: text("\nbob"),
            ..Default::default()
        }),
        &[("actor.id", LINE_BREAK), ("actor.on_behalf_of", LINE_BREAK)],
    );
}

#[test]
fn customers_have_no_address_or_one_that_mails_can_go_to() {
    let with = |email: &str| {
        create(v1::Order {
            customer: Some(v1::Customer {
                email: text(email),
                ..Default::default()
            }),
            ..Default::default()
        })
    };
    for email in ["", "ada@example.org"] {
        assert!(with(email).is_ok(), "{email}");
    }
    let address = "must be an address such as warehouse@example.com";
    for email in ["postmaster", "ada@example.org.", "a@b.example, c@d.example"] {
        check(with(email), &[("order.customer.email", address)]);
    }
    check(
        with("\nada@example.org"),
        &[("order.customer.email", LINE_BREAK)],
    );
}

#[test]
fn create_order() {
    let workflow = default_workflow();
    let empty = v1::CreateOrderRequest::default();
    check(
        ParsedStep::create_order(empty, &workflow),
        &[("order", "is required")],
    );
    let order = v1::Order {
        workflow: text("-"),
        id: text("a b"),
        state: text("New"),
        status: text("Pending"),
        currency: text("Euro"),
        grand_total: -1,
        total_paid: 1,
        total_refunded: 1,
        total_canceled: 1,
        total_invoiced: 1,
        total_due: 1,
        total_overpaid: 1,
        store_view: text("x y"),
        customer: Some(v1::Customer {
            id: text("\0"),
            email: "x".repeat(321),
            name: "x".repeat(257),
            guest: false,
        }),
        attributes: [(text(""), text("x"))].into(),
        holds: vec![v1::Hold::default()],
        return_state: text("new"),
        return_status: text("pending"),
        ..Default::default()
    };
    let request = v1::CreateOrderRequest {
        order: Some(order),
        ..Default::default()
    };
    check(
        ParsedStep::create_order(request, &workflow),
        &[
            ("order.total_paid", "is output only"),
            ("order.total_refunded", "is output only"),
            ("order.total_canceled", "is output only"),
            ("order.total_invoiced", "is output only"),
            ("order.total_due", "is output only"),
            ("order.total_overpaid", "is output only"),
            ("order.holds", "is output only"),
            ("order.return_state", "is output only"),
            ("order.return_status", "is output only"),
            ("order.workflow", CODE),
            ("order.id", VISIBLE),
            ("order.state", CODE),
            ("order.status", CODE),
            (
                "order.currency",
                "must be a currency of three letters such as EUR",
            ),
            ("order.grand_total", MONEY),
            ("order.store_view", STORE_VIEW),
            ("order.customer.id", NUL),
            (
                "order.customer.email",
                "must have at most 320 bytes in all, has 321",
            ),
            (
                "order.customer.name",
                "must have at most 256 bytes in all, has 257",
            ),
            ("order.attributes", "must be a map without empty keys"),
        ],
    );
}

#[test]
fn lines_of_an_order() {
    let line = |id: &str, quantity: &str| v1::OrderLine {
        id: text(id),
        quantity_ordered: text(quantity),
        ..Default::default()
    };
    let done = v1::OrderLine {
        quantity_invoiced: text("1"),
        quantity_shipped: text("0.0"),
        quantity_refunded: text("none"),
        quantity_canceled: text("0.5"),
        quantity_returned: text("1"),
        ..line("3", "1")
    };
    let odd = v1::OrderLine {
        sku: "x".repeat(129),
        name: "x".repeat(257),
        total: Some(-1),
        ..line("4", "1")
    };
    let lines = vec![
        line("1", "1"),
        line("1", "0"),
        line("", "-1"),
        done,
        line("1", "2"),
        odd,
    ];
    check(
        create(v1::Order {
            lines,
            ..Default::default()
        }),
        &[
            ("order.lines[1].quantity_ordered", "must be more than 0"),
            ("order.lines[2].id", "must not be empty"),
            ("order.lines[2].quantity_ordered", QUANTITY),
            ("order.lines[3].quantity_invoiced", "is output only"),
            ("order.lines[3].quantity_refunded", "is output only"),
            ("order.lines[3].quantity_canceled", "is output only"),
            ("order.lines[3].quantity_returned", "is output only"),
            ("order.lines[4].id", "must not be given twice"),
            (
                "order.lines[5].sku",
                "must have at most 128 bytes in all, has 129",
            ),
            (
                "order.lines[5].name",
                "must have at most 256 bytes in all, has 257",
            ),
            ("order.lines[5].total", MONEY),
        ],
    );
    let lines = vec![line("1", "1"); 501];
    check(
        create(v1::Order {
            lines,
            ..Default::default()
        }),
        &[("order.lines", "must have at most 500 entries, has 501")],
    );
    let lines = vec![line("", ""); 30];
    let invalid = create(v1::Order {
        lines,
        ..Default::default()
    })
    .unwrap_err();
    assert_eq!(invalid.violations().len(), 20);
}

fn update(order: Option<v1::Order>, paths: &[&str]) -> Result<ParsedStep, InvalidRequest> {
    let request = v1::UpdateOrderRequest {
        order,
        update_mask: Some(FieldMask {
            paths: texts(paths),
        }),
        ..Default::default()
    };
    ParsedStep::update_order(request, &default_workflow())
}

#[test]
fn update_order() {
    check(update(None, &[]), &[("order", "is required")]);
    let order = v1::Order {
        id: text("1"),
        ..Default::default()
    };
    check(
        update(Some(order), &["id"; 1_001]),
        &[("update_mask", "must have at most 1000 entries, has 1001")],
    );
    check(
        update(Some(unpriced()), &[]),
        &[("order.grand_total", MONEY)],
    );
}

/// An order whose grand total is refused wherever it is looked at.
fn unpriced() -> v1::Order {
    v1::Order {
        id: text("1"),
        grand_total: -1,
        lines: vec![v1::OrderLine {
            id: text("1"),
            quantity_ordered: text("1"),
            quantity_shipped: text("1"),
            ..Default::default()
        }],
        ..Default::default()
    }
}

#[test]
fn what_an_update_states_as_it_stands() {
    let said = v1::Order {
        id: text("1"),
        version: -1,
        state: text("New"),
        currency: text("Euro"),
        total_paid: -1,
        holds: vec![v1::Hold::default(); 17],
        create_time: Some(Timestamp {
            seconds: 0,
            nanos: -1,
        }),
        lines: vec![v1::OrderLine {
            id: text("1"),
            quantity_ordered: text("1"),
            quantity_shipped: text("none"),
            ..Default::default()
        }],
        ..Default::default()
    };
    check(
        update(Some(said), &[]),
        &[
            (
                "order.version",
                "must lie between 0 and 9223372036854775807",
            ),
            ("order.state", CODE),
            (
                "order.currency",
                "must be a currency of three letters such as EUR",
            ),
            ("order.total_paid", MONEY),
            ("order.holds", "must have at most 16 entries, has 17"),
            ("order.create_time", INSTANT),
            ("order.lines[0].quantity_shipped", QUANTITY),
        ],
    );
}

#[test]
fn masks_of_updates() {
    let camel = [
        "storeView",
        "grandTotal",
        "totalPaid",
        "Lines",
        "customer.Id",
    ];
    check(
        update(Some(unpriced()), &camel),
        &[
            (
                "update_mask",
                "names `storeView`, which is spelled `store_view`",
            ),
            (
                "update_mask",
                "names `grandTotal`, which is spelled `grand_total`",
            ),
            (
                "update_mask",
                "names `totalPaid`, which is spelled `total_paid`",
            ),
            ("update_mask", "names `Lines`, which is unknown"),
            ("update_mask", "names `customer.Id`, which is unknown"),
        ],
    );
}

#[test]
fn masks_of_what_no_update_changes() {
    let paths = [
        "id",
        "state",
        "total_paid",
        "version",
        "lines.id",
        "attributes.",
        "nope",
        "customer",
        "*",
    ];
    check(
        update(Some(unpriced()), &paths),
        &[
            ("update_mask", "names `id`, which is immutable"),
            (
                "update_mask",
                "names `state`, which is changed by steps of the workflow only",
            ),
            (
                "update_mask",
                "names `total_paid`, which is changed by steps of the workflow only",
            ),
            ("update_mask", "names `version`, which is output only"),
            ("update_mask", "names `lines.id`, which is unknown"),
            ("update_mask", "names `attributes.`, which is unknown"),
            ("update_mask", "names `nope`, which is unknown"),
            ("update_mask", "names `*`, which must stand alone"),
        ],
    );
    let order = v1::Order {
        store_view: text("?"),
        attributes: [(text("a"), text("\0"))].into(),
        ..Default::default()
    };
    check(
        update(Some(order), &["store_view", "attributes.a"]),
        &[
            ("order.id", "must not be empty"),
            (
                "order.attributes",
                "has an entry `a` that is refused: U+0000 at character 1 is a control character, which is refused",
            ),
            ("order.store_view", STORE_VIEW),
        ],
    );
}

#[test]
fn transition_order() {
    use v1::transition_order_request::Target;
    let to = |target| v1::TransitionOrderRequest {
        target: Some(target),
        ..Default::default()
    };
    check(
        transition(v1::TransitionOrderRequest::default()),
        &[("target", "is required: give transition, to_status or to")],
    );
    check(
        transition(to(Target::Transition(text("")))),
        &[("transition", "must not be empty")],
    );
    check(
        transition(to(Target::ToStatus(text("A")))),
        &[("to_status", CODE)],
    );
    let target = v1::TransitionTarget {
        state: text(""),
        status: text("?"),
        keep_status: false,
    };
    check(
        transition(to(Target::To(target))),
        &[("to.state", "must not be empty"), ("to.status", CODE)],
    );
    let target = v1::TransitionTarget {
        state: text("new"),
        status: text("pending"),
        keep_status: true,
    };
    check(
        transition(to(Target::To(target))),
        &[("to.keep_status", "must not be given together with `status`")],
    );
    let request = v1::TransitionOrderRequest {
        land_on_status: text("packing"),
        ..to(Target::ToStatus(text("packing")))
    };
    check(
        transition(request),
        &[("land_on_status", "must not be given without `transition`")],
    );
    let request = v1::TransitionOrderRequest {
        land_on_status: text("?"),
        ..to(Target::Transition(text("start")))
    };
    check(transition(request), &[("land_on_status", CODE)]);
    let request = v1::TransitionOrderRequest {
        order_id: String::new(),
        ..to(Target::Transition(text("start")))
    };
    check(
        ParsedStep::transition_order(request, &default_workflow()),
        &[("order_id", "must not be empty")],
    );
}

#[test]
fn record_operation() {
    let line = |id: &str, quantity: &str| v1::OperationLine {
        line_id: text(id),
        quantity: text(quantity),
        returned: String::new(),
    };
    let back = |quantity: &str, returned: &str| v1::OperationLine {
        returned: text(returned),
        ..line("2", quantity)
    };
    let request = v1::RecordOperationRequest {
        lines: vec![
            line("", "1"),
            line("1", "0"),
            line("1", "x"),
            back("1", "-1"),
        ],
        amount: Some(-1),
        ..Default::default()
    };
    check(
        record(request),
        &[
            ("lines[0].line_id", "must not be empty"),
            ("lines[1].quantity", "must be more than 0"),
            ("lines[2].quantity", QUANTITY),
            ("lines[2].line_id", "must not be given twice"),
            ("lines[3].returned", QUANTITY),
            ("amount", MONEY),
        ],
    );
    let request = v1::RecordOperationRequest {
        lines: vec![line("1", "1")],
        amount_only: true,
        ..Default::default()
    };
    check(
        record(request),
        &[("lines", "must not be given together with `amount_only`")],
    );
    let request = v1::RecordOperationRequest {
        lines: vec![line("1", "1"); 501],
        ..Default::default()
    };
    check(
        record(request),
        &[("lines", "must have at most 500 entries, has 501")],
    );
    let request = v1::RecordOperationRequest {
        order_id: text("1"),
        ..Default::default()
    };
    check(
        ParsedStep::record_operation(request, &default_workflow()),
        &[("operation", "must not be empty")],
    );
}

#[test]
fn hold_release_and_comment() {
    let request = v1::HoldOrderRequest {
        reason: "x".repeat(513),
        status: text("?"),
        expire_time: Some(Timestamp {
            seconds: i64::MAX,
            nanos: 0,
        }),
        ..Default::default()
    };
    check(
        hold(request),
        &[
            ("reason", "must have at most 512 bytes in all, has 513"),
            ("status", CODE),
            (
                "expire_time",
                "must be an instant between 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999999Z",
            ),
        ],
    );
    let request = v1::ReleaseOrderRequest {
        hold_id: text("a b"),
        ..Default::default()
    };
    check(
        ParsedStep::release_order(request, &default_workflow()),
        &[("order_id", "must not be empty"), ("hold_id", VISIBLE)],
    );
    let request = v1::AddCommentRequest {
        status: text("?"),
        comment: "x".repeat(4_097),
        ..Default::default()
    };
    check(
        ParsedStep::add_comment(request, &default_workflow()),
        &[
            ("order_id", "must not be empty"),
            ("comment", "must have at most 4096 bytes in all, has 4097"),
            ("status", CODE),
        ],
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "one case after the other")]
fn batches_and_streams() {
    use v1::step::Command;
    let workflow = default_workflow();
    let batch = |steps| {
        let request = v1::ExecuteStepsRequest {
            steps,
            ..Default::default()
        };
        let request = StepsMessage::decode(request.encode_to_vec().as_slice()).unwrap();
        ExecuteSteps::read(request, &workflow)
    };
    let none = v1::Step { command: None };
    check(
        batch(Vec::new()),
        &[("steps", "must have 1 to 1000 entries, has 0")],
    );
    check(
        batch(vec![none.clone(); 1_001]),
        &[("steps", "must have 1 to 1000 entries, has 1001")],
    );
    let rehearsed = v1::HoldOrderRequest {
        order_id: text("1"),
        validate_only: true,
        ..Default::default()
    };
    let nameless = v1::ReleaseOrderRequest::default();
    let good = v1::ReleaseOrderRequest {
        order_id: text("1"),
        ..Default::default()
    };
    let steps = vec![
        none.clone(),
        v1::Step {
            command: Some(Command::HoldOrder(rehearsed)),
        },
        v1::Step {
            command: Some(Command::ReleaseOrder(nameless)),
        },
        v1::Step {
            command: Some(Command::ReleaseOrder(good)),
        },
        v1::Step {
            command: Some(Command::CreateOrder(v1::CreateOrderRequest {
                order: Some(v1::Order {
                    id: text("1"),
                    lines: vec![v1::OrderLine {
                        quantity_ordered: text("0"),
                        ..Default::default()
                    }],
                    ..Default::default()
                }),
                validate_only: true,
                ..Default::default()
            })),
        },
        v1::Step {
            command: Some(Command::UpdateOrder(v1::UpdateOrderRequest {
                order: Some(v1::Order::default()),
                update_mask: Some(FieldMask {
                    paths: vec![text("state")],
                }),
                ..Default::default()
            })),
        },
    ];
    let mut read = batch(steps).unwrap().steps;
    check(read.next().unwrap(), &[("steps[0].command", "is required")]);
    check(
        read.next().unwrap(),
        &[(
            "steps[1].hold_order.validate_only",
            "is a matter of the whole call, not of one step",
        )],
    );
    check(
        read.next().unwrap(),
        &[("steps[2].release_order.order_id", "must not be empty")],
    );
    assert!(read.next().unwrap().is_ok());
    check(
        read.next().unwrap(),
        &[
            (
                "steps[4].create_order.order.lines[0].id",
                "must not be empty",
            ),
            (
                "steps[4].create_order.order.lines[0].quantity_ordered",
                "must be more than 0",
            ),
        ],
    );
    check(
        read.next().unwrap(),
        &[
            (
                "steps[5].update_order.update_mask",
                "names `state`, which is changed by steps of the workflow only",
            ),
            ("steps[5].update_order.order.id", "must not be empty"),
        ],
    );

    let request = v1::StreamStepsRequest {
        correlation_id: "x".repeat(129),
        step: None,
    };
    let streamed = StreamedStep::read(request, &workflow);
    assert_eq!(streamed.correlation_id.len(), 129);
    check(
        streamed.step,
        &[
            (
                "correlation_id",
                "must have at most 128 bytes in all, has 129",
            ),
            ("step.command", "is required"),
        ],
    );
}
