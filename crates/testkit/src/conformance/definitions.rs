//! Workflows: saved, changed, listed, remembered.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::time::Duration;

use waymark_domain::{
    guard::Expression,
    value::{Color, Label, StatusCode, TransitionCode},
    workflow::{
        self as edit, AssignmentPatch, DifferenceKind, Overpayment, Refusal, Status, StatusPatch,
        Transition, TransitionPatch, Trigger, Workflow,
        document::{Format, Mode, apply, parse},
    },
};
use waymark_persistence::{
    Answered, ChangeError, ChangeMode, Counting, EditStart, Extent, Saved, WorkflowChange,
    WorkflowDraft, WorkflowEdit,
};

use crate::{
    Fixture,
    build::{self, create, done, order_workflow, request, state, status, workflow_code},
    change_as,
};

/// A status that belongs to no state.
fn packed() -> Status {
    Status {
        code: status("packed"),
        label: Label::new("Packed ✓ 'x' \"y\"").unwrap(),
        store_view_labels: std::iter::once((
            "de".parse().unwrap(),
            Label::new("Verpackt").unwrap(),
        ))
        .collect(),
        description: "Ready\nto go".parse().unwrap(),
        color: Some(Color::new("#3697cd").unwrap()),
        position: -5,
        retired: false,
        on_enter: Vec::new(),
    }
}

pub async fn a_workflow_comes_back_as_it_was_saved(fixture: &Fixture) {
    for workflow in Fixture::presets() {
        let code = workflow.code.to_string();
        let saved = fixture
            .change(&code, |_| Ok(Some(workflow.clone())))
            .await
            .unwrap()
            .record
            .unwrap();
        assert_eq!(saved.record.workflow, workflow.clone().normalized());
        let loaded = fixture
            .replica()
            .await
            .workflow(&workflow.code)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(loaded.record, saved.record);
        assert_eq!(loaded.graph.version(), 1);
    }
    let all = fixture.store.workflows().await.unwrap();
    let codes = all
        .iter()
        .map(|published| published.record.workflow.code.as_str())
        .collect::<Vec<_>>();
    assert_eq!(codes, ["magento", "magento_2_4", "modmore", "order"]);
}

type Edit = Box<dyn Fn(&Workflow) -> Result<Workflow, Refusal> + Send + Sync>;

/// A transition that says everything a transition can say.
fn repack() -> Transition {
    Transition {
        code: TransitionCode::new("repack").unwrap(),
        label: Label::new("Repack").unwrap(),
        description: "Again.".parse().unwrap(),
        from_statuses: vec![status("processing"), status("packed")],
        from_states: vec![state("processing")],
        to_state: state("processing"),
        to_status: Some(status("packed")),
        guard: Some(Expression::new("order.grand_total >= 0").unwrap()),
        trigger: Trigger::Manual,
        operation: Some("ship".parse().unwrap()),
        reverse: true,
        visible_to_customer: true,
        notify_customer: true,
        roles: vec!["packer".parse().unwrap()],
        actions: Vec::new(),
        position: 7,
    }
}

