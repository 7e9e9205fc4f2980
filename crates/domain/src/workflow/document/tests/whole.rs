//! A document is read as a whole: all mistakes are told, each once, none as what follows from another.

use super::{SMALL, small};
use crate::{
    value::WorkflowCode,
    workflow::{
        Refusal, Severity, Workflow,
        document::{Checked, Format, Mode, Proposal, UnknownStates, check, draft, export, parse},
    },
};

fn checked(text: &str, format: Format, mode: Mode) -> Checked {
    let base = small();
    let proposal = Proposal {
        text,
        format,
        mode,
        unknown_states: UnknownStates::Refuse,
        base: Some(&base),
        code: None,
        fallback: None,
    };
    check(&proposal).unwrap()
}

/// What is wrong with a document that shall replace a workflow.
fn errors(text: &str, format: Format) -> Vec<String> {
    let Checked { workflow, remarks } = checked(text, format, Mode::Replace);
    let errors = remarks
        .iter()
        .filter(|remark| remark.severity() == Severity::Error);
    let errors: Vec<_> = errors.map(ToString::to_string).collect();
    assert!(workflow.is_none() || !errors.iter().any(|e| e.contains("must ")));
    errors
}

const MISTAKEN: &str = "\
workflow: shop
label: Shop
initial_state: opne
comment_status: any
status_sharing: Exclusive
colour: red
operations:
  pay: {label: Pay, effect: payed}
  ship: {label: Ship, effect: ship}
statuses:
  on-hold: {label: On hold}
  fresh: {label: [Fresh]}
  done: {label: Done}
states:
  open: {label: Open, category: initial, can_start: true, statuses: [fresh, on_hold]}
  closed: {category: closed, statuses: [done]}
transitions:
  close: {label: Close, from_state: [open], to_state: closed, guard: order.grand_totl > 1}
  expire: {label: Expire, from_states: [open], to_state: closed, trigger: {after: 3 fortnights}}
  paid: {label: Paid, from_states: [open], to_state: clsed, trigger: {on_operations: pay}}
";

#[test]
fn a_document_with_thirteen_mistakes_tells_thirteen() {
    let code = "must be a code: first a letter a-z, then a-z, 0-9 or _";
    let expected = [
        "line 3, column 16: workflow starts in state opne, which does not exist".to_owned(),
        "line 4, column 17, comment_status: must be any_in_state or never; did you mean any_in_state?".to_owned(),
        "line 5, column 17, status_sharing: must be exclusive or shared; did you mean exclusive?".to_owned(),
        "line 6, column 1, colour: is not known here".to_owned(),
        "line 8, column 29, operations.pay.effect: must be none, invoice, ship, refund, cancel or pay; did you mean pay?".to_owned(),
        format!("line 11, column 3, statuses.on-hold: {code}; did you mean on_hold?"),
        "line 12, column 18, statuses.fresh.label: must be a text, not a list".to_owned(),
        "line 16, column 3, states.closed.label: must be given".to_owned(),
        "line 18, column 25, transitions.close.from_state: is not known here; did you mean from_states?".to_owned(),
        "line 18, column 70: transition close has a guard that cannot be used: it knows no field order.grand_totl; did you mean grand_total?".to_owned(),
        "line 19, column 83, transitions.expire.trigger.after: must be a period such as 8h, 90s or 1day 12h".to_owned(),
        "line 20, column 54: transition paid enters state clsed, which does not exist".to_owned(),
        "line 20, column 86, transitions.paid.trigger.on_operations: must be a list, such as [pay]".to_owned(),
    ];
    let told = errors(MISTAKEN, Format::Yaml);
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(&expected), "{told}\n  expected {expected}");
    }
}

