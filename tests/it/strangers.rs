//! First tries of strangers: names that are not there, steps that are asked for in the wrong place, callers and addresses
//! that cannot be. Each is told at once, with what was probably meant.

use std::process::Output;

use tonic::Code;
use waymark_proto::v1::{self, ActorKind, transition_order_request::Target};
use waymark_tests::{
    Backend, Shop, Watcher, World, binary,
    refusal::invalid,
    refused,
    shop::{mask, person, to},
};

use crate::bench;

on_each_database!(
    lists_name_what_is_there,
    deliveries_are_of_workflows_that_are_there,
    streams_name_what_is_there,
    what_goes_away_later_ends_no_stream,
    the_command_line_is_told_as_well,
    first_tries_are_told_where_to_go,
    new_orders_are_told_where_a_status_belongs,
    no_caller_is_the_system,
    addresses_are_checked_where_they_come_in,
    a_document_is_applied_in_somebodys_name,
);

const FAILED: Code = Code::FailedPrecondition;

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

async fn lists_name_what_is_there(backend: Backend) {
    let world = World::on(backend).await;
    let (shop, magento) = (bench::shop(&world).await, world.shop("magento").await);
    let list = async |workflows: Vec<String>, filter: v1::OrderFilter| {
        let request = v1::ListOrdersRequest {
            workflows,
            filter: Some(filter),
            ..Default::default()
        };
        shop.orders().list_orders(request).await
    };
    let own = || vec![shop.workflow()];
    let states = |codes: &[&str]| v1::OrderFilter {
        states: texts(codes),
        ..Default::default()
    };
    let statuses = |codes: &[&str]| v1::OrderFilter {
        statuses: texts(codes),
        ..Default::default()
    };
    let returning = |codes: &[&str]| v1::OrderFilter {
        return_statuses: texts(codes),
        ..Default::default()
    };
    for (filter, reason, key, code, message) in [
        (
            states(&["start", "works"]),
            "STATE_NOT_FOUND",
            "state",
            "works",
            "no workflow asked for has a state works; did you mean work?",
        ),
        (
            statuses(&["fres"]),
            "STATUS_NOT_FOUND",
            "status",
            "fres",
            "no workflow asked for has a status fres; did you mean fresh?",
        ),
        (
            states(&["fresh"]),
            "STATE_NOT_FOUND",
            "state",
            "fresh",
            "no workflow asked for has a state fresh; fresh is a status",
        ),
        (
            statuses(&["work"]),
            "STATUS_NOT_FOUND",
            "status",
            "work",
            "no workflow asked for has a status work; work is a state",
        ),
        (
            returning(&["fresh", "processing"]),
            "STATUS_NOT_FOUND",
            "status",
            "processing",
            "no workflow asked for has a status processing",
        ),
    ] {
        let refusal = refused(list(own(), filter).await, Code::NotFound, reason);
        assert_eq!(refusal.particular(key), code);
        assert_eq!(refusal.message, message);
    }
    // What one of the workflows has is there, also where it is none that is named.
    for workflows in [vec![shop.workflow(), magento.workflow()], Vec::new()] {
        for filter in [
            states(&["start", "processing"]),
            statuses(&["fresh", "pending_paypal"]),
            returning(&["fresh", "pending_paypal"]),
        ] {
            list(workflows.clone(), filter).await.unwrap();
        }
        refused(
            list(workflows, statuses(&["nobody_has_it"])).await,
            Code::NotFound,
            "STATUS_NOT_FOUND",
        );
    }
    let unknown = vec![shop.workflow(), "nowhere_at_all".to_owned()];
    let refusal = refused(
        list(unknown, v1::OrderFilter::default()).await,
        Code::NotFound,
        "WORKFLOW_NOT_FOUND",
    );
    assert_eq!(refusal.particular("workflow"), "nowhere_at_all");
    // Ids, customers and attributes come and go.
    let absent = v1::OrderFilter {
        ids: texts(&["nobody"]),
        customer_id: "nobody".into(),
        attributes: [("no".to_owned(), "where".to_owned())].into(),
        ..Default::default()
    };
    let page = list(own(), absent).await.unwrap().into_inner();
    assert!(page.orders.is_empty());
    // A retired status has orders, perhaps.
    let retired = v1::OrderStatus {
        retired: true,
        code: "old_times".into(),
        label: "Old times".into(),
        ..Default::default()
    };
    shop.create_status(retired).await.unwrap();
    list(own(), statuses(&["old_times"])).await.unwrap();
}

