//! What only reads and may take long: it never shuts out what others do, and beyond a bound it is refused.

use std::{fmt::Write as _, time::Duration};

use futures::future::join_all;
use tokio::time::{Instant, timeout};
use tonic::Code;
use waymark_proto::v1::{self, DiagramFormat};
use waymark_tests::{
    Backend, Refusal, Server, Shop, refused,
    world::{apply, fresh_code},
};

use crate::bench;

on_each_database!(
    lists_leave_room_for_single_orders_and_steps,
    lint_leaves_room_for_others_and_has_a_bound,
    a_diagram_that_is_too_large_is_refused,
);

/// Far more than a read or a step takes, on a machine that compiles as well.
const PATIENCE: Duration = Duration::from_secs(10);
const ORDERS: usize = 120;

/// A shop whose orders have many lines.
async fn large_orders(server: &Server) -> Shop {
    let shop = apply(&server.clients(), &fresh_code(), bench::DOCUMENT).await;
    let lines: Vec<_> = (0..200)
        .map(|number| waymark_tests::shop::line(&format!("line-{number}"), "1"))
        .collect();
    let created = (0..ORDERS).map(|number| {
        let order = v1::Order {
            lines: lines.clone(),
            ..shop.draft(&number.to_string(), &[])
        };
        shop.create(order)
    });
    for created in join_all(created).await {
        created.unwrap();
    }
    shop
}

/// A list that looks at all orders and finds none.
fn search(shop: &Shop) -> v1::ListOrdersRequest {
    v1::ListOrdersRequest {
        workflows: vec![shop.workflow()],
        filter: Some(v1::OrderFilter {
            attributes: [("colour".to_owned(), "none".to_owned())].into(),
            ..Default::default()
        }),
        page_size: 1_000,
        ..Default::default()
    }
}

/// Reads and changes orders of others, and says how long each call took at most.
async fn others(shop: &Shop, rounds: usize) -> Duration {
    let mut longest = Duration::ZERO;
    for round in 0..rounds {
        let id = (round % ORDERS).to_string();
        let began = Instant::now();
        timeout(PATIENCE, shop.find(&id)).await.unwrap().unwrap();
        longest = longest.max(began.elapsed());
        let began = Instant::now();
        let comment = shop.comment(&id, "meanwhile", "");
        timeout(PATIENCE, comment).await.unwrap().unwrap();
        longest = longest.max(began.elapsed());
    }
    longest
}

async fn lists_leave_room_for_single_orders_and_steps(backend: Backend) {
    let settings = ["--set", "read_connections_max=2"];
    let server = Server::start_with(backend, &settings).await;
    let since = server.log().len();
    let shop = large_orders(&server).await;
    let storm = |count: usize| {
        let lists = (0..count).map(|_| {
            let shop = shop.over(server.clients());
            async move { shop.orders().list_orders(search(&shop)).await }
        });
        join_all(lists)
    };
    let beside = shop.over(server.clients());
    let (mut found, mut refused) = (0, 0);
    for _ in 0..20 {
        let (lists, longest) = tokio::join!(storm(200), others(&beside, 10));
        assert!(longest < PATIENCE);
        for list in lists {
            match list {
                Ok(page) => {
                    assert!(page.get_ref().orders.is_empty());
                    found += 1;
                }
                Err(status) => {
                    let refusal = Refusal::of(&status);
                    let said = (refusal.code, refusal.reason.as_str());
                    assert_eq!(said, (Code::ResourceExhausted, "TOO_MANY_READS"));
                    refused += 1;
                }
            }
        }
        if refused > 0 {
            break;
        }
    }
    assert!(found > 0 && refused > 0, "{found} found, {refused} refused");
    let lines = server.log().after(since);
    let lost = lines.iter().find(|line| line.contains("has not answered"));
    assert_eq!(lost, None, "the database was well all the time");
}

