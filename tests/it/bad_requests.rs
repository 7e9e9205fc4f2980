//! Requests that no client should send: empty, huge, beyond limits, of random bytes. Each gets the documented answer,
//! and the server stays up. What they may cost is in `costly_requests`.

use prost::Message;
use tonic::Code;
use waymark_proto::v1;
use waymark_tests::{
    Backend, Refusal, Server, Shop, World, raw,
    refusal::invalid,
    refused,
    shop::{line, person, transition},
    world,
};

use crate::bench;

on_each_database!(
    empty_requests_are_answered,
    huge_fields_are_named,
    messages_that_are_too_large_are_refused,
    control_characters_are_refused,
    errors_stay_small,
    actors_have_limits,
    unknown_enum_values_are_named,
    random_bytes_leave_the_server_up,
);

const MIB: usize = 1024 * 1024;

/// Every unary method.
const METHODS: [&str; 36] = [
    "WorkflowService/ApplyWorkflow",
    "WorkflowService/ExportWorkflow",
    "WorkflowService/GetWorkflow",
    "WorkflowService/ListWorkflows",
    "WorkflowService/DeleteWorkflow",
    "WorkflowService/ListWorkflowVersions",
    "WorkflowService/LintWorkflow",
    "WorkflowService/DiagramWorkflow",
    "WorkflowService/SettleOrders",
    "StatusService/CreateStatus",
    "StatusService/GetStatus",
    "StatusService/ListStatuses",
    "StatusService/UpdateStatus",
    "StatusService/DeleteStatus",
    "StateService/GetState",
    "StateService/ListStates",
    "StateService/ListAssignments",
    "StateService/AssignStatus",
    "StateService/UnassignStatus",
    "TransitionService/CreateTransition",
    "TransitionService/GetTransition",
    "TransitionService/ListTransitions",
    "TransitionService/UpdateTransition",
    "TransitionService/DeleteTransition",
    "OrderService/CreateOrder",
    "OrderService/GetOrder",
    "OrderService/ListOrders",
    "OrderService/UpdateOrder",
    "OrderService/TransitionOrder",
    "OrderService/ListAvailableTransitions",
    "OrderService/RecordOperation",
    "OrderService/HoldOrder",
    "OrderService/ReleaseOrder",
    "OrderService/AddComment",
    "OrderService/ExecuteSteps",
    "HistoryService/ListHistory",
];

/// Those that an empty message asks something sensible of: the default workflow, or all there is.
const NEEDS_NOTHING: [&str; 12] = [
    "WorkflowService/ExportWorkflow",
    "WorkflowService/GetWorkflow",
    "WorkflowService/ListWorkflows",
    "WorkflowService/ListWorkflowVersions",
    "WorkflowService/LintWorkflow",
    "WorkflowService/DiagramWorkflow",
    "WorkflowService/SettleOrders",
    "StatusService/ListStatuses",
    "StateService/ListStates",
    "StateService/ListAssignments",
    "TransitionService/ListTransitions",
    "OrderService/ListOrders",
];

async fn empty_requests_are_answered(backend: Backend) {
    let world = World::on(backend).await;
    for method in METHODS {
        if method == "WorkflowService/DeleteWorkflow" {
            // An empty one asks to delete the default workflow, which other tests use.
            continue;
        }
        match raw::call(&world, method, Vec::new()).await {
            Ok(_) => assert!(
                NEEDS_NOTHING.contains(&method),
                "{method} takes nothing for an answer"
            ),
            Err(status) => assert_eq!(
                Refusal::of(&status).code,
                Code::InvalidArgument,
                "{method}: {status:?}"
            ),
        }
    }
    let refusal = refused(
        raw::call(&world, "OrderService/Explode", Vec::new()).await,
        Code::Unimplemented,
        "NOT_IMPLEMENTED",
    );
    assert!(!refusal.message.is_empty());
}

