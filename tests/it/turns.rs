//! What takes long is done in turns: while one caller's costly steps are decided, or a large
//! workflow is changed, the steps of others go on.

#![expect(clippy::print_stderr, reason = "the figures are worth a look")]

use std::time::{Duration, Instant};

use tonic::Code;
use waymark_proto::v1::{self, step::Command, transition_order_request::Target};
use waymark_tests::{
    Backend, Shop, World,
    large::{self, Size},
    refused, world,
};

use crate::bench;

on_each_database!(
    costly_steps_hold_up_nobody,
    costly_steps_are_checked_within_bounds,
    an_atomic_call_that_costs_too_much_is_refused,
    a_change_of_a_large_workflow_holds_up_nobody,
);

/// As many lines as an order may have, and a guard that looks at each of them eleven times.
const LINES: usize = 500;
const DOCUMENT: &str = r#"
workflow: costly
label: Costly
initial_state: open
statuses:
  fresh: {label: Fresh}
  checked: {label: Checked}
states:
  open: {label: Open, category: initial, can_start: true, statuses: [fresh]}
  done: {label: Done, category: active, statuses: [checked]}
transitions:
  check: {label: Check, from_states: [open], to_state: done, guard: "GUARD"}
  back: {label: Back, from_states: [done], to_state: open, guard: "GUARD"}
"#;

async fn costly_shop(world: &World) -> Shop {
    let comparisons = ["l.quantity_ordered > 0.0"; 11];
    let guard = format!("order.lines.all(l, {})", comparisons.join(" && "));
    let document = DOCUMENT.replace("GUARD", &guard);
    let shop = world::apply(world, &world::fresh_code(), &document).await;
    let ids: Vec<String> = (0..LINES).map(|line| format!("line-{line}")).collect();
    let lines: Vec<_> = ids.iter().map(|id| (id.as_str(), "1")).collect();
    shop.place("1", &lines).await;
    shop
}

/// Costly steps on one order, to and fro, each with a request id.
fn costly_steps(shop: &Shop, count: usize) -> Vec<v1::Step> {
    let steps = (0..count).map(|number| {
        let code = if number % 2 == 0 { "check" } else { "back" };
        let transition = v1::TransitionOrderRequest {
            request_id: format!("r{number}"),
            ..shop.step("1", Target::Transition(code.into()))
        };
        v1::Step {
            command: Some(Command::TransitionOrder(transition)),
        }
    });
    steps.collect()
}

async fn execute(
    shop: &Shop,
    request: v1::ExecuteStepsRequest,
) -> Result<Vec<v1::StepResult>, tonic::Status> {
    let response = shop.orders().execute_steps(request).await?;
    Ok(response.into_inner().results)
}

/// Runs work while somebody else comments all the time, and says how long it took, how long the
/// slowest comment took, and how many there were.
async fn beside<T>(others: &Shop, work: impl Future<Output = T>) -> (T, Duration, Duration, usize) {
    let (mut slowest, mut comments) = (Duration::ZERO, 0);
    let began = Instant::now();
    let mut work = std::pin::pin!(work);
    let done = loop {
        let asked = Instant::now();
        tokio::select! {
            done = &mut work => break done,
            commented = others.comment("o1", "meanwhile", "") => {
                commented.unwrap();
                slowest = slowest.max(asked.elapsed());
                comments += 1;
            }
        }
    };
    (done, began.elapsed(), slowest, comments)
}

/// Others get in between, however long it takes altogether.
fn assert_in_turns(what: &str, (took, slowest, comments): (Duration, Duration, usize)) {
    eprintln!("{what} took {took:?}, the slowest of {comments} comments beside it {slowest:?}");
    assert!(
        slowest * 3 < took || slowest < Duration::from_millis(250),
        "{what} took {took:?}, a comment of somebody else waited {slowest:?}"
    );
}

