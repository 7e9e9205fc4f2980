//! The workflows of `examples/workflows`: their documents, pictures and pages, and each walked on its main paths and to
//! its refusals.
//!
//! After a change of a document, or of how workflows are drawn, this writes the pictures anew:
//! `WAYMARK_RENEW_PICTURES=1 cargo test -p waymark-tests --test it examples`.

mod b2b_approval;
mod commercetools;
mod marketplace;
mod shopware_6;
mod woocommerce;

use std::{collections::BTreeSet, env, fs, path::PathBuf, time::Duration};

use tonic::{Code, Response};
use waymark_proto::v1::{
    self, DiagramFormat, LintSeverity, transition_order_request::Target::Transition,
};
use waymark_tests::{
    Backend, Shop, World,
    binary::workspace,
    page,
    replay::{facts, replay},
    script,
    shop::{Answer, person},
    world::{apply, fresh_code},
};

use crate::drawing::draw;

on_each_database!(
    no_document_is_warned_of,
    every_picture_shows_its_document,
    every_page_tells_of_all_parts,
    every_page_does_what_it_says,
);

const FAILED: Code = Code::FailedPrecondition;
const DENIED: Code = Code::PermissionDenied;

/// The folders below `examples/workflows`.
const NAMES: [&str; 5] = [
    "shopware_6",
    "woocommerce",
    "commercetools",
    "b2b_approval",
    "marketplace",
];

fn folder(name: &str) -> PathBuf {
    workspace().join("examples/workflows").join(name)
}

/// The document of an example.
fn document(name: &str) -> String {
    let path = folder(name).join("workflow.yaml");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// An example under a code of its own.
async fn shop(world: &World, name: &str) -> Shop {
    apply(world, &fresh_code(), &document(name)).await
}

/// Records an operation, for all that is left where no lines are given, and gives the order.
async fn record(shop: &Shop, id: &str, operation: &str, lines: &[(&str, &str)]) -> v1::Order {
    send(shop, shop.operation(id, operation, lines)).await
}

/// Records an operation that is given whole, and gives the order.
async fn send(shop: &Shop, request: v1::RecordOperationRequest) -> v1::Order {
    let what = format!("{} of {}", request.operation, request.order_id);
    let answer = shop.send(request).await;
    let answer = answer.unwrap_or_else(|status| panic!("{what}: {status:?}"));
    answer.order.expect("an order")
}

/// Takes a transition and gives the order.
async fn take(shop: &Shop, id: &str, transition: &str) -> v1::Order {
    let answer = shop.take(id, transition).await;
    let answer = answer.unwrap_or_else(|status| panic!("{transition} of {id}: {status:?}"));
    answer.order.expect("an order")
}

/// A refund of this amount, for units that come back.
fn coming_back(
    shop: &Shop,
    id: &str,
    lines: &[(&str, &str)],
    amount: i64,
) -> v1::RecordOperationRequest {
    let mut request = shop.operation(id, "refund", lines);
    for line in &mut request.lines {
        line.returned.clone_from(&line.quantity);
    }
    request.amount = Some(amount);
    request
}

/// Changes one attribute of an order, and gives the order.
async fn set_attribute(shop: &Shop, id: &str, key: &str, value: &str) -> v1::Order {
    let order = v1::Order {
        workflow: shop.workflow(),
        id: id.to_owned(),
        attributes: [(key.to_owned(), value.to_owned())].into(),
        ..Default::default()
    };
    let request = v1::UpdateOrderRequest {
        order: Some(order),
        ..Default::default()
    };
    let answer = shop.orders().update_order(request).await;
    let answer = answer.expect("the attribute is set").into_inner();
    answer.order.expect("an order")
}

/// An attribute of an order; empty where it has none.
fn attribute<'o>(order: &'o v1::Order, key: &str) -> &'o str {
    order.attributes.get(key).map_or("", String::as_str)
}

/// The ids of the orders of a shop that a filter lets through.
async fn ids(shop: &Shop, filter: v1::OrderFilter) -> BTreeSet<String> {
    let request = v1::ListOrdersRequest {
        workflows: vec![shop.workflow()],
        filter: Some(filter),
        ..Default::default()
    };
    let page = shop.orders().list_orders(request).await;
    let page = page.expect("orders are listed").into_inner();
    assert_eq!(page.next_page_token, "", "all fit on one page");
    page.orders.into_iter().map(|order| order.id).collect()
}

/// An instant as the time since 1970.
fn instant(time: Option<prost_types::Timestamp>) -> Duration {
    let time = time.expect("an instant");
    Duration::new(
        u64::try_from(time.seconds).unwrap(),
        u32::try_from(time.nanos).unwrap(),
    )
}

/// Asserts that the entries of an order give the order, but for when time does something with it.
async fn consistent(shop: &Shop, id: &str) {
    let timeless = |order: v1::Order| v1::Order {
        due_time: None,
        ..order
    };
    assert_eq!(
        timeless(replay(&shop.entries(id).await)),
        timeless(facts(shop.get(id).await))
    );
}

