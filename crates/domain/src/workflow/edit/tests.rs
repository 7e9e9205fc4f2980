use std::collections::BTreeMap;

use super::{finish::finish, *};
use crate::{
    value::{Color, Description, Label, OperationCode, StatusCode, StoreView, TransitionCode},
    workflow::{
        Assignment, Refusal, Status, StatusSharing, Transition, Trigger, Workflow, diff,
        sample::{self, state, status},
    },
};

fn new_status(code: &str) -> Status {
    Status {
        code: status(code),
        label: Label::new(code).unwrap(),
        store_view_labels: BTreeMap::new(),
        description: Description::default(),
        color: None,
        position: 0,
        retired: false,
        on_enter: Vec::new(),
    }
}

const fn flags(is_default: Option<bool>, visible_on_storefront: Option<bool>) -> AssignmentPatch {
    AssignmentPatch {
        is_default,
        visible_on_storefront,
    }
}

/// The sample with `lost`, which belongs to no state, and `old`, which is retired.
fn workflow() -> Workflow {
    let mut workflow = sample::workflow();
    workflow.statuses.push(new_status("lost"));
    workflow.statuses.push(Status {
        retired: true,
        on_enter: Vec::new(),
        ..new_status("old")
    });
    workflow.normalized()
}

/// What an edit changed, or why it was refused.
fn told(before: &Workflow, edit: Result<Workflow, Refusal>) -> Vec<String> {
    match edit {
        Ok(after) => {
            assert_eq!(after, after.clone().normalized());
            let changes = diff(before, &after).into_iter();
            changes
                .map(|d| format!("{}: {} -> {}", d.subject, d.before, d.after))
                .collect()
        }
        Err(refusal) => vec![refusal.reason().to_owned(), refusal.to_string()],
    }
}

const NOTHING: AssignmentPatch = flags(None, None);

/// State, status, flags, and what comes of it.
const ASSIGNING: &[(&str, &str, AssignmentPatch, &[&str])] = &[
    (
        "nowhere",
        "lost",
        NOTHING,
        &["STATE_NOT_FOUND", "there is no state nowhere"],
    ),
    (
        "new",
        "unknown",
        NOTHING,
        &["STATUS_NOT_FOUND", "there is no status unknown"],
    ),
    (
        "new",
        "old",
        NOTHING,
        &["STATUS_RETIRED", "status old is retired"],
    ),
    (
        "new",
        "packing",
        NOTHING,
        &[
            "STATUS_ASSIGNED_ELSEWHERE",
            "status packing is assigned to state processing, and a status of this workflow belongs to one state only",
        ],
    ),
    (
        "new",
        "lost",
        NOTHING,
        &["assignment new/lost:  -> is_default: false; visible_on_storefront: false"],
    ),
    (
        "new",
        "lost",
        flags(Some(true), Some(true)),
        &[
            "assignment new/lost:  -> is_default: true; visible_on_storefront: true",
            "assignment new/pending: is_default: true -> is_default: false",
        ],
    ),
    ("new", "received", NOTHING, &[]),
    (
        "new",
        "received",
        flags(None, Some(false)),
        &["assignment new/received: visible_on_storefront: true -> visible_on_storefront: false"],
    ),
    (
        "new",
        "received",
        flags(Some(true), None),
        &[
            "assignment new/pending: is_default: true -> is_default: false",
            "assignment new/received: is_default: false -> is_default: true",
        ],
    ),
    ("new", "pending", flags(Some(true), None), &[]),
    (
        "new",
        "pending",
        flags(None, Some(false)),
        &["assignment new/pending: visible_on_storefront: true -> visible_on_storefront: false"],
    ),
    (
        "new",
        "pending",
        flags(Some(false), None),
        &[
            "DEFAULT_REQUIRED",
            "status pending is the default of state new: make another one the default instead",
        ],
    ),
];

