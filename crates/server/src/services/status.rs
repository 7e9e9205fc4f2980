//! `StatusService`: the statuses of a workflow.

use std::{slice, sync::Arc};

use tonic::{Request, Response, Status};
use waymark_domain::{
    value::{StatusCode, WorkflowCode},
    workflow::{self, Record, Refusal, Status as OrderStatus},
};
use waymark_persistence::Outcome;
use waymark_proto::{
    convert::status::{
        CreateStatus, DeleteStatus, GetStatus, ListStatuses, UpdateStatus, status_to_wire,
    },
    v1::{self, status_service_server::StatusService},
};

use super::{definition, fit, names};
use crate::{App, Error, page};

/// Answers the calls of `StatusService`.
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
impl StatusService for Service {
    async fn create_status(
        &self,
        request: Request<v1::CreateStatusRequest>,
    ) -> Result<Response<v1::CreateStatusResponse>, Status> {
        let call = CreateStatus::read(request.into_inner(), self.default_workflow())
            .map_err(Error::from)?;
        let CreateStatus {
            workflow,
            status,
            edit,
        } = call;
        let (target, code) = (workflow.clone(), status.code.clone());
        let change = move |record: Option<&Record>, _| {
            let record = definition::present(record, &target)?;
            Ok((
                Some(workflow::create_status(&record.workflow, status.clone())?),
                (),
            ))
        };
        let answer = move |outcome: &Outcome<()>| v1::CreateStatusResponse {
            status: outcome
                .record
                .as_ref()
                .and_then(|published| wire(&published.record, &code)),
            replayed: false,
        };
        let (response, replayed) =
            definition::change(&self.app, workflow, edit, "status", change, answer).await?;
        Ok(Response::new(v1::CreateStatusResponse {
            replayed,
            ..response
        }))
    }

    async fn get_status(
        &self,
        request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        let call =
            GetStatus::read(request.into_inner(), self.default_workflow()).map_err(Error::from)?;
        let published = definition::find(&self.app, &call.workflow).await?;
        let status = wire(&published.record, &call.code);
        let refusal = || Refusal::StatusNotFound { status: call.code };
        let workflow = &published.record.workflow;
        let status = status.ok_or_else(|| names::hinted(workflow, refusal().into()))?;
        Ok(Response::new(v1::GetStatusResponse {
            status: Some(status),
        }))
    }

    async fn list_statuses(
        &self,
        request: Request<v1::ListStatusesRequest>,
    ) -> Result<Response<v1::ListStatusesResponse>, Status> {
        let call = ListStatuses::read(request.into_inner(), self.default_workflow())
            .map_err(Error::from)?;
        let published = definition::find(&self.app, &call.workflow).await?;
        names::states(slice::from_ref(&published), &call.state)?;
        let workflow = &published.record.workflow;
        let in_state = |code: &StatusCode| {
            call.state
                .as_ref()
                .is_none_or(|state| workflow.assignment(state, code).is_some())
        };
        let listed = workflow
            .statuses
            .iter()
            .filter(|status| call.include_retired || !status.retired);
        let listed = listed.filter(|status| in_state(&status.code));
        let items = listed.map(|status| ((status.position, status.code.clone()), status));
        let (statuses, next_page_token) = page::of("statuses", &call.page, items, |status| {
            shown(&published.record, status)
        })
        .map_err(Error::from)?;
        Ok(Response::new(v1::ListStatusesResponse {
            statuses,
            next_page_token,
        }))
    }

    async fn update_status(
        &self,
        request: Request<v1::UpdateStatusRequest>,
    ) -> Result<Response<v1::UpdateStatusResponse>, Status> {
        let call = UpdateStatus::read(request.into_inner(), self.default_workflow())
            .map_err(Error::from)?;
        let UpdateStatus {
            workflow,
            code,
            patch,
            edit,
        } = call;
        let (target, changed, etag) = (workflow.clone(), code.clone(), edit.etag.clone());
        let change = move |record: Option<&Record>, _| {
            let record = definition::present(record, &target)?;
            definition::check_etag(etag.as_ref(), record.statuses.get(&changed))?;
            Ok((
                Some(workflow::update_status(
                    &record.workflow,
                    &changed,
                    patch.clone(),
                )?),
                (),
            ))
        };
        let answer = move |outcome: &Outcome<()>| v1::UpdateStatusResponse {
            status: outcome
                .record
                .as_ref()
                .and_then(|published| wire(&published.record, &code)),
            replayed: false,
        };
        let (response, replayed) =
            definition::change(&self.app, workflow, edit, "status", change, answer).await?;
        Ok(Response::new(v1::UpdateStatusResponse {
            replayed,
            ..response
        }))
    }

    async fn delete_status(
        &self,
        request: Request<v1::DeleteStatusRequest>,
    ) -> Result<Response<v1::DeleteStatusResponse>, Status> {
        let call = DeleteStatus::read(request.into_inner(), self.default_workflow())
            .map_err(Error::from)?;
        let DeleteStatus {
            workflow,
            code,
            edit,
        } = call;
        let (target, etag) = (workflow.clone(), edit.etag.clone());
        let change = move |record: Option<&Record>, _| {
            let record = definition::present(record, &target)?;
            definition::check_etag(etag.as_ref(), record.statuses.get(&code))?;
            let after = workflow::delete_status(&record.workflow, &code)?;
            Ok((Some(after), wire(record, &code)))
        };
        let answer = |outcome: &Outcome<Option<v1::OrderStatus>>| v1::DeleteStatusResponse {
            status: outcome.answer.clone(),
            replayed: false,
        };
        let (response, replayed) =
            definition::change(&self.app, workflow, edit, "code", change, answer).await?;
        Ok(Response::new(v1::DeleteStatusResponse {
            status: response.status,
            replayed,
        }))
    }
}

fn wire(record: &Record, code: &StatusCode) -> Option<v1::OrderStatus> {
    record
        .workflow
        .status(code)
        .map(|status| shown(record, status))
}

fn shown(record: &Record, status: &OrderStatus) -> v1::OrderStatus {
    fit::status(status_to_wire(record, status))
}