fn edits() -> Vec<Edit> {
    let transition = repack();
    let repack = transition.code.clone();
    let (update, delete) = (repack.clone(), repack);
    let default = AssignmentPatch {
        is_default: Some(true),
        visible_on_storefront: Some(false),
    };
    let relabel = StatusPatch {
        label: Some(Label::new("In the box").unwrap()),
        color: Some(None),
        ..StatusPatch::default()
    };
    let unguard = TransitionPatch {
        guard: Some(None),
        reverse: Some(false),
        visible_to_customer: Some(false),
        position: Some(1),
        ..TransitionPatch::default()
    };
    vec![
        Box::new(|workflow| edit::create_status(workflow, packed())),
        Box::new(move |workflow| {
            edit::assign(workflow, &state("processing"), &status("packed"), default)
        }),
        Box::new(move |workflow| edit::create_transition(workflow, transition.clone())),
        Box::new(move |workflow| edit::update_status(workflow, &status("packed"), relabel.clone())),
        Box::new(move |workflow| edit::update_transition(workflow, &update, unguard.clone())),
        Box::new(|workflow| {
            Ok(Workflow {
                max_cascade: 3,
                overpayment: Overpayment::Refuse,
                default_store_view: Some("de".parse().unwrap()),
                ..workflow.clone()
            })
        }),
        Box::new(move |workflow| edit::delete_transition(workflow, &delete)),
        Box::new(|workflow| {
            Ok(edit::unassign(workflow, &state("processing"), &status("packed"))?.0)
        }),
        Box::new(|workflow| edit::delete_status(workflow, &status("packed"))),
        Box::new(|workflow| {
            let mut after = workflow.clone();
            after
                .transitions
                .retain(|transition| transition.to_state != state("payment_review"));
            after
                .assignments
                .retain(|assignment| assignment.state != state("payment_review"));
            after
                .transitions
                .retain(|transition| transition.from_states != [state("payment_review")]);
            after
                .states
                .retain(|kept| kept.code != state("payment_review"));
            Ok(after)
        }),
    ]
}

pub async fn every_edit_comes_back_as_it_was_saved(fixture: &Fixture) {
    let replica = fixture.replica().await;
    for (number, edit) in (2..).zip(edits()) {
        fixture.time.advance(Duration::from_secs(1));
        let saved = fixture
            .change("order", |workflow| edit(workflow.unwrap()).map(Some))
            .await
            .unwrap();
        let record = &saved.record.unwrap().record;
        assert_eq!(
            (record.stamp.version, record.stamp.update_time),
            (number, fixture.clock().now())
        );
        assert!(!saved.changes.is_empty());
        let loaded = replica.workflow(&order_workflow()).await.unwrap().unwrap();
        assert_eq!(&loaded.record, record, "edit {number}");
    }
    let versions = fixture
        .store
        .workflow_versions(&order_workflow(), None, 100)
        .await
        .unwrap();
    assert_eq!(versions.versions.len(), 1 + edits().len());
    assert!(!versions.has_more);
}

pub async fn the_same_change_twice_changes_nothing(fixture: &Fixture) {
    let before = fixture
        .store
        .workflow(&order_workflow())
        .await
        .unwrap()
        .unwrap();
    let again = fixture
        .change("order", |workflow| Ok(workflow.cloned()))
        .await
        .unwrap();
    assert_eq!(
        (again.record.unwrap().record.clone(), again.changes.len()),
        (before.record.clone(), 0)
    );
    assert_eq!(
        fixture
            .number("SELECT count(*) FROM workflow_versions")
            .await,
        1
    );
    assert_eq!(fixture.number("SELECT count(*) FROM catalog").await, 1);
    // A graph with cycles, from its document.
    let document = waymark_domain::preset::find("modmore")
        .unwrap()
        .parse()
        .unwrap();
    for differences in [true, false] {
        let applied = fixture
            .change("modmore", |workflow| {
                apply(workflow, &document, Mode::Replace, None).map(Some)
            })
            .await;
        let applied = applied.unwrap();
        assert_eq!(
            (
                !applied.changes.is_empty(),
                applied.record.unwrap().record.stamp.version
            ),
            (differences, 1)
        );
    }
}

pub async fn versions_are_kept(fixture: &Fixture) {
    let store = &fixture.store;
    let pack =
        |workflow: Option<&Workflow>| edit::create_status(workflow.unwrap(), packed()).map(Some);
    fixture.change("order", pack).await.unwrap();
    let code = order_workflow();
    let list = async |before, limit| {
        let page = store.workflow_versions(&code, before, limit);
        page.await.unwrap()
    };
    let page = list(None, 10).await;
    assert!(!page.has_more);
    let versions = page.versions;
    let numbers = versions.iter().map(|version| version.version);
    assert_eq!(numbers.collect::<Vec<_>>(), [2, 1]);
    assert_eq!(versions[0].actor, build::actor());
    let changes = versions[0].changes.iter();
    let changes = changes.map(|change| (change.kind, change.subject.to_string()));
    let expected = [(DifferenceKind::Added, "status packed".to_owned())];
    assert_eq!(changes.collect::<Vec<_>>(), expected);
    assert_eq!(list(Some(2), 10).await.versions, versions[1..]);
    let first = list(None, 1).await;
    assert_eq!(first.versions, versions[..1]);
    assert!(first.has_more);
}