#[test]
fn assigning_follows_the_table_of_the_contract() {
    let before = workflow();
    for (at, code, patch, expected) in ASSIGNING {
        assert_eq!(
            told(&before, assign(&before, &state(at), &status(code), *patch)),
            *expected,
            "{at}/{code} {patch:?}"
        );
    }
}

#[test]
fn the_first_status_of_a_state_is_its_default_whatever_the_flag_says() {
    let mut before = workflow();
    before
        .assignments
        .retain(|assignment| assignment.state != state("complete"));
    for flag in [None, Some(false), Some(true)] {
        let after = assign(
            &before,
            &state("complete"),
            &status("lost"),
            flags(flag, None),
        )
        .unwrap();
        assert_eq!(
            after.default_status(&state("complete")),
            Some(&status("lost"))
        );
    }
}

#[test]
fn a_shared_status_sits_in_several_states() {
    let mut before = workflow();
    before.status_sharing = StatusSharing::Shared;
    let after = assign(
        &before,
        &state("new"),
        &status("packing"),
        flags(None, None),
    )
    .unwrap();
    assert_eq!(
        after.states_of(&status("packing")).collect::<Vec<_>>(),
        [&state("new"), &state("processing")]
    );
}

#[test]
fn unassigning_follows_the_table_of_the_contract() {
    let rows = [
        (
            "nowhere",
            "lost",
            vec!["STATE_NOT_FOUND", "there is no state nowhere"],
        ),
        (
            "new",
            "unknown",
            vec!["STATUS_NOT_FOUND", "there is no status unknown"],
        ),
        (
            "new",
            "packing",
            vec![
                "ASSIGNMENT_NOT_FOUND",
                "status packing is not assigned to state new",
            ],
        ),
        (
            "complete",
            "complete",
            vec![
                "LAST_STATUS_OF_STATE",
                "status complete is the last one of state complete that is not retired",
            ],
        ),
        (
            "new",
            "received",
            vec!["assignment new/received: is_default: false; visible_on_storefront: true -> "],
        ),
        (
            "new",
            "pending",
            vec![
                "assignment new/pending: is_default: true; visible_on_storefront: true -> ",
                "assignment new/received: is_default: false -> is_default: true",
            ],
        ),
    ];
    let before = workflow();
    for (at, code, expected) in rows {
        let edit = unassign(&before, &state(at), &status(code));
        assert_eq!(
            told(&before, edit.map(|(after, _)| after)),
            expected,
            "{at}/{code}"
        );
    }
}

#[test]
fn the_next_default_is_the_first_by_position_then_code_that_is_not_retired() {
    let rows = [
        (vec![("b", 0, false), ("a", 0, false)], Some("a")),
        (vec![("b", -1, false), ("a", 0, false)], Some("b")),
        (vec![("a", 0, true), ("b", 9, false)], Some("b")),
        (vec![("a", 0, true)], None),
    ];
    for (others, expected) in rows {
        let mut before = workflow();
        before
            .assignments
            .retain(|assignment| assignment.status != status("received"));
        for (code, position, retired) in others {
            before.statuses.push(Status {
                position,
                retired,
                ..new_status(code)
            });
            before.assignments.push(Assignment {
                state: state("new"),
                status: status(code),
                is_default: false,
                visible_on_storefront: true,
            });
        }
        let promoted = unassign(&before, &state("new"), &status("pending"));
        match expected {
            Some(code) => assert_eq!(promoted.unwrap().1, Some(status(code))),
            None => assert_eq!(promoted.unwrap_err().reason(), "LAST_STATUS_OF_STATE"),
        }
    }
}

#[test]
fn a_pair_that_a_transition_names_stays() {
    let mut before = workflow();
    for transition in &mut before.transitions {
        transition.to_status =
            (transition.to_state == state("processing")).then(|| status("packing"));
    }
    let refusal = unassign(&before, &state("processing"), &status("packing")).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "status packing is named by transitions: change or delete them first: start"
    );
}