async fn deliveries_are_of_workflows_that_are_there(backend: Backend) {
    let world = World::on(backend).await;
    let list = v1::ListDeliveriesRequest {
        workflows: texts(&["nowhere_at_all"]),
        ..Default::default()
    };
    refused(
        world.deliveries().list_deliveries(list).await,
        Code::NotFound,
        "WORKFLOW_NOT_FOUND",
    );
    let retry = v1::RetryDeliveriesRequest {
        workflows: texts(&["nowhere_at_all"]),
        validate_only: true,
        ..Default::default()
    };
    refused(
        world.deliveries().retry_deliveries(retry).await,
        Code::NotFound,
        "WORKFLOW_NOT_FOUND",
    );
}

async fn streams_name_what_is_there(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let own = || vec![shop.workflow()];
    for (workflows, statuses, reason) in [
        (texts(&["nowhere_at_all"]), Vec::new(), "WORKFLOW_NOT_FOUND"),
        (own(), texts(&["fresh", "fres"]), "STATUS_NOT_FOUND"),
        (Vec::new(), texts(&["nobody_has_it"]), "STATUS_NOT_FOUND"),
    ] {
        let stream = v1::StreamHistoryRequest {
            workflows: workflows.clone(),
            statuses: statuses.clone(),
            ..Default::default()
        };
        let streamed = shop.history().stream_history(stream).await;
        refused(streamed.map(drop), Code::NotFound, reason);
        for start in [v1::WatchStart::Now, v1::WatchStart::Beginning] {
            let watch = v1::WatchHistoryRequest {
                workflows: workflows.clone(),
                statuses: statuses.clone(),
                start: start.into(),
                ..Default::default()
            };
            let watched = shop.history().watch_history(watch).await;
            refused(watched.map(drop), Code::NotFound, reason);
        }
    }
    let nobody = v1::WatchHistoryRequest {
        workflows: own(),
        order_ids: texts(&["nobody"]),
        statuses: texts(&["lost"]),
        ..Default::default()
    };
    Watcher::open(&shop, nobody).await;
}

