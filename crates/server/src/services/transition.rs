//! `TransitionService`: the declared ways of a workflow.

use std::{slice, sync::Arc};

use tonic::{Request, Response, Status};
use waymark_domain::{
    value::{StatusCode, TransitionCode, WorkflowCode},
    workflow::{self, Record, Refusal, Transition, Workflow},
};
use waymark_persistence::Outcome;
use waymark_proto::{
    convert::transition::{
        CreateTransition, DeleteTransition, GetTransition, ListTransitions, UpdateTransition,
        transition_to_wire,
    },
    v1::{self, transition_service_server::TransitionService},
};

use super::{definition, fit, names};
use crate::{App, Error, page};

/// Answers the calls of `TransitionService`.
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
impl TransitionService for Service {
    async fn create_transition(
        &self,
        request: Request<v1::CreateTransitionRequest>,
    ) -> Result<Response<v1::CreateTransitionResponse>, Status> {
        let call = CreateTransition::read(request.into_inner(), self.default_workflow())
            .map_err(Error::from)?;
        let CreateTransition {
            workflow,
            transition,
            edit,
        } = call;
        let (target, code) = (workflow.clone(), transition.code.clone());
        let change = move |record: Option<&Record>, _| {
            let record = definition::present(record, &target)?;
            Ok((
                Some(workflow::create_transition(
                    &record.workflow,
                    transition.clone(),
                )?),
                (),
            ))
        };
        let answer = move |outcome: &Outcome<()>| v1::CreateTransitionResponse {
            transition: outcome
                .record
                .as_ref()
                .and_then(|published| wire(&published.record, &code)),
            replayed: false,
        };
        let (response, replayed) =
            definition::change(&self.app, workflow, edit, "transition", change, answer).await?;
        Ok(Response::new(v1::CreateTransitionResponse {
            replayed,
            ..response
        }))
    }

    async fn get_transition(
        &self,
        request: Request<v1::GetTransitionRequest>,
    ) -> Result<Response<v1::GetTransitionResponse>, Status> {
        let call = GetTransition::read(request.into_inner(), self.default_workflow())
            .map_err(Error::from)?;
        let published = definition::find(&self.app, &call.workflow).await?;
        let transition = wire(&published.record, &call.code);
        let refusal = Refusal::TransitionNotFound {
            transition: call.code,
        };
        let workflow = &published.record.workflow;
        let transition = transition.ok_or_else(|| names::hinted(workflow, refusal.into()))?;
        Ok(Response::new(v1::GetTransitionResponse {
            transition: Some(transition),
        }))
    }

    async fn list_transitions(
        &self,
        request: Request<v1::ListTransitionsRequest>,
    ) -> Result<Response<v1::ListTransitionsResponse>, Status> {
        let call = ListTransitions::read(request.into_inner(), self.default_workflow())
            .map_err(Error::from)?;
        let published = definition::find(&self.app, &call.workflow).await?;
        names::statuses(slice::from_ref(&published), &call.from_status)?;
        let workflow = &published.record.workflow;
        let wanted = |transition: &&Transition| {
            call.from_status
                .as_ref()
                .is_none_or(|status| may_start_from(workflow, transition, status))
        };
        let listed = workflow.transitions.iter().filter(wanted);
        let items =
            listed.map(|transition| ((transition.position, transition.code.clone()), transition));
        let message = |transition: &Transition| shown(&published.record, transition);
        let (transitions, next_page_token) =
            page::of("transitions", &call.page, items, message).map_err(Error::from)?;
        Ok(Response::new(v1::ListTransitionsResponse {
            transitions,
            next_page_token,
        }))
    }

    async fn update_transition(
        &self,
        request: Request<v1::UpdateTransitionRequest>,
    ) -> Result<Response<v1::UpdateTransitionResponse>, Status> {
        let call = UpdateTransition::read(request.into_inner(), self.default_workflow())
            .map_err(Error::from)?;
        let UpdateTransition {
            workflow,
            code,
            patch,
            edit,
        } = call;
        let (target, changed, etag) = (workflow.clone(), code.clone(), edit.etag.clone());
        let change = move |record: Option<&Record>, _| {
            let record = definition::present(record, &target)?;
            definition::check_etag(etag.as_ref(), record.transitions.get(&changed))?;
            Ok((
                Some(workflow::update_transition(
                    &record.workflow,
                    &changed,
                    patch.clone(),
                )?),
                (),
            ))
        };
        let answer = move |outcome: &Outcome<()>| v1::UpdateTransitionResponse {
            transition: outcome
                .record
                .as_ref()
                .and_then(|published| wire(&published.record, &code)),
            replayed: false,
        };
        let (response, replayed) =
            definition::change(&self.app, workflow, edit, "transition", change, answer).await?;
        Ok(Response::new(v1::UpdateTransitionResponse {
            replayed,
            ..response
        }))
    }

    async fn delete_transition(
        &self,
        request: Request<v1::DeleteTransitionRequest>,
    ) -> Result<Response<v1::DeleteTransitionResponse>, Status> {
        let call = DeleteTransition::read(request.into_inner(), self.default_workflow())
            .map_err(Error::from)?;
        let DeleteTransition {
            workflow,
            code,
            edit,
        } = call;
        let (target, etag) = (workflow.clone(), edit.etag.clone());
        let change = move |record: Option<&Record>, _| {
            let record = definition::present(record, &target)?;
            definition::check_etag(etag.as_ref(), record.transitions.get(&code))?;
            let after = workflow::delete_transition(&record.workflow, &code)?;
            Ok((Some(after), wire(record, &code)))
        };
        let answer = |outcome: &Outcome<Option<v1::Transition>>| v1::DeleteTransitionResponse {
            transition: outcome.answer.clone(),
            replayed: false,
        };
        let (response, replayed) =
            definition::change(&self.app, workflow, edit, "code", change, answer).await?;
        Ok(Response::new(v1::DeleteTransitionResponse {
            transition: response.transition,
            replayed,
        }))
    }
}

fn wire(record: &Record, code: &TransitionCode) -> Option<v1::Transition> {
    record
        .workflow
        .transition(code)
        .map(|transition| shown(record, transition))
}

fn shown(record: &Record, transition: &Transition) -> v1::Transition {
    fit::transition(transition_to_wire(record, transition))
}

/// Whether an order of this status may stand where the transition starts: it names the
/// status or none, and one of the status's states or none, then any that is not terminal.
fn may_start_from(workflow: &Workflow, transition: &Transition, status: &StatusCode) -> bool {
    let Transition {
        from_statuses,
        from_states,
        ..
    } = transition;
    if !from_statuses.is_empty() && !from_statuses.contains(status) {
        return false;
    }
    let mut places = workflow
        .states_of(status)
        .filter_map(|code| workflow.state(code));
    places.any(|state| {
        !state.terminal && (from_states.is_empty() || from_states.contains(&state.code))
    })
}
