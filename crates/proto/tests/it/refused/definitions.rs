//! Requests about workflows and their parts.

use prost_types::FieldMask;
use waymark_proto::{
    convert::{
        state::{AssignStatus, GetState, ListAssignments, ListStates, UnassignStatus},
        status::{CreateStatus, DeleteStatus, GetStatus, ListStatuses, UpdateStatus},
        transition::{
            CreateTransition, DeleteTransition, GetTransition, ListTransitions, UpdateTransition,
        },
        workflow::{
            ApplyWorkflow, DeleteWorkflow, DiagramWorkflow, ExportWorkflow, GetWorkflow,
            LintWorkflow, ListWorkflowVersions, ListWorkflows, SettleOrders,
        },
    },
    v1,
};

use super::{CODE, NUL, STORE_VIEW, VISIBLE, check, text, texts};
use crate::sample::default_workflow;

#[test]
fn applying_workflows() {
    let request = v1::ApplyWorkflowRequest {
        workflow: text("?"),
        format: 9,
        actor: Some(v1::Actor {
            kind: 9,
            ..Default::default()
        }),
        etag: "x".repeat(129),
        request_id: "x".repeat(129),
        ..Default::default()
    };
    check(
        ApplyWorkflow::read(request),
        &[
            ("workflow", CODE),
            ("document", "is required"),
            ("format", "has no value with the number 9"),
            ("actor.kind", "has no value with the number 9"),
            ("etag", "must have at most 128 bytes in all, has 129"),
            ("request_id", "must have at most 128 characters, has 129"),
        ],
    );
    let request = v1::ApplyWorkflowRequest {
        document: text("{}"),
        mode: 9,
        ..Default::default()
    };
    check(
        ApplyWorkflow::read(request),
        &[("mode", "has no value with the number 9")],
    );
    let request = v1::ApplyWorkflowRequest {
        document: text("{}"),
        create_states: true,
        ..Default::default()
    };
    check(
        ApplyWorkflow::read(request),
        &[(
            "create_states",
            "goes with the format MAGENTO_CONFIG_XML only",
        )],
    );
}

#[test]
fn workflows() {
    let workflow = default_workflow();
    let request = v1::ExportWorkflowRequest {
        workflow: text("?"),
        format: 3,
        version: -1,
    };
    check(
        ExportWorkflow::read(request, &workflow),
        &[
            ("workflow", CODE),
            ("format", "is a format that is read only"),
            ("version", "must lie between 0 and 9223372036854775807"),
        ],
    );
    let request = v1::GetWorkflowRequest {
        workflow: text("?"),
    };
    check(GetWorkflow::read(request, &workflow), &[("workflow", CODE)]);
    let request = v1::ListWorkflowsRequest {
        page_size: -1,
        ..Default::default()
    };
    check(
        ListWorkflows::read(request),
        &[("page_size", "must lie between 0 and 2147483647")],
    );
    let request = v1::DeleteWorkflowRequest {
        workflow: text("?"),
        etag: "x".repeat(129),
        ..Default::default()
    };
    check(
        DeleteWorkflow::read(request, &workflow),
        &[
            ("workflow", CODE),
            ("etag", "must have at most 128 bytes in all, has 129"),
        ],
    );
}

#[test]
fn reading_workflows() {
    let workflow = default_workflow();
    let request = v1::ListWorkflowVersionsRequest {
        workflow: text("?"),
        page_size: -1,
        ..Default::default()
    };
    check(
        ListWorkflowVersions::read(request, &workflow),
        &[
            ("workflow", CODE),
            ("page_size", "must lie between 0 and 2147483647"),
        ],
    );
    let request = v1::DiagramWorkflowRequest {
        workflow: text("?"),
        format: 9,
        order_id: text("a b"),
        counts: false,
    };
    check(
        DiagramWorkflow::read(request, &workflow),
        &[
            ("workflow", CODE),
            ("format", "has no value with the number 9"),
            ("order_id", VISIBLE),
        ],
    );
}