async fn what_goes_away_later_ends_no_stream(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.add_status("passing").await;
    let request = v1::WatchHistoryRequest {
        workflows: vec![shop.workflow()],
        statuses: texts(&["fresh", "passing"]),
        ..Default::default()
    };
    let mut watcher = Watcher::open(&shop, request.clone()).await;
    let gone = v1::DeleteStatusRequest {
        workflow: shop.workflow(),
        code: "passing".into(),
        ..Default::default()
    };
    shop.statuses().delete_status(gone).await.unwrap();
    shop.place("1", &[]).await;
    watcher.until(1).await;
    watcher.resume(&shop).await;
    shop.place("2", &[]).await;
    watcher.until(2).await;
    let stream = v1::StreamHistoryRequest {
        workflows: request.workflows.clone(),
        statuses: request.statuses.clone(),
        resume_token: watcher.token().to_owned(),
        ..Default::default()
    };
    let mut rest = shop
        .history()
        .stream_history(stream)
        .await
        .unwrap()
        .into_inner();
    while rest.message().await.unwrap().is_some() {}
    // Who begins anew is told.
    refused(
        shop.history().watch_history(request).await.map(drop),
        Code::NotFound,
        "STATUS_NOT_FOUND",
    );
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn the_command_line_is_told_as_well(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let server = format!("http://{}", world.server().address());
    for (more, reason) in [
        (vec!["--workflow", "nowhere_at_all"], "WORKFLOW_NOT_FOUND"),
        (vec!["--status", "nobody_has_it"], "STATUS_NOT_FOUND"),
        (
            vec!["--status", "nobody_has_it", "--until-now"],
            "STATUS_NOT_FOUND",
        ),
    ] {
        let call = ["watch", "--server", &server];
        let output = binary::run(&[&call[..], &more].concat());
        assert_eq!(output.status.code(), Some(1), "{more:?}");
        assert!(stderr(&output).contains(reason), "{}", stderr(&output));
    }
    let workflow = shop.workflow();
    let call = [
        "watch",
        "--server",
        &server,
        "--workflow",
        &workflow,
        "--status",
        "fresh",
        "--until-now",
    ];
    assert!(binary::run(&call).status.success());
}

/// What a refused step says.
async fn said(shop: &Shop, target: Target, code: Code, reason: &str) -> String {
    refused(shop.go("1", target).await, code, reason).message
}

async fn first_tries_are_told_where_to_go(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    shop.place("1", &[("a", "1")]).await;
    for (code, message) in [
        (
            "ship",
            "there is no transition ship; ship is an operation: use RecordOperation",
        ),
        (
            "hold",
            "there is no transition hold; use HoldOrder to put an order on hold",
        ),
        (
            "unhold",
            "there is no transition unhold; use ReleaseOrder to end a hold",
        ),
        (
            "processing",
            "there is no transition processing; processing is a state: give it as `to.state`",
        ),
        (
            "pending_paypal",
            "there is no transition pending_paypal; pending_paypal is a status, of pending_payment: \
             give it as `to_status`",
        ),
    ] {
        let target = Target::Transition(code.into());
        let told = said(&shop, target, Code::NotFound, "TRANSITION_NOT_FOUND").await;
        assert_eq!(told, message);
    }
    let here = "no transition leads there from new/pending; allowed now: cancel, flag_fraud; ";
    let by_hold = "use HoldOrder to put an order on hold";
    let itself = "start_processing leads there by itself, as soon as \
                  order.total_paid > 0 || order.units_invoiced > 0.0 || order.units_shipped > 0.0";
    for (target, hint) in [
        (to("holded", ""), by_hold),
        (Target::ToStatus("holded".into()), by_hold),
        (Target::ToStatus("processing".into()), itself),
        (to("processing", ""), itself),
    ] {
        let told = said(&shop, target, FAILED, "TRANSITION_NOT_ALLOWED").await;
        assert_eq!(told, format!("{here}{hint}"));
        assert!(told.len() < 300);
    }
    let told = said(
        &shop,
        to("pending_paypal", ""),
        Code::NotFound,
        "STATE_NOT_FOUND",
    );
    assert_eq!(
        told.await,
        "there is no state pending_paypal; pending_paypal is a status, of pending_payment: give it as `to_status`"
    );
    let told = said(
        &shop,
        Target::ToStatus("new".into()),
        Code::NotFound,
        "STATUS_NOT_FOUND",
    );
    assert_eq!(
        told.await,
        "there is no status new; new is a state: give it as `to.state`"
    );
    for (operation, message) in [
        (
            "shipp",
            "there is no operation shipp; the operations are ship, ",
        ),
        (
            "flag_fraud",
            "there is no operation flag_fraud; flag_fraud is a transition: use TransitionOrder",
        ),
    ] {
        let refusal = refused(
            shop.record("1", operation, &[]).await,
            Code::NotFound,
            "OPERATION_NOT_FOUND",
        );
        assert!(refusal.message.starts_with(message), "{refusal:?}");
        assert_eq!(refusal.particular("operation"), operation);
    }
    // One step of several is told the same.
    let step = v1::Step {
        command: Some(v1::step::Command::TransitionOrder(
            shop.step("1", Target::Transition("ship".into())),
        )),
    };
    let request = v1::ExecuteStepsRequest {
        steps: vec![step],
        ..Default::default()
    };
    let answer = shop.orders().execute_steps(request).await.unwrap();
    let error = answer.into_inner().results.remove(0).error.unwrap();
    assert!(error.message.ends_with("use RecordOperation"), "{error:?}");
    assert_eq!(shop.get("1").await.version, 1);
}

async fn new_orders_are_told_where_a_status_belongs(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    let draft = |state: &str, status: &str| v1::Order {
        state: state.into(),
        status: status.into(),
        ..shop.draft("1", &[])
    };
    let refusal = refused(
        shop.create(draft("", "pending_paypal")).await,
        FAILED,
        "STATUS_NOT_IN_STATE",
    );
    assert_eq!(
        refusal.message,
        "status pending_paypal is not assigned to state new; an order without a state begins in the initial one, \
         and the status belongs to pending_payment"
    );
    assert_eq!(refusal.particular("state"), "new");
    let refusal = refused(
        shop.create(draft("new", "pending_paypal")).await,
        FAILED,
        "STATUS_NOT_IN_STATE",
    );
    assert!(
        refusal.message.ends_with("; it belongs to pending_payment"),
        "{refusal:?}"
    );
    shop.create(draft("pending_payment", "pending_paypal"))
        .await
        .unwrap();
}

async fn no_caller_is_the_system(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    let system = || {
        Some(v1::Actor {
            kind: ActorKind::System.into(),
            ..person("waymark", &[])
        })
    };
    let comment = v1::AddCommentRequest {
        actor: system(),
        ..shop.remark("1", "x")
    };
    invalid(
        shop.orders().add_comment(comment.clone()).await,
        "actor.kind",
    );
    let place = v1::CreateOrderRequest {
        order: Some(shop.draft("2", &[])),
        actor: system(),
        ..Default::default()
    };
    invalid(shop.orders().create_order(place).await, "actor.kind");
    let available = v1::ListAvailableTransitionsRequest {
        workflow: shop.workflow(),
        order_id: "1".into(),
        actor: system(),
        ..Default::default()
    };
    invalid(
        shop.orders().list_available_transitions(available).await,
        "actor.kind",
    );
    let steps = v1::ExecuteStepsRequest {
        steps: vec![v1::Step {
            command: Some(v1::step::Command::AddComment(comment)),
        }],
        ..Default::default()
    };
    // A step that is refused ends no other.
    let answer = shop.orders().execute_steps(steps).await.unwrap();
    let error = answer.into_inner().results[0].error.clone().unwrap();
    assert_eq!(error.reason, "FIELD_INVALID");
    let named = error.message.starts_with("steps[0].add_comment.actor.kind");
    assert!(named, "{}", error.message);
    let apply = v1::ApplyWorkflowRequest {
        actor: system(),
        ..shop.document(bench::DOCUMENT, v1::WorkflowFormat::Yaml)
    };
    invalid(shop.workflows().apply_workflow(apply).await, "actor.kind");
    let status = v1::CreateStatusRequest {
        workflow: shop.workflow(),
        status: Some(v1::OrderStatus {
            code: "mine".into(),
            label: "Mine".into(),
            ..Default::default()
        }),
        actor: system(),
        ..Default::default()
    };
    invalid(shop.statuses().create_status(status).await, "actor.kind");
    let retry = v1::RetryDeliveriesRequest {
        workflows: vec![shop.workflow()],
        actor: system(),
        ..Default::default()
    };
    invalid(
        shop.deliveries().retry_deliveries(retry).await,
        "actor.kind",
    );
    let token = v1::CreateTrackingTokenRequest {
        workflow: shop.workflow(),
        order_id: "1".into(),
        actor: system(),
        ..Default::default()
    };
    invalid(
        shop.tracking().create_tracking_token(token).await,
        "actor.kind",
    );
    assert_eq!(shop.get("1").await.version, 1);
}

async fn addresses_are_checked_where_they_come_in(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let order = |id: &str, email: &str| v1::Order {
        customer: Some(v1::Customer {
            email: email.into(),
            ..Default::default()
        }),
        ..shop.draft(id, &[])
    };
    shop.create(order("1", "anna@shop.example")).await.unwrap();
    shop.create(order("2", "")).await.unwrap();
    let masks: [&[&str]; 3] = [&[], &["customer.email"], &["customer"]];
    for email in [
        "postmaster",
        "anna@shop.example.",
        "anna@shop.example, eve@shop.example",
        "Anna <anna@shop.example>",
        "anna@shop.example\nBcc: eve@shop.example",
        &format!("anna@{}.example", "a.".repeat(130) + "a"),
    ] {
        invalid(shop.create(order("3", email)).await, "order.customer.email");
        for paths in masks {
            let update = v1::UpdateOrderRequest {
                order: Some(v1::Order {
                    workflow: shop.workflow(),
                    id: "1".into(),
                    customer: order("1", email).customer,
                    ..Default::default()
                }),
                update_mask: Some(mask(paths)),
                ..Default::default()
            };
            invalid(
                shop.orders().update_order(update).await,
                "order.customer.email",
            );
        }
    }
    // As it stands it may be sent back.
    let read = shop.get("1").await;
    let update = v1::UpdateOrderRequest {
        order: Some(read.clone()),
        ..Default::default()
    };
    let updated = shop.orders().update_order(update).await.unwrap();
    assert_eq!(updated.into_inner().order.unwrap().version, read.version);
}

/// The versions of a workflow by their number, each with who made it.
async fn versions(shop: &Shop) -> Vec<(i64, ActorKind, String)> {
    let request = v1::ListWorkflowVersionsRequest {
        workflow: shop.workflow(),
        ..Default::default()
    };
    let listed = shop.workflows().list_workflow_versions(request).await;
    let versions = listed.unwrap().into_inner().versions.into_iter();
    let mut versions: Vec<_> = versions
        .map(|version| {
            let actor = version.actor.unwrap();
            (version.version, actor.kind(), actor.id)
        })
        .collect();
    versions.sort();
    versions
}

async fn a_document_is_applied_in_somebodys_name(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let server = format!("http://{}", world.server().address());
    let workflow = shop.workflow();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bench.yaml");
    let apply = |label: &str, user: &str, more: &[&str]| {
        let document = bench::DOCUMENT.replace("label: Bench", &format!("label: {label}"));
        std::fs::write(&file, document).unwrap();
        let call = ["workflow", "apply", file.to_str().unwrap()];
        let to = ["--workflow", &workflow, "--server", &server];
        let mut command = binary::command(&[&call[..], &to, more].concat());
        command.env_remove("USER");
        if !user.is_empty() {
            command.env("USER", user);
        }
        command.output().unwrap()
    };
    let stdout = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let etag = |output: &Output| {
        let told = stdout(output);
        let etag = told.lines().find_map(|line| line.strip_prefix("etag: "));
        etag.expect("the etag is printed").to_owned()
    };
    let first = apply("One", "anna", &[]);
    assert!(first.status.success(), "{}", stderr(&first));
    assert_eq!(etag(&first), shop.definition().await.etag);
    let second = apply("Two", "anna", &["--actor", "bob", "--etag", &etag(&first)]);
    assert!(second.status.success(), "{}", stderr(&second));
    let stale = apply("Three", "anna", &["--etag", &etag(&first)]);
    assert_eq!(stale.status.code(), Some(1));
    assert!(
        stderr(&stale).contains("VERSION_MISMATCH"),
        "{}",
        stderr(&stale)
    );
    assert!(apply("Three", "", &[]).status.success());
    assert!(apply("Four", "anna", &["--actor", ""]).status.success());
    let dry = apply("Five", "anna", &["--dry-run"]);
    assert!(dry.status.success() && !stdout(&dry).contains("etag"));
    let by: Vec<_> = versions(&shop)
        .await
        .into_iter()
        .skip(1)
        .map(|(_, kind, id)| (kind, id))
        .collect();
    let nobody = || (ActorKind::Integration, String::new());
    assert_eq!(
        by,
        [
            (ActorKind::User, "anna".to_owned()),
            (ActorKind::User, "bob".to_owned()),
            nobody(),
            nobody(),
        ]
    );
}
