//! `StatusService`: the statuses of a workflow.

use std::slice;

use waymark_domain::{
    value::StatusCode,
    workflow::{self, Record, Refusal, Status, Workflow},
};
use waymark_proto::{
    convert::status::{
        CreateStatus, DeleteStatus, GetStatus, ListStatuses, UpdateStatus, status_to_wire,
    },
    v1::{self, status_service_server::StatusService},
};

use super::{
    answers,
    definition::{self, Kind},
    suggestions,
};
use crate::{App, Error, page};

service!("StatusService");

rpcs! {
    StatusService {
        create_status(v1::CreateStatusRequest) -> v1::CreateStatusResponse:
            CreateStatus::read(default_workflow()) => create;
        get_status(v1::GetStatusRequest) -> v1::GetStatusResponse:
            GetStatus::read(default_workflow()) => get;
        list_statuses(v1::ListStatusesRequest) -> v1::ListStatusesResponse:
            ListStatuses::read(default_workflow()) => list;
        update_status(v1::UpdateStatusRequest) -> v1::UpdateStatusResponse:
            UpdateStatus::read(default_workflow()) => update;
        delete_status(v1::DeleteStatusRequest) -> v1::DeleteStatusResponse:
            DeleteStatus::read(default_workflow()) => delete;
    }
}

const STATUS: Kind<StatusCode, v1::OrderStatus> = Kind {
    stamp: |record, code| record.statuses.get(code).copied(),
    show,
};

async fn create(app: &App, call: CreateStatus) -> Result<v1::CreateStatusResponse, Error> {
    let part = (call.workflow, call.status.code.clone());
    let create = move |workflow: &Workflow, _: &StatusCode| {
        workflow::create_status(workflow, call.status.clone())
    };
    definition::change_part(app, STATUS, part, (call.edit, "status"), create).await
}

async fn get(app: &App, call: GetStatus) -> Result<v1::GetStatusResponse, Error> {
    let published = definition::find(app, &call.workflow).await?;
    let status = show(&published.record, &call.code).ok_or_else(|| {
        let refusal = Refusal::StatusNotFound { status: call.code };
        suggestions::with_part(&published.record.workflow, refusal.into())
    })?;
    Ok(v1::GetStatusResponse {
        status: Some(status),
    })
}

async fn list(app: &App, call: ListStatuses) -> Result<v1::ListStatusesResponse, Error> {
    let published = definition::find(app, &call.workflow).await?;
    suggestions::check_states(slice::from_ref(&published), &call.state)?;
    let workflow = &published.record.workflow;
    let is_listed = |status: &&Status| {
        let is_assigned = |state| workflow.assignment(state, &status.code).is_some();
        (call.include_retired || !status.retired) && call.state.as_ref().is_none_or(is_assigned)
    };
    let listed = workflow.statuses.iter().filter(is_listed);
    let items = listed.map(|status| ((status.position, status.code.clone()), status));
    let (statuses, next_page_token) = page::of("statuses", &call.page, items, |status| {
        answers::status(status_to_wire(&published.record, status))
    })?;
    Ok(v1::ListStatusesResponse {
        statuses,
        next_page_token,
    })
}

async fn update(app: &App, call: UpdateStatus) -> Result<v1::UpdateStatusResponse, Error> {
    let part = (call.workflow, call.code);
    let update = move |workflow: &Workflow, code: &StatusCode| {
        workflow::update_status(workflow, code, call.patch.clone())
    };
    definition::change_part(app, STATUS, part, (call.edit, "status"), update).await
}

async fn delete(app: &App, call: DeleteStatus) -> Result<v1::DeleteStatusResponse, Error> {
    let (part, delete) = ((call.workflow, call.code), workflow::delete_status);
    definition::change_part(app, STATUS, part, (call.edit, "code"), delete).await
}

fn show(record: &Record, code: &StatusCode) -> Option<v1::OrderStatus> {
    let status = record.workflow.status(code)?;
    Some(answers::status(status_to_wire(record, status)))
}
