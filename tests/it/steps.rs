//! Many steps in one call, and steps as a stream.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use prost::Message;
use tonic::Code;
use waymark_proto::v1::{self, step::Command, transition_order_request::Target};
use waymark_tests::{Backend, Refusal, Shop, World, refusal::invalid, refused, shop::line};

use crate::bench;

on_each_database!(
    a_refused_step_leaves_its_neighbours,
    an_atomic_call_is_all_or_nothing,
    a_call_is_checked_only,
    a_thousand_steps_fit_one_call,
    wrong_steps_are_named_by_place,
    a_stream_answers_every_step,
    a_wrong_step_does_not_end_the_stream,
    what_was_done_is_answered_however_large_it_is,
    a_dense_step_is_refused_alone,
);

fn begin(shop: &Shop, id: &str) -> v1::Step {
    v1::Step {
        command: Some(Command::TransitionOrder(
            shop.step(id, Target::Transition("begin".into())),
        )),
    }
}

fn remark(shop: &Shop, id: &str, comment: &str) -> v1::Step {
    v1::Step {
        command: Some(Command::AddComment(shop.remark(id, comment))),
    }
}

fn hold(shop: &Shop, id: &str) -> v1::Step {
    let hold = v1::HoldOrderRequest {
        workflow: shop.workflow(),
        order_id: id.into(),
        ..Default::default()
    };
    v1::Step {
        command: Some(Command::HoldOrder(hold)),
    }
}

fn ship(shop: &Shop, id: &str) -> v1::Step {
    v1::Step {
        command: Some(Command::RecordOperation(shop.operation(id, "ship", &[]))),
    }
}

fn release(shop: &Shop, id: &str) -> v1::Step {
    let release = v1::ReleaseOrderRequest {
        workflow: shop.workflow(),
        order_id: id.into(),
        ..Default::default()
    };
    v1::Step {
        command: Some(Command::ReleaseOrder(release)),
    }
}

async fn execute(
    shop: &Shop,
    request: v1::ExecuteStepsRequest,
) -> Result<Vec<v1::StepResult>, tonic::Status> {
    shop.orders()
        .execute_steps(request)
        .await
        .map(|answer| answer.into_inner().results)
}

fn reasons(results: &[v1::StepResult]) -> Vec<&str> {
    results
        .iter()
        .map(|result| {
            result
                .error
                .as_ref()
                .map_or("", |error| error.reason.as_str())
        })
        .collect()
}

async fn a_refused_step_leaves_its_neighbours(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    for id in ["1", "2"] {
        shop.place(id, &[("a", "1")]).await;
    }
    let steps = vec![
        begin(&shop, "1"),
        begin(&shop, "1"),
        hold(&shop, "2"),
        ship(&shop, "2"),
        release(&shop, "2"),
        ship(&shop, "2"),
        remark(&shop, "3", "hello"),
        remark(&shop, "1", "the last"),
    ];
    let request = v1::ExecuteStepsRequest {
        steps,
        return_orders: true,
        ..Default::default()
    };
    let results = execute(&shop, request.clone()).await.unwrap();
    assert_eq!(
        reasons(&results),
        [
            "",
            "TRANSITION_NOT_ALLOWED",
            "",
            "ORDER_HELD",
            "",
            "",
            "ORDER_NOT_FOUND",
            ""
        ]
    );
    let error = results[1].error.as_ref().unwrap();
    assert_eq!(error.code, Code::FailedPrecondition as i32);
    assert!(!error.message.is_empty() && error.metadata["allowed"].contains("pause"));
    assert!(results[1].order.is_none() && results[1].entries.is_empty());
    assert_eq!(
        results[2].hold.as_ref().unwrap().id,
        results[2].order.as_ref().unwrap().holds[0].id
    );
    assert_eq!(
        results[5].order.as_ref().unwrap().lines[0].quantity_shipped,
        "1"
    );
    assert_eq!(results[7].order, Some(shop.get("1").await));
    assert_eq!(
        shop.entries("2").await[1..],
        [2, 4, 5].map(|n: usize| results[n].entries[0].clone())
    );

    let without = execute(
        &shop,
        v1::ExecuteStepsRequest {
            steps: vec![remark(&shop, "1", "x")],
            ..Default::default()
        },
    );
    assert!(
        without.await.unwrap()[0].order.is_none(),
        "orders come only where they are asked for"
    );
}