#[test]
fn what_follows_from_a_mistake_is_not_told() {
    let base = "label: W\ninitial_state: a\n";
    let rows: &[(&str, &[&str])] = &[
        // What is named stands where it cannot be read.
        (
            "statusses: {x: {label: X}}\nstates: {a: {label: A, category: initial, can_start: true, statuses: [x]}}",
            &["line 3, column 1, statusses: is not known here; did you mean statuses?"],
        ),
        (
            "states: {a: [label], b: {label: B, category: active}}",
            &["line 3, column 13, states.a: must be a map of keys and values, not a list"],
        ),
        (
            "statuses: {x: X}\nstates: {a: {label: A, category: initial, can_start: true, statuses: [x]}}",
            &["line 3, column 15, statuses.x: must be a map of keys and values, not a text"],
        ),
        // What is missing is there under another name, or cannot be read.
        (
            "states: {a: {lable: A, category: initial, can_start: true}}",
            &["line 3, column 14, states.a.lable: is not known here; did you mean label?"],
        ),
        (
            "states: {a: {label: A, category: initial, can_start: true}}\ntransitions: {t: {label: T, to_state: [a]}}",
            &["line 4, column 39, transitions.t.to_state: must be a text, not a list"],
        ),
        (
            "states: {a: {label: A, category: initial, can_start: true}}\non_create: {b: {webhok: {endpoint: erp}}, c: {email: always}}",
            &[
                "line 4, column 17, on_create.b.webhok: is not known here; did you mean webhook?",
                "line 4, column 54, on_create.c.email: must be a map of keys and values, not a text",
            ],
        ),
        // No rule of the whole is asked while a part is wrong.
        (
            "states: {a: {label: A, category: initial, can_start: maybe}}",
            &["line 3, column 54, states.a.can_start: must be true or false"],
        ),
        // Where reading ends, nothing is said of the rest.
        (
            "states: {a: {label: A, category: initial, can_start: true}, b: {label: \"x}}",
            &["line 3, column "],
        ),
    ];
    for (part, expected) in rows {
        let told = errors(&format!("{base}{part}"), Format::Yaml);
        assert_eq!(told.len(), expected.len(), "{part}: {told:#?}");
        for (told, expected) in told.iter().zip(*expected) {
            assert!(told.starts_with(expected), "{told}\n  expected {expected}");
        }
    }
}

#[test]
fn everything_that_is_missing_is_told() {
    let text =
        "statuses: {x: {}}\nstates:\n  a: {statuses: [x, {default: true}]}\ntransitions: {t: {}}\n";
    assert_eq!(
        errors(text, Format::Yaml),
        [
            "line 1, column 12, statuses.x.label: must be given",
            "line 3, column 3, states.a.category: must be given",
            "line 3, column 3, states.a.label: must be given",
            "line 3, column 21, states.a.statuses[1].status: must be given",
            "line 4, column 15, transitions.t.label: must be given",
            "line 4, column 15, transitions.t.to_state: must be given",
            "initial_state must be given; a document that names only some parts is applied with mode MERGE (--mode merge)",
            "label must be given; a document that names only some parts is applied with mode MERGE (--mode merge)",
        ]
    );
    // Whoever gives one of them wrote a whole document.
    let whole = "label: A\nstates: {a: {label: A, category: initial, can_start: true}}";
    assert_eq!(errors(whole, Format::Yaml), ["initial_state must be given"]);
    // On top of a workflow most of it is there.
    let merged = checked("transitions: {start: {}, t: {}}", Format::Yaml, Mode::Merge);
    let told: Vec<_> = merged.remarks.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "line 1, column 26, transitions.t.label: must be given",
            "line 1, column 26, transitions.t.to_state: must be given",
        ]
    );
}

#[test]
fn tags_are_refused_wherever_they_stand() {
    let text = "\
!!str label: !!binary aGVsbG8=
description: !!python/object:os.system x
operations: !!map
  pay: {label: Pay, effect: !e!x pay}
";
    let told = errors(text, Format::Yaml);
    let refused: Vec<_> = told
        .iter()
        .filter(|told| told.contains("tags such as !!binary are not allowed"))
        .collect();
    assert_eq!(refused.len(), 5, "{told:#?}");
    for place in ["line 1, column 1", "line 1, column 14", "line 2, column 14"] {
        assert!(
            refused.iter().any(|told| told.starts_with(place)),
            "{told:#?}"
        );
    }
}

