//! Workflows as another release, or a hand, left them: one by which no step can be judged is told by
//! name, and stops nothing but the steps of its own orders.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use waymark_domain::{
    guard::Expression,
    value::{Label, StatusCode, TransitionCode},
    workflow::{self as edit, Record, Rule, Subject, TransitionPatch, Workflow},
};
use waymark_persistence::{
    Answered, ChangeError, ChangeMode, CommitError, Counting, Extent, OrderQuery, Outcome, Refusal,
    Step, StepChange, StepError, Store, UnitOutcome, WorkflowChange,
};

use crate::{
    Fixture,
    build::{
        self, all, atomic, comment, create, create_as, done, move_to, new_order, order_id,
        order_workflow, refused, requested, separate, state, status, workflow_code,
    },
    change_as, change_workflow,
};

const SPOILT_GUARD: &str =
    "UPDATE transitions SET guard = 'order.((' WHERE workflow = 'order' AND code = 'cancel'";
const SPOILT_STATE: &str =
    "UPDATE states SET category = 'gone' WHERE workflow = 'order' AND code = 'complete'";
const SPOILT_TARGET: &str =
    "UPDATE transitions SET to_status = 'nope' WHERE workflow = 'order' AND code = 'cancel'";

/// What another process writes when it changes the workflow `order`.
const CHANGED: &str = "INSERT INTO catalog (version, change_id, workflow, create_time) \
    SELECT max(version) + 1, (SELECT id FROM deployment), 'order', 0 FROM catalog";

/// Spoils what is stored of the workflow `order`, so that running processes learn of it.
async fn spoil(fixture: &Fixture, sql: &str) {
    fixture.execute(sql).await;
    fixture.execute(CHANGED).await;
}

/// A workflow beside `order` that stays as it is.
async fn with_another(fixture: &Fixture) {
    let other = build::workflow("magento", "other");
    let change = fixture.change("other", |_| Ok(Some(other.clone())));
    change.await.unwrap();
}

fn in_other(mut step: Step) -> Step {
    step.workflow = workflow_code("other");
    if let StepChange::Create(new, _) = &mut step.change {
        new.workflow.clone_from(&step.workflow);
    }
    step
}

/// Replaces the workflow `order` as a whole.
async fn replace(store: &Store, workflow: Workflow) -> Result<Outcome, ChangeError<edit::Refusal>> {
    let change = WorkflowChange {
        workflow: order_workflow(),
        request: None,
        actor: build::actor(),
        mode: ChangeMode::Apply,
        counting: Counting::Nothing,
        extent: Extent::Whole,
    };
    let whole = |_: Option<&Record>| Ok(Some(workflow.clone()));
    match change_workflow(store, &change, whole).await? {
        Answered::Done(outcome) => Ok(outcome),
        Answered::Replayed(_) => panic!("replayed"),
    }
}

fn mend() -> Workflow {
    build::workflow("magento", "order")
}

#[track_caller]
fn assert_unusable(refusal: &Refusal, said: &str) {
    let Refusal::WorkflowUnusable { workflow, finding } = refusal else {
        panic!("{refusal:?}")
    };
    assert_eq!(workflow, &order_workflow());
    assert!(finding.contains(said), "{finding}");
    assert_eq!(refusal.reason(), "WORKFLOW_UNUSABLE");
}