#[test]
fn checking_workflows() {
    let workflow = default_workflow();
    let request = v1::LintWorkflowRequest {
        workflow: text("?"),
        format: 9,
        ..Default::default()
    };
    check(
        LintWorkflow::read(request, &workflow),
        &[
            ("workflow", CODE),
            ("format", "has no value with the number 9"),
        ],
    );
    let request = v1::LintWorkflowRequest {
        document: text("<config/>"),
        format: v1::WorkflowFormat::MagentoConfigXml.into(),
        ..Default::default()
    };
    check(
        LintWorkflow::read(request, &workflow),
        &[(
            "workflow",
            "must be given for a Magento config.xml, which only adds to a workflow",
        )],
    );
    let request = v1::LintWorkflowRequest {
        document: text("{}"),
        mode: 9,
        ..Default::default()
    };
    check(
        LintWorkflow::read(request, &workflow),
        &[("mode", "has no value with the number 9")],
    );
    let request = v1::LintWorkflowRequest {
        document: text("{}"),
        format: v1::WorkflowFormat::Json.into(),
        create_states: true,
        ..Default::default()
    };
    check(
        LintWorkflow::read(request, &workflow),
        &[(
            "create_states",
            "goes with the format MAGENTO_CONFIG_XML only",
        )],
    );
}

#[test]
fn settling_orders() {
    let workflow = default_workflow();
    let request = v1::SettleOrdersRequest {
        workflow: text("?"),
        page_size: -1,
        page_token: text("kept"),
        actor: Some(v1::Actor {
            kind: 9,
            ..Default::default()
        }),
        request_id: "x".repeat(129),
        validate_only: true,
    };
    check(
        SettleOrders::read(request, &workflow),
        &[
            ("workflow", CODE),
            ("page_size", "must lie between 0 and 2147483647"),
            ("actor.kind", "has no value with the number 9"),
            ("request_id", "must have at most 128 characters, has 129"),
        ],
    );
}

#[test]
fn states() {
    let workflow = default_workflow();
    let request = v1::GetStateRequest {
        workflow: text("?"),
        code: text(""),
    };
    check(
        GetState::read(request, &workflow),
        &[("workflow", CODE), ("code", "must not be empty")],
    );
    let request = v1::ListStatesRequest {
        workflow: text("?"),
        page_size: -1,
        ..Default::default()
    };
    check(
        ListStates::read(request, &workflow),
        &[
            ("workflow", CODE),
            ("page_size", "must lie between 0 and 2147483647"),
        ],
    );
    let request = v1::ListAssignmentsRequest {
        workflow: text("?"),
        state: text("?"),
        status: text("?"),
        page_size: -1,
        ..Default::default()
    };
    check(
        ListAssignments::read(request, &workflow),
        &[
            ("workflow", CODE),
            ("state", CODE),
            ("status", CODE),
            ("page_size", "must lie between 0 and 2147483647"),
        ],
    );
    let request = v1::AssignStatusRequest {
        workflow: text("?"),
        ..Default::default()
    };
    let expected = [
        ("workflow", CODE),
        ("state", "must not be empty"),
        ("status", "must not be empty"),
    ];
    check(AssignStatus::read(request, &workflow), &expected);
    let request = v1::UnassignStatusRequest {
        workflow: text("?"),
        ..Default::default()
    };
    check(UnassignStatus::read(request, &workflow), &expected);
}

#[test]
fn statuses() {
    let workflow = default_workflow();
    let create = |status| {
        let request = v1::CreateStatusRequest {
            status,
            ..Default::default()
        };
        CreateStatus::read(request, &workflow)
    };
    check(create(None), &[("status", "is required")]);
    let status = v1::OrderStatus {
        store_view_labels: [(text("d e"), text("Wartend")), (text("en"), text(" "))].into(),
        description: "x".repeat(4_097),
        color: text("red"),
        ..Default::default()
    };
    check(
        create(Some(status)),
        &[
            ("status.code", "must not be empty"),
            ("status.label", "must not be empty"),
            ("status.store_view_labels[d e]", STORE_VIEW),
            ("status.store_view_labels[en]", "must not be empty"),
            (
                "status.description",
                "must have at most 4096 bytes in all, has 4097",
            ),
            ("status.color", "must be a colour like #3697cd"),
        ],
    );
    let request = v1::GetStatusRequest {
        workflow: text("?"),
        code: text("?"),
    };
    check(
        GetStatus::read(request, &workflow),
        &[("workflow", CODE), ("code", CODE)],
    );
    let request = v1::ListStatusesRequest {
        state: text("?"),
        page_size: -1,
        ..Default::default()
    };
    check(
        ListStatuses::read(request, &workflow),
        &[
            ("state", CODE),
            ("page_size", "must lie between 0 and 2147483647"),
        ],
    );
    let request = v1::DeleteStatusRequest {
        etag: "x".repeat(129),
        ..Default::default()
    };
    check(
        DeleteStatus::read(request, &workflow),
        &[
            ("code", "must not be empty"),
            ("etag", "must have at most 128 bytes in all, has 129"),
        ],
    );
}

