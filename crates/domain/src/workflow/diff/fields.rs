//! The parts of a workflow, field by field, as a person reads them.

use std::{borrow::Cow, collections::BTreeMap};

use crate::{
    guard::Expression,
    value::{
        Color, Description, Label, OperationCode, Period, StateCode, StatusCode, StoreView,
        TemplateName,
    },
    workflow::{
        Action, ActionPath, Assignment, Category, Channel, CommentStatus, CopyMethod, Effect,
        Email, Identity, Notify, Operation, Overpayment, Policy, Publish, RefundedUnits, State,
        Status, StatusSharing, Subject, Transition, Trigger, Webhook, Work, Workflow, Writing,
    },
};

/// The fields of a part in the order in which they are shown; none for one that says nothing.
pub(super) type Fields = Vec<(Cow<'static, str>, Option<String>)>;

/// The parts of a workflow, each with its fields.
pub(super) fn parts(workflow: &Workflow) -> BTreeMap<Subject, Fields> {
    let own = [(Subject::Workflow, workflow_fields(workflow))];
    let operations = workflow.operations.iter();
    let operations = operations.map(|it| (it.subject(), operation(it)));
    let statuses = workflow.statuses.iter();
    let statuses = statuses.map(|it| (it.subject(), status(it)));
    let states = workflow.states.iter().map(|it| (it.subject(), state(it)));
    let assignments = workflow.assignments.iter();
    let assignments = assignments.map(|it| (it.subject(), assignment(it)));
    let transitions = workflow.transitions.iter();
    let transitions = transitions.map(|it| (it.subject(), transition(it)));
    let actions = workflow.actions().map(|(point, it)| {
        let code = it.code.clone();
        (Subject::Action(ActionPath { point, code }), action(it))
    });
    let parts = own.into_iter().chain(operations).chain(statuses);
    let parts = parts.chain(states).chain(assignments);
    parts.chain(transitions).chain(actions).collect()
}

/// Takes a part apart and shows its fields, in this order, under names with this prefix; the others
/// are named, so that a new one fails to compile.
macro_rules! shown {
    ($part:expr, $whole:ident, $prefix:literal { $($field:ident),* } but { $($other:ident),* }) => {{
        let $whole { $($field,)* $($other: _,)* } = $part;
        fields([$((concat!($prefix, stringify!($field)), $field.shown())),*])
    }};
}

fn workflow_fields(workflow: &Workflow) -> Fields {
    shown!(workflow, Workflow, "" {
        label, description, initial_state, default_store_view, comment_status, status_sharing,
        refunded_units, overpayment, max_cascade
    } but { code, operations, states, statuses, assignments, transitions, on_create, on_comment })
}

fn operation(operation: &Operation) -> Fields {
    shown!(operation, Operation, "" { label, effect, roles, guard } but { code, actions })
}

/// The fields of a status; the labels of its store views come after its own.
fn status(status: &Status) -> Fields {
    let mut all = shown!(status, Status, "" {
        label, description, color, position, retired
    } but { code, store_view_labels, on_enter });
    let labels = status.store_view_labels.iter().map(|(view, label)| {
        let name = format!("store_view_labels.{view}");
        (Cow::Owned(name), label.shown())
    });
    all.splice(1..1, labels);
    all
}

fn state(state: &State) -> Fields {
    shown!(state, State, "" {
        label, category, can_start, holdable, terminal, operations, entry_guard, position
    } but { code, on_enter, on_leave })
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
    shown!(transition, Transition, "" {
        label, description, from_states, from_statuses, to_state, to_status, guard, trigger,
        operation, reverse, visible_to_customer, notify_customer, roles, position
    } but { code, actions })
}

/// The fields of an action, with its options as paths of documents.
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
        ("condition", condition.shown()),
        ("description", description.shown()),
        ("position", position.shown()),
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
    all.extend(shown!(policy, Policy, "" { attempts, backoff, timeout } but { }));
    all
}

fn mail(email: &Email) -> Fields {
    shown!(email, Email, "email." {
        template, guest_template, identity, customer, copy_to, copy_method
    } but { })
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
    let fields = fields.map(|(name, value)| (Cow::Borrowed(name), value));
    fields.into()
}

fn some(value: &impl ToString) -> Option<String> {
    Some(value.to_string()).filter(|text| !text.is_empty())
}

/// A field as a person reads it; none where it says nothing.
trait Shown {
    fn shown(&self) -> Option<String>;
}

macro_rules! texts {
    ($($name:ident),+) => {
        $(impl Shown for $name {
            fn shown(&self) -> Option<String> {
                some(self)
            }
        })+
    };
}

texts! {
    Label, Description, StateCode, StatusCode, OperationCode, StoreView, Color, Expression,
    TemplateName, Period, u32, i32
}

/// The words that documents use for the values of enums.
macro_rules! words {
    ($($name:ident),+) => {
        $(impl Shown for $name {
            fn shown(&self) -> Option<String> {
                serde_json::to_value(self).ok()?.as_str().map(str::to_owned)
            }
        })+
    };
}

words! {
    CommentStatus, StatusSharing, RefundedUnits, Overpayment, Effect, Category, Identity, Notify,
    CopyMethod
}

/// A flag that is not set says nothing.
impl Shown for bool {
    fn shown(&self) -> Option<String> {
        self.then(|| "true".to_owned())
    }
}

impl<T: Shown> Shown for Option<T> {
    fn shown(&self) -> Option<String> {
        self.as_ref()?.shown()
    }
}

impl<T: ToString> Shown for Vec<T> {
    fn shown(&self) -> Option<String> {
        let items: Vec<String> = self.iter().map(ToString::to_string).collect();
        (!items.is_empty()).then(|| format!("[{}]", items.join(", ")))
    }
}

impl Shown for Trigger {
    fn shown(&self) -> Option<String> {
        Some(match self {
            Self::Manual => "manual".to_owned(),
            Self::Automatic => "automatic".to_owned(),
            Self::After(period) => format!("after {period}"),
            Self::At(expression) => format!("at {expression}"),
            Self::OnOperations(operations) => {
                format!("on_operations {}", operations.shown().unwrap_or_default())
            }
        })
    }
}
