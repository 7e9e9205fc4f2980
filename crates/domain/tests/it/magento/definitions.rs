//! Statuses of states: assigned, labeled and shown to customers.

use serde_json::Value;
use waymark_domain::{
    judge::Graph,
    value::{Label, StateCode, StatusCode, StoreView},
    workflow::{self, AssignmentPatch, LabelsPatch, StatusPatch},
};

use super::{Outcome, Skip, flag, text};

pub(super) fn assignment(graph: &Graph, group: &str, input: &Value, expected: &Value) -> Outcome {
    let patch = AssignmentPatch {
        is_default: None,
        visible_on_storefront: None,
    };
    let (state, status) = (
        StateCode::new("processing").unwrap(),
        StatusCode::new("paypal_reversed").unwrap(),
    );
    let assigned = workflow::assign(graph.workflow(), &state, &status, patch).unwrap();
    if group == "status_assign" {
        assert!(assigned.assignment(&state, &status).is_some());
        return Ok(());
    }
    if flag(input, "is_status_used") {
        return Err(Skip(
            "use by orders is asked of the store; its tests have the case",
        ));
    }
    let closed = StateCode::new("closed").unwrap();
    let (state, status) = if flag(input, "is_state_last") {
        (&closed, graph.workflow().default_status(&closed).unwrap())
    } else {
        (&state, &status)
    };
    let answer = workflow::unassign(&assigned, state, status);
    assert_eq!(answer.is_ok(), flag(expected, "ok"));
    Ok(())
}

/// The label in the shop's back office and in a store view.
pub(super) fn labels(graph: &Graph, input: &Value, expected: &Value) {
    let store = StoreView::new("store").unwrap();
    let label = |text: &str| Label::new(text).unwrap();
    let in_store = input
        .get("store_labels")
        .and_then(|labels| labels.get("store"));
    let own = in_store.and_then(Value::as_str).map(label);
    let pending = StatusCode::new("pending").unwrap();
    let patch = StatusPatch {
        label: Some(label(text(input, "label"))),
        store_view_labels: Some(LabelsPatch::Replace(
            own.into_iter().map(|own| (store.clone(), own)).collect(),
        )),
        ..StatusPatch::default()
    };
    let after = workflow::update_status(graph.workflow(), &pending, patch).unwrap();
    let (admin, storefront) = (text(expected, "admin"), text(expected, "storefront"));
    assert_eq!(after.status_label(&pending, None, None), admin);
    assert_eq!(after.status_label(&pending, Some(&store), None), storefront);
}

/// Which statuses a state has, and which of them customers do not see.
pub(super) fn config(graph: &Graph, input: &Value, expected: &Value) -> Outcome {
    let codes = |value: &Value| -> Vec<String> {
        let codes = value.as_array().into_iter().flatten();
        codes.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    if let Some(statuses) = expected.get("statuses").filter(|list| list.is_array()) {
        let state = StateCode::new(text(input, "state")).unwrap();
        let of_state = graph.workflow().assignments_of(&state);
        let mut found: Vec<_> = of_state.map(|a| a.status.to_string()).collect();
        found.sort();
        assert_eq!(found, codes(statuses));
        return Ok(());
    }
    let (visible, list) = match (expected.get("visible"), expected.get("invisible")) {
        (Some(list), _) => (true, list),
        (None, Some(list)) => (false, list),
        (None, None) => return Err(Skip("a list that the store's services give")),
    };
    let mut workflow = graph.workflow().clone();
    let rows = input["rows"].as_array().unwrap();
    for row in rows {
        let code = StatusCode::new(text(row, "status")).unwrap();
        let state = workflow.states_of(&code).next().cloned().unwrap();
        let patch = AssignmentPatch {
            is_default: None,
            visible_on_storefront: row
                .get("visible")
                .and_then(Value::as_u64)
                .map(|flag| flag > 0),
        };
        workflow = workflow::assign(&workflow, &state, &code, patch).unwrap();
    }
    let mut found: Vec<_> = rows
        .iter()
        .map(|row| text(row, "status").to_owned())
        .collect();
    found.retain(|code| {
        let assignments = workflow.assignments.iter();
        let mut of_status = assignments.filter(|a| a.status.as_str() == code);
        of_status.any(|a| a.visible_on_storefront == visible)
    });
    found.sort();
    let mut wanted = codes(list);
    wanted.sort();
    assert_eq!(found, wanted);
    Ok(())
}