/// What goes on in a store whose workflow `order` is unusable, and what is refused, with what is
/// said. `A-1` is an order that was created by a call that is repeated here.
async fn is_alone(store: &Store, repeated: &Step, (id, said): (&str, &str)) {
    let steps = vec![
        comment("A-1", "refused"),
        in_other(create(id)),
        create("A-9"),
        repeated.clone(),
        in_other(comment(id, "goes on")),
    ];
    let answers = all(store, steps).await;
    for index in [0, 2] {
        let Err(StepError::Refused(refusal)) = &answers[index] else {
            panic!("{index}: {:?}", answers[index])
        };
        assert_unusable(refusal, said);
    }
    assert!(answers[3].as_ref().unwrap().replayed);
    for index in [1, 4] {
        assert!(!answers[index].as_ref().unwrap().replayed);
    }
    let tried = store.dry_run(separate(vec![create("A-9")])).await.unwrap();
    let UnitOutcome::Done(steps) = tried else {
        panic!("{tried:?}")
    };
    let Err(StepError::Refused(refusal)) = &steps[0] else {
        panic!("{:?}", steps[0])
    };
    assert_unusable(refusal, said);
    let unit = atomic(vec![in_other(comment(id, "no")), comment("A-1", "refused")]);
    let whole = store.commit(vec![unit]).await.units.remove(0).unwrap();
    let UnitOutcome::Refused { index: 1, refusal } = &whole else {
        panic!("{whole:?}")
    };
    assert_unusable(refusal, said);

    // Whatever is only read goes on.
    let key = [(order_workflow(), order_id("A-1"))];
    let found = store.find_orders(&key).await.unwrap().remove(0);
    assert_eq!(found.order.unwrap().read().unwrap().version, 1);
    let published = found.published.unwrap();
    assert!(published.unusable().unwrap().contains(said));
    assert!(
        published
            .record
            .workflow
            .status(&status("pending"))
            .is_some()
    );
    let codes = store.workflows().await.unwrap();
    let codes: Vec<_> = codes
        .iter()
        .map(|it| it.record.workflow.code.as_str())
        .collect();
    assert_eq!(codes, ["order", "other"]);
    assert!(store.has_workflows().await.unwrap());
    let listed = store.list_orders(&OrderQuery::default(), None, 10).await;
    assert!(listed.unwrap().orders.len() >= 2);
    let counted = store.count_orders(&order_workflow()).await.unwrap();
    assert_eq!(counted.iter().map(|(_, count)| count).sum::<i64>(), 1);
    let workflow = order_workflow();
    let kept = store.workflow_versions(&workflow, None, 10).await.unwrap();
    assert_eq!(kept.versions.len(), 1);
}

pub async fn a_guard_that_does_not_compile_stops_its_workflow_alone(fixture: &Fixture) {
    with_another(fixture).await;
    let repeated = requested(create("A-1"), "r-1", 1);
    done(&fixture.store, repeated.clone()).await;
    spoil(fixture, SPOILT_GUARD).await;
    let said = "the guard of transition cancel is not a CEL expression";
    let replica = fixture.replica().await;
    is_alone(&fixture.store, &repeated, ("B-1", said)).await;
    is_alone(&replica, &repeated, ("B-2", said)).await;

    // All of it can be read, so a part of it can be changed, and the guard corrected.
    let change = async |guard: Option<&str>| {
        let patch = TransitionPatch {
            position: Some(77),
            guard: guard.map(|guard| Some(Expression::new(guard).unwrap())),
            ..TransitionPatch::default()
        };
        let change = |workflow: Option<&Workflow>| {
            let code = TransitionCode::new("cancel").unwrap();
            edit::update_transition(workflow.unwrap(), &code, patch.clone()).map(Some)
        };
        fixture
            .change("order", change)
            .await
            .unwrap()
            .record
            .unwrap()
    };
    assert!(change(None).await.unusable().is_some());
    assert_unusable(&refused(&replica, comment("A-1", "still")).await, said);
    assert_eq!(change(Some("true")).await.unusable(), None);
    done(&replica, comment("A-1", "mended")).await;
    done(&fixture.store, build::transition("A-1", "cancel")).await;
}

pub async fn a_part_that_cannot_be_read_stops_its_workflow_alone(fixture: &Fixture) {
    with_another(fixture).await;
    let repeated = requested(create("A-1"), "r-1", 1);
    done(&fixture.store, repeated.clone()).await;
    spoil(fixture, SPOILT_STATE).await;
    let said = "state complete cannot be read, for its `category`: unknown variant `gone`";
    let replica = fixture.replica().await;
    is_alone(&fixture.store, &repeated, ("B-1", said)).await;
    is_alone(&replica, &repeated, ("B-2", said)).await;

    let published = replica.workflow(&order_workflow()).await.unwrap().unwrap();
    let [finding] = published.unreadable() else {
        panic!("{:?}", published.unreadable())
    };
    assert_eq!(
        (finding.rule, &finding.subject),
        (Rule::Unreadable, &Subject::State(state("complete")))
    );
    let workflow = &published.record.workflow;
    assert!(workflow.state(&state("complete")).is_none());
    assert!(workflow.state(&state("closed")).is_some());
    // A change of a part would be one of the whole.
    let edited = fixture
        .change("order", |workflow| Ok(workflow.cloned()))
        .await;
    assert!(
        matches!(
            &edited,
            Err(ChangeError::Refused(edit::Refusal::WorkflowUnusable { finding, .. }))
                if finding.contains(said)
        ),
        "{edited:?}"
    );
}

