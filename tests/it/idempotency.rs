//! One step, sent many times: by many clients, and again after the server died.

use futures::future::join_all;
use tonic::{Code, Status};
use waymark_proto::v1::{self, transition_order_request::Target};
use waymark_testkit::execute_at;
use waymark_tests::{Backend, Refusal, Server, Shop, World, refused, shop::transition, world};

use crate::bench;

on_each_database!(
    fifty_clients_with_one_version,
    fifty_clients_with_one_request_id,
    again_after_kill_and_restart,
    an_id_belongs_to_its_payload,
    definitions_are_replayed,
    ids_of_definitions_end_with_their_workflow,
    old_ids_of_definitions_are_new_again,
    every_mutation_is_replayed,
    wrong_request_ids_are_refused,
    a_dry_run_with_a_used_id_answers_as_the_call,
    the_default_workflow_may_be_named_or_not,
);

const CLIENTS: usize = 50;

fn begin(
    shop: &Shop,
    id: &str,
    request_id: &str,
    expected_version: i64,
) -> v1::TransitionOrderRequest {
    v1::TransitionOrderRequest {
        request_id: request_id.into(),
        expected_version,
        ..shop.step(id, Target::Transition("begin".into()))
    }
}

/// Sends one step from fifty connections at once.
async fn storm(
    server: &Server,
    step: &v1::TransitionOrderRequest,
) -> Vec<Result<v1::TransitionOrderResponse, Status>> {
    let calls = (0..CLIENTS).map(|_| {
        let (clients, step) = (server.clients(), step.clone());
        async move {
            clients
                .orders()
                .transition_order(step)
                .await
                .map(tonic::Response::into_inner)
        }
    });
    join_all(calls).await
}

/// One succeeds, the others have seen an old version, one entry is written.
async fn one_version_wins(server: &Server, shop: &Shop, id: &str) {
    let answers = storm(server, &begin(shop, id, "", 1)).await;
    let won = answers.iter().filter(|answer| answer.is_ok()).count();
    let lost = answers
        .iter()
        .filter_map(|answer| answer.as_ref().err().map(Refusal::of));
    let lost: Vec<_> = lost
        .map(|refusal| {
            (
                refusal.code,
                refusal.reason.clone(),
                refusal.particular("current").to_owned(),
            )
        })
        .collect();
    assert_eq!(won, 1);
    assert_eq!(
        lost,
        vec![(Code::Aborted, "VERSION_MISMATCH".to_owned(), "2".to_owned()); CLIENTS - 1]
    );
    assert_eq!(shop.entries(id).await.len(), 2);
}

/// All get the same entries, one of them first.
async fn one_id_is_one_step(server: &Server, shop: &Shop, id: &str) -> v1::TransitionOrderResponse {
    let answers = storm(server, &begin(shop, id, "the-one", 0)).await;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.unwrap()).collect();
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
    assert!(
        answers
            .iter()
            .all(|answer| answer.entries == answers[0].entries && answer.order == answers[0].order)
    );
    assert_eq!(shop.entries(id).await[1..], answers[0].entries);
    answers[0].clone()
}

async fn fifty_clients_with_one_version(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    one_version_wins(world.server(), &shop, "1").await;
}

async fn fifty_clients_with_one_request_id(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    one_id_is_one_step(world.server(), &shop, "1").await;
}

async fn again_after_kill_and_restart(backend: Backend) {
    let mut server = Server::start(backend).await;
    let shop = world::apply(&server.clients(), "bench", bench::DOCUMENT).await;
    for id in ["1", "2", "3", "4"] {
        shop.place(id, &[]).await;
    }
    one_version_wins(&server, &shop, "1").await;
    let first = one_id_is_one_step(&server, &shop, "2").await;
    server.kill();
    server.restart().await;

    let shop = shop.over(server.clients());
    let answers = storm(&server, &begin(&shop, "2", "the-one", 0)).await;
    for answer in answers {
        let answer = answer.unwrap();
        assert!(answer.replayed);
        assert_eq!(
            (answer.entries, answer.order),
            (first.entries.clone(), first.order.clone())
        );
    }
    assert_eq!(shop.entries("2").await.len(), 2);
    let answers = storm(&server, &begin(&shop, "1", "", 1)).await;
    assert!(
        answers
            .iter()
            .all(|answer| Refusal::of(answer.as_ref().unwrap_err()).reason == "VERSION_MISMATCH")
    );
    one_version_wins(&server, &shop, "3").await;
    one_id_is_one_step(&server, &shop, "4").await;
}

