//! `StateService`: the states of a workflow, and which status belongs to which.

use std::slice;

use waymark_domain::{
    value::{StateCode, StatusCode},
    workflow::{self, Assignment, Record, Refusal, State, Workflow},
};
use waymark_persistence::{Extent, Outcome};
use waymark_proto::{
    convert::state::{
        AssignStatus, GetState, ListAssignments, ListStates, UnassignStatus, assignment_to_wire,
        state_to_wire,
    },
    v1::{self, state_service_server::StateService},
};

use super::{answers, definition, once::Showing, suggestions};
use crate::{App, Error, page};

service!("StateService");

rpcs! {
    StateService {
        get_state(v1::GetStateRequest) -> v1::GetStateResponse:
            GetState::read(default_workflow()) => get;
        list_states(v1::ListStatesRequest) -> v1::ListStatesResponse:
            ListStates::read(default_workflow()) => list;
        list_assignments(v1::ListAssignmentsRequest) -> v1::ListAssignmentsResponse:
            ListAssignments::read(default_workflow()) => list_assignments;
        assign_status(v1::AssignStatusRequest) -> v1::AssignStatusResponse:
            AssignStatus::read(default_workflow()) => assign;
        unassign_status(v1::UnassignStatusRequest) -> v1::UnassignStatusResponse:
            UnassignStatus::read(default_workflow()) => unassign;
    }
}

async fn get(app: &App, call: GetState) -> Result<v1::GetStateResponse, Error> {
    let published = definition::find(app, &call.workflow).await?;
    let workflow = &published.record.workflow;
    let Some(state) = workflow.state(&call.code) else {
        let refusal = Refusal::StateNotFound { state: call.code };
        return Err(suggestions::with_part(workflow, refusal.into()));
    };
    Ok(v1::GetStateResponse {
        state: Some(answers::state(state_to_wire(workflow, state))),
    })
}

async fn list(app: &App, call: ListStates) -> Result<v1::ListStatesResponse, Error> {
    let published = definition::find(app, &call.workflow).await?;
    let workflow = &published.record.workflow;
    let states = workflow.states.iter();
    let items = states.map(|state| ((state.position, state.code.clone()), state));
    let message = |state: &State| answers::state(state_to_wire(workflow, state));
    let (states, next_page_token) = page::of("states", &call.page, items, message)?;
    Ok(v1::ListStatesResponse {
        states,
        next_page_token,
    })
}

async fn list_assignments(
    app: &App,
    call: ListAssignments,
) -> Result<v1::ListAssignmentsResponse, Error> {
    let published = definition::find(app, &call.workflow).await?;
    suggestions::check_states(slice::from_ref(&published), &call.state)?;
    suggestions::check_statuses(slice::from_ref(&published), &call.status)?;
    let listed = listed(&published.record.workflow, &call);
    let (assignments, next_page_token) =
        page::of("assignments", &call.page, listed, assignment_to_wire)?;
    Ok(v1::ListAssignmentsResponse {
        assignments,
        next_page_token,
    })
}

async fn assign(app: &App, call: AssignStatus) -> Result<v1::AssignStatusResponse, Error> {
    let assign = move |record: &Record| {
        let (state, status) = (&call.state, &call.status);
        let after = workflow::assign(&record.workflow, state, status, call.patch)?;
        let assignment = after.assignment(state, status).map(assignment_to_wire);
        let answer = move |_: &Outcome| v1::AssignStatusResponse::of(assignment);
        Ok((Some(after), answer))
    };
    let (part, edit) = ((call.workflow, Extent::Part), (call.edit, "status"));
    definition::change(app, part, edit, definition::STAMP, assign).await
}

async fn unassign(app: &App, call: UnassignStatus) -> Result<v1::UnassignStatusResponse, Error> {
    let unassign = move |record: &Record| {
        let (after, promoted) = workflow::unassign(&record.workflow, &call.state, &call.status)?;
        let promoted = promoted
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let answer = move |_: &Outcome| v1::UnassignStatusResponse::of(promoted);
        Ok((Some(after), answer))
    };
    let (part, edit) = ((call.workflow, Extent::Part), (call.edit, "status"));
    definition::change(app, part, edit, definition::STAMP, unassign).await
}

/// Where an assignment stands in the list: position and code of its state, then of its status.
type Place = (i32, StateCode, i32, StatusCode);

fn listed<'a>(workflow: &'a Workflow, call: &ListAssignments) -> Vec<(Place, &'a Assignment)> {
    let wanted = |assignment: &&Assignment| {
        let (state, status) = (call.state.as_ref(), call.status.as_ref());
        state.is_none_or(|state| *state == assignment.state)
            && status.is_none_or(|status| *status == assignment.status)
    };
    let place = |assignment: &Assignment| {
        let Assignment { state, status, .. } = assignment;
        let of_state = workflow.state(state).map_or(i32::MAX, |it| it.position);
        let of_status = workflow.status(status).map_or(i32::MAX, |it| it.position);
        (of_state, state.clone(), of_status, status.clone())
    };
    let listed = workflow.assignments.iter().filter(wanted);
    let mut listed: Vec<_> = listed.map(|it| (place(it), it)).collect();
    listed.sort_by(|(a, _), (b, _)| a.cmp(b));
    listed
}
