//! Workflows that were changed in another past of the database: what a process keeps of them must
//! not outlive it, as after a failover to a standby that lacks the last change.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use waymark_domain::{order::Rejection, workflow::Workflow};
use waymark_persistence::{Refusal, Store};

use crate::{
    Fixture,
    build::{create, done, move_to, order_workflow, refused, status},
};

/// Two changes, of which this process keeps the second. In the database, there was another second
/// one, which took the status `received` from its state.
async fn another_second_change(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    relabel(fixture).await;
    let swap = "UPDATE catalog SET change_id = (SELECT id FROM deployment) WHERE version = 2; \
                DELETE FROM assignments WHERE workflow = 'order' AND status = 'received'; \
                UPDATE statuses SET ever_used = false";
    fixture.execute(swap).await;
}

/// Two changes, of which this process keeps the second. In the database there was only the first,
/// and the order `A-1` is as new.
async fn no_second_change(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    relabel(fixture).await;
    let lose = "DELETE FROM catalog WHERE version = 2; \
                DELETE FROM assignments WHERE workflow = 'order' AND status = 'received'; \
                UPDATE statuses SET ever_used = false";
    fixture.execute(lose).await;
}

async fn relabel(fixture: &Fixture) {
    let edit = |workflow: Option<&Workflow>| {
        let mut workflow = workflow.unwrap().clone();
        workflow.statuses[0].label = waymark_domain::value::Label::new("Other").unwrap();
        Ok(Some(workflow))
    };
    fixture.change("order", edit).await.unwrap();
    let kept = fixture.store.workflow(&order_workflow()).await.unwrap();
    assert!(has_received(kept.as_ref().map(|it| &it.record.workflow)));
}

fn has_received(workflow: Option<&Workflow>) -> bool {
    let mut assignments = workflow.unwrap().assignments.iter();
    assignments.any(|assignment| assignment.status == status("received"))
}

async fn is_judged_by_the_database(store: &Store) {
    let refusal = refused(store, move_to("A-1", "received")).await;
    assert!(
        matches!(
            refusal,
            Refusal::Rejected(Rejection::StatusNotInState { .. })
        ),
        "{refusal:?}"
    );
}

async fn marks(fixture: &Fixture) -> i64 {
    let marks = "SELECT count(*) FROM statuses WHERE workflow = 'order' AND ever_used";
    fixture.number(marks).await
}

pub async fn steps_are_judged_by_the_change_that_is_there(fixture: &Fixture) {
    another_second_change(fixture).await;
    is_judged_by_the_database(&fixture.store).await;
    // What was known of the use of statuses is forgotten, so it is noted again.
    assert_eq!(marks(fixture).await, 0);
    done(&fixture.store, create("A-2")).await;
    assert_eq!(marks(fixture).await, 1);
}

pub async fn steps_are_judged_without_the_change_that_is_lost(fixture: &Fixture) {
    no_second_change(fixture).await;
    is_judged_by_the_database(&fixture.store).await;
    done(&fixture.store, create("A-2")).await;
    assert_eq!(marks(fixture).await, 1);
}

pub async fn readers_see_the_change_that_is_there(fixture: &Fixture) {
    another_second_change(fixture).await;
    let found = fixture.store.workflow(&order_workflow()).await.unwrap();
    assert!(!has_received(found.as_ref().map(|it| &it.record.workflow)));
    let all = fixture.store.workflows().await.unwrap();
    assert!(!has_received(Some(&all[0].record.workflow)));
    is_judged_by_the_database(&fixture.store).await;
}

pub async fn readers_see_no_change_that_is_lost(fixture: &Fixture) {
    no_second_change(fixture).await;
    let found = fixture.store.workflow(&order_workflow()).await.unwrap();
    assert!(!has_received(found.as_ref().map(|it| &it.record.workflow)));
    let orders = [(order_workflow(), crate::build::order_id("A-1"))];
    let found = fixture.store.find_orders(&orders).await.unwrap().remove(0);
    let workflow = found.published.as_ref().map(|it| &it.record.workflow);
    assert!(!has_received(workflow));
}

/// An edit is made on what is there, and comes after it.
pub async fn an_edit_is_made_on_the_change_that_is_there(fixture: &Fixture) {
    another_second_change(fixture).await;
    let seen = std::sync::Mutex::new(None);
    let edit = |workflow: Option<&Workflow>| {
        *seen.lock().unwrap() = Some(has_received(workflow));
        let mut workflow = workflow.unwrap().clone();
        workflow.max_cascade = 7;
        Ok(Some(workflow))
    };
    fixture.change("order", edit).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), Some(false));
    is_judged_by_the_database(&fixture.store).await;
}