async fn huge_fields_are_named(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    let huge = || "x".repeat(4 * MIB - 1_000);
    invalid(shop.comment("1", &huge(), "").await, "comment");
    invalid(shop.hold("1", &huge()).await, "reason");
    invalid(shop.take("1", &huge()).await, "transition");
    invalid(shop.find(&huge()).await, "order_id");
    invalid(
        shop.add_comment_with(v1::AddCommentRequest {
            request_id: huge(),
            ..shop.remark("1", "x")
        })
        .await,
        "request_id",
    );
    invalid(
        shop.add_comment_with(v1::AddCommentRequest {
            workflow: huge(),
            ..shop.remark("1", "x")
        })
        .await,
        "workflow",
    );
    invalid(
        shop.add_comment_with(v1::AddCommentRequest {
            store_view: huge(),
            ..shop.remark("1", "x")
        })
        .await,
        "store_view",
    );
    let metadata = [(huge(), String::new())].into();
    let refusal = refused(
        shop.add_comment_with(v1::AddCommentRequest {
            metadata,
            ..shop.remark("1", "x")
        })
        .await,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
    assert!(
        refusal.violations[0].0.starts_with("metadata"),
        "{:.200}",
        refusal.violations[0].0
    );
    let guard = v1::Transition {
        guard: huge(),
        ..transition("t", &["start"], "work")
    };
    invalid(shop.create_transition(guard).await, "transition.guard");
    invalid(
        shop.workflows()
            .apply_workflow(shop.document(&huge(), v1::WorkflowFormat::Yaml))
            .await,
        "document",
    );
    assert_eq!(shop.get("1").await.version, 1);
}

async fn messages_that_are_too_large_are_refused(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    // An order of some 10 MB.
    let lines = (0..500).map(|number| v1::OrderLine {
        name: "n".repeat(20_000),
        ..line(&format!("l{number}"), "1")
    });
    let order = v1::Order {
        lines: lines.collect(),
        ..shop.draft("1", &[])
    };
    assert!(order.encoded_len() > 9 * MIB);
    let status = shop.create(order).await.unwrap_err();
    let refusal = Refusal::of(&status);
    assert_eq!(refusal.reason, "MESSAGE_TOO_LARGE");
    assert!(
        [
            Code::OutOfRange,
            Code::ResourceExhausted,
            Code::InvalidArgument
        ]
        .contains(&refusal.code),
        "{refusal:?}"
    );
    refused(shop.find("1").await, Code::NotFound, "ORDER_NOT_FOUND");
    shop.place("1", &[]).await;
}

async fn control_characters_are_refused(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    for character in ['\u{0}', '\u{7}', '\u{1b}', '\u{7f}', '\u{85}'] {
        let text = format!("a{character}b");
        invalid(shop.comment("1", &text, "").await, "comment");
        invalid(shop.hold("1", &text).await, "reason");
        invalid(shop.find(&text).await, "order_id");
        invalid(shop.take("1", &text).await, "transition");
        let attributes = [("key".to_owned(), text.clone())].into();
        let refusal = refused(
            shop.create(v1::Order {
                attributes,
                ..shop.draft("2", &[])
            })
            .await,
            Code::InvalidArgument,
            "FIELD_INVALID",
        );
        assert!(
            refusal.violations[0].0.starts_with("order.attributes"),
            "{refusal:?}"
        );
        let customer = Some(v1::Customer {
            name: text.clone(),
            ..Default::default()
        });
        invalid(
            shop.create(v1::Order {
                customer,
                ..shop.draft("2", &[])
            })
            .await,
            "order.customer.name",
        );
        let lines = vec![v1::OrderLine {
            name: text.clone(),
            ..line("l", "1")
        }];
        invalid(
            shop.create(v1::Order {
                lines,
                ..shop.draft("2", &[])
            })
            .await,
            "order.lines[0].name",
        );
    }
    // Lines of text are text.
    shop.comment("1", "first\nsecond\tcolumn", "")
        .await
        .unwrap();
}

async fn errors_stay_small(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    // Hundreds of wrong fields, each with a long name or value; `refused` checks the size of the details.
    let lines: Vec<_> = (0..500)
        .map(|number| line(&format!("ü{number}{}", "l".repeat(500)), "-1"))
        .collect();
    let refusal = refused(
        shop.create(v1::Order {
            lines,
            ..shop.draft("1", &[])
        })
        .await,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
    assert!(refusal.violations.len() > 1);
    let filter = v1::OrderFilter {
        ids: vec!["ü".repeat(1_000); 1_000],
        states: vec!["Ü".repeat(2_000); 300],
        ..Default::default()
    };
    let list = v1::ListOrdersRequest {
        filter: Some(filter),
        ..Default::default()
    };
    refused(
        shop.orders().list_orders(list).await,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
    let paths = (0..1_000)
        .map(|number| format!("no_such_field_{number}"))
        .collect();
    let update = v1::UpdateOrderRequest {
        order: Some(shop.draft("1", &[])),
        update_mask: Some(prost_types::FieldMask { paths }),
        ..Default::default()
    };
    refused(
        shop.orders().update_order(update).await,
        Code::InvalidArgument,
        "FIELD_INVALID",
    );
    // The longest id of each kind in a refusal.
    let id = "~".repeat(128);
    refused(
        shop.comment(&id, "x", "").await,
        Code::NotFound,
        "ORDER_NOT_FOUND",
    );
    shop.place(&id, &[(&id, "1")]).await;
    refused(
        shop.record(&id, "ship", &[(&id, "999999999999.9999")])
            .await,
        Code::FailedPrecondition,
        "QUANTITY_EXCEEDED",
    );
    for _ in 0..16 {
        shop.hold(&id, &"r".repeat(512)).await.unwrap();
    }
    refused(
        shop.take(&id, "begin").await,
        Code::FailedPrecondition,
        "ORDER_HELD",
    );
}

async fn actors_have_limits(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    let by = async |actor: v1::Actor| {
        shop.add_comment_with(v1::AddCommentRequest {
            actor: Some(actor),
            ..shop.remark("1", "x")
        })
        .await
    };
    for (actor, field) in [
        (person(&"i".repeat(129), &[]), "actor.id"),
        (
            v1::Actor {
                on_behalf_of: "o".repeat(129),
                ..person("ann", &[])
            },
            "actor.on_behalf_of",
        ),
        (person("ann\nbob", &[]), "actor.id"),
        (person("   ", &[]), "actor.id"),
        (person("an\u{200b}n", &[]), "actor.id"),
        (person("ann\u{202e}", &[]), "actor.id"),
        (
            v1::Actor {
                on_behalf_of: "ann\r\n".into(),
                ..person("ann", &[])
            },
            "actor.on_behalf_of",
        ),
        (person("ann", &["ok", ""]), "actor.roles[1]"),
        (person("ann", &["two words"]), "actor.roles[0]"),
        (
            v1::Actor {
                kind: 99,
                ..person("ann", &[])
            },
            "actor.kind",
        ),
    ] {
        invalid(by(actor).await, field);
    }
    let entry = by(v1::Actor::default()).await.unwrap().entries.remove(0);
    assert_eq!(
        entry.actor.unwrap().kind(),
        v1::ActorKind::Integration,
        "unspecified is an integration"
    );
}

async fn unknown_enum_values_are_named(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let document = shop.document(bench::DOCUMENT, v1::WorkflowFormat::Yaml);
    invalid(
        shop.workflows()
            .apply_workflow(v1::ApplyWorkflowRequest {
                format: 99,
                ..document.clone()
            })
            .await,
        "format",
    );
    invalid(
        shop.workflows()
            .apply_workflow(v1::ApplyWorkflowRequest {
                mode: -1,
                ..document
            })
            .await,
        "mode",
    );
    let diagram = v1::DiagramWorkflowRequest {
        workflow: shop.workflow(),
        format: 99,
        ..Default::default()
    };
    invalid(shop.workflows().diagram_workflow(diagram).await, "format");
    let export = v1::ExportWorkflowRequest {
        workflow: shop.workflow(),
        format: 99,
        ..Default::default()
    };
    invalid(shop.workflows().export_workflow(export).await, "format");
    let xml = v1::WorkflowFormat::MagentoConfigXml.into();
    let export = v1::ExportWorkflowRequest {
        workflow: shop.workflow(),
        format: xml,
        ..Default::default()
    };
    invalid(shop.workflows().export_workflow(export).await, "format");
}

/// Reproducible noise.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_le_bytes()[3]).collect()
    }
}

async fn random_bytes_leave_the_server_up(backend: Backend) {
    let mut server = Server::start(backend).await;
    let shop = world::apply(&server.clients(), "bench", bench::DOCUMENT).await;
    shop.place("1", &[("a", "1")]).await;
    let valid = v1::CreateOrderRequest {
        order: Some(shop.draft("2", &[("a", "1")])),
        ..Default::default()
    }
    .encode_to_vec();
    let damaged = raw::call(&shop, "OrderService/CreateOrder", vec![0xff; 3]).await;
    refused(damaged, Code::InvalidArgument, "MESSAGE_MALFORMED").names("request");
    let mut noise = Noise(0x5eed_0000_0000_0001);
    for round in 0_usize..600 {
        let method = METHODS[round % METHODS.len()];
        let message = match round % 3 {
            0 => noise.bytes(round),
            // Real messages, damaged in one place or cut.
            1 => {
                let mut damaged = valid.clone();
                let place = usize::try_from(noise.next() % valid.len() as u64).unwrap();
                damaged[place] = noise.next().to_le_bytes()[0];
                damaged
            }
            _ => valid[..round % valid.len()].to_vec(),
        };
        if let Err(status) = raw::call(&shop, method, message).await {
            let refusal = Refusal::of(&status);
            let expected = [
                Code::InvalidArgument,
                Code::NotFound,
                Code::AlreadyExists,
                Code::FailedPrecondition,
                Code::Aborted,
            ];
            assert!(
                expected.contains(&refusal.code),
                "round {round}, {method}: {refusal:?}"
            );
        }
    }
    assert!(server.is_running());
    assert_eq!(shop.get("1").await.version, 1);
}

/// Words of this file alone.
trait Wild {
    async fn add_comment_with(
        &self,
        request: v1::AddCommentRequest,
    ) -> Result<v1::AddCommentResponse, tonic::Status>;
}

impl Wild for Shop {
    async fn add_comment_with(
        &self,
        request: v1::AddCommentRequest,
    ) -> Result<v1::AddCommentResponse, tonic::Status> {
        self.orders()
            .add_comment(request)
            .await
            .map(tonic::Response::into_inner)
    }
}
