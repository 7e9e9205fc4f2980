//! A picture in words, for those who hear it.

use super::{
    drawing::{Drawing, DrawnTransition, Mark, Row, SOURCES_MAX, StateBox},
    text::isolated,
};

/// The longest description, in bytes.
const BYTES_MAX: usize = 4_000;

/// Describes the states with their statuses, then the transitions, as far as there is room.
pub(super) fn description(drawing: &Drawing<'_>) -> String {
    let states = drawing.boxes.iter().map(state);
    let transitions = drawing.ways.iter().map(|way| transition(drawing, way));
    let mut text = String::new();
    for sentence in states.chain(transitions) {
        if text.len() + sentence.len() > BYTES_MAX {
            text.push_str("There is more.");
            break;
        }
        text.push_str(&sentence);
    }
    text.trim_end().to_owned()
}

/// `State New, initial, holdable: Pending, Received (the order stands here). `
fn state(drawn: &StateBox<'_>) -> String {
    let mut sentence = format!("State {}", label(drawn));
    for (flag, is_set) in [
        ("initial", drawn.is_initial),
        ("terminal", drawn.state.terminal),
        ("holdable", drawn.state.holdable),
    ] {
        if is_set {
            sentence.push_str(", ");
            sentence.push_str(flag);
        }
    }
    let statuses: Vec<_> = drawn.rows.iter().map(status).collect();
    match statuses.as_slice() {
        [] => sentence + ", without a status. ",
        statuses => format!("{sentence}: {}. ", statuses.join(", ")),
    }
}

fn status(row: &Row<'_>) -> String {
    let mark = match row.mark {
        Mark::None => "",
        Mark::Visited => " (visited)",
        Mark::Current => " (the order stands here)",
    };
    format!("{}{mark}", isolated(&row.text))
}

/// `Transition Start (automatic): from New to Processing. `
fn transition(drawing: &Drawing<'_>, way: &DrawnTransition<'_>) -> String {
    let boxes = |index: &usize| drawing.boxes.get(*index).map(label);
    let from = match way.from.len() {
        _ if way.from_anywhere => "from anywhere ".to_owned(),
        0 => String::new(),
        count if count > SOURCES_MAX => format!("from {count} states "),
        _ => {
            let labels: Vec<_> = way.from.iter().filter_map(boxes).collect();
            format!("from {} ", labels.join(", "))
        }
    };
    let to = boxes(&way.to).unwrap_or_default();
    let statuses = way.statuses_text(drawing);
    let statuses = statuses.map_or_else(String::new, |statuses| format!(", {statuses}"));
    format!(
        "Transition {}: {from}to {to}{statuses}. ",
        isolated(&way.text)
    )
}

fn label<'a>(drawn: &'a StateBox<'_>) -> std::borrow::Cow<'a, str> {
    isolated(drawn.state.label.as_str())
}
