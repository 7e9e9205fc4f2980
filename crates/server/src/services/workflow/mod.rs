//! `WorkflowService`: workflows as a whole.

mod apply;
mod diagram;
mod inventory;
mod lint;
mod test_action;

use std::sync::Arc;

use waymark_domain::{
    value::WorkflowCode,
    workflow::{
        Record,
        document::{self, Format, Mode},
    },
};
use waymark_persistence::{Extent, Outcome, WorkflowVersion};
use waymark_proto::{
    convert::workflow::{
        ApplyWorkflow, DeleteWorkflow, DiagramWorkflow, ExportWorkflow, GetWorkflow, LintWorkflow,
        ListWorkflowVersions, ListWorkflows, SettleOrders, TestAction, version_to_wire,
    },
    v1::{self, workflow_service_server::WorkflowService},
};

use super::{
    answers, definition,
    once::{self, Showing},
    suggestions,
};
use crate::{
    App, Error,
    limits::ANSWER_BYTES_SOFT_MAX,
    page,
    settling::{self, Settled, Turns},
};

/// Answers the calls of `WorkflowService`.
#[derive(Debug, Clone)]
pub struct Service {
    app: Arc<App>,
    settling: Arc<Turns>,
}

impl Service {
    /// The service in front of `app`.
    pub fn new(app: Arc<App>) -> Self {
        Self {
            app,
            settling: Arc::default(),
        }
    }
}

rpcs! {
    WorkflowService {
        apply_workflow(v1::ApplyWorkflowRequest) -> v1::ApplyWorkflowResponse:
            ApplyWorkflow::read() => apply::apply;
        export_workflow(v1::ExportWorkflowRequest) -> v1::ExportWorkflowResponse:
            ExportWorkflow::read(default_workflow()) => export;
        get_workflow(v1::GetWorkflowRequest) -> v1::GetWorkflowResponse:
            GetWorkflow::read(default_workflow()) => get;
        list_workflows(v1::ListWorkflowsRequest) -> v1::ListWorkflowsResponse:
            ListWorkflows::read() => list;
        delete_workflow(v1::DeleteWorkflowRequest) -> v1::DeleteWorkflowResponse:
            DeleteWorkflow::read(default_workflow()) => delete;
        list_workflow_versions(v1::ListWorkflowVersionsRequest) -> v1::ListWorkflowVersionsResponse:
            ListWorkflowVersions::read(default_workflow()) => list_versions;
        lint_workflow(v1::LintWorkflowRequest) -> v1::LintWorkflowResponse:
            LintWorkflow::read(default_workflow()) => lint::answer;
        diagram_workflow(v1::DiagramWorkflowRequest) -> v1::DiagramWorkflowResponse:
            DiagramWorkflow::read(default_workflow()) => diagram::answer;
        settle_orders(v1::SettleOrdersRequest) -> v1::SettleOrdersResponse:
            SettleOrders::read(default_workflow()) => settle, settling;
        test_action(v1::TestActionRequest) -> v1::TestActionResponse:
            TestAction::read(default_workflow()) => test_action::answer;
    }
}

async fn export(app: &App, call: ExportWorkflow) -> Result<v1::ExportWorkflowResponse, Error> {
    let published = definition::find(app, &call.workflow).await?;
    let document = match call.version {
        None => {
            definition::whole(&published)?;
            let export = move || document::export(&published.record.workflow, call.format);
            app.compute(export).await??
        }
        Some(version) => export_version(app, call.workflow, version, call.format).await?,
    };
    if document.len() > ANSWER_BYTES_SOFT_MAX {
        let max = ANSWER_BYTES_SOFT_MAX;
        return Err(Error::ExportTooLarge { max });
    }
    Ok(v1::ExportWorkflowResponse { document })
}

async fn get(app: &App, call: GetWorkflow) -> Result<v1::GetWorkflowResponse, Error> {
    let published = definition::find(app, &call.workflow).await?;
    Ok(v1::GetWorkflowResponse {
        workflow: Some(answers::workflow((&published.record).into())),
    })
}

async fn list(app: &Arc<App>, call: ListWorkflows) -> Result<v1::ListWorkflowsResponse, Error> {
    app.read_many(workflows(Arc::clone(app), call)).await
}

async fn delete(app: &App, call: DeleteWorkflow) -> Result<v1::DeleteWorkflowResponse, Error> {
    let delete = |record: &Record| {
        let before = Some(answers::workflow(record.into()));
        let answer = move |_: &Outcome| v1::DeleteWorkflowResponse::of(before);
        Ok((None, answer))
    };
    let whole = (call.workflow, Extent::Whole);
    definition::change(
        app,
        whole,
        (call.edit, "workflow"),
        definition::STAMP,
        delete,
    )
    .await
}

async fn list_versions(
    app: &Arc<App>,
    call: ListWorkflowVersions,
) -> Result<v1::ListWorkflowVersionsResponse, Error> {
    app.read_many(versions(Arc::clone(app), call)).await
}

async fn settle(
    app: &Arc<App>,
    turns: &Turns,
    call: SettleOrders,
) -> Result<v1::SettleOrdersResponse, Error> {
    let request = once::request(call.edit.request.as_ref());
    // In a place of its own, since what it holds is large.
    match Box::pin(settling::settle(app, turns, call, request)).await {
        Ok(Settled::Now(answer)) => Ok(answer),
        Ok(Settled::Before(answer)) => once::replayed(&answer),
        Err(error) => Err(suggestions::with_workflow(app.store(), error).await),
    }
}

/// Answers a page of workflows. Each may be large, so it runs in the background.
async fn workflows(app: Arc<App>, call: ListWorkflows) -> Result<v1::ListWorkflowsResponse, Error> {
    let all = app.bulk().workflows().await?;
    let records = all.iter().map(|published| &published.record);
    let items = records.map(|record| (record.workflow.code.clone(), record));
    let message = |record: &Record| answers::workflow(v1::Workflow::from(record));
    let (workflows, next_page_token) = page::of("workflows", &call.page, items, message)?;
    Ok(v1::ListWorkflowsResponse {
        workflows,
        next_page_token,
    })
}

/// Writes an earlier version; the store keeps each as a YAML document.
async fn export_version(
    app: &App,
    workflow: WorkflowCode,
    version: i64,
    format: Format,
) -> Result<String, Error> {
    let (store, code) = (app.bulk().clone(), workflow.clone());
    let read = async move { Ok(store.workflow_document(&code, version).await?) };
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
    app: Arc<App>,
    call: ListWorkflowVersions,
) -> Result<v1::ListWorkflowVersionsResponse, Error> {
    const KIND: &str = "workflow_versions";
    let ListWorkflowVersions { workflow, page } = call;
    let (before, store): (Option<i64>, _) = (page::begin(KIND, &page)?, app.bulk());
    definition::find_in(store, &workflow).await?;
    let found = store
        .workflow_versions(&workflow, before, page.size)
        .await?;
    let wire = |v: &WorkflowVersion| {
        answers::version(v1::WorkflowVersion {
            truncated: v.truncated,
            ..version_to_wire(v.version, &v.actor, v.create_time, &v.changes)
        })
    };
    let mut versions: Vec<_> = found.versions.iter().map(wire).collect();
    let count = page::fitting(&versions);
    let has_more = found.has_more || versions.len() > count;
    versions.truncate(count);
    let last = versions.last().filter(|_| has_more);
    Ok(v1::ListWorkflowVersionsResponse {
        next_page_token: page::next(KIND, &page, last.map(|last| &last.version)),
        versions,
    })
}
