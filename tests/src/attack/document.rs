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

/// A small workflow in which time sets off the text of a comment after a second, again and again.
pub fn timed(code: &str, text: &str) -> String {
    let way = |from: &str, to: &str| {
        json!({"label": "Turn", "from_statuses": [from], "to_state": "open", "to_status": to,
               "trigger": {"after": "1s"}, "actions": {"note": {"comment": {"text": text}}}})
    };
    json!({
        "workflow": code,
        "label": "Timed",
        "initial_state": "open",
        "statuses": {"here": {"label": "Here"}, "there": {"label": "There"}},
        "states": {
            "open": {"label": "Open", "category": "initial", "can_start": true, "statuses": ["here", "there"]},
        },
        "transitions": {"away": way("here", "there"), "back": way("there", "here")},
    })
    .to_string()
}

/// A document, and its format.
pub fn document(dice: &mut Dice, code: &str) -> (String, WorkflowFormat) {
    let either = *dice.pick(&[WorkflowFormat::Yaml, WorkflowFormat::Json]);
    match dice.below(14) {
        0 => (wide(dice, code), WorkflowFormat::Json),
        1 => (deep(dice), either),
        2 => (aliases(dice), WorkflowFormat::Yaml),
        3 => (xml(dice), WorkflowFormat::MagentoConfigXml),
        4 => (torn(dice, code), either),
        5 | 6 => (odd_value(dice, code), WorkflowFormat::Yaml),
        7 => (odd_whole(dice, code), WorkflowFormat::Yaml),
        8 => (odd_json(dice, code), WorkflowFormat::Json),
        _ => {
            let texts: Vec<String> = (0..=dice.below(3)).map(|_| template(dice)).collect();
            (
                workflow(code, &guard(dice), &written(&texts)),
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

fn wide(dice: &mut Dice, code: &str) -> String {
    let states = 1 + dice.below(150);
    let each = 1 + dice.below(5);
    let transitions = dice.below(1_500);
    large(code, states, each, transitions)
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
fn torn(dice: &mut Dice, code: &str) -> String {
    let mut text: Vec<char> = workflow(code, "true", &written(&["{{ order.id }}".to_owned()]))
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

/// A well-formed document, which YAML reads as well, whose label or guard is a scalar that YAML reads in a way of its own.
fn odd_value(dice: &mut Dice, code: &str) -> String {
    let long = "x".repeat(*dice.pick(&[10, 10_000, 1_000_000]));
    let digits = "9".repeat(*dice.pick(&[20, 400, 100_000]));
    let value = match dice.below(20) {
        0 => format!("\"{long}\""),
        1 => long,
        2 => digits,
        3 => format!("0x{}", "f".repeat(digits.len())),
        4 => format!("1e{digits}"),
        5 => format!("0.{digits}"),
        6 => "!!binary \"AAAA====AAAA\"".to_owned(),
        7 => "!!int \"x\"".to_owned(),
        8 => format!("!<tag:{long}> 1"),
        9 => "!!set {a, b}".to_owned(),
        10 => "!!timestamp 2026-01-01".to_owned(),
        11 => ".nan".to_owned(),
        12 => "-.inf".to_owned(),
        13 => "~".to_owned(),
        14 => "2026-01-01T00:00:00Z".to_owned(),
        15 => "\"\\x00\\u202e\\ud800\\U0010ffff\"".to_owned(),
        16 => "\"\\U00110000\"".to_owned(),
        17 => "&a [*a, *a]".to_owned(),
        18 => "&a {<<: *a}".to_owned(),
        _ => format!("'{}'", "''".repeat(long.len() / 2)),
    };
    let place = *dice.pick(&["\"Attacked\"", "\"true\"", "\"Open\"", "\"there\""]);
    workflow(code, "true", &written(&[])).replace(place, &value)
}

/// A well-formed document in odd surroundings.
fn odd_whole(dice: &mut Dice, code: &str) -> String {
    let plain = workflow(code, "true", &written(&[]));
    let many = *dice.pick(&[2, 100, 10_000]);
    let (before, after) = match dice.below(14) {
        0 => ("\u{feff}".to_owned(), String::new()),
        1 => ("\u{feff}".repeat(many), String::new()),
        2 => ("%YAML 9.9\n---\n".to_owned(), String::new()),
        3 => ("%TAG ! tag:x:\n---\n".repeat(many), String::new()),
        4 => ("---\n".repeat(many), String::new()),
        5 => (String::new(), "\n...\n---\na: 1\n".repeat(many)),
        6 => ("# remark\r\n".repeat(many), String::new()),
        7 => ("\r".repeat(many), "\r\n".repeat(many)),
        8 => ("\t".repeat(many), String::new()),
        9 => (String::new(), "\u{0}".repeat(many)),
        10 => ("\u{85}\u{2028}".repeat(many), String::new()),
        11 => ("&a ".repeat(many), String::new()),
        12 => ("!!map ".repeat(many), String::new()),
        _ => ("? ".repeat(many), ": ".repeat(many)),
    };
    match dice.below(3) {
        0 => format!("{before}{}{after}", blocks(dice, code)),
        1 => format!("{before}{plain}{after}").replace(',', ",\r\n"),
        _ => format!("{before}{plain}{after}"),
    }
}

/// A document in the style of YAML, with scalars of many lines, keys that come twice and keys that are no texts.
fn blocks(dice: &mut Dice, code: &str) -> String {
    let times = *dice.pick(&[1, 30, 3_000]);
    let style = *dice.pick(&["|", ">", "|+9", ">-", "|2-"]);
    let lines = "    a line \u{1f600} of the text\n\n".repeat(times);
    let key = *dice.pick(&[
        "label: Again\n",
        "? [a, b]\n: 1\n",
        "? {a: b}\n: 1\n",
        "1: 1\n",
        "null: 1\n",
        "<<: {label: Merged}\n",
        "<<: [{label: a}, {label: b}]\n",
        "\u{e9}: 1\n",
        "e\u{301}: 1\n",
    ]);
    format!(
        "workflow: {code}\nlabel: Blocks\ndescription: {style}\n{lines}{}",
        key.repeat(times)
    )
}

/// JSON at the edges of what JSON is.
fn odd_json(dice: &mut Dice, code: &str) -> String {
    let plain = workflow(code, "true", &written(&[]));
    let many = *dice.pick(&[2, 200, 20_000]);
    let value = match dice.below(10) {
        0 => format!("1e{}", "9".repeat(many)),
        1 => "9".repeat(many),
        2 => format!("-0.{}1", "0".repeat(many)),
        3 => "\"\\ud800\"".to_owned(),
        4 => format!("\"{}\"", "\\u0000".repeat(many)),
        5 => format!("\"{}\"", "\\ud83d\\ude00".repeat(many)),
        6 => format!("[{}]", vec!["null"; many].join(",")),
        7 => format!("{{{}}}", vec!["\"a\":1"; many].join(",")),
        8 => "\u{0}".repeat(many),
        _ => "NaN".to_owned(),
    };
    match dice.below(4) {
        0 => plain.replace("\"Attacked\"", &value),
        1 => plain.replace("{\"label\":\"Here\"}", &value),
        2 => plain.replacen('{', &format!("{{\"label\":{value},"), 1),
        _ => format!("{plain}{value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_documents() {
        let made = |seed| {
            let mut dice = Dice::new(seed);
            let documents = (0..50).map(|_| document(&mut dice, "attacked").0);
            documents.collect::<Vec<_>>()
        };
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
    }

    #[test]
    fn odd_values_take_the_place_of_others() {
        let plain = workflow("attacked", "true", &written(&[]));
        for seed in 0..100 {
            let mut dice = Dice::new(seed);
            assert_ne!(odd_value(&mut dice, "attacked"), plain, "seed {seed}");
        }
    }
}