#[test]
fn json_is_read_as_a_whole_too() {
    let text = "{\n \"label\": 1,\n \"colour\": [{\"a\": [1, 2]}, \"]\"],\n \"states\": {\"On Hold\": {\"category\": \"activ\", \"label\": \"A \\u00e4 \\ud83d\\ude00\"}},\n \"initial_state\": \"on_hold\"\n}";
    assert_eq!(
        errors(text, Format::Json),
        [
            "line 2, column 11, label: must be a text, such as \"1\"".to_owned(),
            format!(
                "line 3, column 2, colour: is not known here: there are {}",
                "workflow, label, description, initial_state, default_store_view, comment_status, status_sharing, \
                 refunded_units, overpayment, max_cascade, operations, statuses, states, transitions, on_create, \
                 on_comment"
            ),
            "line 4, column 13, states.On Hold: must be a code: first a letter a-z, then a-z, 0-9 or _; did you mean on_hold?".to_owned(),
            "line 4, column 37, states.on_hold.category: must be initial, active, held, completed, closed or canceled; did you mean active?".to_owned(),
        ]
    );
    // What was found before a fault of the syntax is told with it.
    let told = errors("{\"label\": [1], \"description\" 1}", Format::Json);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("line 1, column 11, label: must be a text, not a list"));
    assert!(
        told[1].starts_with("line 1, column 30, description: expected `:`"),
        "{told:?}"
    );
}

#[test]
fn a_hundred_mistakes_are_told() {
    let many = |line: fn(usize) -> String| (0..300).map(line).collect::<String>();
    let told = errors(&many(|n| format!("key{n}: 1\n")), Format::Yaml);
    assert_eq!(told.len(), 101);
    assert!(told[100].ends_with("there are more mistakes: only the first 100 are told"));
    assert!(told[99].starts_with("line 100, column 1, key99: is not known here"));
    let anchors = many(|n| format!("  s{n}: &a{n} {{label: A}}\n"));
    let empty = many(|n| format!("  s{n}: {{}}\n"));
    for statuses in [anchors, empty] {
        let text = format!(
            "workflow: a\nlabel: A\ninitial_state: new\nstates: {{new: {{label: New, category: initial, can_start: true, statuses: [s0]}}}}\nstatuses:\n{statuses}"
        );
        assert_eq!(errors(&text, Format::Yaml).len(), 101);
    }
}

#[test]
fn a_control_character_hides_no_other_mistake() {
    for (text, format) in [
        ("label: a\u{1}b\ncolour: x", Format::Yaml),
        ("{\"label\": \"a\u{1}\",\n\"colour\": 1}", Format::Json),
    ] {
        let told = errors(text, format);
        let control = told.iter().any(|told| told.contains("U+0001 is a control"));
        let colour = told
            .iter()
            .any(|told| told.contains("colour: is not known"));
        assert!(control && colour, "{told:#?}");
    }
}

#[test]
fn a_value_that_a_break_of_the_syntax_lies_in_is_not_told() {
    let text =
        "operations:\n  pay: {label: Pay, effect: pay\n  ship: {label: Ship, effect: ship}\n";
    let told = errors(text, Format::Yaml);
    assert!(
        !told.iter().any(|told| told.contains("effect")),
        "{told:#?}"
    );
    assert!(!told.is_empty());
}

#[test]
fn each_mistake_of_an_action_is_told_once() {
    let action = |rest: &str| {
        let text = SMALL.to_owned() + "on_create:\n  mail: {" + rest + "}\n";
        let told = errors(&text, Format::Yaml);
        let told = told.into_iter().filter_map(|told| {
            let (_, told) = told.split_once("on_create.mail")?;
            Some(told.to_owned())
        });
        told.collect::<Vec<_>>()
    };
    let webhook = "webhook: {endpoint: erp}";
    assert_eq!(
        action(&format!("{webhook}, attempts: 0")),
        [".attempts: must have 1 to 50 attempts"]
    );
    assert_eq!(
        action(&format!("{webhook}, timeout: 1M, backoff: 1M")),
        [
            ".timeout: must have a timeout of at most 5m",
            ".backoff: must have a backoff of at most 1day"
        ]
    );
    assert_eq!(
        action("active: true"),
        [": must say what is done: webhook, email, publish, comment, set_attributes or transition"]
    );
}

