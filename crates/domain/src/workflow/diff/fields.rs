//! What each part of a workflow says, field by field.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Serialize;

use crate::workflow::{
    Action, ActionPath, Assignment, Channel, Email, Operation, Policy, Publish, State, Status,
    Subject, Transition, Trigger, Webhook, Work, Workflow, Writing,
};

/// The fields of a part in the order in which they are shown; none for one that says nothing.
pub(super) type Fields = Vec<(Cow<'static, str>, Option<String>)>;

/// The parts of a workflow, each with what it says.
pub(super) fn parts(workflow: &Workflow) -> BTreeMap<Subject, Fields> {
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
    let actions = workflow.deliveries().map(|(occasion, a)| {
        let code = a.code.clone();
        (Subject::Action(ActionPath { occasion, code }), action(a))
    });
    own.into_iter()
        .chain(operations)
        .chain(statuses)
        .chain(states)
        .chain(assignments)
        .chain(transitions)
        .chain(actions)
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
        on_create: _,
        on_comment: _,
    } = workflow;
    fields([
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
    ])
}

fn operation(operation: &Operation) -> Fields {
    let Operation {
        code: _,
        label,
        effect,
        roles,
        guard,
        actions: _,
    } = operation;
    fields([
        ("label", some(label)),
        ("effect", word(effect)),
        ("roles", list(roles)),
        ("guard", guard.as_ref().and_then(some)),
    ])
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
        on_enter: _,
    } = status;
    let mut all = fields([("label", some(label))]);
    all.extend(store_view_labels.iter().map(|(view, label)| {
        let name = format!("store_view_labels.{view}");
        (Cow::Owned(name), some(label))
    }));
    all.extend(fields([
        ("description", some(description)),
        ("color", color.as_ref().and_then(some)),
        ("position", some(position)),
        ("retired", flag(*retired)),
    ]));
    all
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
        on_enter: _,
        on_leave: _,
    } = state;
    fields([
        ("label", some(label)),
        ("category", word(category)),
        ("can_start", flag(*can_start)),
        ("holdable", flag(*holdable)),
        ("terminal", flag(*terminal)),
        ("operations", list(operations)),
        ("entry_guard", entry_guard.as_ref().and_then(some)),
        ("position", some(position)),
    ])
}

fn assignment(assignment: &Assignment) -> Fields {
    let Assignment {
        state: _,
        status: _,
        is_default,
        visible_on_storefront,
    } = assignment;
    fields([
        ("is_default", some(is_default)),
        ("visible_on_storefront", some(visible_on_storefront)),
    ])
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
        actions: _,
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
    fields([
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
        ("position", some(position)),
    ])
}

/// What an action says, with its options as paths of documents.
fn action(action: &Action) -> Fields {
    let Action {
        code: _,
        description,
        work,
        condition,
        position,
        active,
    } = action;
    let mut all = match work {
        Work::Send(channel, policy) => sending(channel, policy),
        Work::Write(writing) => written(writing),
    };
    all.extend(fields([
        ("condition", condition.as_ref().and_then(some)),
        ("description", some(description)),
        ("position", some(position)),
        ("active", some(active)),
    ]));
    all
}

fn sending(channel: &Channel, policy: &Policy) -> Fields {
    let mut all = match channel {
        Channel::Webhook(Webhook { endpoint }) => fields([("webhook.endpoint", some(endpoint))]),
        Channel::Email(email) => mail(email),
        Channel::Publish(Publish { subject }) => fields([("publish.subject", some(subject))]),
    };
    let Policy {
        attempts,
        backoff,
        timeout,
    } = policy;
    all.extend(fields([
        ("attempts", some(attempts)),
        ("backoff", some(backoff)),
        ("timeout", some(timeout)),
    ]));
    all
}

fn mail(email: &Email) -> Fields {
    let Email {
        identity,
        template,
        guest_template,
        customer,
        copy_to,
        copy_method,
    } = email;
    fields([
        ("email.template", some(template)),
        (
            "email.guest_template",
            guest_template.as_ref().and_then(some),
        ),
        ("email.identity", word(identity)),
        ("email.customer", word(customer)),
        ("email.copy_to", list(copy_to)),
        ("email.copy_method", word(copy_method)),
    ])
}

fn written(writing: &Writing) -> Fields {
    match writing {
        Writing::Comment {
            text,
            visible_to_customer,
        } => fields([
            ("comment.text", some(text)),
            ("comment.visible_to_customer", some(visible_to_customer)),
        ]),
        Writing::SetAttributes(attributes) => {
            let named = attributes.iter().map(|(key, text)| {
                let name = format!("set_attributes.{key}");
                (Cow::Owned(name), some(text))
            });
            named.collect()
        }
        Writing::Transition(code) => fields([("transition", some(code))]),
    }
}

fn fields<const N: usize>(fields: [(&'static str, Option<String>); N]) -> Fields {
    let fields = fields.into_iter();
    fields
        .map(|(name, value)| (Cow::Borrowed(name), value))
        .collect()
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