pub async fn a_part_that_is_not_there_stops_its_workflow_alone(fixture: &Fixture) {
    with_another(fixture).await;
    let repeated = requested(create("A-1"), "r-1", 1);
    done(&fixture.store, repeated.clone()).await;
    spoil(fixture, SPOILT_TARGET).await;
    let said = "transition cancel enters status nope, which does not exist";
    let replica = fixture.replica().await;
    is_alone(&fixture.store, &repeated, ("B-1", said)).await;
    is_alone(&replica, &repeated, ("B-2", said)).await;

    // All of it can be read, so other parts can be changed, and this one corrected.
    let change = async |code: &str, patch: TransitionPatch| {
        let change = |workflow: Option<&Workflow>| {
            let code = TransitionCode::new(code).unwrap();
            edit::update_transition(workflow.unwrap(), &code, patch.clone()).map(Some)
        };
        let changed = fixture.change("order", change).await.unwrap();
        changed.record.unwrap()
    };
    let moved = TransitionPatch {
        position: Some(77),
        ..TransitionPatch::default()
    };
    assert!(change("expire", moved).await.unusable().is_some());
    assert_unusable(&refused(&replica, comment("A-1", "still")).await, said);
    let corrected = TransitionPatch {
        to_status: Some(None),
        ..TransitionPatch::default()
    };
    assert_eq!(change("cancel", corrected).await.unusable(), None);
    done(&replica, comment("A-1", "mended")).await;
    done(&fixture.store, build::transition("A-1", "cancel")).await;
}

pub async fn whatever_is_named_and_not_there_is_told(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    let of_cancel = "WHERE workflow = 'order' AND code = 'cancel'";
    for (spoilt, said) in [
        (
            format!("UPDATE transitions SET from_states = '[\"nope\"]' {of_cancel}"),
            "transition cancel leaves state nope",
        ),
        (
            format!("UPDATE transitions SET from_statuses = '[\"nope\"]' {of_cancel}"),
            "transition cancel leaves status nope",
        ),
        (
            format!("UPDATE transitions SET operation = 'nope' {of_cancel}"),
            "transition cancel records operation nope",
        ),
        (
            "UPDATE workflows SET initial_state = 'nope' WHERE code = 'order'".to_owned(),
            "workflow starts in state nope",
        ),
        (
            "UPDATE assignments SET is_default = FALSE WHERE workflow = 'order' AND state = 'new'"
                .to_owned(),
            "state new has statuses, but none is its default",
        ),
        (
            format!("UPDATE transitions SET code = 'no code' {of_cancel}"),
            "workflow has the row \"order/no code\" in transitions that cannot be read, for its \
             `code`",
        ),
    ] {
        spoil(fixture, &spoilt).await;
        let refusal = refused(&fixture.store, comment("A-1", "refused")).await;
        assert_unusable(&refusal, said);
        let mended = replace(&fixture.store, mend()).await.unwrap();
        assert_eq!(mended.record.unwrap().unusable(), None, "{spoilt}");
        done(&fixture.store, comment("A-1", "goes on")).await;
    }
}

/// No call can name it, and it blocks none.
pub async fn a_workflow_whose_code_is_none_stops_nothing(fixture: &Fixture) {
    let columns = "label, description, initial_state, default_store_view, comment_status, \
                   status_sharing, refunded_units, operations, max_cascade, version, create_time, \
                   update_time, on_create, on_comment, overpayment";
    let copy = format!(
        "INSERT INTO workflows (code, {columns}) SELECT 'no code', {columns} FROM workflows"
    );
    fixture.execute(&copy).await;
    let changed = CHANGED.replace("'order'", "'no code'");
    fixture.execute(&changed).await;
    with_another(fixture).await;
    for store in [&fixture.store, &fixture.replica().await] {
        let workflows = store.workflows().await.unwrap();
        let codes = workflows.iter().map(|it| it.record.workflow.code.as_str());
        assert_eq!(codes.collect::<Vec<_>>(), ["order", "other"]);
    }
    done(&fixture.store, create("A-1")).await;
    done(&fixture.store, in_other(create("A-1"))).await;
    fixture.change("other", |_| Ok(None)).await.unwrap_err();
}