pub async fn documents_of_versions_are_kept(fixture: &Fixture) {
    let store = &fixture.store;
    let code = order_workflow();
    let before = store.workflow(&code).await.unwrap().unwrap();
    let pack =
        |workflow: Option<&Workflow>| edit::create_status(workflow.unwrap(), packed()).map(Some);
    fixture.change("order", pack).await.unwrap();
    let document = store.workflow_document(&code, 1).await.unwrap().unwrap();
    let document = parse(&document, Format::Yaml).unwrap();
    let first = apply(None, &document, Mode::Replace, None).unwrap();
    assert_eq!(first.normalized(), before.record.workflow);
    assert_eq!(store.workflow_document(&code, 3).await.unwrap(), None);
}

pub async fn a_change_is_answered_once(fixture: &Fixture) {
    let create =
        |workflow: Option<&Workflow>| edit::create_status(workflow.unwrap(), packed()).map(Some);
    let remembered = request("r-1", 1);
    let first = fixture
        .change_as("order", ChangeMode::Apply, Some(remembered.clone()), create)
        .await
        .unwrap();
    assert!(matches!(first, Answered::Done(_)));
    let again = fixture
        .change_as("order", ChangeMode::Apply, Some(remembered), create)
        .await
        .unwrap();
    assert!(
        matches!(&again, Answered::Replayed(answer) if answer == b"2"),
        "{again:?}"
    );
    let other = fixture
        .change_as("order", ChangeMode::Apply, Some(request("r-1", 2)), create)
        .await;
    assert!(matches!(other, Err(ChangeError::RequestIdReused)));
    // A dry run answers as the call would.
    let rehearse = |request| fixture.change_as("order", ChangeMode::DryRun, request, create);
    let rehearsed = rehearse(Some(request("r-1", 1))).await.unwrap();
    assert!(
        matches!(&rehearsed, Answered::Replayed(answer) if answer == b"2"),
        "{rehearsed:?}"
    );
    let rehearsed = rehearse(Some(request("r-1", 2))).await;
    assert!(matches!(rehearsed, Err(ChangeError::RequestIdReused)));
    let rehearsed = rehearse(Some(request("r-3", 1))).await;
    assert!(matches!(
        rehearsed,
        Err(ChangeError::Refused(Refusal::StatusExists { .. }))
    ));
    // A call that changes nothing is remembered as well.
    let nothing = |workflow: Option<&Workflow>| Ok(workflow.cloned());
    for expected in [false, true] {
        let answer = fixture
            .change_as("order", ChangeMode::Apply, Some(request("r-2", 1)), nothing)
            .await
            .unwrap();
        assert_eq!(matches!(answer, Answered::Replayed(_)), expected);
    }
}

pub async fn a_deletion_is_answered_once(fixture: &Fixture) {
    let delete = |workflow: Option<&Workflow>| match workflow {
        Some(_) => Ok(None),
        None => Err(Refusal::WorkflowNotFound {
            workflow: order_workflow(),
        }),
    };
    let gone = fixture
        .change_as("order", ChangeMode::Apply, Some(request("r-1", 1)), delete)
        .await
        .unwrap();
    assert!(
        matches!(gone, Answered::Done(outcome) if outcome.record.is_none() && !outcome.changes.is_empty())
    );
    let again = fixture
        .change_as("order", ChangeMode::Apply, Some(request("r-1", 1)), delete)
        .await
        .unwrap();
    assert!(matches!(again, Answered::Replayed(answer) if answer == b"0"));
    let other = fixture
        .change_as("order", ChangeMode::Apply, None, delete)
        .await;
    assert!(matches!(
        other,
        Err(ChangeError::Refused(Refusal::WorkflowNotFound { .. }))
    ));
    assert!(
        fixture
            .store
            .workflow(&order_workflow())
            .await
            .unwrap()
            .is_none()
    );
}

