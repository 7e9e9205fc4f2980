//! The drawing that every format writes: states with rows for their statuses, and ways between
//! them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use super::text::isolated;
use crate::{
    value::{Color, OperationCode, StateCode, StatusCode},
    workflow::{Category, Standing, State, Transition, Trigger, Workflow},
};

/// The marks that a diagram shows besides the workflow; by default none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    /// The place of an order.
    pub standing: Option<Standing>,
    /// The places where it has been.
    pub visited: BTreeSet<Standing>,
    /// The number of orders by place; places without orders may be left out.
    pub counts: BTreeMap<Standing, u64>,
}

/// The most states of which arrows to a transition are drawn; of more, it says how many.
pub(super) const SOURCES_MAX: usize = 12;

/// A workflow as it is drawn.
#[derive(Debug)]
pub(super) struct Drawing<'a> {
    pub(super) workflow: &'a Workflow,
    pub(super) boxes: Vec<StateBox<'a>>,
    pub(super) ways: Vec<DrawnTransition<'a>>,
    /// The labels of statuses.
    labels: BTreeMap<&'a StatusCode, &'a str>,
}

/// A state.
#[derive(Debug)]
pub(super) struct StateBox<'a> {
    pub(super) state: &'a State,
    pub(super) is_initial: bool,
    pub(super) rows: Vec<Row<'a>>,
}

/// A status of a state.
#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) code: &'a StatusCode,
    pub(super) text: String,
    pub(super) color: Option<&'a str>,
    pub(super) mark: Mark,
}

/// The mark of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Nothing.
    None,
    /// The order has been here.
    Visited,
    /// The order stands here.
    Current,
}

/// A transition: which boxes it leaves and enters, by their index.
#[derive(Debug)]
pub(super) struct DrawnTransition<'a> {
    pub(super) transition: &'a Transition,
    pub(super) from: Vec<usize>,
    pub(super) from_anywhere: bool,
    pub(super) to: usize,
    pub(super) text: String,
    pub(super) is_automatic: bool,
    from_statuses: BTreeSet<&'a StatusCode>,
}

impl<'a> Drawing<'a> {
    pub(super) fn new(workflow: &'a Workflow, marks: &Marks) -> Self {
        let boxes = workflow.states.iter().map(|state| StateBox {
            state,
            is_initial: state.code == workflow.initial_state,
            rows: rows(workflow, &state.code, marks),
        });
        let labels = workflow.statuses.iter().map(|status| {
            let code = &status.code;
            (code, workflow.status_label(code, None, None))
        });
        let mut drawing = Self {
            workflow,
            boxes: boxes.collect(),
            ways: Vec::new(),
            labels: labels.collect(),
        };
        let transitions = workflow.transitions.iter();
        drawing.ways = transitions.filter_map(|it| drawing.way(it)).collect();
        drawing
    }

    fn index(&self, code: &StateCode) -> Option<usize> {
        let mut boxes = self.boxes.iter();
        boxes.position(|drawn| drawn.state.code == *code)
    }

    fn way(&self, transition: &'a Transition) -> Option<DrawnTransition<'a>> {
        let to = self.index(&transition.to_state)?;
        let from_statuses: BTreeSet<_> = transition.from_statuses.iter().collect();
        let from_states: BTreeSet<_> = transition.from_states.iter().collect();
        let leaves = |drawn: &StateBox<'_>| {
            let state = drawn.state;
            let by_state = || from_states.is_empty() || from_states.contains(&state.code);
            let mut rows = drawn.rows.iter();
            let mut by_status =
                || from_statuses.is_empty() || rows.any(|row| from_statuses.contains(row.code));
            !state.terminal && state.category != Category::Held && by_state() && by_status()
        };
        let from_anywhere =
            transition.from_states.is_empty() && transition.from_statuses.is_empty();
        let boxes = self.boxes.iter().enumerate();
        let from = boxes.filter(|(_, drawn)| !from_anywhere && leaves(drawn));
        Some(DrawnTransition {
            from: from.map(|(index, _)| index).collect(),
            from_anywhere,
            to,
            text: way_text(self.workflow, transition),
            is_automatic: !matches!(transition.trigger, Trigger::Manual),
            from_statuses,
            transition,
        })
    }
}

