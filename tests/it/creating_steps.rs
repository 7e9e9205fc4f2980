//! Orders that are placed and updated by steps of a batch or stream.

use futures::{StreamExt, stream};
use tonic::{Code, Response, Status};
use waymark_proto::v1::{self, step::Command, transition_order_request::Target};
use waymark_tests::{
    Backend, Shop, World,
    refusal::invalid,
    refused,
    shop::{line, mask},
};

use crate::bench;

on_each_database!(
    an_order_is_placed_and_moved_in_one_call,
    an_id_is_placed_once,
    a_step_and_a_call_of_its_own_are_one,
    an_update_says_what_it_changes,
    what_is_wrong_is_named_by_its_place,
    what_does_not_fit_the_order_is_named_by_its_place,
    an_atomic_refusal_takes_the_order_back,
    a_rehearsal_places_nothing,
    a_stream_places_orders,
    a_thousand_orders_are_placed_at_once,
    lines_beyond_what_a_batch_may_take_are_refused_step_by_step,
);

fn create(order: v1::Order) -> v1::CreateOrderRequest {
    v1::CreateOrderRequest {
        order: Some(order),
        ..Default::default()
    }
}

fn step(command: Command) -> v1::Step {
    v1::Step {
        command: Some(command),
    }
}

fn place(shop: &Shop, id: &str) -> v1::Step {
    step(Command::CreateOrder(create(shop.draft(id, &[("a", "2")]))))
}

fn begin(shop: &Shop, id: &str) -> v1::Step {
    let target = Target::Transition("begin".into());
    step(Command::TransitionOrder(shop.step(id, target)))
}

fn update(order: v1::Order, paths: &[&str]) -> v1::Step {
    step(Command::UpdateOrder(v1::UpdateOrderRequest {
        order: Some(order),
        update_mask: Some(mask(paths)),
        ..Default::default()
    }))
}

fn batch(steps: Vec<v1::Step>) -> v1::ExecuteStepsRequest {
    v1::ExecuteStepsRequest {
        steps,
        ..Default::default()
    }
}

fn atomic(steps: Vec<v1::Step>) -> v1::ExecuteStepsRequest {
    v1::ExecuteStepsRequest {
        atomic: true,
        ..batch(steps)
    }
}

async fn execute(
    shop: &Shop,
    request: v1::ExecuteStepsRequest,
) -> Result<Vec<v1::StepResult>, Status> {
    let answer = shop.orders().execute_steps(request).await;
    answer.map(|answer| answer.into_inner().results)
}

fn reasons(results: &[v1::StepResult]) -> Vec<&str> {
    let errors = results.iter().map(|result| result.error.as_ref());
    errors
        .map(|error| error.map_or("", |error| error.reason.as_str()))
        .collect()
}

async fn an_order_is_placed_and_moved_in_one_call(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    for (id, is_atomic) in [("1", false), ("2", true)] {
        let steps = vec![
            place(&shop, id),
            begin(&shop, id),
            step(Command::RecordOperation(shop.operation(id, "ship", &[]))),
        ];
        let request = v1::ExecuteStepsRequest {
            steps,
            atomic: is_atomic,
            return_orders: true,
            ..Default::default()
        };
        let results = execute(&shop, request).await.unwrap();
        assert_eq!(reasons(&results), ["", "", ""]);
        let standing: Vec<_> = results
            .iter()
            .map(|result| result.order.as_ref().unwrap())
            .map(|order| (order.version, order.state.as_str()))
            .collect();
        assert_eq!(standing, [(1, "start"), (2, "work"), (3, "work")]);
        assert_eq!(results[2].order, Some(shop.get(id).await));
        let entries = results.iter().flat_map(|result| result.entries.clone());
        assert_eq!(entries.collect::<Vec<_>>(), shop.entries(id).await);
    }
}

async fn an_id_is_placed_once(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("old", &[]).await;
    let versioned = v1::CreateOrderRequest {
        expected_version: 4,
        ..create(shop.draft("late", &[]))
    };
    let steps = vec![
        place(&shop, "new"),
        place(&shop, "new"),
        place(&shop, "old"),
        step(Command::CreateOrder(versioned)),
        begin(&shop, "new"),
    ];
    let results = execute(&shop, batch(steps.clone())).await.unwrap();
    assert_eq!(
        reasons(&results),
        ["", "ORDER_EXISTS", "ORDER_EXISTS", "VERSION_MISMATCH", ""]
    );
    let error = results[1].error.as_ref().unwrap();
    assert_eq!(
        (error.code, error.metadata["order"].as_str()),
        (Code::AlreadyExists as i32, "new")
    );
    assert_eq!(shop.entries("new").await.len(), 2);
    refused(shop.find("late").await, Code::NotFound, "ORDER_NOT_FOUND");

    // The first refusal is told, not the first that could be seen without the database.
    let steps = steps.into_iter().skip(2).collect();
    let refusal = refused(
        execute(&shop, atomic(steps)).await,
        Code::AlreadyExists,
        "ORDER_EXISTS",
    );
    assert_eq!(refusal.particular("step_index"), "0");
}