async fn an_id_belongs_to_its_payload(backend: Backend) {
    let world = World::on(backend).await;
    let (shop, other) = (bench::shop(&world).await, bench::shop(&world).await);
    for id in ["1", "2"] {
        shop.place(id, &[]).await;
    }
    other.place("1", &[]).await;
    let remark = |shop: &Shop, id: &str, comment: &str| v1::AddCommentRequest {
        request_id: "r".into(),
        ..shop.remark(id, comment)
    };
    let add = async |shop: &Shop, request| {
        shop.orders()
            .add_comment(request)
            .await
            .map(tonic::Response::into_inner)
    };
    let first = add(&shop, remark(&shop, "1", "hello")).await.unwrap();
    let refusal = refused(
        add(&shop, remark(&shop, "1", "goodbye")).await,
        Code::AlreadyExists,
        "REQUEST_ID_REUSED",
    );
    assert_eq!(refusal.particular("request_id"), "r");
    refused(
        shop.orders()
            .transition_order(begin(&shop, "1", "r", 0))
            .await,
        Code::AlreadyExists,
        "REQUEST_ID_REUSED",
    );
    // Another order and another workflow have ids of their own.
    assert!(
        !add(&shop, remark(&shop, "2", "hello"))
            .await
            .unwrap()
            .replayed
    );
    assert!(
        !add(&other, remark(&other, "1", "hello"))
            .await
            .unwrap()
            .replayed
    );
    // The order as it stands now, the entries as they were; whatever else has become impossible meanwhile.
    shop.take("1", "begin").await.unwrap();
    shop.hold("1", "").await.unwrap();
    let again = add(
        &shop,
        v1::AddCommentRequest {
            store_view: "german".into(),
            ..remark(&shop, "1", "hello")
        },
    )
    .await
    .unwrap();
    assert!(again.replayed);
    assert_eq!(
        (again.entries, again.order.unwrap().version),
        (first.entries, 4)
    );
    // A refusal is not remembered: the same id may try again.
    refused(
        shop.orders()
            .transition_order(begin(&shop, "2", "s", 9))
            .await,
        Code::Aborted,
        "VERSION_MISMATCH",
    );
    assert!(
        !shop
            .orders()
            .transition_order(begin(&shop, "2", "s", 2))
            .await
            .unwrap()
            .into_inner()
            .replayed
    );
    // Looked up before the version is compared.
    assert!(
        shop.orders()
            .transition_order(begin(&shop, "2", "s", 2))
            .await
            .unwrap()
            .into_inner()
            .replayed
    );
}