fn rows<'a>(workflow: &'a Workflow, state: &'a StateCode, marks: &Marks) -> Vec<Row<'a>> {
    let place = |status: &StatusCode| Standing {
        state: state.clone(),
        status: status.clone(),
    };
    workflow
        .assignments_of(state)
        .map(|assignment| {
            let status = workflow.status(&assignment.status);
            let color = status.and_then(|status| status.color.as_ref());
            let here = place(&assignment.status);
            let label = workflow.status_label(&assignment.status, None, None);
            let mut text = label.to_owned();
            if !assignment.visible_on_storefront {
                text.push_str(" (hidden)");
            }
            if status.is_some_and(|status| status.retired) {
                text.push_str(" (retired)");
            }
            if let Some(count) = marks.counts.get(&here).filter(|count| **count > 0) {
                let _ = write!(text, ": {count}");
            }
            Row {
                code: &assignment.status,
                text,
                color: color.map(Color::as_str),
                mark: match &marks.standing {
                    Some(standing) if *standing == here => Mark::Current,
                    Some(_) | None if marks.visited.contains(&here) => Mark::Visited,
                    Some(_) | None => Mark::None,
                },
            }
        })
        .collect()
}

/// The label of a transition, and in brackets its trigger.
fn way_text(workflow: &Workflow, transition: &Transition) -> String {
    let label = transition.label.as_str();
    let operations = |codes: &[OperationCode]| {
        let labels = codes.iter().map(|code| {
            let operation = workflow.operation(code);
            operation.map_or(code.as_str(), |it| it.label.as_str())
        });
        labels.collect::<Vec<_>>().join(", ")
    };
    match &transition.trigger {
        Trigger::Manual => label.to_owned(),
        Trigger::Automatic => format!("{label} (automatic)"),
        Trigger::After(period) => format!("{label} (after {period})"),
        Trigger::At(_) => format!("{label} (at its date)"),
        Trigger::OnOperations(codes) => format!("{label} (on {})", operations(codes)),
    }
}

impl StateBox<'_> {
    /// The mark behind the label of a state from which orders may be put on hold.
    pub(super) fn mark(&self) -> &'static str {
        if self.state.holdable {
            " (holdable)"
        } else {
            ""
        }
    }
}

impl DrawnTransition<'_> {
    /// Whether the transition names this status among those that it leaves.
    pub(super) fn names(&self, row: &Row<'_>) -> bool {
        self.from_statuses.contains(row.code)
    }

    /// `Received → In backorder`: the statuses that the transition names, where the states
    /// alone would not tell.
    pub(super) fn statuses_text(&self, drawing: &Drawing<'_>) -> Option<String> {
        let label = |code: &StatusCode| {
            let label = drawing.labels.get(code).copied();
            isolated(label.unwrap_or(code.as_str())).into_owned()
        };
        let transition = self.transition;
        let statuses = &transition.from_statuses;
        let boxes = self
            .from
            .iter()
            .filter_map(|index| drawing.boxes.get(*index));
        let rows: usize = boxes.map(|drawn| drawn.rows.len()).sum();
        let needs_from = rows > statuses.len() && !statuses.is_empty();
        let from = needs_from.then(|| {
            let labels: Vec<_> = statuses.iter().map(label).collect();
            labels.join(", ")
        });
        let default = drawing.workflow.default_status(&transition.to_state);
        let inside = self.from.contains(&self.to);
        let to = transition.to_status.as_ref();
        let to = to
            .filter(|status| inside || Some(*status) != default)
            .map(label);
        match (from, to) {
            (None, None) => None,
            (Some(from), None) => Some(format!("from {from}")),
            (None, Some(to)) => Some(format!("→ {to}")),
            (Some(from), Some(to)) => Some(format!("{from} → {to}")),
        }
    }
}