#[test]
fn statuses_are_created_changed_and_deleted() {
    let before = workflow();
    let edit = |edit: Result<Workflow, Refusal>| told(&before, edit);
    assert_eq!(
        edit(create_status(&before, new_status("late"))),
        ["status late:  -> label: late; position: 0"]
    );
    assert_eq!(
        edit(create_status(&before, new_status("lost"))),
        ["STATUS_EXISTS", "there is a status lost already"]
    );
    assert_eq!(
        edit(delete_status(&before, &status("lost"))),
        ["status lost: label: lost; position: 0 -> "]
    );
    assert_eq!(
        edit(delete_status(&before, &status("late")))[0],
        "STATUS_NOT_FOUND"
    );
    assert_eq!(
        edit(delete_status(&before, &status("pending"))),
        [
            "STATUS_ASSIGNED",
            "status pending is assigned to new: unassign it first, or retire it",
        ]
    );
    let retire = StatusPatch {
        retired: Some(true),
        ..StatusPatch::default()
    };
    assert_eq!(
        edit(update_status(&before, &status("received"), retire.clone())),
        ["status received: retired: none -> retired: true"]
    );
    assert_eq!(
        edit(update_status(&before, &status("pending"), retire.clone())),
        [
            "DEFAULT_REQUIRED",
            "status pending is the default of new: make another one the default first",
        ]
    );
    assert_eq!(
        edit(update_status(&before, &status("late"), retire))[0],
        "STATUS_NOT_FOUND"
    );
}

#[test]
fn a_patch_changes_what_it_gives() {
    let before = workflow();
    let labels = |views: &[(&str, &str)]| -> BTreeMap<StoreView, Label> {
        views
            .iter()
            .map(|(view, label)| (StoreView::new(view).unwrap(), Label::new(label).unwrap()))
            .collect()
    };
    let patch = StatusPatch {
        label: Some(Label::new("Lost").unwrap()),
        store_view_labels: Some(LabelsPatch::Merge(labels(&[
            ("de", "Verloren"),
            ("fr", "Perdu"),
        ]))),
        description: Some(Description::new("Nobody knows where.").unwrap()),
        color: Some(Some(Color::new("#ff0000").unwrap())),
        position: Some(7),
        retired: None,
        on_enter: None,
    };
    let first = update_status(&before, &status("lost"), patch).unwrap();
    let lost = first.status(&status("lost")).unwrap();
    assert_eq!(
        (
            lost.label.as_str(),
            lost.position,
            lost.store_view_labels.len()
        ),
        ("Lost", 7, 2)
    );
    let patch = StatusPatch {
        store_view_labels: Some(LabelsPatch::Replace(labels(&[("de", "Weg")]))),
        color: Some(None),
        ..StatusPatch::default()
    };
    let second = update_status(&first, &status("lost"), patch).unwrap();
    let lost = second.status(&status("lost")).unwrap();
    assert_eq!((lost.color.as_ref(), lost.label.as_str()), (None, "Lost"));
    assert_eq!(lost.store_view_labels, labels(&[("de", "Weg")]));
}

#[test]
fn labels_fall_back_from_the_view_asked_for_to_the_label() {
    let mut workflow = workflow();
    let view = |code: &str| StoreView::new(code).unwrap();
    workflow.default_store_view = Some(view("en"));
    for status in workflow
        .statuses
        .iter_mut()
        .filter(|status| status.code.as_str() == "lost")
    {
        for code in ["de", "fr", "en"] {
            status
                .store_view_labels
                .insert(view(code), Label::new(code).unwrap());
        }
    }
    let (lost, de, fr, it) = (status("lost"), view("de"), view("fr"), view("it"));
    let label = |asked, order| workflow.status_label(&lost, asked, order);
    assert_eq!(label(Some(&de), Some(&fr)), "de");
    assert_eq!(label(Some(&it), Some(&fr)), "fr");
    assert_eq!(label(None, Some(&it)), "en");
    assert_eq!(
        workflow.status_label(&status("pending"), Some(&de), None),
        "pending"
    );
    assert_eq!(
        workflow.status_label(&status("unknown"), None, None),
        "unknown"
    );
}