async fn definitions_are_replayed(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let status = |label: &str| v1::CreateStatusRequest {
        workflow: shop.workflow(),
        status: Some(v1::OrderStatus {
            code: "s".into(),
            label: label.into(),
            ..Default::default()
        }),
        request_id: "one".into(),
        ..Default::default()
    };
    let create = async |request| {
        shop.statuses()
            .create_status(request)
            .await
            .map(tonic::Response::into_inner)
    };
    let first = create(status("S")).await.unwrap();
    let second = create(status("S")).await.unwrap();
    assert_eq!((first.replayed, second.replayed), (false, true));
    assert_eq!(first.status, second.status);
    refused(
        create(status("T")).await,
        Code::AlreadyExists,
        "REQUEST_ID_REUSED",
    );

    let unassign = v1::UnassignStatusRequest {
        workflow: shop.workflow(),
        state: "start".into(),
        status: "fresh".into(),
        request_id: "two".into(),
        ..Default::default()
    };
    let first = shop
        .states()
        .unassign_status(unassign.clone())
        .await
        .unwrap()
        .into_inner();
    let second = shop
        .states()
        .unassign_status(unassign)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (first.promoted_default.as_str(), first.replayed),
        ("flagged", false)
    );
    assert_eq!(
        (second.promoted_default.as_str(), second.replayed),
        ("flagged", true)
    );

    let create = v1::CreateTransitionRequest {
        workflow: shop.workflow(),
        transition: Some(transition("t", &["start"], "paused")),
        request_id: "three".into(),
        ..Default::default()
    };
    shop.transitions()
        .create_transition(create.clone())
        .await
        .unwrap();
    let version = shop.definition().await.version;
    assert!(
        shop.transitions()
            .create_transition(create)
            .await
            .unwrap()
            .into_inner()
            .replayed
    );
    let apply = v1::ApplyWorkflowRequest {
        request_id: "four".into(),
        ..shop.document(bench::DOCUMENT, v1::WorkflowFormat::Yaml)
    };
    let first = shop
        .workflows()
        .apply_workflow(apply.clone())
        .await
        .unwrap()
        .into_inner();
    shop.add_status("later").await;
    let second = shop
        .workflows()
        .apply_workflow(apply)
        .await
        .unwrap()
        .into_inner();
    assert!(!first.replayed && second.replayed && !first.changes.is_empty());
    assert_eq!(
        shop.status("later").await.unwrap().code,
        "later",
        "the replay did not apply again"
    );
    assert_eq!(shop.definition().await.version, version + 2);
}

/// A test that sets up and tears down, or a pipeline with the id of its commit, is not told done what is not.
async fn ids_of_definitions_end_with_their_workflow(backend: Backend) {
    let world = World::on(backend).await;
    let shop = Shop::new((*world).clone(), &world::fresh_code());
    let apply = v1::ApplyWorkflowRequest {
        request_id: "R1".into(),
        ..shop.document(bench::DOCUMENT, v1::WorkflowFormat::Yaml)
    };
    let create = v1::CreateStatusRequest {
        workflow: shop.workflow(),
        status: Some(v1::OrderStatus {
            code: "zz".into(),
            label: "Last".into(),
            ..Default::default()
        }),
        request_id: "R2".into(),
        ..Default::default()
    };
    let delete = v1::DeleteWorkflowRequest {
        workflow: shop.workflow(),
        request_id: "R3".into(),
        ..Default::default()
    };
    for _ in 0..2 {
        for replayed in [false, true] {
            let answer = shop.workflows().apply_workflow(apply.clone()).await;
            assert_eq!(answer.unwrap().into_inner().replayed, replayed);
            assert_eq!(shop.definition().await.version, 1);
        }
        for replayed in [false, true] {
            let answer = shop.statuses().create_status(create.clone()).await;
            assert_eq!(answer.unwrap().into_inner().replayed, replayed);
            assert_eq!(shop.status("zz").await.unwrap().label, "Last");
        }
        // The deletion itself is answered again while the workflow is away.
        for replayed in [false, true] {
            let answer = shop.workflows().delete_workflow(delete.clone()).await;
            assert_eq!(answer.unwrap().into_inner().replayed, replayed);
            refused(
                shop.status("zz").await,
                Code::NotFound,
                "WORKFLOW_NOT_FOUND",
            );
        }
    }
}

