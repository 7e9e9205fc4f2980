//! `StateService`: the states of a workflow, and which status belongs to which.

use std::{slice, sync::Arc};

use tonic::{Request, Response, Status};
use waymark_domain::{
    value::{StatusCode, WorkflowCode},
    workflow::{self, Assignment, Record, Refusal, State, Workflow},
};
use waymark_persistence::Outcome;
use waymark_proto::{
    convert::state::{
        AssignStatus, GetState, ListAssignments, ListStates, UnassignStatus, assignment_to_wire,
        state_to_wire,
    },
    v1::{self, state_service_server::StateService},
};

use super::{definition, fit, names};
use crate::{App, Error, page};

/// Answers the calls of `StateService`.
#[derive(Debug, Clone)]
pub struct Service {
    app: Arc<App>,
}

impl Service {
    /// The service in front of `app`.
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    fn default_workflow(&self) -> &WorkflowCode {
        self.app.default_workflow()
    }
}

#[tonic::async_trait]
impl StateService for Service {
    async fn get_state(
        &self,
        request: Request<v1::GetStateRequest>,
    ) -> Result<Response<v1::GetStateResponse>, Status> {
        let call =
            GetState::read(request.into_inner(), self.default_workflow()).map_err(Error::from)?;
        let published = definition::find(&self.app, &call.workflow).await?;
        let workflow = &published.record.workflow;
        let state = workflow
            .state(&call.code)
            .map(|state| fit::state(state_to_wire(workflow, state)));
        let refusal = || Refusal::StateNotFound { state: call.code };
        let state = state.ok_or_else(|| names::hinted(workflow, refusal().into()))?;
        Ok(Response::new(v1::GetStateResponse { state: Some(state) }))
    }

    async fn list_states(
        &self,
        request: Request<v1::ListStatesRequest>,
    ) -> Result<Response<v1::ListStatesResponse>, Status> {
        let call =
            ListStates::read(request.into_inner(), self.default_workflow()).map_err(Error::from)?;
        let published = definition::find(&self.app, &call.workflow).await?;
        let workflow = &published.record.workflow;
        let items = workflow
            .states
            .iter()
            .map(|state| ((state.position, state.code.clone()), state));
        let message = |state: &State| fit::state(state_to_wire(workflow, state));
        let (states, next_page_token) =
            page::of("states", &call.page, items, message).map_err(Error::from)?;
        Ok(Response::new(v1::ListStatesResponse {
            states,
            next_page_token,
        }))
    }

    async fn list_assignments(
        &self,
        request: Request<v1::ListAssignmentsRequest>,
    ) -> Result<Response<v1::ListAssignmentsResponse>, Status> {
        let call = ListAssignments::read(request.into_inner(), self.default_workflow())
            .map_err(Error::from)?;
        let published = definition::find(&self.app, &call.workflow).await?;
        names::states(slice::from_ref(&published), &call.state)?;
        names::statuses(slice::from_ref(&published), &call.status)?;
        let listed = listed(&published.record.workflow, &call);
        let (assignments, next_page_token) =
            page::of("assignments", &call.page, listed, assignment_to_wire).map_err(Error::from)?;
        Ok(Response::new(v1::ListAssignmentsResponse {
            assignments,
            next_page_token,
        }))
    }

    async fn assign_status(
        &self,
        request: Request<v1::AssignStatusRequest>,
    ) -> Result<Response<v1::AssignStatusResponse>, Status> {
        let call = AssignStatus::read(request.into_inner(), self.default_workflow())
            .map_err(Error::from)?;
        let AssignStatus {
            workflow,
            state,
            status,
            patch,
            edit,
        } = call;
        let (target, etag) = (workflow.clone(), edit.etag.clone());
        let change = move |record: Option<&Record>, _| {
            let record = definition::present(record, &target)?;
            definition::check_etag(etag.as_ref(), Some(&record.stamp))?;
            let after = workflow::assign(&record.workflow, &state, &status, patch)?;
            let assignment = after.assignment(&state, &status).map(assignment_to_wire);
            Ok((Some(after), assignment))
        };
        let answer = |outcome: &Outcome<Option<v1::StatusAssignment>>| v1::AssignStatusResponse {
            assignment: outcome.answer.clone(),
            replayed: false,
        };
        let (response, replayed) =
            definition::change(&self.app, workflow, edit, "status", change, answer).await?;
        Ok(Response::new(v1::AssignStatusResponse {
            replayed,
            ..response
        }))
    }

    async fn unassign_status(
        &self,
        request: Request<v1::UnassignStatusRequest>,
    ) -> Result<Response<v1::UnassignStatusResponse>, Status> {
        let call = UnassignStatus::read(request.into_inner(), self.default_workflow())
            .map_err(Error::from)?;
        let UnassignStatus {
            workflow,
            state,
            status,
            edit,
        } = call;
        let (target, etag) = (workflow.clone(), edit.etag.clone());
        let change = move |record: Option<&Record>, _| {
            let record = definition::present(record, &target)?;
            definition::check_etag(etag.as_ref(), Some(&record.stamp))?;
            let (after, promoted) = workflow::unassign(&record.workflow, &state, &status)?;
            Ok((Some(after), promoted))
        };
        let answer = |outcome: &Outcome<Option<StatusCode>>| v1::UnassignStatusResponse {
            promoted_default: outcome
                .answer
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            replayed: false,
        };
        let (response, replayed) =
            definition::change(&self.app, workflow, edit, "status", change, answer).await?;
        Ok(Response::new(v1::UnassignStatusResponse {
            replayed,
            ..response
        }))
    }
}

/// Where an assignment stands in the list: position and code of its state, then of its status.
type Place = (i32, waymark_domain::value::StateCode, i32, StatusCode);

fn listed<'a>(workflow: &'a Workflow, call: &ListAssignments) -> Vec<(Place, &'a Assignment)> {
    let wanted = |assignment: &&Assignment| {
        call.state
            .as_ref()
            .is_none_or(|state| *state == assignment.state)
            && call
                .status
                .as_ref()
                .is_none_or(|status| *status == assignment.status)
    };
    let place = |assignment: &Assignment| {
        let state = workflow
            .state(&assignment.state)
            .map_or(i32::MAX, |state| state.position);
        let status = workflow
            .status(&assignment.status)
            .map_or(i32::MAX, |status| status.position);
        (
            state,
            assignment.state.clone(),
            status,
            assignment.status.clone(),
        )
    };
    let listed = workflow.assignments.iter().filter(wanted);
    let mut listed: Vec<_> = listed
        .map(|assignment| (place(assignment), assignment))
        .collect();
    listed.sort_by(|(a, _), (b, _)| a.cmp(b));
    listed
}
