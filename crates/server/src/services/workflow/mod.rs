//! `WorkflowService`: workflows as a whole.

mod apply;
mod drawing;
mod known;
mod lint;
mod settle;
mod trial;

use std::sync::Arc;

use tonic::{Request, Response, Status};
use waymark_domain::{
    value::WorkflowCode,
    workflow::{
        Record,
        document::{self, Format, Mode},
    },
};
use waymark_persistence::{Counting, Extent, Outcome};
use waymark_proto::{
    convert::{
        delivery::TestAction,
        workflow::{
            ApplyWorkflow, DeleteWorkflow, DiagramWorkflow, ExportWorkflow, GetWorkflow,
            LintWorkflow, ListWorkflowVersions, ListWorkflows, SettleOrders, remark_to_wire,
            version_to_wire,
        },
    },
    v1::{self, workflow_service_server::WorkflowService},
};

use super::{definition, fit};
use crate::{App, Error, limits::ANSWER_BYTES_SOFT_MAX, page};

/// Answers the calls of `WorkflowService`.
#[derive(Debug, Clone)]
pub struct Service {
    app: Arc<App>,
    settling: Arc<settle::Turns>,
}

impl Service {
    /// The service in front of `app`.
    pub fn new(app: Arc<App>) -> Self {
        Self {
            app,
            settling: Arc::default(),
        }
    }

    fn default_workflow(&self) -> &WorkflowCode {
        self.app.default_workflow()
    }
}

#[tonic::async_trait]
impl WorkflowService for Service {
    async fn apply_workflow(
        &self,
        request: Request<v1::ApplyWorkflowRequest>,
    ) -> Result<Response<v1::ApplyWorkflowResponse>, Status> {
        let call = ApplyWorkflow::read(request.into_inner()).map_err(Error::from)?;
        Ok(Response::new(apply::apply(&self.app, call).await?))
    }

    async fn export_workflow(
        &self,
        request: Request<v1::ExportWorkflowRequest>,
    ) -> Result<Response<v1::ExportWorkflowResponse>, Status> {
        let call = ExportWorkflow::read(request.into_inner(), self.default_workflow())
            .map_err(Error::from)?;
        let published = definition::find(&self.app, &call.workflow).await?;
        let document = match call.version {
            None => {
                definition::whole(&published)?;
                let export = move || document::export(&published.record.workflow, call.format);
                self.app.compute(export).await?.map_err(Error::from)?
            }
            Some(version) => export_version(&self.app, call.workflow, version, call.format).await?,
        };
        if document.len() > ANSWER_BYTES_SOFT_MAX {
            let max = ANSWER_BYTES_SOFT_MAX;
            return Err(Error::ExportTooLarge { max }.into());
        }
        Ok(Response::new(v1::ExportWorkflowResponse { document }))
    }

    async fn get_workflow(
        &self,
        request: Request<v1::GetWorkflowRequest>,
    ) -> Result<Response<v1::GetWorkflowResponse>, Status> {
        let call = GetWorkflow::read(request.into_inner(), self.default_workflow())
            .map_err(Error::from)?;
        let published = definition::find(&self.app, &call.workflow).await?;
        Ok(Response::new(v1::GetWorkflowResponse {
            workflow: Some(fit::workflow((&published.record).into())),
        }))
    }

    async fn list_workflows(
        &self,
        request: Request<v1::ListWorkflowsRequest>,
    ) -> Result<Response<v1::ListWorkflowsResponse>, Status> {
        let call = ListWorkflows::read(request.into_inner()).map_err(Error::from)?;
        let app = Arc::clone(&self.app);
        let page = async move { workflows(&app, &call).await };
        Ok(Response::new(self.app.read_many(page).await?))
    }

    async fn delete_workflow(
        &self,
        request: Request<v1::DeleteWorkflowRequest>,
    ) -> Result<Response<v1::DeleteWorkflowResponse>, Status> {
        let call = DeleteWorkflow::read(request.into_inner(), self.default_workflow())
            .map_err(Error::from)?;
        let DeleteWorkflow { workflow, edit } = call;
        let (target, etag) = (workflow.clone(), edit.etag.clone());
        let change = move |record: Option<&Record>, _| {
            let record = definition::present(record, &target)?;
            definition::check_etag(etag.as_ref(), Some(&record.stamp))?;
            Ok((None, fit::workflow(v1::Workflow::from(record))))
        };
        let answer = |outcome: &Outcome<v1::Workflow>| v1::DeleteWorkflowResponse {
            workflow: Some(outcome.answer.clone()),
            replayed: false,
        };
        let whole = (workflow, Extent::Whole, Counting::Nothing);
        let changed =
            definition::change_to_extent(&self.app, whole, edit, "workflow", change, answer);
        let (response, replayed) = changed.await?;
        Ok(Response::new(v1::DeleteWorkflowResponse {
            workflow: response.workflow,
            replayed,
        }))
    }