async fn a_step_and_a_call_of_its_own_are_one(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let named = |id: &str, total: i64| v1::CreateOrderRequest {
        request_id: "placed".into(),
        ..create(v1::Order {
            grand_total: total,
            ..shop.draft(id, &[])
        })
    };
    let alone = async |request| {
        let answer = shop.orders().create_order(request).await;
        answer.map(Response::into_inner)
    };
    let first = alone(named("1", 700)).await.unwrap();
    let steps = vec![
        step(Command::CreateOrder(named("1", 700))),
        step(Command::CreateOrder(named("1", 800))),
        step(Command::CreateOrder(named("2", 700))),
        step(Command::CreateOrder(named("2", 700))),
    ];
    for has_second in [false, true] {
        let results = execute(&shop, batch(steps.clone())).await.unwrap();
        assert_eq!(reasons(&results), ["", "REQUEST_ID_REUSED", "", ""]);
        let replayed = [0, 2, 3].map(|step: usize| results[step].replayed);
        assert_eq!(replayed, [true, has_second, true]);
        assert_eq!(results[0].entries, first.entries);
        assert_eq!(results[2].entries, results[3].entries);
    }
    assert!(alone(named("2", 700)).await.unwrap().replayed);
    for id in ["1", "2"] {
        assert_eq!(shop.entries(id).await.len(), 1);
    }

    let renamed = |name: &str| v1::UpdateOrderRequest {
        order: Some(v1::Order {
            workflow: shop.workflow(),
            id: "1".into(),
            customer: Some(v1::Customer {
                name: name.into(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        request_id: "renamed".into(),
        ..Default::default()
    };
    let updated = shop.orders().update_order(renamed("Ada")).await.unwrap();
    let steps = ["Ada", "Bob"].map(|name| step(Command::UpdateOrder(renamed(name))));
    let results = execute(&shop, batch(steps.into())).await.unwrap();
    assert_eq!(reasons(&results), ["", "REQUEST_ID_REUSED"]);
    assert!(results[0].replayed);
    assert_eq!(results[0].entries, updated.into_inner().entries);
}

async fn an_update_says_what_it_changes(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let changed = v1::Order {
        store_view: "german".into(),
        attributes: [("colour".to_owned(), "red".to_owned())].into(),
        grand_total: 500,
        ..shop.draft("1", &[("a", "3"), ("b", "1")])
    };
    let steps = vec![
        place(&shop, "1"),
        update(changed.clone(), &["attributes.colour", "lines"]),
        begin(&shop, "1"),
        // `edit` is not allowed in this state.
        update(changed.clone(), &["grand_total"]),
        update(changed.clone(), &["store_view"]),
        update(changed, &["store_view"]),
    ];
    let request = v1::ExecuteStepsRequest {
        return_orders: true,
        ..batch(steps)
    };
    let results = execute(&shop, request).await.unwrap();
    assert_eq!(
        reasons(&results),
        ["", "", "", "OPERATION_NOT_ALLOWED", "", ""]
    );
    let order = results[1].order.as_ref().unwrap();
    assert_eq!(order.attributes["colour"], "red");
    let lines: Vec<_> = order.lines.iter().map(|line| line.id.as_str()).collect();
    assert_eq!(lines, ["a", "b"]);
    assert_eq!((order.store_view.as_str(), order.grand_total), ("", 10_000));
    let order = shop.get("1").await;
    assert_eq!(
        (
            order.version,
            order.store_view.as_str(),
            order.status_label.as_str()
        ),
        (4, "german", "In Arbeit")
    );
    // What changes nothing writes nothing.
    assert!(results[5].entries.is_empty() && results[5].error.is_none());
}

async fn what_is_wrong_is_named_by_its_place(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let nameless = v1::Order {
        lines: vec![line("a", "1"), line("", "1")],
        ..shop.draft("1", &[])
    };
    let order = || shop.draft("1", &[]);
    let cases = [
        (
            Command::CreateOrder(create(nameless)),
            "steps[1].create_order.order.lines[1].id",
        ),
        (
            Command::CreateOrder(create(shop.draft("a b", &[]))),
            "steps[1].create_order.order.id",
        ),
        (
            Command::CreateOrder(v1::CreateOrderRequest::default()),
            "steps[1].create_order.order",
        ),
        (
            Command::CreateOrder(v1::CreateOrderRequest {
                validate_only: true,
                ..create(order())
            }),
            "steps[1].create_order.validate_only",
        ),
        (
            Command::UpdateOrder(v1::UpdateOrderRequest {
                order: Some(order()),
                update_mask: Some(mask(&["state"])),
                ..Default::default()
            }),
            "steps[1].update_order.update_mask",
        ),
        (
            Command::UpdateOrder(v1::UpdateOrderRequest {
                order: Some(order()),
                request_id: "\n".into(),
                ..Default::default()
            }),
            "steps[1].update_order.request_id",
        ),
    ];
    for (number, (command, field)) in (0..).zip(cases) {
        let good = place(&shop, &format!("good-{number}"));
        let steps = vec![good, step(command)];
        let results = execute(&shop, batch(steps.clone())).await.unwrap();
        assert_eq!(reasons(&results), ["", "FIELD_INVALID"], "{field}");
        let refusal = invalid(execute(&shop, atomic(steps)).await, field);
        assert_eq!(refusal.particular("step_index"), "1");
    }
}

/// Each is wrong by what the order or another field says, and is found when the step is decided.
async fn what_does_not_fit_the_order_is_named_by_its_place(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[("a", "2")]).await;
    let moved = v1::Order {
        workflow: shop.workflow(),
        id: "1".into(),
        state: "finish".into(),
        currency: "USD".into(),
        ..Default::default()
    };
    let late = v1::HoldOrderRequest {
        workflow: shop.workflow(),
        order_id: "1".into(),
        expire_time: Some(prost_types::Timestamp {
            seconds: 1_600_000_000,
            nanos: 0,
        }),
        ..Default::default()
    };
    let dear = v1::Order {
        lines: vec![v1::OrderLine {
            total: Some(10_001),
            ..line("a", "1")
        }],
        ..shop.draft("2", &[])
    };
    let cases = [
        (
            Command::UpdateOrder(v1::UpdateOrderRequest {
                order: Some(moved),
                ..Default::default()
            }),
            &["update_order.order.state", "update_order.order.currency"][..],
        ),
        (Command::HoldOrder(late), &["hold_order.expire_time"][..]),
        (
            Command::CreateOrder(create(dear)),
            &["create_order.order.lines"][..],
        ),
    ];
    for (command, fields) in cases {
        let steps = vec![
            step(Command::AddComment(shop.remark("1", "x"))),
            step(command.clone()),
        ];
        let refusal = invalid(
            execute(&shop, atomic(steps.clone())).await,
            &format!("steps[1].{}", fields[0]),
        );
        let results = execute(&shop, batch(steps)).await.unwrap();
        assert_eq!(reasons(&results), ["", "FIELD_INVALID"]);
        let told = &results[1].error.as_ref().unwrap().message;
        let request = v1::StreamStepsRequest {
            step: Some(step(command)),
            ..Default::default()
        };
        let answers = shop.orders().stream_steps(stream::iter([request])).await;
        let answers: Vec<_> = answers.unwrap().into_inner().collect().await;
        let streamed = answers[0].clone().unwrap().result.unwrap().error.unwrap();
        for field in fields {
            let of_batch = format!("steps[1].{field} ");
            let of_stream = format!("step.{field} ");
            refusal.names(of_batch.trim_end());
            assert!(told.contains(&of_batch), "{told}");
            assert!(streamed.message.contains(&of_stream), "{streamed:?}");
        }
    }
}

async fn an_atomic_refusal_takes_the_order_back(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("old", &[("a", "1")]).await;
    let customer = v1::Customer {
        id: "ada".into(),
        ..Default::default()
    };
    let bought = v1::Order {
        customer: Some(customer),
        ..shop.draft("new", &[])
    };
    let bought = step(Command::CreateOrder(create(bought)));
    let failing = vec![
        bought.clone(),
        begin(&shop, "new"),
        begin(&shop, "old"),
        begin(&shop, "new"),
    ];
    let refusal = refused(
        execute(&shop, atomic(failing)).await,
        Code::FailedPrecondition,
        "TRANSITION_NOT_ALLOWED",
    );
    assert_eq!(refusal.particular("step_index"), "3");
    refused(shop.find("new").await, Code::NotFound, "ORDER_NOT_FOUND");
    assert_eq!(shop.get("old").await.version, 1);
    assert_eq!(orders_of(&shop, "ada").await, Vec::<String>::new());

    let good = vec![bought, begin(&shop, "new"), begin(&shop, "old")];
    let results = execute(&shop, atomic(good)).await.unwrap();
    assert_eq!(reasons(&results), ["", "", ""]);
    assert_eq!(orders_of(&shop, "ada").await, ["new"]);
}

async fn orders_of(shop: &Shop, customer: &str) -> Vec<String> {
    let request = v1::ListOrdersRequest {
        workflows: vec![shop.workflow()],
        filter: Some(v1::OrderFilter {
            customer_id: customer.to_owned(),
            ..Default::default()
        }),
        page_size: 1_000,
        ..Default::default()
    };
    let page = shop.orders().list_orders(request).await.unwrap();
    let orders = page.into_inner().orders.into_iter();
    orders.map(|order| order.id).collect()
}

async fn a_rehearsal_places_nothing(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    for is_atomic in [false, true] {
        let request = v1::ExecuteStepsRequest {
            steps: vec![place(&shop, "1"), begin(&shop, "1")],
            atomic: is_atomic,
            return_orders: true,
            validate_only: true,
        };
        let results = execute(&shop, request).await.unwrap();
        assert_eq!(reasons(&results), ["", ""]);
        let order = results[1].order.as_ref().unwrap();
        assert_eq!((order.version, order.state.as_str()), (2, "work"));
    }
    refused(shop.find("1").await, Code::NotFound, "ORDER_NOT_FOUND");
}

async fn a_stream_places_orders(backend: Backend) {
    const ORDERS: usize = 100;
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let requests: Vec<_> = (0..ORDERS)
        .flat_map(|number| {
            let id = format!("o{number}");
            let placed = place(&shop, &id);
            [
                (format!("{number}"), placed),
                (id.clone(), begin(&shop, &id)),
            ]
        })
        .map(|(correlation_id, step)| v1::StreamStepsRequest {
            correlation_id,
            step: Some(step),
        })
        .collect();
    let answers = shop.orders().stream_steps(stream::iter(requests)).await;
    let answers: Vec<_> = answers.unwrap().into_inner().collect().await;
    assert_eq!(answers.len(), 2 * ORDERS);
    for answer in answers {
        let result = answer.unwrap().result.unwrap();
        assert_eq!(result.error, None);
    }
    assert_eq!(shop.get("o99").await.version, 2);
}

/// As an import does, each with a customer and with lines that have names.
async fn a_thousand_orders_are_placed_at_once(backend: Backend) {
    const ORDERS: usize = 1_000;
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let whole = |number: usize| {
        let lines = (0..10).map(|place| v1::OrderLine {
            sku: format!("SKU-{place}"),
            name: format!("Thing number {place}"),
            ..line(&format!("l{place}"), "1")
        });
        let order = v1::Order {
            lines: lines.collect(),
            customer: Some(v1::Customer {
                id: format!("c{}", number % 10),
                ..Default::default()
            }),
            ..shop.draft(&format!("o{number}"), &[])
        };
        step(Command::CreateOrder(create(order)))
    };
    let steps = (0..ORDERS).map(whole).collect();
    let results = execute(&shop, batch(steps)).await.unwrap();
    assert_eq!(results.len(), ORDERS);
    assert!(results.iter().all(|result| result.error.is_none()));
    for customer in 0..10 {
        let orders = orders_of(&shop, &format!("c{customer}")).await;
        assert_eq!(orders.len(), ORDERS / 10);
    }
}

/// Each of the orders is as large as an order may be, and its lines say as little as they may.
async fn lines_beyond_what_a_batch_may_take_are_refused_step_by_step(backend: Backend) {
    const ORDERS: usize = 700;
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    let lines: Vec<_> = (0..500)
        .map(|number| line(&format!("{number:x}"), "1"))
        .collect();
    let whole = |number: usize| {
        let order = v1::Order {
            lines: lines.clone(),
            ..shop.draft(&format!("o{number}"), &[])
        };
        step(Command::CreateOrder(create(order)))
    };
    let request = v1::ExecuteStepsRequest {
        validate_only: true,
        ..batch((0..ORDERS).map(whole).collect())
    };
    let results = execute(&shop, request).await.unwrap();
    let dense: Vec<_> = results
        .iter()
        .enumerate()
        .filter_map(|(place, result)| Some((place, result.error.as_ref()?)))
        .filter(|(_, error)| error.reason == "FIELD_INVALID")
        .collect();
    let (place, error) = dense[0];
    assert!((200..ORDERS).contains(&place), "{place} orders are taken");
    assert_eq!(
        error.message,
        format!(
            "steps[{place}].create_order.order.lines has 500 entries; with them the steps take more memory than those of one call may: send fewer in a call"
        )
    );
}