/// Somebody with roles who works in a shop.
struct Person<'s> {
    shop: &'s Shop,
    actor: v1::Actor,
}

impl<'s> Person<'s> {
    fn new(shop: &'s Shop, id: &str, roles: &[&str]) -> Self {
        let actor = person(id, roles);
        Self { shop, actor }
    }

    /// Records an operation that is given whole.
    async fn send(&self, request: v1::RecordOperationRequest) -> Answer<v1::Order> {
        let request = v1::RecordOperationRequest {
            actor: Some(self.actor.clone()),
            ..request
        };
        let answer = self.shop.send(request).await?;
        Ok(answer.order.expect("an order"))
    }

    /// Records an operation, for all that is left where no lines are given.
    async fn record(&self, id: &str, operation: &str, lines: &[(&str, &str)]) -> Answer<v1::Order> {
        self.send(self.shop.operation(id, operation, lines)).await
    }

    /// Takes a transition.
    async fn take(&self, id: &str, transition: &str) -> Answer<v1::Order> {
        self.take_saying(id, transition, "").await
    }

    /// Takes a transition with a comment.
    async fn take_saying(&self, id: &str, transition: &str, comment: &str) -> Answer<v1::Order> {
        let request = v1::TransitionOrderRequest {
            comment: comment.to_owned(),
            actor: Some(self.actor.clone()),
            ..self.shop.step(id, Transition(transition.to_owned()))
        };
        let answer = self.shop.orders().transition_order(request).await;
        let answer = answer.map(Response::into_inner)?;
        Ok(answer.order.expect("an order"))
    }
}

/// Information may be there, such as of steps that begin anywhere.
async fn no_document_is_warned_of(backend: Backend) {
    let world = World::on(backend).await;
    for name in NAMES {
        let request = v1::LintWorkflowRequest {
            document: document(name),
            ..Default::default()
        };
        let answer = world.workflows().lint_workflow(request).await.unwrap();
        let findings = answer.into_inner().findings;
        let weighty = |finding: &v1::LintFinding| finding.severity() != LintSeverity::Info;
        let told: Vec<_> = findings.into_iter().filter(weighty).collect();
        assert_eq!(told, [], "{name}");
    }
}

async fn every_picture_shows_its_document(backend: Backend) {
    let world = World::on(backend).await;
    for name in NAMES {
        let shop = shop(&world, name).await;
        let mut drawn = draw(&shop, DiagramFormat::Svg, "", false).await.unwrap();
        // Ids begin with the code of the workflow, which is another one in each test.
        for id in ["title", "desc"] {
            let drawn_id = format!("{}-{id}", shop.workflow());
            assert!(drawn.contains(&drawn_id), "{drawn_id}");
            drawn = drawn.replace(&drawn_id, &format!("{name}-{id}"));
        }
        let path = folder(name).join("diagram.svg");
        if env::var_os("WAYMARK_RENEW_PICTURES").is_some() {
            fs::write(&path, drawn).unwrap();
            continue;
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == drawn,
            "{} is not what is drawn; run this with WAYMARK_RENEW_PICTURES=1",
            path.display()
        );
    }
}

/// Each page shows its picture and has a word for every state, status and operation.
async fn every_page_tells_of_all_parts(backend: Backend) {
    let world = World::on(backend).await;
    for name in NAMES {
        let page = fs::read_to_string(folder(name).join("README.md")).unwrap();
        assert!(page.contains("](diagram.svg)"), "{name} shows no picture");
        assert!(page.lines().count() <= 90, "{name} has a long page");
        let shop = shop(&world, name).await;
        let operations = shop.definition().await.operations;
        let operations = operations.into_iter().map(|operation| operation.code);
        let request = v1::ListStatesRequest {
            workflow: shop.workflow(),
            ..Default::default()
        };
        let states = shop.states().list_states(request).await.unwrap();
        let places = states.into_inner().states.into_iter().flat_map(|state| {
            let statuses = state.assignments.into_iter();
            let statuses = statuses.map(|assignment| assignment.status);
            statuses.chain([state.code]).collect::<Vec<_>>()
        });
        let untold: Vec<_> = operations
            .chain(places)
            .filter(|code| !page.contains(&format!("`{code}`")))
            .collect();
        assert!(untold.is_empty(), "{name} does not tell of {untold:?}");
    }
}

/// Its commands, in its folder, one after the other; each checks with `grep` what came of it.
async fn every_page_does_what_it_says(backend: Backend) {
    let world = World::on(backend).await;
    for name in NAMES {
        let fences = page::read(&format!("examples/workflows/{name}/README.md"));
        let commands = fences.into_iter().filter(|fence| fence.info == "sh");
        let commands: Vec<_> = commands.map(|fence| fence.text).collect();
        let commands = commands.join("\n");
        assert!(commands.contains("| grep "), "{name} checks nothing");
        let directory = tempfile::tempdir().unwrap();
        let copy = directory.path().join("workflow.yaml");
        fs::copy(folder(name).join("workflow.yaml"), copy).unwrap();
        let printed = script::run(world.server(), directory.path(), &commands);
        assert!(!printed.is_empty(), "{backend:?} {name}");
    }
}