    async fn list_workflow_versions(
        &self,
        request: Request<v1::ListWorkflowVersionsRequest>,
    ) -> Result<Response<v1::ListWorkflowVersionsResponse>, Status> {
        let call = ListWorkflowVersions::read(request.into_inner(), self.default_workflow())
            .map_err(Error::from)?;
        let app = Arc::clone(&self.app);
        let page = async move { versions(&app, call).await };
        Ok(Response::new(self.app.read_many(page).await?))
    }

    async fn lint_workflow(
        &self,
        request: Request<v1::LintWorkflowRequest>,
    ) -> Result<Response<v1::LintWorkflowResponse>, Status> {
        let call = LintWorkflow::read(request.into_inner(), self.default_workflow())
            .map_err(Error::from)?;
        let remarks = lint::lint(&self.app, call).await?;
        let findings = remarks.iter().map(remark_to_wire).collect();
        Ok(Response::new(fit::findings(findings)))
    }

    async fn diagram_workflow(
        &self,
        request: Request<v1::DiagramWorkflowRequest>,
    ) -> Result<Response<v1::DiagramWorkflowResponse>, Status> {
        let call = DiagramWorkflow::read(request.into_inner(), self.default_workflow())
            .map_err(Error::from)?;
        let document = drawing::draw(&self.app, call).await?;
        Ok(Response::new(v1::DiagramWorkflowResponse { document }))
    }

    async fn settle_orders(
        &self,
        request: Request<v1::SettleOrdersRequest>,
    ) -> Result<Response<v1::SettleOrdersResponse>, Status> {
        let call = SettleOrders::read(request.into_inner(), self.default_workflow())
            .map_err(Error::from)?;
        let settled = Box::pin(settle::settle(&self.app, &self.settling, call)).await?;
        Ok(Response::new(settled))
    }

    async fn test_action(
        &self,
        request: Request<v1::TestActionRequest>,
    ) -> Result<Response<v1::TestActionResponse>, Status> {
        let call = TestAction::read(request.into_inner(), self.app.default_workflow())
            .map_err(Error::from)?;
        Ok(Response::new(Box::pin(trial::run(&self.app, call)).await?))
    }
}

/// Answers a page of workflows. Each may be large, so it runs in the background.
async fn workflows(app: &App, call: &ListWorkflows) -> Result<v1::ListWorkflowsResponse, Error> {
    let all = app.bulk().workflows().await?;
    let items = all
        .iter()
        .map(|published| (published.record.workflow.code.clone(), &published.record));
    let message = |record: &Record| fit::workflow(v1::Workflow::from(record));
    let (workflows, next_page_token) = page::of("workflows", &call.page, items, message)?;
    Ok(v1::ListWorkflowsResponse {
        workflows,
        next_page_token,
    })
}

/// Writes an earlier version; the store keeps each as a YAML document.
async fn export_version(
    app: &Arc<App>,
    workflow: WorkflowCode,
    version: i64,
    format: Format,
) -> Result<String, Error> {
    let read = {
        let (app, workflow) = (Arc::clone(app), workflow.clone());
        async move { Ok(app.bulk().workflow_document(&workflow, version).await?) }
    };
    let Some(stored) = app.read_many(read).await? else {
        return Err(Error::VersionNotFound { workflow, version });
    };
    if format == Format::Yaml {
        return Ok(stored);
    }
    let write = move || {
        let what = "a stored version of a workflow cannot be read";
        let document =
            document::parse(&stored, Format::Yaml).map_err(|_| Error::Internal { what })?;
        let read = document::draft(None, &document, Mode::Replace, Some(&workflow))
            .map_err(|_| Error::Internal { what })?;
        Ok(document::export(&read, format)?)
    };
    app.compute(write).await?
}

/// Answers a page of versions, whose changes may be many: it runs in the background.
async fn versions(
    app: &App,
    call: ListWorkflowVersions,
) -> Result<v1::ListWorkflowVersionsResponse, Error> {
    const KIND: &str = "workflow_versions";
    let ListWorkflowVersions { workflow, page } = call;
    let before: Option<i64> = page::decode(
        KIND,
        page.arguments,
        page.token.as_deref().unwrap_or_default(),
    )?;
    definition::find_in(app.bulk(), &workflow).await?;
    let found = app
        .bulk()
        .workflow_versions(&workflow, before, page.size)
        .await?;
    let wire = |v: &waymark_persistence::WorkflowVersion| {
        fit::version(v1::WorkflowVersion {
            truncated: v.truncated,
            ..version_to_wire(v.version, &v.actor, v.create_time, &v.changes)
        })
    };
    let mut versions: Vec<_> = found.versions.iter().map(wire).collect();
    let count = page::fitting(&versions);
    let has_more = found.has_more || versions.len() > count;
    versions.truncate(count);
    let last = versions.last().filter(|_| has_more);
    let next_page_token = last
        .map(|last| page::encode(KIND, page.arguments, &last.version))
        .unwrap_or_default();
    Ok(v1::ListWorkflowVersionsResponse {
        versions,
        next_page_token,
    })
}