async fn an_atomic_call_is_all_or_nothing(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    for id in ["1", "2", "3"] {
        shop.place(id, &[("a", "1")]).await;
    }
    let atomic = |steps| v1::ExecuteStepsRequest {
        steps,
        atomic: true,
        ..Default::default()
    };
    let failing = vec![
        begin(&shop, "1"),
        ship(&shop, "2"),
        begin(&shop, "3"),
        begin(&shop, "1"),
        ship(&shop, "9"),
    ];
    let refusal = refused(
        execute(&shop, atomic(failing)).await,
        Code::FailedPrecondition,
        "TRANSITION_NOT_ALLOWED",
    );
    assert_eq!(refusal.particular("step_index"), "3");
    for id in ["1", "2", "3"] {
        assert_eq!(
            shop.entries(id).await.len(),
            1,
            "nothing was written to {id}"
        );
    }
    let unknown = vec![begin(&shop, "1"), ship(&shop, "9")];
    let refusal = refused(
        execute(&shop, atomic(unknown)).await,
        Code::NotFound,
        "ORDER_NOT_FOUND",
    );
    assert_eq!(refusal.particular("step_index"), "1");

    let good = vec![
        begin(&shop, "1"),
        ship(&shop, "2"),
        hold(&shop, "1"),
        begin(&shop, "3"),
    ];
    let results = execute(&shop, atomic(good)).await.unwrap();
    assert!(reasons(&results).iter().all(|reason| reason.is_empty()));
    assert_eq!(shop.get("1").await.version, 3);
}

async fn a_call_is_checked_only(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[("a", "1")]).await;
    for atomic in [false, true] {
        let steps = vec![begin(&shop, "1"), remark(&shop, "1", "then")];
        let request = v1::ExecuteStepsRequest {
            steps,
            atomic,
            validate_only: true,
            return_orders: true,
        };
        let results = execute(&shop, request).await.unwrap();
        assert_eq!(results[0].order.as_ref().unwrap().state, "work");
        assert_eq!(
            results[1].entries[0].sequence, 3,
            "each step sees the one before"
        );
        assert_eq!(shop.get("1").await.version, 1);
    }
    let steps = vec![begin(&shop, "1"), begin(&shop, "1")];
    let separate = v1::ExecuteStepsRequest {
        steps,
        validate_only: true,
        ..Default::default()
    };
    assert_eq!(
        reasons(&execute(&shop, separate.clone()).await.unwrap()),
        ["", "TRANSITION_NOT_ALLOWED"]
    );
    let atomic = v1::ExecuteStepsRequest {
        atomic: true,
        ..separate
    };
    refused(
        execute(&shop, atomic).await,
        Code::FailedPrecondition,
        "TRANSITION_NOT_ALLOWED",
    );
}

async fn a_thousand_steps_fit_one_call(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    for order in 0..10 {
        shop.place(&format!("o{order}"), &[]).await;
    }
    // Three of the thousand are not possible: an order without lines is one whole, which is shipped once.
    let step = |number: usize| match number {
        100 | 500 => remark(&shop, "missing", "x"),
        989 | 999 => ship(&shop, "o9"),
        _ => remark(&shop, &format!("o{}", number % 10), "x"),
    };
    let request = v1::ExecuteStepsRequest {
        steps: (0..1_000).map(step).collect(),
        ..Default::default()
    };
    let results = execute(&shop, request).await.unwrap();
    assert_eq!(results.len(), 1_000);
    let wrong: Vec<_> = reasons(&results)
        .into_iter()
        .enumerate()
        .filter(|(_, reason)| !reason.is_empty())
        .collect();
    assert_eq!(
        wrong,
        [
            (100, "ORDER_NOT_FOUND"),
            (500, "ORDER_NOT_FOUND"),
            (999, "NOTHING_TO_DO")
        ]
    );
    let versions: i64 = futures::future::join_all((0..10).map(|n| {
        let shop = shop.clone();
        async move { shop.get(&format!("o{n}")).await.version - 1 }
    }))
    .await
    .iter()
    .sum();
    assert_eq!(versions, 997);
}

