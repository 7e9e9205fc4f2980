//! Workflow documents that carry such texts and guards, and documents that are odd themselves.

use serde_json::{Value, json};
use waymark_proto::v1::WorkflowFormat;

use super::{guard::guard, template::template};
use crate::load::Dice;

/// The transition, in documents made here, that an order can take again and again.
pub const TRANSITION: &str = "go";

/// A small workflow whose only transition has a guard and sets off actions, which are given as JSON.
pub fn workflow(code: &str, guard: &str, actions: &Value) -> String {
    json!({
        "workflow": code,
        "label": "Attacked",
        "initial_state": "open",
        "comment_status": "any_in_state",
        "operations": {"ship": {"label": "Ship", "effect": "ship"}, "pay": {"label": "Pay", "effect": "pay"}},
        "statuses": {"here": {"label": "Here"}, "there": {"label": "There"}},
        "states": {
            "open": {"label": "Open", "category": "initial", "can_start": true, "operations": ["ship", "pay"],
                     "statuses": ["here", "there"]},
        },
        "transitions": {
            TRANSITION: {"label": "Go", "from_statuses": ["here", "there"], "to_state": "open", "to_status": "here",
                         "guard": guard, "actions": actions},
        },
    })
    .to_string()
}

/// Actions that write texts: `texts` as comments and attributes.
pub fn written(texts: &[String]) -> Value {
    let actions = texts.iter().enumerate().map(|(number, text)| {
        let action = if number % 2 == 0 {
            json!({"comment": {"text": text}})
        } else {
            json!({"set_attributes": {"made": text}})
        };
        (format!("a{number}"), action)
    });
    Value::Object(actions.collect())
}

/// A document, and its format.
pub fn document(dice: &mut Dice) -> (String, WorkflowFormat) {
    match dice.below(10) {
        0 => (wide(dice), WorkflowFormat::Json),
        1 => (
            deep(dice),
            *dice.pick(&[WorkflowFormat::Yaml, WorkflowFormat::Json]),
        ),
        2 => (aliases(dice), WorkflowFormat::Yaml),
        3 => (xml(dice), WorkflowFormat::MagentoConfigXml),
        4 => (
            torn(dice),
            *dice.pick(&[WorkflowFormat::Yaml, WorkflowFormat::Json]),
        ),
        _ => {
            let texts: Vec<String> = (0..=dice.below(3)).map(|_| template(dice)).collect();
            (
                workflow("attacked", &guard(dice), &written(&texts)),
                WorkflowFormat::Json,
            )
        }
    }
}

/// As many parts as there is room for.
pub fn large(code: &str, states: usize, statuses_each: usize, transitions: usize) -> String {
    let name = |prefix: &str, number: usize| format!("{prefix}{number}");
    let all: serde_json::Map<String, Value> = (0..states * statuses_each)
        .map(|number| {
            (
                name("t", number),
                json!({"label": format!("Status {number}")}),
            )
        })
        .collect();
    let places: serde_json::Map<String, Value> = (0..states)
        .map(|state| {
            let of_state: Vec<_> = (0..statuses_each).map(|each| name("t", state * statuses_each + each)).collect();
            let category = if state == 0 { "initial" } else { "active" };
            (name("s", state), json!({"label": format!("State {state}"), "category": category, "can_start": state == 0, "statuses": of_state}))
        })
        .collect();
    let ways: serde_json::Map<String, Value> = (0..transitions)
        .map(|number| {
            let (from, to) = (number % states, (number * 7 + number / states + 1) % states);
            (name("w", number), json!({"label": format!("Way {number}"), "from_states": [name("s", from)], "to_state": name("s", to), "guard": format!("order.grand_total > {number}")}))
        })
        .collect();
    json!({"workflow": code, "label": "Large", "initial_state": "s0", "comment_status": "any_in_state", "status_sharing": "shared",
           "statuses": all, "states": places, "transitions": ways}).to_string()
}

fn wide(dice: &mut Dice) -> String {
    let states = 1 + dice.below(150);
    let each = 1 + dice.below(5);
    let transitions = dice.below(1_500);
    large("attacked", states, each, transitions)
}

fn deep(dice: &mut Dice) -> String {
    let times = *dice.pick(&[10, 100, 1_000, 20_000, 200_000]);
    let (open, close) = *dice.pick(&[
        ("[", "]"),
        ("{\"a\":", "}"),
        ("- ", ""),
        ("? ", ""),
        ("a: {", "}"),
        ("!!x ", ""),
        ("&a [", "]"),
        ("  ", ""),
    ]);
    format!("{}1{}", open.repeat(times), close.repeat(times))
}

fn aliases(dice: &mut Dice) -> String {
    let times = 1 + dice.below(40);
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x]\n".to_owned();
    for number in 1..=times {
        let before = number - 1;
        text += "a";
        let line =
            format!("{number}: &a{number} [*a{before}, *a{before}, *a{before}, *a{before}]\n");
        text += &line;
    }
    let end = format!("label: *a{times}\n<<: [*a0, *a{times}]\n");
    text + &end
}

fn xml(dice: &mut Dice) -> String {
    let times = *dice.pick(&[1, 50, 2_000, 20_000]);
    let many = |of: &dyn Fn(usize) -> String, times: usize| {
        (1..=times).map(of).collect::<Vec<_>>().concat()
    };
    match dice.below(4) {
        0 => format!("{}{}", "<a>".repeat(times), "</a>".repeat(times)),
        1 => {
            let states = many(
                &|n| {
                    format!(
                        "<s{n}><label>x</label><statuses><t{n} default=\"1\"/></statuses></s{n}>"
                    )
                },
                times,
            );
            format!(
                "<config><global><sales><order><states>{states}</states></order></sales></global></config>"
            )
        }
        2 => format!(
            "<config {}/>",
            many(&|n| format!("a{n}=\"&lt;&amp;&#x41;\" "), times)
        ),
        _ => {
            let entities = many(
                &|n| format!("<!ENTITY e{n} \"&e{0};&e{0};\">", n + 1),
                times.min(60),
            );
            format!("<!DOCTYPE x [{entities}]><config>&e1;</config>")
        }
    }
}

/// A well-formed document with some bytes changed.
fn torn(dice: &mut Dice) -> String {
    let mut text: Vec<char> =
        workflow("attacked", "true", &written(&["{{ order.id }}".to_owned()]))
            .chars()
            .collect();
    for _ in 0..=dice.below(6) {
        let place = dice.below(text.len());
        match dice.below(3) {
            0 => {
                text[place] = *dice.pick(&[
                    '"', '{', '\u{0}', '\u{feff}', '\n', ':', '9', '*', '&', '!', '\u{202e}',
                ]);
            }
            1 => text.truncate(place.max(1)),
            _ => {
                let piece: Vec<char> = text[place..].iter().take(200).copied().collect();
                text.splice(place..place, piece);
            }
        }
    }
    text.into_iter().collect()
}
