//! What a stored workflow lacks so that no step can be judged by it.

use super::*;

fn takes(transition: &str) -> crate::workflow::Action {
    sample::action(
        "go_on",
        Work::Write(Writing::Transition(
            TransitionCode::new(transition).unwrap(),
        )),
    )
}

/// Changes of the sound workflow, and all that is missing then.
const LACKING: &[(Change, &[&str])] = &[
    (
        |w| w.initial_state = state("lost"),
        &["workflow starts in state lost, which does not exist"],
    ),
    (
        |w| transition_mut(w, "start").to_state = state("lost"),
        &["transition start enters state lost, which does not exist"],
    ),
    (
        |w| transition_mut(w, "start").from_states = vec![state("lost")],
        &["transition start leaves state lost, which does not exist"],
    ),
    (
        |w| transition_mut(w, "start").from_statuses = vec![status("lost")],
        &["transition start leaves status lost, which does not exist"],
    ),
    (
        |w| transition_mut(w, "start").to_status = Some(status("lost")),
        &["transition start enters status lost, which does not exist"],
    ),
    (
        |w| transition_mut(w, "start").to_status = Some(status("done")),
        &["transition start enters status done, which does not belong to state work"],
    ),
    (
        |w| {
            let lost = OperationCode::new("lost").unwrap();
            transition_mut(w, "start").trigger = Trigger::OnOperations(vec![lost]);
        },
        &["transition start is set off by operation lost, which does not exist"],
    ),
    (
        |w| assign(w, "lost", "done"),
        &["assignment lost/done names state lost, which does not exist"],
    ),
    (
        |w| assign(w, "work", "lost"),
        &["assignment work/lost names status lost, which does not exist"],
    ),
    (
        |w| {
            for pair in &mut w.assignments {
                pair.is_default = pair.state != state("work");
            }
        },
        &["state work has statuses, but none is its default"],
    ),
    (
        |w| w.on_create.push(takes("lost")),
        &["workflow has the action go_on that takes transition lost, which does not exist"],
    ),
];

#[test]
fn what_is_named_and_not_there_is_missing() {
    for (change, told) in LACKING {
        let mut workflow = sound();
        change(&mut workflow);
        let workflow = workflow.normalized();
        let found = missing_parts(&workflow);
        let said: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(said, *told);
        // Lint says the same, so whoever looks for the cause finds it there.
        let linted = lint(&workflow);
        assert!(found.iter().all(|it| linted.contains(it)), "{linted:#?}");
    }
}

/// What is only not meant, or an error that keeps no step from coming, makes nothing unusable.
#[test]
fn nothing_is_missing_of_what_older_versions_stored() {
    let changes: &[Change] = &[
        |_| {},
        |w| w.max_cascade = 101,
        |w| w.assignments.retain(|it| it.state != state("work")),
        |w| part(&mut w.statuses, |it| it.code == status("done")).retired = true,
        |w| {
            let mut off = takes("lost");
            off.active = false;
            w.on_create.push(off);
        },
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut workflow = sound();
        change(&mut workflow);
        let found = missing_parts(&workflow.normalized());
        assert!(found.is_empty(), "{index}: {found:#?}");
    }
    for preset in crate::preset::all() {
        let found = missing_parts(&preset.workflow().unwrap());
        assert!(found.is_empty(), "{}: {found:#?}", preset.name);
    }
}