#[test]
fn transitions_are_created_changed_and_deleted() {
    let before = workflow();
    let edit = |edit: Result<Workflow, Refusal>| told(&before, edit);
    let cancel = || sample::transition("cancel", &["new"], "closed", Trigger::Manual);
    let code = |code: &str| TransitionCode::new(code).unwrap();
    assert_eq!(
        edit(create_transition(&before, cancel())),
        [
            "transition cancel:  -> label: cancel; from_states: [new]; to_state: closed; trigger: manual; position: 0",
        ]
    );
    let taken = sample::transition("close", &["new"], "closed", Trigger::Manual);
    assert_eq!(
        edit(create_transition(&before, taken))[0],
        "TRANSITION_EXISTS"
    );
    assert_eq!(
        edit(delete_transition(&before, &code("cancel")))[0],
        "TRANSITION_NOT_FOUND"
    );
    assert_eq!(edit(delete_transition(&before, &code("close"))).len(), 1);
    let patch = TransitionPatch {
        guard: Some(Some(sample::expression("order.total_due == 0"))),
        ..TransitionPatch::default()
    };
    assert_eq!(
        edit(update_transition(&before, &code("close"), patch.clone())),
        ["transition close: guard: none -> guard: order.total_due == 0",]
    );
    assert_eq!(
        edit(update_transition(&before, &code("cancel"), patch))[0],
        "TRANSITION_NOT_FOUND"
    );
}

type Change = fn(&mut Transition);

#[test]
fn a_transition_names_parts_that_exist() {
    let rows: &[(Change, &str)] = &[
        (|t| t.to_state = state("nowhere"), "STATE_NOT_FOUND"),
        (
            |t| t.from_states = vec![state("nowhere")],
            "STATE_NOT_FOUND",
        ),
        (
            |t| t.from_statuses = vec![status("unknown")],
            "STATUS_NOT_FOUND",
        ),
        (
            |t| t.to_status = Some(status("unknown")),
            "STATUS_NOT_FOUND",
        ),
        (
            |t| t.to_status = Some(status("pending")),
            "STATUS_NOT_IN_STATE",
        ),
        (
            |t| t.operation = Some(OperationCode::new("pack").unwrap()),
            "OPERATION_NOT_FOUND",
        ),
        (
            |t| t.trigger = Trigger::OnOperations(vec![OperationCode::new("pack").unwrap()]),
            "OPERATION_NOT_FOUND",
        ),
        (
            |t| t.guard = Some(sample::expression("order.")),
            "FIELD_INVALID",
        ),
        (
            |t| t.guard = Some(sample::expression("order.colour == 1")),
            "FIELD_INVALID",
        ),
        (|t| t.to_state = state("holded"), "WORKFLOW_INVALID"),
        (
            |t| t.from_states = vec![state("holded")],
            "WORKFLOW_INVALID",
        ),
    ];
    let before = workflow();
    for (change, reason) in rows {
        let mut transition = sample::transition("cancel", &["new"], "closed", Trigger::Manual);
        change(&mut transition);
        assert_eq!(
            create_transition(&before, transition.clone())
                .unwrap_err()
                .reason(),
            *reason,
            "{transition:?}"
        );
    }
}

#[test]
fn what_was_broken_before_does_not_block_other_edits() {
    let mut before = workflow();
    before.max_cascade = 0;
    assert!(create_status(&before, new_status("late")).is_ok());
    let mut broken = workflow();
    broken.assignments.push(Assignment {
        state: state("new"),
        status: StatusCode::new("packing").unwrap(),
        is_default: false,
        visible_on_storefront: true,
    });
    assert!(create_status(&broken, new_status("late")).is_ok());
    assert_eq!(
        finish(None, broken).unwrap_err().reason(),
        "WORKFLOW_INVALID"
    );
}