async fn costly_steps_hold_up_nobody(backend: Backend) {
    const STEPS: usize = 200;
    let world = World::on(backend).await;
    let (shop, others) = (costly_shop(&world).await, bench::shop(&world).await);
    others.place("o1", &[]).await;
    let request = v1::ExecuteStepsRequest {
        steps: costly_steps(&shop, STEPS),
        ..Default::default()
    };
    let call = execute(&shop, request.clone());
    let (results, took, slowest, comments) = beside(&others, call).await;
    assert_in_turns("a call of costly steps", (took, slowest, comments));
    let results = results.unwrap();
    let sequences: Vec<_> = results
        .iter()
        .map(|result| result.entries[0].sequence)
        .collect();
    let expected: Vec<i64> = (2..).take(STEPS).collect();
    assert_eq!(sequences, expected, "each step comes after the one before");
    let again = execute(&shop, request).await.unwrap();
    assert!(again.iter().all(|result| result.replayed));
    let entries = |results: Vec<v1::StepResult>| -> Vec<_> {
        results.into_iter().map(|result| result.entries).collect()
    };
    assert_eq!(entries(again), entries(results));
}

async fn costly_steps_are_checked_within_bounds(backend: Backend) {
    let world = World::on(backend).await;
    let (shop, others) = (costly_shop(&world).await, bench::shop(&world).await);
    others.place("o1", &[]).await;
    let request = v1::ExecuteStepsRequest {
        steps: costly_steps(&shop, 1_000),
        validate_only: true,
        ..Default::default()
    };
    let (results, took, slowest, comments) = beside(&others, execute(&shop, request)).await;
    assert_in_turns("a call that is only checked", (took, slowest, comments));
    let results = results.unwrap();
    assert_eq!(results.len(), 1_000);
    let decided = results.iter().take_while(|result| result.error.is_none());
    let decided = decided.count();
    assert!(decided > 0);
    for result in &results[decided..] {
        assert_eq!(result.error.as_ref().unwrap().reason, "TOO_COSTLY");
    }
    assert_eq!(shop.get("1").await.version, 1);
}

async fn an_atomic_call_that_costs_too_much_is_refused(backend: Backend) {
    let world = World::on(backend).await;
    let (shop, others) = (costly_shop(&world).await, bench::shop(&world).await);
    others.place("o1", &[]).await;
    let request = v1::ExecuteStepsRequest {
        steps: costly_steps(&shop, 1_000),
        atomic: true,
        ..Default::default()
    };
    let (refusal, took, slowest, comments) = beside(&others, execute(&shop, request)).await;
    let refusal = refused(refusal, Code::ResourceExhausted, "TOO_COSTLY");
    assert_eq!(refusal.particular("max_ms"), "100");
    assert!(!refusal.particular("step_index").is_empty());
    assert!(
        slowest < Duration::from_secs(2),
        "an atomic call took {took:?}, the slowest of {comments} comments beside it {slowest:?}"
    );
    assert_eq!(shop.get("1").await.version, 1, "nothing was written");
}

async fn a_change_of_a_large_workflow_holds_up_nobody(backend: Backend) {
    let size = if cfg!(debug_assertions) {
        Size::SMALL
    } else {
        Size::FULL
    };
    let world = World::on(backend).await;
    let document = large::document(size);
    let (large, others) = (
        world::apply(&world, &world::fresh_code(), &document).await,
        bench::shop(&world).await,
    );
    others.place("o1", &[]).await;
    large.place("l1", &[]).await;
    let edits = async {
        large.assign("s1", "t0", None).await.unwrap();
        // The first step afterwards finds the workflow ready.
        large.comment("l1", "after the change", "").await.unwrap();
        let again = large.document(&document, v1::WorkflowFormat::Yaml);
        large
            .workflows()
            .apply_workflow(again.clone())
            .await
            .unwrap();
        large.workflows().apply_workflow(again).await.unwrap();
        large.comment("l1", "after the change", "").await.unwrap();
    };
    let ((), took, slowest, comments) = beside(&others, edits).await;
    assert_in_turns(
        "three changes of a large workflow",
        (took, slowest, comments),
    );
    assert!(comments > 0);
}