pub async fn what_lacks_a_part_does_not_replace_what_cannot_be_read(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    spoil(fixture, SPOILT_STATE).await;
    let complete = state("complete");
    let mut without = mend();
    without.states.retain(|state| state.code != complete);
    without.assignments.retain(|pair| pair.state != complete);
    let refused = replace(&fixture.store, without).await;
    assert!(
        matches!(
            &refused,
            Err(ChangeError::Refused(edit::Refusal::WorkflowInvalid { findings }))
                if findings.iter().all(|finding| finding.rule == Rule::UnknownReference)
        ),
        "{refused:?}"
    );
    replace(&fixture.store, mend()).await.unwrap();
    done(&fixture.store, comment("A-1", "goes on")).await;
}

pub async fn what_cannot_be_read_is_replaced_as_a_whole(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    done(&fixture.store, move_to("A-1", "received")).await;
    let marks = "SELECT count(*) FROM statuses WHERE workflow = 'order' AND ever_used";
    let used = fixture.number(marks).await;
    let before = fixture.store.workflow(&order_workflow()).await.unwrap();
    let before = before.unwrap().record.clone();
    spoil(
        fixture,
        "UPDATE states SET operations = '?' WHERE workflow = 'order' AND code = 'new'; \
         UPDATE statuses SET color = '?' WHERE workflow = 'order' AND code = 'pending'; \
         UPDATE transitions SET trigger_kind = '?' WHERE workflow = 'order' AND code = 'cancel'; \
         UPDATE transitions SET label = '' WHERE workflow = 'order' AND code = 'expire'; \
         UPDATE workflows SET label = '', operations = '?', max_cascade = -1 WHERE code = 'order'",
    )
    .await;
    let broken = fixture.store.workflow(&order_workflow()).await.unwrap();
    let broken = broken.unwrap();
    assert_eq!(broken.unreadable().len(), 7, "{:?}", broken.unreadable());
    assert_eq!(broken.record.workflow.label.as_str(), "order");
    assert_eq!(broken.record.stamp, before.stamp);
    let refusal = refused(&fixture.store, comment("A-1", "refused")).await;
    assert_unusable(&refusal, "workflow cannot be read, for its `label`");

    let mended = replace(&fixture.store, mend()).await.unwrap();
    let mended = mended.record.unwrap();
    assert_eq!((mended.unusable(), mended.unreadable()), (None, &[][..]));
    let record = &mended.record;
    assert_eq!(record.workflow, before.workflow);
    assert_eq!(record.stamp.version, before.stamp.version + 1);
    assert_eq!(record.stamp.create_time, before.stamp.create_time);
    // What could be read and is the same was not changed.
    let stamp = |record: &Record, code: &str| record.statuses[&status(code)];
    assert_eq!(stamp(record, "received"), stamp(&before, "received"));
    let pending = stamp(record, "pending");
    assert_eq!(pending.create_time, stamp(&before, "pending").create_time);
    assert_eq!(pending.version, record.stamp.version);
    assert_eq!(fixture.number(marks).await, used);
    let replica = fixture.replica().await;
    let loaded = replica.workflow(&order_workflow()).await.unwrap().unwrap();
    assert_eq!(loaded.record, *record);
    for store in [&fixture.store, &replica] {
        done(store, comment("A-1", "goes on")).await;
    }
    // The same again changes nothing.
    let again = replace(&replica, mend()).await.unwrap();
    assert_eq!(again.record.unwrap().record.stamp, record.stamp);
}