pub async fn a_dry_run_of_a_change_writes_nothing(fixture: &Fixture) {
    let create =
        |workflow: Option<&Workflow>| edit::create_status(workflow.unwrap(), packed()).map(Some);
    let rehearsed = fixture
        .change_as("order", ChangeMode::DryRun, Some(request("r-1", 1)), create)
        .await
        .unwrap();
    let Answered::Done(outcome) = rehearsed else {
        panic!("replayed")
    };
    assert_eq!(
        (
            outcome.record.unwrap().record.stamp.version,
            outcome.changes.len()
        ),
        (2, 1)
    );
    assert_eq!(
        fixture
            .store
            .workflow(&order_workflow())
            .await
            .unwrap()
            .unwrap()
            .record
            .stamp
            .version,
        1
    );
    assert_eq!(fixture.number("SELECT count(*) FROM requests").await, 0);
    let first = fixture
        .change_as("order", ChangeMode::Apply, Some(request("r-1", 1)), create)
        .await
        .unwrap();
    assert!(matches!(first, Answered::Done(_)));
}

pub async fn a_refused_change_writes_nothing(fixture: &Fixture) {
    let refused = fixture.change("order", |workflow| {
        edit::unassign(workflow.unwrap(), &state("new"), &status("nothing"))
            .map(|(workflow, _)| Some(workflow))
    });
    assert!(matches!(
        refused.await,
        Err(ChangeError::Refused(Refusal::StatusNotFound { .. }))
    ));
    assert_eq!(fixture.number("SELECT count(*) FROM catalog").await, 1);
}

pub async fn a_guard_that_does_not_compile_is_not_saved(fixture: &Fixture) {
    let refused = fixture.change("order", |workflow| {
        let mut after = workflow.unwrap().clone();
        after.transitions[0].guard = Some(Expression::new("order.nothing(").unwrap());
        Ok(Some(after))
    });
    assert!(matches!(
        refused.await,
        Err(ChangeError::Refused(Refusal::GuardInvalid { .. }))
    ));
    done(&fixture.store, create("A-1")).await;
}

/// Another release had other rules, and its guards are still there.
pub async fn a_stored_guard_that_no_longer_passes_refuses_alone(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    let guards = "size(order.lines + order.lines) > 0";
    fixture
        .execute(&format!(
            "UPDATE transitions SET guard = '{guards}' WHERE workflow = 'order' AND code = 'cancel'; \
             UPDATE states SET entry_guard = '{}' WHERE workflow = 'order' AND code = 'closed'",
            "x".repeat(1_001)
        ))
        .await;
    let store = fixture.replica().await;
    let loaded = store.workflow(&order_workflow()).await.unwrap().unwrap();
    assert_eq!(loaded.graph.problems().count(), 2);
    let refused = build::refused(&store, build::transition("A-1", "cancel")).await;
    let refused = refused.to_string();
    assert!(refused.contains("must not join lists"), "{refused}");
    done(&store, build::comment("A-1", "goes on")).await;

    // Something else can be changed, the guard can be mended, and none like it comes in anew.
    let change = async |code: &str, guard: Option<&str>| {
        let patch = TransitionPatch {
            position: Some(77),
            guard: guard.map(|guard| Some(Expression::new(guard).unwrap())),
            ..TransitionPatch::default()
        };
        let change = |workflow: Option<&Workflow>| {
            let code = TransitionCode::new(code).unwrap();
            edit::update_transition(workflow.unwrap(), &code, patch.clone()).map(Some)
        };
        let changed = change_as(&store, "order", ChangeMode::Apply, None, change);
        changed.await.map(|_| ())
    };
    change("cancel", None).await.unwrap();
    assert!(matches!(
        change("accept_payment", Some(guards)).await,
        Err(ChangeError::Refused(Refusal::GuardInvalid { .. }))
    ));
    change("cancel", Some("true")).await.unwrap();
    done(&store, build::transition("A-1", "cancel")).await;
}

