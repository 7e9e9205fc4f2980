//! What orders use of a workflow stays.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use waymark_domain::workflow::{self as edit, AssignmentPatch, Refusal, Usage, Workflow};
use waymark_persistence::{ChangeError, ChangeMode, Outcome};

use crate::{
    Fixture,
    build::{
        all, create, done, hold, move_to, order_id, order_workflow, record, release, state, status,
    },
};

async fn unassign(
    fixture: &Fixture,
    from: &str,
    code: &str,
) -> Result<Outcome, ChangeError<Refusal>> {
    let edit = |workflow: Option<&Workflow>| {
        edit::unassign(workflow.unwrap(), &state(from), &status(code))
            .map(|(workflow, _)| Some(workflow))
    };
    fixture.change("order", edit).await
}

fn usage(answer: Result<Outcome, ChangeError<Refusal>>) -> Usage {
    match answer {
        Err(ChangeError::Refused(
            Refusal::StatusInUse { usage, .. } | Refusal::WorkflowInUse { usage, .. },
        )) => usage,
        other => panic!("{other:?}"),
    }
}

pub async fn a_pair_with_orders_stays(fixture: &Fixture) {
    let ids = (10..22)
        .map(|number| format!("A-{number}"))
        .collect::<Vec<_>>();
    all(
        &fixture.store,
        ids.iter()
            .flat_map(|id| [create(id), move_to(id, "received")])
            .collect(),
    )
    .await;
    let usage = usage(unassign(fixture, "new", "received").await);
    assert_eq!((usage.count, usage.order_ids.len()), (12, 10));
    assert!(
        usage
            .order_ids
            .iter()
            .all(|id| ids.iter().any(|other| other == id.as_str()))
    );
    all(
        &fixture.store,
        ids.iter().map(|id| move_to(id, "pending")).collect(),
    )
    .await;
    unassign(fixture, "new", "received").await.unwrap();
}

pub async fn a_pair_that_an_order_returns_to_stays(fixture: &Fixture) {
    let steps = vec![create("A-1"), move_to("A-1", "received"), hold("A-1")];
    assert!(all(&fixture.store, steps).await.iter().all(Result::is_ok));
    let usage = usage(unassign(fixture, "new", "received").await);
    assert_eq!(
        usage,
        Usage {
            count: 1,
            order_ids: vec![order_id("A-1")]
        }
    );
    let released = done(&fixture.store, release("A-1")).await.order.unwrap();
    assert_eq!(released.standing.status, status("received"));
}

pub async fn a_status_that_was_used_stays(fixture: &Fixture) {
    all(
        &fixture.store,
        vec![
            create("A-1"),
            move_to("A-1", "received"),
            move_to("A-1", "pending"),
        ],
    )
    .await;
    unassign(fixture, "new", "received").await.unwrap();
    let delete = |code: &'static str| {
        move |workflow: Option<&Workflow>| {
            edit::delete_status(workflow.unwrap(), &status(code)).map(Some)
        }
    };
    let refused = fixture.change("order", delete("received")).await;
    assert!(
        matches!(
            refused,
            Err(ChangeError::Refused(Refusal::StatusInUse {
                state: None,
                ..
            }))
        ),
        "{refused:?}"
    );
    // One that no order was ever in goes, and edits keep the mark of the other.
    fixture
        .change("order", delete("paypal_reversed"))
        .await
        .unwrap();
    assert!(fixture.change("order", delete("received")).await.is_err());
    let marks = "SELECT count(*) FROM statuses WHERE workflow = 'order' AND ever_used";
    assert_eq!(fixture.number(marks).await, 2);
    done(&fixture.store, record("A-1", "invoice")).await;
    assert_eq!(fixture.number(marks).await, 3);
}

pub async fn a_workflow_with_orders_stays(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    let usage = usage(fixture.change("order", |_| Ok(None)).await);
    assert_eq!(
        usage,
        Usage {
            count: 1,
            order_ids: vec![order_id("A-1")]
        }
    );
    assert!(
        fixture
            .store
            .workflow(&order_workflow())
            .await
            .unwrap()
            .is_some()
    );
    let tried = fixture
        .change_as("order", ChangeMode::DryRun, None, |_| Ok(None))
        .await;
    assert!(matches!(
        tried,
        Err(ChangeError::Refused(Refusal::WorkflowInUse { .. }))
    ));
}

pub async fn orders_are_counted_up_to_a_thousand(fixture: &Fixture) {
    for from in (0..1_000).step_by(250) {
        let ids = (from..from + 250).map(|number| create(&format!("A-{number:04}")));
        let steps = all(&fixture.store, ids.collect()).await;
        assert!(steps.iter().all(Result::is_ok));
    }
    let pair = usage(unassign(fixture, "new", "pending").await);
    assert_eq!((pair.count, pair.order_ids.len()), (1_000, 10));
    let whole = usage(fixture.change("order", |_| Ok(None)).await);
    assert_eq!(
        (whole.count, &whole.order_ids[9]),
        (1_000, &order_id("A-0009"))
    );
    done(&fixture.store, create("B-1")).await;
    for answer in [
        unassign(fixture, "new", "pending").await,
        fixture.change("order", |_| Ok(None)).await,
    ] {
        let told = usage(answer);
        assert_eq!((told.count, told.order_ids.len()), (1_001, 10));
        assert!(told.to_string().starts_with("more than 1,000 orders"));
    }
}

pub async fn a_default_is_promoted(fixture: &Fixture) {
    let saved = unassign(fixture, "new", "pending")
        .await
        .unwrap()
        .record
        .unwrap();
    assert_eq!(
        saved.record.workflow.default_status(&state("new")),
        Some(&status("received"))
    );
    assert_eq!(
        done(&fixture.store, create("A-1"))
            .await
            .order
            .unwrap()
            .standing
            .status,
        status("received")
    );
    let patch = AssignmentPatch {
        is_default: Some(true),
        ..AssignmentPatch::default()
    };
    let back = |workflow: Option<&Workflow>| {
        edit::assign(workflow.unwrap(), &state("new"), &status("pending"), patch).map(Some)
    };
    fixture.change("order", back).await.unwrap();
    assert_eq!(
        done(&fixture.store, create("A-2"))
            .await
            .order
            .unwrap()
            .standing
            .status,
        status("pending")
    );
}
