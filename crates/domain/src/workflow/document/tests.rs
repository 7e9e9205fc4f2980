mod cost;
mod magento;
mod merging;
mod page;
pub(in crate::workflow) mod sample;
mod whole;

use proptest::prelude::*;
use sample::workflows;

use super::*;
use crate::{
    preset,
    value::WorkflowCode,
    workflow::{Refusal, Workflow, diff},
};

const SMALL: &str = "\
workflow: order
label: Order
initial_state: new
operations:
  pay: {label: Pay, effect: pay}
statuses:
  pending: {label: Pending, color: \"#3697cd\"}
  packing: {label: Packing}
  packed: {label: Packed, retired: true}
states:
  new: {label: New, category: initial, can_start: true, operations: [pay], statuses: [pending]}
  processing: {label: Processing, category: active, statuses: [packing, {status: packed, visible_on_storefront: false}]}
transitions:
  start: {label: Start, from_states: [new], to_state: processing, trigger: {on_operations: [pay]}}
";

fn small() -> Workflow {
    apply(
        None,
        &parse(SMALL, Format::Yaml).unwrap(),
        Mode::Replace,
        None,
    )
    .unwrap()
}

fn merged(text: &str) -> Result<Vec<String>, Refusal> {
    let base = small();
    let after = apply(
        Some(&base),
        &parse(text, Format::Yaml).unwrap(),
        Mode::Merge,
        None,
    )?;
    Ok(diff(&base, &after)
        .into_iter()
        .map(|d| format!("{} | {} | {}", d.subject, d.before, d.after))
        .collect())
}

#[test]
fn control_characters_are_named_with_their_place() {
    for (text, format) in [
        ("label: Order\ncode: \u{b}", Format::Yaml),
        ("{\"label\":\n\"\tab\u{b}\"}", Format::Json),
        ("<config>\n      \u{b}</config>", Format::MagentoConfigXml),
    ] {
        let refusal = parse(text, format).unwrap_err().to_string();
        let column = if format == Format::Json { 5 } else { 7 };
        let expected =
            format!("line 2, column {column}: U+000B is a control character, which is refused");
        assert_eq!(refusal, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    #[test]
    fn what_is_exported_and_applied_is_equal(workflow in workflows()) {
        for format in [Format::Yaml, Format::Json] {
            let text = export(&workflow, format).unwrap();
            let document = parse(&text, format);
            prop_assert!(document.is_ok(), "{:?}\n{}", document, text);
            let read = draft(None, &document.unwrap(), Mode::Replace, None).unwrap();
            prop_assert_eq!(&read, &workflow, "{}", &text);
            prop_assert_eq!(export(&read, format).unwrap(), text);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}|[a-z:{}\\[\\]&*!|>#\"' \\n-]{0,80}") {
        for format in [Format::Yaml, Format::Json, Format::MagentoConfigXml] {
            let _ = parse(&text, format);
        }
    }
}

#[test]
fn presets_survive_export() {
    for preset in preset::all() {
        let workflow = preset.workflow().unwrap();
        for format in [Format::Yaml, Format::Json] {
            let document = parse(&export(&workflow, format).unwrap(), format).unwrap();
            assert_eq!(
                apply(None, &document, Mode::Replace, None).unwrap(),
                workflow
            );
        }
    }
}

#[test]
fn exports_what_a_person_would_write() {
    assert_eq!(
        export(&small(), Format::Yaml).unwrap(),
        "\
workflow: order
label: Order
initial_state: new
comment_status: any_in_state
status_sharing: exclusive
refunded_units: still_ship
operations:
  pay:
    label: Pay
    effect: pay
statuses:
  pending:
    label: Pending
    color: \"#3697cd\"
  packing:
    label: Packing
  packed:
    label: Packed
    retired: true
states:
  new:
    label: New
    category: initial
    can_start: true
    operations: [pay]
    statuses: [pending]
  processing:
    label: Processing
    category: active
    statuses: [packing, {status: packed, visible_on_storefront: false}]
transitions:
  start:
    label: Start
    from_states: [new]
    to_state: processing
    trigger:
      on_operations: [pay]
"
    );
    assert_eq!(
        export(&small(), Format::MagentoConfigXml),
        Err(DocumentError::NoExport)
    );
}

/// Texts, and what is said about each, or how that begins.
const REFUSED: &[(&str, &str)] = &[
    (
        "labels: x",
        "line 1, column 1, labels: is not known here; did you mean label?",
    ),
    (
        "shape: x",
        "line 1, column 1, shape: is not known here: there are workflow, label, ",
    ),
    (
        "transitions:\n  a: {to: x}",
        "line 2, column 7, transitions.a.to: is not known here; did you mean to_state?",
    ),
    (
        "states:\n  a: {final: true}",
        "line 2, column 7, states.a.final: is not known here; did you mean terminal?",
    ),
    (
        "states:\n  a: {guard: order.can_ship}",
        "line 2, column 7, states.a.guard: is not known here; did you mean entry_guard?",
    ),
    (
        "states:\n  a: {default_status: x}",
        "line 2, column 7, states.a.default_status: is not known here; did you mean statuses, of which the first is the default?",
    ),
    (
        "on_create: {a: {webhook: {url: \"https://erp.example\"}}}",
        "line 1, column 27, on_create.a.webhook.url: is not known here; did you mean endpoint, the code of one that CreateEndpoint makes?",
    ),
    (
        "on_create: {a: {webhook: erp}}",
        "line 1, column 26, on_create.a.webhook: must be a map of keys and values, not a text, as in {endpoint: …}",
    ),
    (
        "on_create: {a: erp}",
        "line 1, column 16, on_create.a: must be a map of keys and values, not a text, as in {webhook: …}",
    ),
    (
        "statuses:\n  a: {label: A, colour: x}",
        "line 2, column 17, statuses.a.colour: is not known here; did you mean color?",
    ),
    (
        "statuses:\n  A: {label: A}",
        "line 2, column 3, statuses.A: must be a code: first a letter a-z, then a-z, 0-9 or _; did you mean a?",
    ),
    (
        "statuses:\n  a: {label: A, color: #ff0000\n  }",
        "line 2, column 22, statuses.a.color: must not be empty: leave the key out, or put what begins with # into quotes",
    ),
    (
        "statuses:\n  a: {label: A}\n  a: {label: B}",
        "line 3, column 3, statuses.a: must not be given twice",
    ),
    (
        "label: A\nlabel: B",
        "line 2, column 1, label: must not be given twice",
    ),
    (
        "states:\n  a: {terminal: yes}",
        "line 2, column 17, states.a.terminal: must be true or false",
    ),
    (
        "states:\n  a: {statuses: [b, {status: c, is_default: true}]}",
        "line 2, column 33, states.a.statuses[1].is_default: is not known here; did you mean default?",
    ),
    (
        "states:\n  a: {operations: [b, C]}",
        "line 2, column 23, states.a.operations[1]: must be a code: first a letter a-z, then a-z, 0-9 or _; did you mean c?",
    ),
    (
        "states:\n  a: {operations: b}",
        "line 2, column 19, states.a.operations: must be a list, such as [b]",
    ),
    (
        "states: [a]",
        "line 1, column 9, states: must be a map of keys and values, not a list",
    ),
    (
        "statuses:\n  a: {retired: \"true\"}",
        "line 2, column 16, statuses.a.retired: must be true or false, without quotes",
    ),
    (
        "states:\n  a: {operations: [b, ~]}",
        "line 2, column 23, states.a.operations[1]: must be a code, or what else the list has, and not empty",
    ),
    (
        "transitions:\n  a: {trigger: sometimes}",
        "line 2, column 16, transitions.a.trigger: must be manual, automatic, on_operations, after or at",
    ),
    (
        "transitions:\n  a: {trigger: after}",
        "line 2, column 16, transitions.a.trigger: must say more: after has a value, as in {after: …}",
    ),
    (
        "transitions:\n  a: {trigger: {manual: b}}",
        "line 2, column 16, transitions.a.trigger: must be manual alone, without a value",
    ),
    (
        "transitions:\n  a: {trigger: {after: 8h, at: now}}",
        "line 2, column 28, transitions.a.trigger: must say one thing only: after, or this",
    ),
    (
        "overpayment: keep",
        "line 1, column 14, overpayment: must be record or refuse",
    ),
    (
        "transitions:\n  a: {expire_time: 8h}",
        "line 2, column 7, transitions.a.expire_time: is not known here: there are label, description, ",
    ),
    (
        "max_cascade: -1",
        "line 1, column 14, max_cascade: must be a whole number from 1 to 100",
    ),
    (
        "max_cascade: 5000000000",
        "line 1, column 14, max_cascade: must be a whole number from 1 to 100",
    ),
    (
        "label: a\n---\nlabel: b",
        "line 2, column 1: only one document is allowed",
    ),
    (
        "label: &a x",
        "line 1, column 11, label: anchors and aliases are not allowed",
    ),
    (
        "label: *a",
        "line 1, column 8, label: anchors and aliases are not allowed",
    ),
    ("<<: {label: a}", "line 1, column 1, <<: is not known here"),
    (
        "- a",
        "line 1, column 1: must be a map of keys and values, not a list",
    ),
    (
        "a",
        "line 1, column 1: must be a map of keys and values, not a text",
    ),
    ("", "line 1, column 1: the document says nothing"),
    ("# nothing\n", "line 1, column 1: the document says nothing"),
    ("~", "line 1, column 1: the document says nothing"),
    ("{", "line 1, column 1: unclosed bracket"),
];

#[test]
fn names_the_place_of_what_it_refuses() {
    for (text, expected) in REFUSED {
        let error = parse(text, Format::Yaml).unwrap_err().to_string();
        assert!(
            error.starts_with(expected),
            "{text}\n  gives    {error}\n  expected {expected}"
        );
        assert_eq!(error.matches("line ").count(), 1, "{error}");
    }
    for (text, expected) in [
        (
            "{\"states\": {\"a\": {\"label\": 1}}}",
            "line 1, column 28, states.a.label: must be a text, such as \"1\"",
        ),
        (
            "{\"statuses\": {\"a\": {}, \"a\": {}}}",
            "line 1, column 24, statuses.a: must not be given twice",
        ),
        (
            "{\"states\": {\"a\": {\"terminal\": \"true\"}}}",
            "line 1, column 31, states.a.terminal: must be true or false, without quotes",
        ),
        (
            "{\"label\": null}",
            "line 1, column 11, label: must not be empty: leave the key out",
        ),
        (
            "{\"states\": {\"a\": {\"operations\": [\"b\", {}]}}}",
            "line 1, column 39, states.a.operations[1]: must be a text, not a map",
        ),
    ] {
        let error = parse(text, Format::Json).unwrap_err().to_string();
        assert_eq!(error, expected, "{text}");
    }
}

#[test]
fn names_what_an_action_or_timer_gets_wrong() {
    let action = |action: &str| format!("transitions: {{a: {{actions: {{b: {action}}}}}}}");
    let rows = [
        (
            "transitions: {a: {trigger: {after: tomorrow}}}".to_owned(),
            "line 1, column 36, transitions.a.trigger.after: must be a period such as 8h, 90s or 1day 12h",
        ),
        (
            action("{webhook: {endpoint: x}, transition: y}"),
            "line 1, column 29, transitions.a.actions.b: must say one thing only: webhook, email, publish, comment, set_attributes or transition",
        ),
        (
            action("{comment: {text: x}, attempts: 3}"),
            "line 1, column 29, transitions.a.actions.b: is written with the step, so attempts, backoff and timeout mean nothing to it",
        ),
        (
            action("{webhook: {endpoint: x}, attempts: 51}"),
            "line 1, column 57, transitions.a.actions.b.attempts: must have 1 to 50 attempts",
        ),
        (
            action("{webhook: {endpoint: x}, backoff: 25h, attempts: 99}"),
            "line 1, column 57, transitions.a.actions.b.backoff: must have a backoff of at most 1day; line 1, column 71, transitions.a.actions.b.attempts: must have 1 to 50 attempts",
        ),
        (
            action("{webhook: {endpoint: x}, timeout: 6m}"),
            "line 1, column 57, transitions.a.actions.b.timeout: must have a timeout of at most 5m",
        ),
        (
            action("{publish: {subject: \"{{ order.nothing }}\"}}"),
            "line 1, column 52, transitions.a.actions.b.publish.subject: cannot be filled in: it knows no field order.nothing; the documentation of guards lists the fields",
        ),
        (
            action("{email: {copy_to: [nobody], template: x}}"),
            "line 1, column 51, transitions.a.actions.b.email.copy_to[0]: must be an address such as warehouse@example.com",
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(
            parse(&text, Format::Yaml).unwrap_err().to_string(),
            expected
        );
    }
    let base =
        "workflow: w\nlabel: W\ninitial_state: n\nstates: {n: {label: N, category: initial}}\n";
    for (part, expected) in [
        (
            "on_create: {b: {position: 3}}",
            "the document must give on_create.b.webhook, email, publish, comment, set_attributes or transition",
        ),
        (
            "on_comment: {b: {email: {customer: always}}, c: {comment: {visible_to_customer: true}}}",
            "the document must give on_comment.b.email.template, on_comment.c.comment.text",
        ),
    ] {
        let document = parse(&format!("{base}{part}"), Format::Yaml).unwrap();
        let refused = draft(None, &document, Mode::Replace, None).unwrap_err();
        assert_eq!(refused.to_string(), expected);
    }
}

#[test]
fn a_second_apply_changes_nothing() {
    let workflow = small();
    let document = parse(SMALL, Format::Yaml).unwrap();
    for mode in [Mode::Replace, Mode::Merge] {
        assert_eq!(
            apply(Some(&workflow), &document, mode, None).unwrap(),
            workflow
        );
    }
}

#[test]
fn merge_adds_and_changes_what_the_document_names() {
    let rows = [
        (
            "label: Orders",
            vec!["workflow | label: Order | label: Orders"],
        ),
        (
            "statuses: {packing: {store_view_labels: {de: Gepackt}}, lost: {label: Lost}}\nstates: {processing: {statuses: [lost]}}",
            vec![
                "status lost |  | label: Lost; position: 40",
                "status packing | store_view_labels.de: none | store_view_labels.de: Gepackt",
                "assignment processing/lost |  | is_default: false; visible_on_storefront: true",
            ],
        ),
        (
            "statuses: {lost: {label: Lost}}\nstates: {processing: {statuses: [{status: lost, default: true}]}}",
            vec![
                "status lost |  | label: Lost; position: 40",
                "assignment processing/lost |  | is_default: true; visible_on_storefront: true",
                "assignment processing/packing | is_default: true | is_default: false",
            ],
        ),
        (
            "transitions: {start: {guard: order.can_ship}}\nstates: {processing: {statuses: [packed]}}",
            vec!["transition start | guard: none | guard: order.can_ship"],
        ),
        (
            "overpayment: refuse\ntransitions: {start: {operation: pay, reverse: true, notify_customer: true}}",
            vec![
                "workflow | overpayment: record | overpayment: refuse",
                "transition start | operation: none; reverse: none; notify_customer: none | operation: pay; reverse: true; notify_customer: true",
            ],
        ),
        (
            "overpayment: record\ntransitions: {start: {reverse: false, visible_to_customer: false}}",
            vec![],
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(merged(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn refuses_what_makes_no_workflow() {
    let rows = [
        (
            "statuses: {lost: {}}",
            "the document must give statuses.lost.label",
        ),
        (
            "states: {lost: {label: Lost}}",
            "the document must give states.lost.category",
        ),
        (
            "transitions: {go: {label: Go}}",
            "the document must give transitions.go.to_state",
        ),
        (
            "operations: {pack: {label: Pack}}",
            "the document must give operations.pack.effect",
        ),
        (
            "initial_state: nowhere",
            "the workflow would be invalid: workflow starts in state nowhere, which does not exist",
        ),
        (
            "states: {new: {statuses: [packing]}}",
            "the workflow would be invalid: status packing belongs to several states, but sharing is exclusive: new, processing",
        ),
        (
            "states: {new: {statuses: [pending, pending]}}",
            "the workflow would be invalid: assignment new/pending is defined twice, state new has several defaults: pending",
        ),
        (
            "states: {new: {statuses: [{status: pending, default: false}]}}",
            "the workflow would be invalid: state new has statuses, but none is its default",
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(merged(text).unwrap_err().to_string(), expected, "{text}");
    }
    let document = parse("label: x", Format::Yaml).unwrap();
    let refusal = apply(Some(&small()), &document, Mode::Replace, None).unwrap_err();
    assert_eq!(refusal.to_string(), "the document must give initial_state");
    assert_eq!(
        apply(None, &document, Mode::Replace, None)
            .unwrap_err()
            .to_string(),
        "the document must give workflow, initial_state"
    );
}

#[test]
fn the_code_of_the_call_wins() {
    let code = WorkflowCode::new("mine").unwrap();
    let document = parse(SMALL, Format::Yaml).unwrap();
    assert_eq!(document.workflow().map(WorkflowCode::as_str), Some("order"));
    assert_eq!(
        apply(None, &document, Mode::Replace, Some(&code))
            .unwrap()
            .code,
        code
    );
}

#[test]
fn a_byte_order_mark_is_passed_over_in_every_format() {
    let small = small();
    for format in [Format::Yaml, Format::Json] {
        let text = format!("\u{feff}{}", export(&small, format).unwrap());
        let document = parse(&text, format).unwrap();
        assert_eq!(apply(None, &document, Mode::Replace, None).unwrap(), small);
    }
    let xml = "\u{feff}<?xml version=\"1.0\"?><config><global><sales><order>\
               <statuses><a><label>A</label></a></statuses></order></sales></global></config>";
    assert!(parse(xml, Format::MagentoConfigXml).is_ok());
    // Elsewhere it is none, and places are counted without it.
    let error = parse("\u{feff}labels: x", Format::Yaml).unwrap_err();
    assert!(
        error.to_string().starts_with("line 1, column 1, labels"),
        "{error}"
    );
    let nothing = parse("\u{feff}", Format::Yaml).unwrap_err();
    assert_eq!(nothing, parse("", Format::Yaml).unwrap_err());
}