pub async fn a_deleted_workflow_can_come_again(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    let workflow = build::workflow("magento_2_4", "returns");
    let code: StatusCode = status("pending");
    for _ in 0..2 {
        let saved = fixture
            .change("returns", |_| Ok(Some(workflow.clone())))
            .await
            .unwrap();
        assert_eq!(saved.record.unwrap().record.stamp.version, 1);
        let loaded = fixture
            .store
            .workflow(&workflow_code("returns"))
            .await
            .unwrap()
            .unwrap();
        assert!(loaded.record.statuses.contains_key(&code));
        fixture.change("returns", |_| Ok(None)).await.unwrap();
        assert!(
            fixture
                .store
                .workflow_versions(&workflow_code("returns"), None, 10)
                .await
                .unwrap()
                .versions
                .is_empty()
        );
    }
    // What goes with one workflow is not another's.
    assert!(
        fixture
            .store
            .workflow(&order_workflow())
            .await
            .unwrap()
            .is_some()
    );
}

/// A change of the workflow `order`, made step by step.
fn slow_change() -> WorkflowChange {
    WorkflowChange {
        workflow: order_workflow(),
        request: None,
        actor: build::actor(),
        mode: ChangeMode::Apply,
        counting: Counting::Nothing,
        extent: Extent::Part,
    }
}

/// Loads the workflow and adds a status to it; the version is that of the workflow before.
async fn add_packed(turn: &mut WorkflowEdit<'_>) -> (i64, WorkflowDraft) {
    let EditStart::Loaded(snapshot) = turn.load().await.unwrap() else {
        panic!("replayed")
    };
    let record = snapshot.record().unwrap();
    let version = record.stamp.version;
    let after = edit::create_status(&record.workflow, packed()).unwrap();
    (version, turn.prepare(snapshot, Some(after)).await.unwrap())
}

/// Nothing is locked while an edit is computed, and its neighbours change other workflows.
pub async fn steps_go_on_while_a_change_is_computed(fixture: &Fixture) {
    let change = slow_change();
    let mut turn = fixture.store.edit_workflow(&change).await.unwrap();
    let (_, draft) = add_packed(&mut turn).await;
    done(&fixture.store, create("A-1")).await;
    let replica = fixture.replica().await;
    done(&replica, create("A-2")).await;
    let other = build::workflow("magento", "other");
    let other = change_as(&replica, "other", ChangeMode::Apply, None, |_| {
        Ok(Some(other.clone()))
    });
    other.await.unwrap();
    // The change of another workflow was none of its business.
    assert_eq!(turn.save(&draft, &[]).await.unwrap(), Saved::Done);
    assert_eq!(draft.outcome.record.unwrap().record.stamp.version, 2);
}

/// An edit whose workflow was changed while it was computed is computed again.
pub async fn a_change_is_made_on_the_newest_workflow(fixture: &Fixture) {
    let change = slow_change();
    let mut turn = fixture.store.edit_workflow(&change).await.unwrap();
    let (version, draft) = add_packed(&mut turn).await;
    assert_eq!(version, 1);
    let relabel = |workflow: Option<&Workflow>| {
        let mut workflow = workflow.unwrap().clone();
        workflow.label = Label::new("Meanwhile").unwrap();
        Ok(Some(workflow))
    };
    let replica = fixture.replica().await;
    let meanwhile = change_as(&replica, "order", ChangeMode::Apply, None, relabel);
    meanwhile.await.unwrap();
    assert_eq!(turn.save(&draft, &[]).await.unwrap(), Saved::Stale);
    let (version, draft) = add_packed(&mut turn).await;
    assert_eq!(version, 2);
    assert_eq!(turn.save(&draft, &[]).await.unwrap(), Saved::Done);
    let record = draft.outcome.record.unwrap().record.clone();
    assert_eq!(record.stamp.version, 3);
    assert_eq!(record.workflow.label.as_str(), "Meanwhile");
    assert!(record.workflow.status(&status("packed")).is_some());
    let kept = fixture.store.workflow(&order_workflow()).await.unwrap();
    assert_eq!(kept.unwrap().record, record);
}
