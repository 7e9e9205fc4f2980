//! `TransitionService`: the declared ways of a workflow.

use std::slice;

use waymark_domain::{
    value::{StatusCode, TransitionCode},
    workflow::{self, Record, Refusal, Transition, Workflow},
};
use waymark_proto::{
    convert::transition::{
        CreateTransition, DeleteTransition, GetTransition, ListTransitions, UpdateTransition,
        transition_to_wire,
    },
    v1::{self, transition_service_server::TransitionService},
};

use super::{
    answers,
    definition::{self, Kind},
    suggestions,
};
use crate::{App, Error, page};

service!("TransitionService");

rpcs! {
    TransitionService {
        create_transition(v1::CreateTransitionRequest) -> v1::CreateTransitionResponse:
            CreateTransition::read(default_workflow()) => create;
        get_transition(v1::GetTransitionRequest) -> v1::GetTransitionResponse:
            GetTransition::read(default_workflow()) => get;
        list_transitions(v1::ListTransitionsRequest) -> v1::ListTransitionsResponse:
            ListTransitions::read(default_workflow()) => list;
        update_transition(v1::UpdateTransitionRequest) -> v1::UpdateTransitionResponse:
            UpdateTransition::read(default_workflow()) => update;
        delete_transition(v1::DeleteTransitionRequest) -> v1::DeleteTransitionResponse:
            DeleteTransition::read(default_workflow()) => delete;
    }
}

const TRANSITION: Kind<TransitionCode, v1::Transition> = Kind {
    stamp: |record, code| record.transitions.get(code).copied(),
    show,
};

async fn create(app: &App, call: CreateTransition) -> Result<v1::CreateTransitionResponse, Error> {
    let part = (call.workflow, call.transition.code.clone());
    let create = move |workflow: &Workflow, _: &TransitionCode| {
        workflow::create_transition(workflow, call.transition.clone())
    };
    definition::change_part(app, TRANSITION, part, (call.edit, "transition"), create).await
}

async fn get(app: &App, call: GetTransition) -> Result<v1::GetTransitionResponse, Error> {
    let published = definition::find(app, &call.workflow).await?;
    let transition = show(&published.record, &call.code).ok_or_else(|| {
        let transition = call.code;
        let refusal = Refusal::TransitionNotFound { transition };
        suggestions::with_part(&published.record.workflow, refusal.into())
    })?;
    Ok(v1::GetTransitionResponse {
        transition: Some(transition),
    })
}

async fn list(app: &App, call: ListTransitions) -> Result<v1::ListTransitionsResponse, Error> {
    let published = definition::find(app, &call.workflow).await?;
    suggestions::check_statuses(slice::from_ref(&published), &call.from_status)?;
    let workflow = &published.record.workflow;
    let wanted = |transition: &&Transition| {
        let status = call.from_status.as_ref();
        status.is_none_or(|status| may_start_from(workflow, transition, status))
    };
    let listed = workflow.transitions.iter().filter(wanted);
    let items = listed.map(|it| ((it.position, it.code.clone()), it));
    let message = |it: &Transition| answers::transition(transition_to_wire(&published.record, it));
    let (transitions, next_page_token) = page::of("transitions", &call.page, items, message)?;
    Ok(v1::ListTransitionsResponse {
        transitions,
        next_page_token,
    })
}

async fn update(app: &App, call: UpdateTransition) -> Result<v1::UpdateTransitionResponse, Error> {
    let part = (call.workflow, call.code);
    let update = move |workflow: &Workflow, code: &TransitionCode| {
        workflow::update_transition(workflow, code, call.patch.clone())
    };
    definition::change_part(app, TRANSITION, part, (call.edit, "transition"), update).await
}

async fn delete(app: &App, call: DeleteTransition) -> Result<v1::DeleteTransitionResponse, Error> {
    let (part, delete) = ((call.workflow, call.code), workflow::delete_transition);
    definition::change_part(app, TRANSITION, part, (call.edit, "code"), delete).await
}

fn show(record: &Record, code: &TransitionCode) -> Option<v1::Transition> {
    let transition = record.workflow.transition(code)?;
    Some(answers::transition(transition_to_wire(record, transition)))
}

/// Whether an order of this status may stand where the transition starts: it names the
/// status or none, and one of the status's states or none, then any that is not terminal.
fn may_start_from(workflow: &Workflow, transition: &Transition, status: &StatusCode) -> bool {
    let (from_statuses, from_states) = (&transition.from_statuses, &transition.from_states);
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
