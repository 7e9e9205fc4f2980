//! `waymark workflow`: documents of workflows, with and without a server.

mod apply;
mod changes;
mod diagram;
mod document;
mod findings;
mod settle;

use std::{fmt::Write, process::ExitCode};

use waymark_domain::workflow::{Difference, diff};
use waymark_proto::{
    convert::workflow::remark_to_wire,
    v1::{
        ApplyMode, LintFinding, LintSeverity, LintWorkflowRequest, WorkflowFormat,
        workflow_service_client::WorkflowServiceClient,
    },
};

use self::{
    document::{Document, Reading, wire_format},
    findings::Text,
};
use crate::{
    arguments::{Diff, DocumentFormat, Export, ExportFormat, Lint, Server, Workflow},
    connection,
    failure::{Failure, refused_if},
    output,
    source::Source,
};

/// Runs one of the commands.
pub(crate) async fn run(command: Workflow) -> Result<ExitCode, Failure> {
    match command {
        Workflow::Apply(apply) => apply::apply(apply).await,
        Workflow::Export(export) => export_workflow(export).await,
        Workflow::Lint(lint) => lint_workflow(lint).await,
        Workflow::Diagram(diagram) => diagram::diagram(diagram).await,
        Workflow::Diff(diff) => diff_workflows(diff).await,
        Workflow::Settle(settle) => settle::settle(settle).await,
    }
}

async fn export_workflow(arguments: Export) -> Result<ExitCode, Failure> {
    let Export {
        workflow,
        format,
        version,
        server,
    } = arguments;
    let format = match format {
        ExportFormat::Yaml => WorkflowFormat::Yaml,
        ExportFormat::Json => WorkflowFormat::Json,
    };
    output::print(&document::export(&server, workflow, version, format).await?)?;
    Ok(ExitCode::SUCCESS)
}

async fn lint_workflow(arguments: Lint) -> Result<ExitCode, Failure> {
    let Lint {
        source,
        format,
        onto,
        create_states,
        strict,
        server,
    } = arguments;
    let reading = Reading {
        format,
        create_states,
    };
    if let Source::Stored { code, version: 0 } = onto.as_ref().unwrap_or(&source) {
        let mode = match onto {
            Some(_) => ApplyMode::Merge,
            None => ApplyMode::Replace,
        };
        let request = LintWorkflowRequest {
            workflow: code.clone(),
            mode: mode.into(),
            create_states,
            ..LintWorkflowRequest::default()
        };
        return lint_by_server(&source, reading, request, (strict, &server)).await;
    }
    let base = match onto {
        Some(onto) => Some(onto.load(Reading::default(), None, &server).await?),
        None => None,
    };
    let checked = source.check(reading, base.as_ref(), &server).await?;
    let findings: Vec<_> = checked.remarks.iter().map(remark_to_wire).collect();
    output::print(&Text::new(&checked.name, &checked.text).all(&findings))?;
    Ok(judged(&findings, strict))
}

/// Has a workflow judged by its server, or what becomes of it when a document is merged into it: that one also knows
/// which templates and endpoints there are.
async fn lint_by_server(
    source: &Source,
    reading: Reading,
    request: LintWorkflowRequest,
    (strict, server): (bool, &Server),
) -> Result<ExitCode, Failure> {
    source.admits(reading)?;
    let is_merged = request.mode() == ApplyMode::Merge;
    let stored = match source {
        // The server judges what it has: where parts of that cannot be read, there is no document of it.
        Source::Stored { code, version: 0 } if !is_merged => Some(Document {
            name: format!("workflow:{code}"),
            text: String::new(),
            format: DocumentFormat::Yaml,
        }),
        Source::Stored { .. } | Source::Input | Source::File(_) | Source::Preset(_) => None,
    };
    let Document { name, text, format } = match stored {
        Some(stored) => stored,
        None => source.read(reading.format, server).await?,
    };
    let request = LintWorkflowRequest {
        document: text.clone(),
        format: wire_format(format).into(),
        ..request
    };
    let mut client = WorkflowServiceClient::new(connection::connect(server).await?);
    let answer = client.lint_workflow(request).await?.into_inner();
    let mut shown = Text::new(&name, &text).all(&answer.findings);
    let count = i32::try_from(answer.findings.len()).unwrap_or(i32::MAX);
    if answer.total > count {
        // Writing to a string cannot fail.
        let more = answer.total - count;
        let _ = writeln!(shown, "{more} more findings do not fit into an answer");
    }
    output::print(&shown)?;
    Ok(judged(&answer.findings, strict))
}

/// The exit code of findings: errors are bad, warnings where that was asked.
fn judged(findings: &[LintFinding], strict: bool) -> ExitCode {
    refused_if(findings.iter().any(|finding| match finding.severity() {
        LintSeverity::Error => true,
        LintSeverity::Warning => strict,
        LintSeverity::Info | LintSeverity::Unspecified => false,
    }))
}

async fn diff_workflows(arguments: Diff) -> Result<ExitCode, Failure> {
    let Diff {
        before,
        after,
        server,
    } = arguments;
    let before = before.load(Reading::default(), None, &server).await?;
    let after = after.load(Reading::default(), None, &server).await?;
    let differences = diff(&before, &after);
    let text: String = differences.iter().map(compared).collect();
    output::print(&text)?;
    Ok(refused_if(!differences.is_empty()))
}

fn compared(difference: &Difference) -> String {
    let Difference {
        kind,
        subject,
        before,
        after,
    } = difference;
    changes::shown((*kind).into(), &subject.to_string(), before, after)
}
