//! Orders that turn where they stand, again and again, which sets off actions.

use std::fmt::Display;

/// A workflow of one status, with transitions from there to there: each is given by its code and its actions, as a map
/// of YAML in one line.
pub fn document<C: Display, A: Display>(transitions: impl IntoIterator<Item = (C, A)>) -> String {
    let transitions = transitions.into_iter().map(|(code, actions)| {
        format!(
            "  {code}: {{label: Turn, from_statuses: [new], to_state: new, to_status: new, actions: {actions}}}\n"
        )
    });
    let transitions = transitions.collect::<Vec<_>>().concat();
    format!(
        "label: Shop
initial_state: new
statuses: {{new: {{label: New}}}}
states: {{new: {{label: New, category: initial, can_start: true, statuses: [new]}}}}
transitions:
{transitions}"
    )
}
