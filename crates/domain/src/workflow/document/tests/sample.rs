//! Invented workflows for the property that a document loses nothing.

mod actions;

use std::collections::BTreeMap;

use proptest::{collection, option, prelude::*, sample::subsequence};

use crate::{
    guard::Expression,
    value::{
        Color, Description, Label, OperationCode, Role, StateCode, StatusCode, StoreView,
        TransitionCode, WorkflowCode,
    },
    workflow::{
        Assignment, Category, CommentStatus, Effect, Operation, Overpayment, RefundedUnits, State,
        Status, StatusSharing, Transition, Trigger, Workflow,
    },
};

use actions::{actions, period};

fn codes() -> impl Strategy<Value = Vec<String>> {
    collection::btree_set("[a-z][a-z0-9_]{0,6}|true|null|yes|no|on|y|n", 1..5)
        .prop_map(Vec::from_iter)
}

/// Texts that a careless writer or reader of YAML would change.
fn tricky() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,40}",
        "\\PC{0,20}",
        Just("yes".to_owned()),
        Just("null".to_owned()),
        Just("~".to_owned()),
        Just("1e3".to_owned()),
        Just("0x1F".to_owned()),
        Just("- a".to_owned()),
        Just("a: b".to_owned()),
        Just("# a".to_owned()),
        Just("a #b".to_owned()),
        Just(" a ".to_owned()),
        Just("2026-11-21".to_owned()),
        Just("'".to_owned()),
        Just("\"".to_owned()),
        Just("{a".to_owned()),
        Just("&a".to_owned()),
        Just("*a".to_owned()),
        Just("!a".to_owned()),
        Just("%a".to_owned()),
        Just("@a".to_owned()),
        Just("---".to_owned()),
        Just("...".to_owned()),
        Just("<<".to_owned()),
        Just(".inf".to_owned()),
        Just("\u{feff}a".to_owned()),
        Just("\u{2028}".to_owned()),
        Just("12:30:45".to_owned()),
        Just("\u{a0}".to_owned()),
    ]
}

fn label() -> impl Strategy<Value = Label> {
    tricky().prop_filter_map("a label", |text| Label::new(&text).ok())
}

fn description() -> impl Strategy<Value = Description> {
    let lines = collection::vec(tricky(), 0..4);
    (
        lines,
        prop_oneof![
            Just("\n"),
            Just("\n\n"),
            Just("\r\n"),
            Just("\t"),
            Just("\n  "),
            Just(" \n")
        ],
        any::<bool>(),
    )
        .prop_filter_map("a description", |(lines, separator, ends)| {
            let end = if ends { separator } else { "" };
            Description::new(&(lines.join(separator) + end)).ok()
        })
}

fn guard() -> impl Strategy<Value = Option<Expression>> {
    option::of(
        (tricky(), prop_oneof![Just(" && "), Just("\n  && ")])
            .prop_filter_map("an expression", |(text, and)| {
                Expression::new(&format!("order.id == '{text}'{and}order.can_ship")).ok()
            }),
    )
}

fn position() -> impl Strategy<Value = i32> {
    prop_oneof![
        (0..6).prop_map(|n| n * 10),
        any::<i32>(),
        Just(i32::MAX),
        Just(i32::MIN)
    ]
}

fn status(code: StatusCode) -> impl Strategy<Value = Status> {
    let labels = collection::btree_map("[A-Za-z0-9_-]{1,5}", label(), 0..3).prop_map(|labels| {
        labels
            .into_iter()
            .map(|(view, label)| (StoreView::new(&view).unwrap(), label))
            .collect::<BTreeMap<_, _>>()
    });
    let color = option::of("#[0-9a-fA-F]{6}".prop_map(|color| Color::new(&color).unwrap()));
    (
        label(),
        labels,
        description(),
        color,
        position(),
        any::<bool>(),
        actions(),
    )
        .prop_map(
            move |(label, store_view_labels, description, color, position, retired, on_enter)| {
                Status {
                    code: code.clone(),
                    label,
                    store_view_labels,
                    description,
                    color,
                    position,
                    retired,
                    on_enter,
                }
            },
        )
}

fn category() -> impl Strategy<Value = Category> {
    prop_oneof![
        Just(Category::Initial),
        Just(Category::Active),
        Just(Category::Held),
        Just(Category::Completed),
        Just(Category::Closed),
        Just(Category::Canceled),
    ]
}

/// A state with the indices of its statuses, the default first.
fn state(
    code: StateCode,
    operations: &[OperationCode],
    statuses: &[StatusCode],
) -> impl Strategy<Value = (State, Vec<Assignment>)> + use<> {
    let operations = subsequence(operations.to_vec(), 0..=operations.len());
    let statuses = subsequence(statuses.to_vec(), 0..=statuses.len()).prop_shuffle();
    let flags = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        collection::vec(any::<bool>(), 8),
    );
    (
        label(),
        category(),
        flags,
        guard(),
        (position(), actions(), actions()),
        operations,
        statuses,
    )
        .prop_map(
            move |(
                label,
                category,
                (can_start, holdable, terminal, visible),
                entry_guard,
                (position, on_enter, on_leave),
                operations,
                statuses,
            )| {
                let assignments = statuses.into_iter().zip(visible).enumerate().map(
                    |(index, (status, visible))| Assignment {
                        state: code.clone(),
                        status,
                        is_default: index == 0,
                        visible_on_storefront: visible,
                    },
                );
                let assignments = assignments.collect();
                let state = State {
                    code: code.clone(),
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
                };
                (state, assignments)
            },
        )
}