#[test]
fn what_is_merged_says_what_the_base_can_take() {
    let document = parse("on_create: {note: {comment: {text: x}}}", Format::Yaml).unwrap();
    let base = draft(Some(&small()), &document, Mode::Merge, None).unwrap();
    let merge = |text: &str, base: Option<&Workflow>| {
        let code = small().code;
        let proposal = Proposal {
            text,
            format: Format::Yaml,
            mode: Mode::Merge,
            unknown_states: UnknownStates::Refuse,
            base,
            code: Some(&code),
            fallback: None,
        };
        let checked = check(&proposal)?;
        let told = checked.remarks.iter().map(ToString::to_string);
        Ok::<Vec<_>, Refusal>(told.collect())
    };
    // How often it is tried means nothing to what is written with the step.
    let tried = "on_create: {note: {attempts: 3}}";
    assert_eq!(
        merge(tried, Some(&base)).unwrap(),
        [
            "line 1, column 13, on_create.note: is written with the step, so attempts, backoff and timeout mean nothing to it"
        ]
    );
    let document = parse(tried, Format::Yaml).unwrap();
    let refused = draft(Some(&base), &document, Mode::Merge, None).unwrap_err();
    assert!(matches!(refused, Refusal::WorkflowInvalid { .. }));
    let told = merge("statuses: {packing: {color: ~}}", Some(&base)).unwrap();
    assert!(told[0].contains("to clear it, REPLACE"), "{told:?}");
    // A fragment makes no workflow by itself.
    for text in [tried, "label: x"] {
        let refused = merge(text, None).unwrap_err();
        assert_eq!(refused.to_string(), "there is no workflow order");
        let document = parse(text, Format::Yaml).unwrap();
        let code = small().code;
        let refused = draft(None, &document, Mode::Merge, Some(&code)).unwrap_err();
        assert!(matches!(refused, Refusal::WorkflowNotFound { .. }));
    }
    assert!(merge(SMALL, None).is_ok());
}

#[test]
fn findings_stand_where_their_subjects_do() {
    let text = SMALL.replace(
        "trigger: {on_operations: [pay]}",
        "trigger: {after: 1M 2days}, guard: order.can_ship",
    );
    let Checked { workflow, remarks } = checked(&text, Format::Yaml, Mode::Replace);
    assert!(workflow.is_some());
    let told: Vec<_> = remarks.iter().map(ToString::to_string).collect();
    let months = "line 14, column 84: transition start starts after 1month 2days: M is a month of 30.44 days, and a minute is written 1m";
    assert!(told.contains(&months.to_owned()), "{told:#?}");
    let fine = text.replace("1M 2days", "1month 2days");
    let remarks = checked(&fine, Format::Yaml, Mode::Replace).remarks;
    assert!(
        !remarks
            .iter()
            .any(|r| r.to_string().contains("a minute is")),
        "{remarks:?}"
    );
}

#[test]
fn a_document_of_another_workflow_is_told() {
    let base = small();
    let code = WorkflowCode::new("mine").unwrap();
    let told = |code: Option<&WorkflowCode>| {
        let proposal = Proposal {
            text: SMALL,
            format: Format::Yaml,
            mode: Mode::Merge,
            unknown_states: UnknownStates::Refuse,
            base: Some(&base),
            code,
            fallback: None,
        };
        let remarks = check(&proposal).unwrap().remarks;
        let other = remarks
            .iter()
            .find(|r| r.finding.rule.code() == "other_workflow");
        other.map(ToString::to_string)
    };
    assert_eq!(
        told(Some(&code)).as_deref(),
        Some(
            "line 1, column 1: workflow is called order in the document, and mine is what was asked for"
        )
    );
    assert_eq!(told(Some(&base.code)), None);
    assert_eq!(told(None), None);
}

#[test]
fn what_is_right_has_no_errors() {
    for preset in crate::preset::all() {
        let workflow = preset.workflow().unwrap();
        for format in [Format::Yaml, Format::Json] {
            let text = export(&workflow, format).unwrap();
            let Checked {
                workflow: made,
                remarks,
            } = checked(&text, format, Mode::Replace);
            assert_eq!(made.as_ref(), Some(&workflow));
            assert!(remarks.iter().all(|r| r.severity() != Severity::Error));
            assert!(parse(&text, format).is_ok());
        }
    }
}
