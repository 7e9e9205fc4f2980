//! What an update is about: what is set, or what its mask names.

use prost_types::FieldMask;
use waymark_domain::{
    order::{Action, AttributesPatch, CustomerPatch, Hold, Order, Patch, Stated, StatedLine},
    value::{Attributes, Money},
    workflow::{LabelsPatch, StatusPatch, TransitionPatch, Trigger},
};
use waymark_proto::{
    convert::{
        order::order_to_wire,
        status::UpdateStatus,
        step::{ParsedChange, ParsedStep},
        transition::UpdateTransition,
    },
    v1,
};

use crate::sample::{CREATED, clerk, default_workflow, graph, order, value};

fn named(paths: &[&str]) -> FieldMask {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    FieldMask { paths }
}

fn pairs(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn update(order: v1::Order, update_mask: Option<FieldMask>) -> Patch {
    let request = v1::UpdateOrderRequest {
        order: Some(v1::Order {
            id: "1".to_owned(),
            ..order
        }),
        update_mask,
        ..Default::default()
    };
    let step = ParsedStep::update_order(request, &default_workflow()).unwrap();
    match step.change {
        ParsedChange::Change(command) => match command.action {
            Action::Update(patch) => patch,
            other => panic!("an update is read as one, not as {other:?}"),
        },
        ParsedChange::Create { .. } => panic!("an update creates nothing"),
    }
}

#[test]
fn without_a_mask_what_is_set_changes() {
    assert_eq!(update(v1::Order::default(), None), Patch::default());
    let given = v1::Order {
        attributes: pairs(&[("colour", "red")]),
        customer: Some(v1::Customer {
            email: "ada@example.org".to_owned(),
            ..Default::default()
        }),
        grand_total: 5,
        ..Default::default()
    };
    let merged = [("colour".to_owned(), Some("red".to_owned()))];
    let expected = Patch {
        attributes: Some(AttributesPatch::Merge(merged.into())),
        customer: CustomerPatch {
            email: Some(value("ada@example.org")),
            ..Default::default()
        },
        grand_total: Some(Money::new(5).unwrap()),
        ..Default::default()
    };
    assert_eq!(update(given.clone(), None), expected);
    assert_eq!(update(given, Some(named(&[]))), expected);
}

fn stated(patch: Patch) -> Stated {
    *patch.stated.expect("something is stated")
}

#[test]
fn an_order_that_was_read_can_be_sent_back() {
    let held = Order {
        holds: vec![Hold {
            id: value("2"),
            reason: value("fraud"),
            placed_by: clerk(),
            place_time: CREATED,
            expire_time: Some(CREATED),
            status: Some(value("held")),
            visible_to_customer: false,
            notify_customer: false,
        }],
        return_to: Some(order().standing),
        total_paid: Money::new(5).unwrap(),
        ..order()
    };
    let mut wire = order_to_wire(&graph(), &held, None);
    wire.lines[1].quantity_shipped = "0.25".to_owned();
    let said = stated(update(wire.clone(), None));
    assert_eq!(said.holds, held.holds);
    let done = StatedLine {
        index: 1,
        id: value("2"),
        invoiced: None,
        shipped: Some(value("0.25")),
        refunded: None,
        canceled: None,
        returned: None,
    };
    let expected = Stated {
        state: Some(held.standing.state.clone()),
        status: Some(held.standing.status.clone()),
        currency: held.currency.clone(),
        total_paid: Some(held.total_paid),
        holds: held.holds.clone(),
        return_state: Some(held.standing.state.clone()),
        return_status: Some(held.standing.status.clone()),
        create_time: Some(CREATED),
        lines: vec![done.clone()],
        ..Stated::default()
    };
    assert_eq!(said, expected);
    // With a mask only what it names counts; of lines, what is said to be done with them.
    let patch = update(wire.clone(), Some(named(&["store_view"])));
    assert_eq!(patch.stated, None);
    // Who placed a hold may be somebody who could not call today.
    let mut older = wire.clone();
    older.holds[0].placed_by = Some(v1::Actor {
        kind: v1::ActorKind::System.into(),
        id: "two\nlines".to_owned(),
        ..Default::default()
    });
    let said = stated(update(older, None));
    assert_eq!(said.holds[0].placed_by.id.as_str(), "two\nlines");
    let said = stated(update(wire, Some(named(&["lines"]))));
    let expected = Stated {
        lines: vec![done],
        ..Stated::default()
    };
    assert_eq!(said, expected);
}

#[test]
fn the_version_that_an_order_is_said_to_have_is_expected() {
    let expected = |version: i64, expected_version: i64, paths: &[&str]| {
        let request = v1::UpdateOrderRequest {
            order: Some(v1::Order {
                id: "1".to_owned(),
                version,
                ..Default::default()
            }),
            update_mask: Some(named(paths)),
            expected_version,
            ..Default::default()
        };
        let step = ParsedStep::update_order(request, &default_workflow());
        step.map(|step| match step.change {
            ParsedChange::Change(command) => command.expected_version,
            ParsedChange::Create { .. } => panic!("an update creates nothing"),
        })
    };
    assert_eq!(expected(0, 0, &[]), Ok(None));
    assert_eq!(expected(7, 0, &[]), Ok(Some(7)));
    assert_eq!(expected(7, 7, &[]), Ok(Some(7)));
    assert_eq!(expected(7, 3, &["store_view"]), Ok(Some(3)));
    let invalid = expected(7, 3, &[]).unwrap_err();
    assert_eq!(
        invalid.to_string(),
        "order.version must be what `expected_version` says"
    );
}

#[test]
fn a_mask_names_what_an_order_has() {
    let order = v1::Order {
        total_paid: 5,
        ..order_to_wire(&graph(), &order(), None)
    };
    let patch = update(order, Some(named(&["grand_total"])));
    assert_eq!(patch.grand_total, Some(Money::new(1_999).unwrap()));
    assert_eq!(
        Patch {
            grand_total: None,
            ..patch
        },
        Patch::default()
    );
}

#[test]
fn a_mask_replaces_and_clears() {
    let given = v1::Order {
        attributes: pairs(&[("a", "1"), ("b", "2")]),
        ..Default::default()
    };
    let replaced = Attributes::new(pairs(&[("a", "1"), ("b", "2")])).unwrap();
    for paths in [&["attributes"][..], &["attributes.a", "attributes"]] {
        let patch = update(given.clone(), Some(named(paths)));
        assert_eq!(
            patch.attributes,
            Some(AttributesPatch::Replace(replaced.clone())),
            "{paths:?}"
        );
    }
    let patch = update(given, Some(named(&["attributes.a", "attributes.c.d"])));
    let merged = [
        ("a".to_owned(), Some("1".to_owned())),
        ("c.d".to_owned(), None),
    ];
    assert_eq!(
        patch.attributes,
        Some(AttributesPatch::Merge(merged.into()))
    );

    let cleared = CustomerPatch {
        id: Some(value("")),
        email: Some(value("")),
        name: Some(value("")),
        guest: Some(false),
    };
    let patch = update(
        v1::Order::default(),
        Some(named(&["customer", "store_view", "lines", "grand_total"])),
    );
    let expected = Patch {
        attributes: None,
        customer: cleared,
        store_view: Some(None),
        lines: Some(Vec::new()),
        grand_total: Some(Money::ZERO),
        stated: None,
    };
    assert_eq!(patch, expected);
    let everything = update(v1::Order::default(), Some(named(&["*"])));
    let nothing = AttributesPatch::Replace(Attributes::default());
    assert_eq!(
        everything,
        Patch {
            attributes: Some(nothing),
            ..expected
        }
    );
    let guest = update(v1::Order::default(), Some(named(&["customer.guest"]))).customer;
    assert_eq!(
        guest,
        CustomerPatch {
            guest: Some(false),
            ..Default::default()
        }
    );
}

#[test]
fn statuses() {
    let update = |update_mask| {
        let status = v1::OrderStatus {
            code: "pending".to_owned(),
            etag: "v3".to_owned(),
            store_view_labels: pairs(&[("de", "Wartend")]),
            position: 3,
            ..Default::default()
        };
        let request = v1::UpdateStatusRequest {
            status: Some(status),
            update_mask,
            ..Default::default()
        };
        UpdateStatus::read(request, &default_workflow()).unwrap()
    };
    let labels = [(value("de"), value("Wartend"))];
    let set = update(None);
    assert_eq!(set.edit.etag.as_deref(), Some("v3"));
    let expected = StatusPatch {
        store_view_labels: Some(LabelsPatch::Merge(labels.clone().into())),
        position: Some(3),
        ..Default::default()
    };
    assert_eq!(set.patch, expected);
    let expected = StatusPatch {
        store_view_labels: Some(LabelsPatch::Replace(labels.into())),
        description: Some(value("")),
        color: Some(None),
        retired: Some(false),
        ..Default::default()
    };
    let masked = update(Some(named(&[
        "store_view_labels",
        "description",
        "color",
        "retired",
    ])));
    assert_eq!(masked.patch, expected);
}

#[test]
fn transitions() {
    let update = |update_mask| {
        let transition = v1::Transition {
            code: "start".to_owned(),
            guard: "true".to_owned(),
            ..Default::default()
        };
        let transition = Some(transition);
        let request = v1::UpdateTransitionRequest {
            transition,
            update_mask,
            ..Default::default()
        };
        UpdateTransition::read(request, &default_workflow())
            .unwrap()
            .patch
    };
    let set = update(None);
    assert_eq!(
        set.guard
            .clone()
            .flatten()
            .map(|guard| guard.to_string())
            .as_deref(),
        Some("true")
    );
    assert_eq!(
        TransitionPatch { guard: None, ..set },
        TransitionPatch::default()
    );
    let expected = TransitionPatch {
        from_statuses: Some(Vec::new()),
        from_states: Some(Vec::new()),
        to_status: Some(None),
        trigger: Some(Trigger::Manual),
        operation: Some(None),
        reverse: Some(false),
        visible_to_customer: Some(false),
        notify_customer: Some(false),
        roles: Some(Vec::new()),
        actions: Some(Vec::new()),
        position: Some(0),
        ..Default::default()
    };
    let paths = [
        "from_statuses",
        "from_states",
        "to_status",
        "trigger",
        "operation",
        "reverse",
        "visible_to_customer",
        "notify_customer",
        "roles",
        "actions",
        "position",
    ];
    assert_eq!(update(Some(named(&paths))), expected);
}