fn trigger(operations: &[OperationCode]) -> impl Strategy<Value = Trigger> + use<> {
    prop_oneof![
        Just(Trigger::Manual),
        Just(Trigger::Automatic),
        period().prop_map(Trigger::After),
        Just(Trigger::At(Expression::new("order.create_time").unwrap())),
        subsequence(operations.to_vec(), 1..=operations.len()).prop_map(Trigger::OnOperations),
    ]
}

fn transition(
    code: TransitionCode,
    operations: &[OperationCode],
    states: &[StateCode],
    statuses: &[StatusCode],
) -> impl Strategy<Value = Transition> + use<> {
    let from = (
        subsequence(states.to_vec(), 0..=states.len()),
        subsequence(statuses.to_vec(), 0..=statuses.len()),
    );
    let to = (
        proptest::sample::select(states.to_vec()),
        option::of(proptest::sample::select(statuses.to_vec())),
    );
    let operation = (
        option::of(proptest::sample::select(operations.to_vec())),
        any::<bool>(),
    );
    let flags = (any::<bool>(), any::<bool>());
    let roles = collection::vec(
        "[!-~]{1,6}".prop_map(|role| Role::new(&role).unwrap()),
        0..3,
    );
    (
        label(),
        description(),
        from,
        to,
        guard(),
        trigger(operations),
        operation,
        (roles, actions(), flags),
        position(),
    )
        .prop_map(
            move |(
                label,
                description,
                (from_states, from_statuses),
                (to_state, to_status),
                guard,
                trigger,
                (operation, reverse),
                (roles, actions, (visible_to_customer, notify_customer)),
                position,
            )| {
                Transition {
                    code: code.clone(),
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
                    actions,
                    position,
                }
            },
        )
}

/// Workflows with everything a document can say; lint would refuse most of them.
pub(in crate::workflow) fn workflows() -> impl Strategy<Value = Workflow> {
    (codes(), codes(), codes(), codes()).prop_flat_map(
        |(operations, statuses, states, transitions)| {
            let operations: Vec<_> = operations
                .iter()
                .map(|code| OperationCode::new(code).unwrap())
                .collect();
            let statuses: Vec<_> = statuses
                .iter()
                .map(|code| StatusCode::new(code).unwrap())
                .collect();
            let states: Vec<_> = states
                .iter()
                .map(|code| StateCode::new(code).unwrap())
                .collect();
            let parts = (
                operations
                    .iter()
                    .map(|code| operation(code.clone()))
                    .collect::<Vec<_>>(),
                statuses
                    .iter()
                    .map(|code| status(code.clone()))
                    .collect::<Vec<_>>(),
                states
                    .iter()
                    .map(|code| state(code.clone(), &operations, &statuses))
                    .collect::<Vec<_>>(),
                transitions
                    .iter()
                    .map(|code| {
                        transition(
                            TransitionCode::new(code).unwrap(),
                            &operations,
                            &states,
                            &statuses,
                        )
                    })
                    .collect::<Vec<_>>(),
            );
            (own_fields(states), parts).prop_map(
                |(own, (operations, statuses, states, transitions))| {
                    let (states, assignments): (Vec<_>, Vec<_>) = states.into_iter().unzip();
                    let assignments = assignments.into_iter().flatten().collect();
                    Workflow {
                        operations,
                        states,
                        statuses,
                        assignments,
                        transitions,
                        ..own
                    }
                    .normalized()
                },
            )
        },
    )
}

fn operation(code: OperationCode) -> impl Strategy<Value = Operation> {
    let effect = prop_oneof![
        Just(Effect::None),
        Just(Effect::Invoice),
        Just(Effect::Ship),
        Just(Effect::Refund),
        Just(Effect::Cancel),
        Just(Effect::Pay),
    ];
    let roles = collection::btree_set("[a-z]{1,4}", 0..3).prop_map(|roles| {
        let roles = roles.iter();
        roles.map(|role| Role::new(role).unwrap()).collect()
    });
    (label(), effect, roles, guard(), actions()).prop_map(
        move |(label, effect, roles, guard, actions)| Operation {
            code: code.clone(),
            label,
            effect,
            roles,
            guard,
            actions,
        },
    )
}

fn own_fields(states: Vec<StateCode>) -> impl Strategy<Value = Workflow> {
    let flags = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        prop_oneof![Just(16), any::<u32>()],
    );
    let view = option::of("[A-Za-z0-9_-]{1,5}".prop_map(|view| StoreView::new(&view).unwrap()));
    (
        label(),
        description(),
        view,
        flags,
        proptest::sample::select(states),
        (actions(), actions()),
    )
        .prop_map(
            |(
                label,
                description,
                default_store_view,
                (never, shared, fulfilled, refuse, max_cascade),
                initial_state,
                (on_create, on_comment),
            )| Workflow {
                code: WorkflowCode::new("invented").unwrap(),
                label,
                description,
                initial_state,
                default_store_view,
                comment_status: if never {
                    CommentStatus::Never
                } else {
                    CommentStatus::AnyInState
                },
                status_sharing: if shared {
                    StatusSharing::Shared
                } else {
                    StatusSharing::Exclusive
                },
                refunded_units: if fulfilled {
                    RefundedUnits::Fulfilled
                } else {
                    RefundedUnits::StillShip
                },
                overpayment: if refuse {
                    Overpayment::Refuse
                } else {
                    Overpayment::Record
                },
                operations: Vec::new(),
                max_cascade,
                states: Vec::new(),
                statuses: Vec::new(),
                assignments: Vec::new(),
                transitions: Vec::new(),
                on_create,
                on_comment,
            },
        )
}