/// As many states and transitions as make lint think for a while.
fn large_document(transitions: usize, from: impl Fn(usize) -> String) -> String {
    const STATES: usize = 100;
    let mut document = "label: Large\ninitial_state: s0\nstatuses:\n".to_owned();
    for state in 0..STATES {
        let _ = writeln!(document, "  t{state}: {{label: Status {state}}}");
    }
    document.push_str("states:\n");
    for state in 0..STATES {
        let begins = if state == 0 {
            "category: initial, can_start: true"
        } else {
            "category: active"
        };
        let _ = writeln!(
            document,
            "  s{state}: {{label: State {state}, {begins}, statuses: [t{state}]}}"
        );
    }
    document.push_str("transitions:\n");
    for number in 0..transitions {
        let from = from(number % STATES);
        let to = (number * 7 + 1) % STATES;
        let _ = writeln!(
            document,
            "  w{number}: {{label: A way of many words {number}, from_states: [{from}], to_state: s{to}}}"
        );
    }
    document
}

async fn lint_leaves_room_for_others_and_has_a_bound(backend: Backend) {
    let server = Server::start(backend).await;
    let shop = apply(&server.clients(), &fresh_code(), bench::DOCUMENT).await;
    for number in 0..ORDERS {
        shop.place(&number.to_string(), &[]).await;
    }
    let document = large_document(600, |state| format!("s{state}"));
    let lint = |shop: Shop| {
        let request = v1::LintWorkflowRequest {
            document: document.clone(),
            ..Default::default()
        };
        async move { shop.workflows().lint_workflow(request).await }
    };
    let storm = join_all((0..100).map(|_| lint(shop.over(server.clients()))));
    let beside = shop.over(server.clients());
    let (lints, longest) = tokio::join!(storm, others(&beside, 10));
    assert!(longest < PATIENCE);
    let (mut done, mut refused) = (0, 0);
    for lint in lints {
        match lint {
            Ok(_) => done += 1,
            Err(status) => {
                let refusal = Refusal::of(&status);
                let said = (refusal.code, refusal.reason.as_str());
                assert_eq!(said, (Code::ResourceExhausted, "OVERLOADED"));
                refused += 1;
            }
        }
    }
    assert!(done > 0 && refused > 0, "{done} done, {refused} refused");
    // What was given up before its turn is not in the way of others.
    let hasty = (0..30).map(|_| {
        let lint = lint(shop.over(server.clients()));
        timeout(Duration::from_millis(100), lint)
    });
    join_all(hasty).await;
    let last = timeout(PATIENCE * 3, lint(shop)).await;
    last.expect("in time").unwrap();
}

async fn a_diagram_that_is_too_large_is_refused(backend: Backend) {
    let server = Server::start(backend).await;
    let all: Vec<_> = (0..100).map(|state| format!("s{state}")).collect();
    let all = all.join(", ");
    let document = large_document(600, |_| all.clone());
    let shop = apply(&server.clients(), &fresh_code(), &document).await;
    let draw = async |format: DiagramFormat, counts: bool| {
        let request = v1::DiagramWorkflowRequest {
            workflow: shop.workflow(),
            format: format.into(),
            counts,
            ..Default::default()
        };
        shop.workflows().diagram_workflow(request).await
    };
    for counts in [false, false, true] {
        for format in [DiagramFormat::Mermaid, DiagramFormat::Dot] {
            let drawn = draw(format, counts).await;
            let refusal = refused(drawn, Code::FailedPrecondition, "DIAGRAM_TOO_LARGE");
            let max: usize = refusal.particular("max").parse().unwrap();
            assert!((1_000_000..2 * 1024 * 1024).contains(&max));
        }
        // It says how many states a transition leaves, instead of drawing each arrow.
        let drawn = draw(DiagramFormat::Svg, counts).await.unwrap();
        assert!(drawn.into_inner().document.contains("from 100 states"));
    }
}
