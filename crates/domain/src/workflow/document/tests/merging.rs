//! MERGE goes down to the leaves: what is not named is kept, lists are replaced.

use proptest::prelude::*;
use serde_json::Value;

use crate::workflow::{
    Workflow, diff,
    document::{Format, Mode, apply, draft, export, parse, tests::sample::workflows},
};

const BASE: &str = "\
workflow: order
label: Order
initial_state: new
operations:
  pay: {label: Pay, effect: pay, roles: [clerk]}
statuses:
  pending: {label: Pending, store_view_labels: {de: Offen, fr: Ouvert}}
states:
  new: {label: New, category: initial, can_start: true, operations: [pay], statuses: [pending]}
on_comment:
  erp: {webhook: {endpoint: erp}, attempts: 3, condition: order.can_ship}
  mail:
    description: Tells the customer
    email: {template: update, guest_template: update_guest, identity: support, customer: always, copy_to: [a@example.com], copy_method: separate}
    active: false
  event: {publish: {subject: orders.commented}, backoff: 1m}
  note: {comment: {text: Seen, visible_to_customer: true}, position: 7}
  mark: {set_attributes: {seen: \"yes\", by: \"{{ actor.id }}\"}}
";

fn base() -> Workflow {
    apply(
        None,
        &parse(BASE, Format::Yaml).unwrap(),
        Mode::Replace,
        None,
    )
    .unwrap()
}

/// The document of the base with one part written otherwise.
fn with(from: &str, to: &str) -> Workflow {
    assert!(BASE.contains(from), "{from}");
    let text = BASE.replacen(from, to, 1);
    apply(
        None,
        &parse(&text, Format::Yaml).unwrap(),
        Mode::Replace,
        None,
    )
    .unwrap()
}

/// What is merged, and what of the base it changes to what.
const ROWS: &[(&str, &str, &str)] = &[
    ("label: Orders", "label: Order\n", "label: Orders\n"),
    (
        "statuses: {pending: {store_view_labels: {fr: Attente}}}",
        "fr: Ouvert",
        "fr: Attente",
    ),
    (
        "operations: {pay: {roles: [boss, cook]}}",
        "[clerk]",
        "[boss, cook]",
    ),
    (
        "on_comment: {erp: {webhook: {endpoint: dwh}}}",
        "endpoint: erp",
        "endpoint: dwh",
    ),
    (
        "on_comment: {erp: {timeout: 9s}}",
        "attempts: 3,",
        "attempts: 3, timeout: 9s,",
    ),
    (
        "on_comment: {mail: {email: {template: news}}}",
        "template: update,",
        "template: news,",
    ),
    (
        "on_comment: {mail: {email: {copy_to: [b@example.com, c@example.com]}, active: true}}",
        "copy_to: [a@example.com], copy_method: separate}\n    active: false",
        "copy_to: [b@example.com, c@example.com], copy_method: separate}",
    ),
    (
        "on_comment: {mail: {email: {identity: sales}}}",
        "identity: support, ",
        "",
    ),
    (
        "on_comment: {event: {publish: {subject: x}}}",
        "orders.commented",
        "x",
    ),
    (
        "on_comment: {event: {publish: {}}}",
        "orders.commented",
        "orders.commented",
    ),
    (
        "on_comment: {note: {comment: {text: Read}}}",
        "text: Seen",
        "text: Read",
    ),
    (
        "on_comment: {note: {comment: {visible_to_customer: false}}}",
        ", visible_to_customer: true",
        "",
    ),
    (
        "on_comment: {mark: {set_attributes: {seen: \"no\", now: \"{{ now }}\"}}}",
        "seen: \"yes\", by: \"{{ actor.id }}\"",
        "seen: \"no\", by: \"{{ actor.id }}\", now: \"{{ now }}\"",
    ),
    // Another kind of work keeps how often it is tried, where it is sent too, and nothing else.
    (
        "on_comment: {erp: {email: {template: erp}}}",
        "webhook: {endpoint: erp}",
        "email: {template: erp}",
    ),
    (
        "on_comment: {erp: {transition: go}}",
        "webhook: {endpoint: erp}, attempts: 3",
        "transition: go",
    ),
];

#[test]
fn what_is_not_named_is_kept() {
    let base = base();
    for (fragment, from, to) in ROWS.iter().copied() {
        let document = parse(fragment, Format::Yaml).unwrap();
        let merged = draft(Some(&base), &document, Mode::Merge, None).unwrap();
        let expected = match to {
            // The workflow would be refused for the transition that it does not have.
            "transition: go" => {
                let text = BASE.replacen(from, to, 1);
                draft(
                    None,
                    &parse(&text, Format::Yaml).unwrap(),
                    Mode::Replace,
                    None,
                )
                .unwrap()
            }
            to => with(from, to),
        };
        assert_eq!(diff(&expected, &merged), [], "{fragment}");
        assert_eq!(merged, expected, "{fragment}");
    }
}

/// Some of the keys of a document, at every level; lists, and what starts a transition, stay whole.
fn fragment(value: &Value, keep: &mut impl FnMut() -> bool) -> Value {
    let Value::Object(map) = value else {
        return value.clone();
    };
    let kept = map.iter().filter(|_| keep());
    let kept: Vec<_> = kept.map(|(key, value)| (key.clone(), value)).collect();
    let some = kept.into_iter().map(|(key, value)| {
        let value = match key.as_str() {
            "trigger" => value.clone(),
            _ => fragment(value, keep),
        };
        (key, value)
    });
    Value::Object(some.collect())
}

/// What stands in one document and otherwise, or not at all, in another one.
fn news(before: &Value, after: &Value) -> Option<Value> {
    match (before, after) {
        (before, after) if before == after => None,
        (Value::Object(before), Value::Object(after)) => {
            let news = after.iter().filter_map(|(key, after)| {
                let news = match before.get(key) {
                    Some(before) if key != "trigger" => news(before, after)?,
                    Some(before) if before == after => return None,
                    Some(_) | None => after.clone(),
                };
                Some((key.clone(), news))
            });
            Some(Value::Object(news.collect()))
        }
        _ => Some(after.clone()),
    }
}

fn merged(base: &Workflow, document: &Value) -> Result<Workflow, String> {
    let text = document.to_string();
    let document = parse(&text, Format::Json).map_err(|error| format!("{error}: {text}"))?;
    draft(Some(base), &document, Mode::Merge, None).map_err(|error| format!("{error}: {text}"))
}

fn written(workflow: &Workflow) -> Value {
    serde_json::from_str(&export(workflow, Format::Json).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    #[test]
    fn a_workflow_merged_into_itself_is_itself(workflow in workflows()) {
        for format in [Format::Yaml, Format::Json] {
            let document = parse(&export(&workflow, format).unwrap(), format).unwrap();
            let merged = draft(Some(&workflow), &document, Mode::Merge, None).unwrap();
            prop_assert_eq!(&merged, &workflow);
        }
    }

    #[test]
    fn any_part_of_a_workflow_merged_into_it_changes_nothing(
        workflow in workflows(),
        mut dice in proptest::collection::vec(any::<bool>(), 1..64).prop_map(|dice| dice.into_iter().cycle()),
    ) {
        let part = fragment(&written(&workflow), &mut || dice.next().unwrap_or(true));
        if says_something(&part) {
            prop_assert_eq!(merged(&workflow, &part), Ok(workflow));
        }
    }

    #[test]
    fn one_leaf_that_is_merged_changes_that_leaf(workflow in workflows(), leaf in any::<prop::sample::Index>()) {
        let before = written(&workflow);
        let mut after = before.clone();
        let mut leaves = Vec::new();
        texts(&mut after, &mut leaves);
        let leaf = leaf.index(leaves.len());
        if let Some(text) = leaves.into_iter().nth(leaf) {
            *text = Value::from("changed");
        }
        if let Some(news) = news(&before, &after) {
            let merged = merged(&workflow, &news);
            prop_assert_eq!(merged.map(|merged| written(&merged)), Ok(after));
        }
    }
}

/// Whether there is more than empty maps.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.values().any(says_something),
        _ => true,
    }
}

/// The labels and descriptions in a document, which may be any text.
fn texts<'v>(value: &'v mut Value, found: &mut Vec<&'v mut Value>) {
    let Value::Object(map) = value else {
        return;
    };
    for (key, value) in map {
        match key.as_str() {
            "label" | "description" if value.is_string() => found.push(value),
            _ => texts(value, found),
        }
    }
}
