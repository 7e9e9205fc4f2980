//! What differs between two workflows, part by part, in words that a person reads.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    Action, Assignment, Operation, State, Status, Subject, Transition, Trigger, Workflow,
    document::said,
};

/// Longer values are cut: a difference is to be read, not applied.
const VALUE_CHARACTERS_MAX: usize = 200;

/// Whether a part came, changed or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// It exists only after.
    Added,
    /// It exists before and after, but differs.
    Changed,
    /// It exists only before.
    Removed,
}

/// One part that differs between two workflows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Whether it came, changed or went.
    pub kind: DifferenceKind,
    /// Which part.
    pub subject: Subject,
    /// Its fields before, as `field: value` separated by `; `: those that differ, or
    /// all that are set of a part that went. Empty for a part that came.
    pub before: String,
    /// Its fields after, likewise. Empty for a part that went.
    pub after: String,
}

/// Says what differs: the workflow's own fields first, then its parts by sort and code.
/// The order of lists does not matter.
pub fn diff(before: &Workflow, after: &Workflow) -> Vec<Difference> {
    let (before, after) = (parts(before), parts(after));
    let subjects: BTreeSet<&Subject> = before.keys().chain(after.keys()).collect();
    subjects
        .into_iter()
        .filter_map(|subject| compare(subject, before.get(subject), after.get(subject)))
        .collect()
}

