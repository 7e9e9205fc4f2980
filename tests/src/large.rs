//! A workflow as large as one may be: every status belongs to one state, and transitions
//! lead from each state to others, some of them guarded.

use std::fmt::Write;

/// How large a workflow is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// States, of which the first can start.
    pub states: usize,
    /// Statuses, at least as many as states.
    pub statuses: usize,
    /// Transitions.
    pub transitions: usize,
}

impl Size {
    /// What held up all others for a second: 190 states, 900 statuses, 1,990 transitions.
    pub const FULL: Self = Self {
        states: 190,
        statuses: 900,
        transitions: 1_990,
    };
    /// Small enough for a test.
    pub const SMALL: Self = Self {
        states: 40,
        statuses: 120,
        transitions: 300,
    };
}

/// The YAML document of such a workflow.
///
/// # Panics
/// Never: writing to a text does not fail.
pub fn document(size: Size) -> String {
    let mut text = String::from(
        "workflow: large\nlabel: Large\ninitial_state: s0\nstatus_sharing: shared\nstatuses:\n",
    );
    for status in 0..size.statuses {
        let label = format!("Status number {status} of a workflow that is large");
        writeln!(
            text,
            "  t{status}: {{label: {label}, store_view_labels: {{german: Nummer {status}}}}}"
        )
        .unwrap();
    }
    text.push_str("states:\n");
    for state in 0..size.states {
        let own = (0..size.statuses).filter(|status| status % size.states == state);
        let own: Vec<_> = own.map(|status| format!("t{status}")).collect();
        let category = if state == 0 {
            "initial, can_start: true"
        } else {
            "active"
        };
        let own = own.join(", ");
        writeln!(
            text,
            "  s{state}: {{label: State number {state}, category: {category}, statuses: [{own}]}}"
        )
        .unwrap();
    }
    text.push_str("transitions:\n");
    for number in 0..size.transitions {
        let from = number % size.states;
        let to = (from + 1 + number / size.states) % size.states;
        let guard = if number % 3 == 0 {
            ", guard: order.grand_total >= 0 && order.version < 1000000"
        } else {
            ""
        };
        writeln!(text, "  go{number}: {{label: Transition number {number}, from_states: [s{from}], to_state: s{to}{guard}}}").unwrap();
    }
    text
}