#[test]
fn updating_statuses() {
    let workflow = default_workflow();
    let update = |status, paths: &[&str]| {
        let update_mask = Some(FieldMask {
            paths: texts(paths),
        });
        let request = v1::UpdateStatusRequest {
            status,
            update_mask,
            ..Default::default()
        };
        UpdateStatus::read(request, &workflow)
    };
    check(update(None, &[]), &[("status", "is required")]);
    let status = v1::OrderStatus {
        etag: "x".repeat(129),
        ..Default::default()
    };
    check(
        update(
            Some(status),
            &[
                "code",
                "etag",
                "create_time",
                "label",
                "store_view_labels.en",
            ],
        ),
        &[
            ("update_mask", "names `code`, which is immutable"),
            ("update_mask", "names `etag`, which is output only"),
            ("update_mask", "names `create_time`, which is output only"),
            (
                "update_mask",
                "names `store_view_labels.en`, which is unknown",
            ),
            ("status.etag", "must have at most 128 bytes in all, has 129"),
            ("status.code", "must not be empty"),
            ("status.label", "must not be empty"),
        ],
    );
}

/// A trigger of a transition.
fn trigger(kind: v1::trigger::Kind) -> v1::Trigger {
    v1::Trigger { kind: Some(kind) }
}

/// A transition that gets everything wrong but its `code` and `label`, which are missing.
fn wrong_transition() -> v1::Transition {
    v1::Transition {
        description: text("\0"),
        from_statuses: texts(&["?"]),
        from_states: texts(&["new", "?"]),
        to_status: text("?"),
        guard: "x".repeat(1_001),
        trigger: Some(trigger(v1::trigger::Kind::After(
            v1::AfterTrigger::default(),
        ))),
        operation: text("?"),
        roles: texts(&[""]),
        actions: vec![v1::StepAction::default()],
        ..Default::default()
    }
}

const WRONG_TRANSITION: [(&str, &str); 11] = [
    ("transition.description", NUL),
    ("transition.from_statuses[0]", CODE),
    ("transition.from_states[1]", CODE),
    ("transition.to_state", "must not be empty"),
    ("transition.to_status", CODE),
    (
        "transition.guard",
        "must have at most 1000 characters, has 1001",
    ),
    ("transition.trigger.after.duration", "is required"),
    ("transition.operation", CODE),
    ("transition.roles[0]", "must not be empty"),
    ("transition.actions[0].code", "must not be empty"),
    (
        "transition.actions[0].work",
        "is required: give webhook, email, publish, comment, set_attributes or transition",
    ),
];

#[test]
fn creating_transitions() {
    let workflow = default_workflow();
    let create = |transition| {
        let request = v1::CreateTransitionRequest {
            transition,
            ..Default::default()
        };
        CreateTransition::read(request, &workflow)
    };
    check(create(None), &[("transition", "is required")]);
    let names = [
        ("transition.code", "must not be empty"),
        ("transition.label", "must not be empty"),
    ];
    check(
        create(Some(wrong_transition())),
        &[names.as_slice(), &WRONG_TRANSITION].concat(),
    );
}

#[test]
fn updating_transitions() {
    let workflow = default_workflow();
    let update = |transition, paths: &[&str]| {
        let update_mask = Some(FieldMask {
            paths: texts(paths),
        });
        let request = v1::UpdateTransitionRequest {
            transition,
            update_mask,
            ..Default::default()
        };
        UpdateTransition::read(request, &workflow)
    };
    check(update(None, &[]), &[("transition", "is required")]);
    // Everything is named, so an empty label and target are refused as well.
    let order: Vec<_> = [("transition.label", "must not be empty")]
        .into_iter()
        .chain(WRONG_TRANSITION)
        .collect();
    let coded = v1::Transition {
        code: text("start"),
        ..wrong_transition()
    };
    check(update(Some(coded.clone()), &["*"]), &order);
    check(
        update(Some(coded), &["code", "etag", "trigger.after"]),
        &[
            ("update_mask", "names `code`, which is immutable"),
            ("update_mask", "names `etag`, which is output only"),
            ("update_mask", "names `trigger.after`, which is unknown"),
        ],
    );
    let empty = v1::Transition {
        code: text("start"),
        trigger: Some(trigger(v1::trigger::Kind::OnOperations(
            v1::OperationTrigger::default(),
        ))),
        ..Default::default()
    };
    check(
        update(Some(empty), &[]),
        &[(
            "transition.trigger.on_operations.operations",
            "must not be empty",
        )],
    );
}