pub async fn what_orders_use_is_not_left_out_where_it_cannot_be_read(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    done(&fixture.store, move_to("A-1", "received")).await;
    spoil(
        fixture,
        "UPDATE statuses SET color = '?' WHERE workflow = 'order' AND code = 'pending'; \
         DELETE FROM assignments WHERE workflow = 'order' AND status = 'pending'",
    )
    .await;
    let mut without = mend();
    let pending: StatusCode = status("pending");
    without.statuses.retain(|status| status.code != pending);
    without.assignments.retain(|pair| pair.status != pending);
    for pair in &mut without.assignments {
        pair.is_default |= pair.status == status("received");
    }
    let left_out = replace(&fixture.store, without).await;
    assert!(
        matches!(
            &left_out,
            Err(ChangeError::Refused(edit::Refusal::StatusInUse { status, state: None, .. }))
                if *status == pending
        ),
        "{left_out:?}"
    );
    replace(&fixture.store, mend()).await.unwrap();
    done(&fixture.store, comment("A-1", "goes on")).await;
}

/// Neither change touches a timer, and orders may have waited in vain all the same.
pub async fn timers_are_looked_at_when_a_workflow_is_mended(fixture: &Fixture) {
    let unpaid = waymark_domain::order::NewOrder {
        state: Some(state("pending_payment")),
        ..new_order("A-1")
    };
    done(&fixture.store, create_as(unpaid)).await;
    let noted = "SELECT count(*) FROM timer_refreshes WHERE workflow = 'order'";
    let partitions = fixture.store.partition_count().all().count();
    let partitions = i64::try_from(partitions).unwrap();
    for spoilt in [SPOILT_GUARD, SPOILT_STATE, SPOILT_TARGET] {
        fixture.execute("DELETE FROM timer_refreshes").await;
        spoil(fixture, spoilt).await;
        assert_eq!(fixture.number(noted).await, 0);
        replace(&fixture.store, mend()).await.unwrap();
        assert_eq!(fixture.number(noted).await, partitions, "{spoilt}");
    }
}

pub async fn what_is_left_of_a_workflow_gives_way(fixture: &Fixture) {
    const USED: &str = "SELECT count(*) FROM statuses WHERE workflow = 'order' AND ever_used";
    let store = &fixture.store;
    done(store, create("A-1")).await;
    let used = fixture.number(USED).await;
    assert!(used > 0);
    let gone = "DELETE FROM workflows WHERE code = 'order'";
    // What points to it does not let it go by itself.
    let lose = if fixture.database().is_some() {
        let tables = ["states", "statuses", "transitions", "workflow_versions"];
        let free = tables
            .map(|table| format!("ALTER TABLE {table} DROP CONSTRAINT {table}_workflow_fkey; "));
        format!("{}{gone}", free.concat())
    } else {
        format!(
            "COMMIT; PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE; {gone}; \
             COMMIT; PRAGMA foreign_keys = ON; BEGIN IMMEDIATE"
        )
    };
    spoil(fixture, &lose).await;
    assert!(store.workflow(&order_workflow()).await.unwrap().is_none());

    replace(store, mend()).await.unwrap();
    assert_eq!(fixture.number(USED).await, used);
    let versions = "SELECT count(*) FROM workflow_versions WHERE workflow = 'order'";
    assert_eq!(fixture.number(versions).await, 1);
    done(store, create("A-2")).await;
    done(store, comment("A-1", "goes on")).await;
}

/// A change would count on from a version, beyond what a number holds.
pub async fn a_version_that_nothing_follows_is_told(fixture: &Fixture) {
    for spoilt in ["workflows", "catalog"] {
        let last = format!("UPDATE {spoilt} SET version = {}", i64::MAX);
        fixture.execute(&last).await;
        let replica = fixture.replica().await;
        let relabel = |workflow: Option<&Workflow>| {
            let mut workflow = workflow.unwrap().clone();
            workflow.label = Label::new("Other").unwrap();
            Ok(Some(workflow))
        };
        let refused = change_as(&replica, "order", ChangeMode::Apply, None, relabel).await;
        assert!(
            matches!(refused, Err(ChangeError::Failed(CommitError::Database))),
            "{spoilt}"
        );
        let mended = format!("UPDATE {spoilt} SET version = 1");
        fixture.execute(&mended).await;
    }
}