/// Two days pass while no server runs.
async fn old_ids_of_definitions_are_new_again(backend: Backend) {
    let keep = ["--set", "requests_keep_days=1"];
    // Who is killed leaves its partitions to the next one soon.
    let lease = ["--set", "dispatch_lease=500ms"];
    let mut server = Server::start_with(backend, &[keep, lease].concat()).await;
    let shop = world::apply(&server.clients(), &world::fresh_code(), bench::DOCUMENT).await;
    let create = |code: &str, request_id: &str| v1::CreateStatusRequest {
        workflow: shop.workflow(),
        status: Some(v1::OrderStatus {
            code: code.into(),
            label: "Last".into(),
            ..Default::default()
        }),
        request_id: request_id.into(),
        ..Default::default()
    };
    let (old, young) = (create("zz_old", "old"), create("zz_young", "young"));
    let check = |code: &str| v1::CreateStatusRequest {
        validate_only: true,
        ..create(code, "old")
    };
    let other = check("zz_other");
    for request in [&old, &young] {
        for replayed in [false, true] {
            let answer = server
                .clients()
                .statuses()
                .create_status(request.clone())
                .await;
            assert_eq!(answer.unwrap().into_inner().replayed, replayed);
        }
    }
    let reused = server
        .clients()
        .statuses()
        .create_status(other.clone())
        .await;
    refused(reused, Code::AlreadyExists, "REQUEST_ID_REUSED");
    server.kill();
    server.ended(std::time::Duration::from_secs(10)).await;
    let age = "UPDATE requests SET create_time = create_time - 172800000000 \
               WHERE request_id = 'old'";
    execute_at(server.database().url(), age).await;
    server.restart().await;

    // Another call may have the id, and the same one is a new call.
    let free = async || {
        server
            .clients()
            .statuses()
            .create_status(other.clone())
            .await
    };
    let mut found = free().await;
    for _ in 0..10_000 {
        if found.is_ok() {
            break;
        }
        tokio::task::yield_now().await;
        found = free().await;
    }
    assert!(!found.unwrap().into_inner().replayed);
    let again = server.clients().statuses().create_status(old.clone()).await;
    refused(again, Code::AlreadyExists, "STATUS_EXISTS");
    let again = server
        .clients()
        .statuses()
        .create_status(young.clone())
        .await;
    assert!(again.unwrap().into_inner().replayed);
}

async fn every_mutation_is_replayed(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let request_id = || "id".to_owned();
    let create = v1::CreateOrderRequest {
        order: Some(shop.draft("1", &[("a", "1")])),
        request_id: request_id(),
        ..Default::default()
    };
    let first = shop
        .orders()
        .create_order(create.clone())
        .await
        .unwrap()
        .into_inner();
    let again = shop
        .orders()
        .create_order(create)
        .await
        .unwrap()
        .into_inner();
    assert!(!first.replayed && again.replayed && first.entries == again.entries);

    let shipment = v1::RecordOperationRequest {
        request_id: "ship".into(),
        ..shop.operation("1", "ship", &[])
    };
    shop.orders()
        .record_operation(shipment.clone())
        .await
        .unwrap();
    assert!(
        shop.orders()
            .record_operation(shipment)
            .await
            .unwrap()
            .into_inner()
            .replayed
    );

    let hold = v1::HoldOrderRequest {
        workflow: shop.workflow(),
        order_id: "1".into(),
        request_id: "hold".into(),
        ..Default::default()
    };
    let first = shop
        .orders()
        .hold_order(hold.clone())
        .await
        .unwrap()
        .into_inner();
    let again = shop.orders().hold_order(hold).await.unwrap().into_inner();
    assert!(again.replayed && again.hold == first.hold);
    let release = v1::ReleaseOrderRequest {
        workflow: shop.workflow(),
        order_id: "1".into(),
        request_id: "release".into(),
        ..Default::default()
    };
    shop.orders().release_order(release.clone()).await.unwrap();
    assert!(
        shop.orders()
            .release_order(release)
            .await
            .unwrap()
            .into_inner()
            .replayed
    );

    let update = v1::UpdateOrderRequest {
        order: Some(v1::Order {
            store_view: "german".into(),
            ..shop.draft("1", &[])
        }),
        update_mask: Some(waymark_tests::shop::mask(&["store_view"])),
        request_id: "update".into(),
        ..Default::default()
    };
    shop.orders().update_order(update.clone()).await.unwrap();
    assert!(
        shop.orders()
            .update_order(update)
            .await
            .unwrap()
            .into_inner()
            .replayed
    );
    assert_eq!(
        shop.entries("1")
            .await
            .iter()
            .map(|entry| entry.request_id.as_str())
            .collect::<Vec<_>>(),
        ["id", "ship", "hold", "release", "update"]
    );
}