async fn wrong_steps_are_named_by_place(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    invalid(
        execute(&shop, v1::ExecuteStepsRequest::default()).await,
        "steps",
    );
    let many = v1::ExecuteStepsRequest {
        steps: vec![remark(&shop, "1", "x"); 1_001],
        ..Default::default()
    };
    invalid(execute(&shop, many).await, "steps");
    let own = v1::AddCommentRequest {
        validate_only: true,
        ..shop.remark("1", "x")
    };
    let steps = vec![
        remark(&shop, "1", "good"),
        v1::Step {
            command: Some(Command::AddComment(own)),
        },
        v1::Step::default(),
        remark(&shop, "a b", "x"),
    ];
    let request = v1::ExecuteStepsRequest {
        steps,
        ..Default::default()
    };
    let results = execute(&shop, request.clone()).await.unwrap();
    assert_eq!(
        reasons(&results),
        ["", "FIELD_INVALID", "FIELD_INVALID", "FIELD_INVALID"]
    );
    assert!(
        results[1..]
            .iter()
            .all(|result| result.error.as_ref().unwrap().code == Code::InvalidArgument as i32)
    );
    let refusal = invalid(
        execute(
            &shop,
            v1::ExecuteStepsRequest {
                atomic: true,
                ..request
            },
        )
        .await,
        "steps[1].add_comment.validate_only",
    );
    assert_eq!(refusal.particular("step_index"), "1");
    assert_eq!(
        shop.get("1").await.version,
        2,
        "the atomic call wrote nothing"
    );
}

async fn a_stream_answers_every_step(backend: Backend) {
    const STEPS: usize = 600;
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    for order in 0..20 {
        shop.place(&format!("o{order}"), &[]).await;
    }
    let requests: Vec<_> = (0..STEPS)
        .map(|number| v1::StreamStepsRequest {
            correlation_id: format!("c{number}"),
            step: Some(remark(
                &shop,
                &format!("o{}", number % 20),
                &number.to_string(),
            )),
        })
        .collect();
    // All are sent before the first answer is read.
    let mut answers = shop
        .orders()
        .stream_steps(stream::iter(requests))
        .await
        .unwrap()
        .into_inner();
    let mut seen = BTreeMap::new();
    while let Some(answer) = answers.next().await {
        let answer = answer.unwrap();
        let result = answer.result.unwrap();
        assert!(result.error.is_none(), "{result:?}");
        let entry = &result.entries[0];
        assert_eq!(answer.correlation_id, format!("c{}", entry.comment));
        assert!(
            seen.insert(answer.correlation_id, entry.clone()).is_none(),
            "answered once"
        );
    }
    assert_eq!(seen.len(), STEPS);
    // Of each order in the order in which they were sent.
    for order in 0..20 {
        let comments: Vec<usize> = shop.entries(&format!("o{order}")).await[1..]
            .iter()
            .map(|entry| entry.comment.parse().unwrap())
            .collect();
        assert!(
            comments.len() == STEPS / 20 && comments.is_sorted(),
            "{comments:?}"
        );
    }
}

async fn a_wrong_step_does_not_end_the_stream(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    let request = |correlation_id: &str, step| v1::StreamStepsRequest {
        correlation_id: correlation_id.into(),
        step,
    };
    let idempotent = v1::AddCommentRequest {
        request_id: "r1".into(),
        ..shop.remark("1", "once")
    };
    let idempotent = v1::Step {
        command: Some(Command::AddComment(idempotent)),
    };
    let requests = vec![
        request("first", Some(idempotent.clone())),
        request("empty", None),
        request("wrong", Some(remark(&shop, "a b", "x"))),
        request("shipped", Some(ship(&shop, "1"))),
        request("refused", Some(ship(&shop, "1"))),
        request("missing", Some(remark(&shop, "2", "x"))),
        request("again", Some(idempotent)),
        request("last", Some(begin(&shop, "1"))),
    ];
    let answers = shop
        .orders()
        .stream_steps(stream::iter(requests))
        .await
        .unwrap()
        .into_inner();
    let answers: Vec<_> = answers.map(|answer| answer.unwrap()).collect().await;
    let rows: BTreeMap<_, _> = answers
        .iter()
        .map(|answer| {
            let result = answer.result.as_ref().unwrap();
            let reason = result
                .error
                .as_ref()
                .map_or("", |error| error.reason.as_str());
            (answer.correlation_id.as_str(), (reason, result.replayed))
        })
        .collect();
    assert_eq!(
        rows,
        BTreeMap::from([
            ("first", ("", false)),
            ("empty", ("FIELD_INVALID", false)),
            ("wrong", ("FIELD_INVALID", false)),
            ("shipped", ("", false)),
            ("refused", ("NOTHING_TO_DO", false)),
            ("missing", ("ORDER_NOT_FOUND", false)),
            ("again", ("", true)),
            ("last", ("", false)),
        ])
    );
    assert_eq!(shop.get("1").await.version, 4);
    let long = request(&"c".repeat(129), Some(remark(&shop, "1", "x")));
    let mut answers = shop
        .orders()
        .stream_steps(stream::iter([long]))
        .await
        .unwrap()
        .into_inner();
    match answers.message().await {
        Ok(answer) => assert_eq!(
            answer.unwrap().result.unwrap().error.unwrap().reason,
            "FIELD_INVALID"
        ),
        Err(status) => Refusal::of(&status).names("correlation_id"),
    }
}