#[test]
fn transitions() {
    let workflow = default_workflow();
    let request = v1::GetTransitionRequest::default();
    check(
        GetTransition::read(request, &workflow),
        &[("code", "must not be empty")],
    );
    let request = v1::ListTransitionsRequest {
        from_status: text("?"),
        page_size: -1,
        ..Default::default()
    };
    check(
        ListTransitions::read(request, &workflow),
        &[
            ("from_status", CODE),
            ("page_size", "must lie between 0 and 2147483647"),
        ],
    );
    let request = v1::DeleteTransitionRequest::default();
    check(
        DeleteTransition::read(request, &workflow),
        &[("code", "must not be empty")],
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "rows of data")]
fn actions() {
    let work = |work: v1::step_action::Work| v1::StepAction {
        code: text("tell"),
        work: Some(work),
        ..Default::default()
    };
    let policy = |attempts, backoff, timeout| {
        let span = |seconds| prost_types::Duration { seconds, nanos: 0 };
        Some(v1::DeliveryPolicy {
            attempts,
            backoff: Some(span(backoff)),
            timeout: Some(span(timeout)),
        })
    };
    let webhook = || {
        v1::step_action::Work::Webhook(v1::WebhookWork {
            endpoint: text("erp"),
        })
    };
    let rows: Vec<(v1::StepAction, &str, &str)> = vec![
        (
            work(v1::step_action::Work::Webhook(v1::WebhookWork::default())),
            "webhook.endpoint",
            "must not be empty",
        ),
        (
            v1::StepAction {
                condition: "x".repeat(1_001),
                ..work(webhook())
            },
            "condition",
            "must have at most 1000 characters, has 1001",
        ),
        (
            v1::StepAction {
                policy: policy(51, 1, 1),
                ..work(webhook())
            },
            "policy",
            "must have 1 to 50 attempts",
        ),
        (
            v1::StepAction {
                policy: policy(1, -1, 1),
                ..work(webhook())
            },
            "policy.backoff",
            "must be a period of whole milliseconds, from 1 ms to ten years",
        ),
        (
            v1::StepAction {
                policy: policy(1, 1, 301),
                ..work(webhook())
            },
            "policy",
            "must have a timeout of at most 5m",
        ),
        (
            work(v1::step_action::Work::Email(v1::EmailWork {
                template: text("shipped"),
                copy_to: texts(&["a@example.com", "nobody"]),
                ..Default::default()
            })),
            "email.copy_to[1]",
            "must be an address such as warehouse@example.com",
        ),
        (
            work(v1::step_action::Work::Publish(v1::PublishWork {
                subject: text("orders.{{ order.nothing }}"),
            })),
            "publish.subject",
            "cannot be filled in: it knows no field order.nothing; the documentation of guards lists the fields",
        ),
        (
            work(v1::step_action::Work::SetAttributes(
                v1::AttributesWork::default(),
            )),
            "set_attributes.attributes",
            "must not be empty",
        ),
        (
            v1::StepAction {
                policy: policy(1, 1, 1),
                ..work(v1::step_action::Work::Transition(v1::TransitionWork {
                    transition: text("ship"),
                }))
            },
            "policy",
            "means nothing to what is written with the step",
        ),
    ];
    for (action, field, problem) in rows {
        let request = v1::CreateTransitionRequest {
            transition: Some(v1::Transition {
                code: text("go"),
                label: text("Go"),
                to_state: text("new"),
                actions: vec![action],
                ..Default::default()
            }),
            ..Default::default()
        };
        let field = format!("transition.actions[0].{field}");
        check(
            CreateTransition::read(request, &default_workflow()),
            &[(field.as_str(), problem)],
        );
    }
    let twice = work(webhook());
    let request = v1::CreateTransitionRequest {
        transition: Some(v1::Transition {
            code: text("go"),
            label: text("Go"),
            to_state: text("new"),
            actions: vec![twice.clone(), twice],
            ..Default::default()
        }),
        ..Default::default()
    };
    check(
        CreateTransition::read(request, &default_workflow()),
        &[("transition.actions[1].code", "must not be given twice")],
    );
}