async fn wrong_request_ids_are_refused(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    for request_id in ["r".repeat(129), "a\nb".into(), "\u{0}".into()] {
        let remark = v1::AddCommentRequest {
            request_id,
            ..shop.remark("1", "x")
        };
        let refusal = refused(
            shop.orders().add_comment(remark).await,
            Code::InvalidArgument,
            "FIELD_INVALID",
        );
        refusal.names("request_id");
    }
    let longest = v1::AddCommentRequest {
        request_id: "r".repeat(128),
        ..shop.remark("1", "x")
    };
    shop.orders().add_comment(longest).await.unwrap();
}

async fn a_dry_run_with_a_used_id_answers_as_the_call(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let create = v1::CreateOrderRequest {
        order: Some(shop.draft("1", &[("a", "2")])),
        request_id: "made".into(),
        ..Default::default()
    };
    let created = shop.orders().create_order(create.clone()).await.unwrap();
    let dry = v1::CreateOrderRequest {
        validate_only: true,
        ..create
    };
    let again = shop.orders().create_order(dry).await.unwrap().into_inner();
    assert!(again.replayed);
    assert_eq!(again.entries, created.into_inner().entries);

    let shipment = |quantity: &str, validate_only: bool| v1::RecordOperationRequest {
        request_id: "zz1".into(),
        validate_only,
        ..shop.operation("1", "ship", &[("a", quantity)])
    };
    let call = async |request| {
        let answer = shop.orders().record_operation(request).await;
        answer.map(tonic::Response::into_inner)
    };
    // The id of a dry run alone is not in use.
    assert!(!call(shipment("2", true)).await.unwrap().replayed);
    let shipped = call(shipment("1", false)).await.unwrap();
    let again = call(shipment("1", true)).await.unwrap();
    let expected = v1::RecordOperationResponse {
        replayed: true,
        ..shipped
    };
    assert_eq!(again, expected);
    refused(
        call(shipment("2", true)).await,
        Code::AlreadyExists,
        "REQUEST_ID_REUSED",
    );
    let batch = v1::ExecuteStepsRequest {
        steps: vec![v1::Step {
            command: Some(v1::step::Command::RecordOperation(shipment("1", false))),
        }],
        validate_only: true,
        ..Default::default()
    };
    let results = shop.orders().execute_steps(batch).await.unwrap();
    assert!(results.into_inner().results[0].replayed);
    assert_eq!(shop.entries("1").await.len(), 2);

    let status = |label: &str, validate_only: bool| v1::CreateStatusRequest {
        workflow: shop.workflow(),
        status: Some(v1::OrderStatus {
            code: "s".into(),
            label: label.into(),
            ..Default::default()
        }),
        request_id: "one".into(),
        validate_only,
        ..Default::default()
    };
    let create = async |request| {
        let answer = shop.statuses().create_status(request).await;
        answer.map(tonic::Response::into_inner)
    };
    assert!(!create(status("S", true)).await.unwrap().replayed);
    let first = create(status("S", false)).await.unwrap();
    let again = create(status("S", true)).await.unwrap();
    assert_eq!((again.replayed, again.status), (true, first.status));
    refused(
        create(status("T", true)).await,
        Code::AlreadyExists,
        "REQUEST_ID_REUSED",
    );
}

async fn the_default_workflow_may_be_named_or_not(backend: Backend) {
    let world = World::on(backend).await;
    let clients = world.server().clients();
    let id = format!("d-{}", world::fresh_code());
    let order = |workflow: &str| v1::CreateOrderRequest {
        order: Some(v1::Order {
            workflow: workflow.into(),
            id: id.clone(),
            ..Default::default()
        }),
        request_id: "placed".into(),
        ..Default::default()
    };
    let remark = |workflow: &str| v1::AddCommentRequest {
        workflow: workflow.into(),
        order_id: id.clone(),
        comment: "hello".into(),
        request_id: "said".into(),
        ..Default::default()
    };
    for (workflow, is_repeated) in [("", false), ("order", true), ("", true)] {
        let created = clients.orders().create_order(order(workflow)).await;
        assert_eq!(created.unwrap().into_inner().replayed, is_repeated);
        let said = clients.orders().add_comment(remark(workflow)).await;
        assert_eq!(said.unwrap().into_inner().replayed, is_repeated);
    }
}