/// Lines whose ids are as long as they may be: one step on such an order is answered with 70 KB of entries, and 300 KB of
/// order.
async fn what_was_done_is_answered_however_large_it_is(backend: Backend) {
    const ORDERS: usize = 40;
    const ANSWER_MAX: usize = 2 * 1024 * 1024;
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let lines: Vec<_> = (0..500)
        .map(|number| line(&format!("{number:x>128}"), "2"))
        .collect();
    let id = |number: usize| format!("o{number}");
    for number in 0..ORDERS {
        let order = v1::Order {
            lines: lines.clone(),
            ..shop.draft(&id(number), &[])
        };
        shop.create(order).await.unwrap();
    }
    let wrong = v1::RecordOperationRequest {
        lines: vec![v1::OperationLine::default(); 20],
        ..shop.operation("o0", &"ü".repeat(400), &[])
    };
    let wrong = v1::Step {
        command: Some(Command::RecordOperation(wrong)),
    };
    let named = |step: v1::Step, number: usize| {
        let Some(Command::RecordOperation(operation)) = step.command else {
            panic!("a step that ships")
        };
        v1::Step {
            command: Some(Command::RecordOperation(v1::RecordOperationRequest {
                request_id: format!("ship-{number}"),
                ..operation
            })),
        }
    };
    let mut steps: Vec<_> = (0..ORDERS)
        .map(|number| named(ship(&shop, &id(number)), number))
        .collect();
    steps.extend(vec![wrong; 1_000 - ORDERS]);
    let batch = v1::ExecuteStepsRequest {
        steps,
        return_orders: true,
        ..Default::default()
    };
    for replayed in [false, true] {
        let answer = shop.orders().execute_steps(batch.clone()).await.unwrap();
        let answer = answer.into_inner();
        assert!(
            answer.encoded_len() <= ANSWER_MAX,
            "{} bytes",
            answer.encoded_len()
        );
        let (done, refused) = answer.results.split_at(ORDERS);
        for result in done {
            assert_eq!((result.first_sequence, result.last_sequence), (2, 2));
            assert_eq!((result.replayed, &result.error), (replayed, &None));
        }
        assert!(!done[0].entries.is_empty() && done[ORDERS - 1].entries.is_empty());
        assert!(
            reasons(refused)
                .iter()
                .all(|reason| *reason == "FIELD_INVALID")
        );
    }
    assert_eq!(shop.get("o39").await.version, 2);
    // A few: the orders go before any entry does.
    let few = v1::ExecuteStepsRequest {
        steps: (0..ORDERS).map(|n| remark(&shop, &id(n), "x")).collect(),
        return_orders: true,
        ..Default::default()
    };
    let answer = shop.orders().execute_steps(few).await.unwrap().into_inner();
    assert!(answer.encoded_len() <= ANSWER_MAX);
    let results = answer.results;
    assert!(results.iter().all(|result| !result.entries.is_empty()));
    assert!(results[0].order.is_some() && results[ORDERS - 1].order.is_none());
    assert!(results.iter().all(|result| result.first_sequence == 3));
}

/// Far more lines than an order can have, in a step of a batch.
async fn a_dense_step_is_refused_alone(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    let dense = v1::RecordOperationRequest {
        lines: vec![v1::OperationLine::default(); 100_000],
        ..shop.operation("1", "ship", &[])
    };
    let dense = v1::Step {
        command: Some(Command::RecordOperation(dense)),
    };
    let batch = v1::ExecuteStepsRequest {
        steps: vec![remark(&shop, "1", "a"), dense, remark(&shop, "1", "b")],
        ..Default::default()
    };
    let results = execute(&shop, batch).await.unwrap();
    assert_eq!(reasons(&results), ["", "FIELD_INVALID", ""]);
    let error = results[1].error.as_ref().unwrap();
    assert_eq!(
        error.message,
        "steps[1].record_operation.lines must have at most 500 entries, has 100000"
    );
}