/// The fields of a part in the order in which they are shown; none for one that says nothing.
type Fields = Vec<(&'static str, Option<String>)>;

fn compare(
    subject: &Subject,
    before: Option<&Fields>,
    after: Option<&Fields>,
) -> Option<Difference> {
    let (kind, before, after) = match (before, after) {
        (Some(before), Some(after)) if before == after => return None,
        (Some(before), Some(after)) => (
            DifferenceKind::Changed,
            but(before, after),
            but(after, before),
        ),
        (Some(before), None) => (DifferenceKind::Removed, shown(before), String::new()),
        (None, Some(after)) => (DifferenceKind::Added, String::new(), shown(after)),
        (None, None) => return None,
    };
    Some(Difference {
        kind,
        subject: subject.clone(),
        before,
        after,
    })
}

fn shown(fields: &Fields) -> String {
    let set = fields
        .iter()
        .filter_map(|(name, value)| Some((name, value.as_ref()?)));
    set.map(|(name, value)| field(name, value))
        .collect::<Vec<_>>()
        .join("; ")
}

/// The fields that differ from the other side's; one that is not set any more shows as `none`.
fn but(fields: &Fields, other: &Fields) -> String {
    let differing = fields.iter().zip(other).filter(|(own, other)| own != other);
    let texts = differing.map(|((name, value), _)| field(name, value.as_deref().unwrap_or("none")));
    texts.collect::<Vec<_>>().join("; ")
}

fn field(name: &str, value: &str) -> String {
    match value.char_indices().nth(VALUE_CHARACTERS_MAX) {
        Some((end, _)) => format!("{name}: {}…", value.get(..end).unwrap_or(value)),
        None => format!("{name}: {value}"),
    }
}

fn parts(workflow: &Workflow) -> BTreeMap<Subject, Fields> {
    let own = [(Subject::Workflow, workflow_fields(workflow))];
    let operations = workflow
        .operations
        .iter()
        .map(|o| (Subject::Operation(o.code.clone()), operation(o)));
    let statuses = workflow
        .statuses
        .iter()
        .map(|s| (Subject::Status(s.code.clone()), status(s)));
    let states = workflow
        .states
        .iter()
        .map(|s| (Subject::State(s.code.clone()), state(s)));
    let assignments = workflow.assignments.iter().map(|a| {
        (
            Subject::Assignment(a.state.clone(), a.status.clone()),
            assignment(a),
        )
    });
    let transitions = workflow
        .transitions
        .iter()
        .map(|t| (Subject::Transition(t.code.clone()), transition(t)));
    own.into_iter()
        .chain(operations)
        .chain(statuses)
        .chain(states)
        .chain(assignments)
        .chain(transitions)
        .collect()
}

fn workflow_fields(workflow: &Workflow) -> Fields {
    let Workflow {
        code: _,
        label,
        description,
        initial_state,
        default_store_view,
        comment_status,
        status_sharing,
        refunded_units,
        overpayment,
        operations: _,
        max_cascade,
        states: _,
        statuses: _,
        assignments: _,
        transitions: _,
        on_create,
        on_comment,
    } = workflow;
    vec![
        ("label", some(label)),
        ("description", some(description)),
        ("initial_state", some(initial_state)),
        (
            "default_store_view",
            default_store_view.as_ref().and_then(some),
        ),
        ("comment_status", word(comment_status)),
        ("status_sharing", word(status_sharing)),
        ("refunded_units", word(refunded_units)),
        ("overpayment", word(overpayment)),
        ("max_cascade", some(max_cascade)),
        ("on_create", actions(on_create)),
        ("on_comment", actions(on_comment)),
    ]
}

fn operation(operation: &Operation) -> Fields {
    let Operation {
        code: _,
        label,
        effect,
        roles,
        guard,
        actions: own,
    } = operation;
    vec![
        ("label", some(label)),
        ("effect", word(effect)),
        ("roles", list(roles)),
        ("guard", guard.as_ref().and_then(some)),
        ("actions", actions(own)),
    ]
}

fn status(status: &Status) -> Fields {
    let Status {
        code: _,
        label,
        store_view_labels,
        description,
        color,
        position,
        retired,
        on_enter,
    } = status;
    let labels = store_view_labels
        .iter()
        .map(|(view, label)| format!("{view}: {label}"));
    vec![
        ("label", some(label)),
        ("store_view_labels", list(labels)),
        ("description", some(description)),
        ("color", color.as_ref().and_then(some)),
        ("position", some(position)),
        ("retired", flag(*retired)),
        ("on_enter", actions(on_enter)),
    ]
}

fn state(state: &State) -> Fields {
    let State {
        code: _,
        label,
        category,
        can_start,
        operations,
        holdable,
        terminal,
        entry_guard,
        position,
        on_enter,
        on_leave,
    } = state;
    vec![
        ("label", some(label)),
        ("category", word(category)),
        ("can_start", flag(*can_start)),
        ("holdable", flag(*holdable)),
        ("terminal", flag(*terminal)),
        ("operations", list(operations)),
        ("entry_guard", entry_guard.as_ref().and_then(some)),
        ("position", some(position)),
        ("on_enter", actions(on_enter)),
        ("on_leave", actions(on_leave)),
    ]
}

fn assignment(assignment: &Assignment) -> Fields {
    let Assignment {
        state: _,
        status: _,
        is_default,
        visible_on_storefront,
    } = assignment;
    vec![
        ("is_default", some(is_default)),
        ("visible_on_storefront", some(visible_on_storefront)),
    ]
}

fn transition(transition: &Transition) -> Fields {
    let Transition {
        code: _,
        label,
        description,
        from_statuses,
        from_states,
        to_state,
        to_status,
        guard,
        trigger,
        operation,
        reverse,
        visible_to_customer,
        notify_customer,
        roles,
        actions: own,
        position,
    } = transition;
    let trigger = match trigger {
        Trigger::Manual => "manual".to_owned(),
        Trigger::Automatic => "automatic".to_owned(),
        Trigger::After(period) => format!("after {period}"),
        Trigger::At(expression) => format!("at {expression}"),
        Trigger::OnOperations(operations) => {
            format!("on_operations {}", list(operations).unwrap_or_default())
        }
    };
    vec![
        ("label", some(label)),
        ("description", some(description)),
        ("from_states", list(from_states)),
        ("from_statuses", list(from_statuses)),
        ("to_state", some(to_state)),
        ("to_status", to_status.as_ref().and_then(some)),
        ("guard", guard.as_ref().and_then(some)),
        ("trigger", Some(trigger)),
        ("operation", operation.as_ref().and_then(some)),
        ("reverse", flag(*reverse)),
        ("visible_to_customer", flag(*visible_to_customer)),
        ("notify_customer", flag(*notify_customer)),
        ("roles", list(roles)),
        ("actions", actions(own)),
        ("position", some(position)),
    ]
}

/// The actions of a place, each as the document writes it, on one line.
fn actions(actions: &[Action]) -> Option<String> {
    list(
        actions
            .iter()
            .map(|action| format!("{} {}", action.code, said(action))),
    )
}

fn some(value: &impl ToString) -> Option<String> {
    Some(value.to_string()).filter(|text| !text.is_empty())
}

fn flag(set: bool) -> Option<String> {
    set.then(|| "true".to_owned())
}

fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> Option<String> {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    (!items.is_empty()).then(|| format!("[{}]", items.join(", ")))
}

/// The word that documents use for a value of an enum.
fn word(value: &impl Serialize) -> Option<String> {
    serde_json::to_value(value)
        .ok()?
        .as_str()
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::sample;

    #[test]
    fn equal_workflows_do_not_differ_whatever_the_order_of_their_parts() {
        let workflow = sample::workflow();
        let mut other = workflow.clone();
        other.states.reverse();
        other.assignments.reverse();
        assert_eq!(diff(&workflow, &other), []);
    }

    #[test]
    fn names_what_came_changed_and_went() {
        let before = sample::workflow();
        let mut after = before.clone();
        after.max_cascade = 8;
        after
            .assignments
            .retain(|assignment| assignment.status != sample::status("received"));
        for transition in after
            .transitions
            .iter_mut()
            .filter(|t| t.code.as_str() == "close")
        {
            transition.guard = Some(sample::expression("order.total_due == 0"));
        }
        after.transitions.push(sample::transition(
            "cancel",
            &["new"],
            "closed",
            Trigger::Manual,
        ));
        let told: Vec<String> = diff(&before, &after)
            .into_iter()
            .map(|d| format!("{:?} {} | {} | {}", d.kind, d.subject, d.before, d.after))
            .collect();
        assert_eq!(
            told,
            [
                "Changed workflow | max_cascade: 16 | max_cascade: 8",
                "Removed assignment new/received | is_default: false; visible_on_storefront: true | ",
                "Added transition cancel |  | label: cancel; from_states: [new]; to_state: closed; trigger: manual; position: 0",
                "Changed transition close | guard: none | guard: order.total_due == 0",
            ]
        );
    }
}
