//! Given an order and its entries, what its customer may see.

use std::collections::BTreeMap;

use super::*;
use crate::{
    history::Detail,
    judge::Graph,
    value::{Comment, Label, Metadata},
    workflow::sample,
};

fn view(code: &str) -> StoreView {
    StoreView::new(code).unwrap()
}

/// Received is `Arrived`, in the store view `de` `Eingegangen`; complete is hidden from
/// storefronts.
fn workflow() -> Workflow {
    let mut workflow = sample::workflow();
    for assignment in &mut workflow.assignments {
        assignment.visible_on_storefront = assignment.status.as_str() != "complete";
    }
    let received = workflow
        .statuses
        .iter_mut()
        .find(|status| status.code.as_str() == "received");
    let received = received.unwrap();
    received.label = Label::new("Arrived").unwrap();
    let german = Label::new("Eingegangen").unwrap();
    received.store_view_labels = BTreeMap::from([(view("de"), german)]);
    workflow
}

fn at(state: &str, status: &str) -> Standing {
    Standing {
        state: sample::state(state),
        status: sample::status(status),
    }
}

fn order(state: &str, status: &str) -> Order {
    let graph = Graph::new(workflow(), 1).unwrap();
    Order {
        standing: at(state, status),
        ..sample::order_of(&graph)
    }
}

fn entry(sequence: i64, from: &Standing, to: &Standing, visible: bool) -> Entry {
    let context = sample::context();
    Entry {
        sequence,
        from: Some(from.clone()),
        to: to.clone(),
        transition: None,
        comment: Comment::new(&format!("comment {sequence}")).unwrap(),
        notify_customer: false,
        visible_to_customer: visible,
        actor: context.actor,
        request_id: None,
        caused_by: 0,
        workflow_version: 1,
        metadata: Metadata::default(),
        create_time: Timestamp::from_micros(sequence),
        detail: Detail::Commented,
        set_off: Vec::new(),
    }
}

fn labels(tracking: &Tracking) -> Vec<(i64, Option<&str>, bool)> {
    let entries = tracking.entries.iter();
    entries
        .map(|remark| {
            (
                remark.sequence,
                remark.label.as_deref(),
                remark.status_changed,
            )
        })
        .collect()
}

#[test]
fn only_entries_for_the_customer_are_seen() {
    let (pending, received) = (at("new", "pending"), at("new", "received"));
    let entries = [
        entry(4, &received, &received, true),
        entry(3, &pending, &received, true),
        entry(2, &pending, &pending, false),
    ];
    let tracking = Tracking::of(&workflow(), &order("new", "received"), &entries, None).unwrap();
    assert_eq!(tracking.status_label, "Arrived");
    assert_eq!(
        labels(&tracking),
        [(4, Some("Arrived"), false), (3, Some("Arrived"), true)]
    );
    assert_eq!(tracking.entries[0].comment, "comment 4");
}

#[test]
fn labels_are_those_of_the_store_view() {
    let received = at("new", "received");
    let entries = [entry(2, &received, &received, true)];
    let mut order = order("new", "received");
    let label = |order: &Order, asked: Option<&StoreView>| {
        let tracking = Tracking::of(&workflow(), order, &entries, asked).unwrap();
        let [remark] = tracking.entries.as_slice() else {
            panic!("one entry was given");
        };
        assert_eq!(
            remark.label.as_deref(),
            Some(tracking.status_label.as_str())
        );
        tracking.status_label
    };
    assert_eq!(label(&order, Some(&view("de"))), "Eingegangen");
    assert_eq!(label(&order, Some(&view("fr"))), "Arrived");
    order.store_view = Some(view("de"));
    assert_eq!(label(&order, None), "Eingegangen");
}

#[test]
fn an_order_that_storefronts_do_not_show_is_not_seen() {
    let entries = [entry(2, &at("new", "pending"), &at("new", "pending"), true)];
    assert_eq!(
        Tracking::of(&workflow(), &order("complete", "complete"), &entries, None),
        None
    );
    // Nor one on a pair that was unassigned meanwhile.
    assert_eq!(
        Tracking::of(&workflow(), &order("new", "complete"), &entries, None),
        None
    );
}

#[test]
fn a_status_that_storefronts_do_not_show_has_no_label() {
    let (pending, hidden) = (at("new", "pending"), at("complete", "complete"));
    let entries = [
        entry(3, &hidden, &pending, true),
        entry(2, &pending, &hidden, true),
    ];
    let tracking = Tracking::of(&workflow(), &order("new", "pending"), &entries, None).unwrap();
    assert_eq!(
        labels(&tracking),
        [(3, Some("pending"), true), (2, None, false)]
    );
    assert_eq!(tracking.entries[1].comment, "comment 2");
}
