//! `waymark workflow apply`.

use std::{fmt::Write, path::Path, process::ExitCode};

use tonic::{Code, Status, transport::Channel};
use waymark_proto::v1::{
    self, ApplyWorkflowRequest, ApplyWorkflowResponse, LintFinding, LintSeverity,
    LintWorkflowRequest, WorkflowFormat, workflow_service_client::WorkflowServiceClient,
};

use super::{
    changes,
    document::{document_format, read, shown, wire_format},
    findings::Text,
};
use crate::{
    arguments::{Apply, ApplyMode},
    connection,
    failure::Failure,
    output,
};

/// Sends a document to the server and prints what changed, or everything that is wrong with it.
pub(super) async fn apply(arguments: Apply) -> Result<ExitCode, Failure> {
    let Apply {
        file,
        format,
        workflow,
        mode,
        create_states,
        etag,
        request_id,
        dry_run,
        caller,
        server,
    } = arguments;
    let path = Some(file.as_path()).filter(|path| *path != Path::new("-"));
    let format = document_format(format, path);
    let document = read(path, format)?;
    let mode = match mode {
        None => v1::ApplyMode::Unspecified,
        Some(ApplyMode::Replace) => v1::ApplyMode::Replace,
        Some(ApplyMode::Merge) => v1::ApplyMode::Merge,
    };
    let request = ApplyWorkflowRequest {
        workflow: workflow.unwrap_or_default(),
        document,
        format: wire_format(format).into(),
        mode: mode.into(),
        create_states,
        actor: caller.actor(),
        etag,
        request_id,
        validate_only: dry_run,
    };
    let name = shown(path).display().to_string();
    let mut client = WorkflowServiceClient::new(connection::connect(&server).await?);
    match client.apply_workflow(request.clone()).await {
        Ok(response) => {
            let text = Text::new(&name, &request.document);
            output::print(&report(response.get_ref(), dry_run, &text))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(status) if status.code() == Code::InvalidArgument => {
            Err(explained(client, name, request, status).await)
        }
        Err(status) => Err(status.into()),
    }
}

/// The refusal of a document with all mistakes: an error has room for some mistakes, lint for all.
async fn explained(
    mut client: WorkflowServiceClient<Channel>,
    name: String,
    request: ApplyWorkflowRequest,
    status: Status,
) -> Failure {
    let mode = match (request.mode(), request.format()) {
        (v1::ApplyMode::Unspecified, WorkflowFormat::MagentoConfigXml) => v1::ApplyMode::Merge,
        (mode, _) => mode,
    };
    let lint = LintWorkflowRequest {
        workflow: request.workflow,
        document: request.document.clone(),
        format: request.format,
        mode: mode.into(),
        create_states: request.create_states,
    };
    let Ok(answer) = client.lint_workflow(lint).await else {
        return status.into();
    };
    let findings = &answer.get_ref().findings;
    let wrong = findings.iter();
    let wrong = wrong.filter(|finding| finding.severity() == LintSeverity::Error);
    let shown = Text::new(&name, &request.document).all(wrong);
    if shown.is_empty() {
        return status.into();
    }
    Failure::Mistakes { name, shown }
}

fn report(response: &ApplyWorkflowResponse, dry_run: bool, document: &Text<'_>) -> String {
    let ApplyWorkflowResponse {
        workflow,
        changes,
        findings,
        replayed,
        truncated,
    } = response;
    let mut text = String::new();
    for change in changes {
        let (subject, before, after) = (&change.subject, &change.before, &change.after);
        text.push_str(&changes::shown(change.kind(), subject, before, after));
    }
    text.push_str(&document.all(findings));
    let mut severities = findings.iter().map(LintFinding::severity);
    if severities.any(|severity| severity == LintSeverity::Error) {
        text.push_str(
            "the errors were there before; as long as they stay, orders may take no step\n",
        );
    }
    if *truncated {
        let _ = writeln!(
            text,
            "there is more than fits into an answer: `waymark workflow lint` and `diff` show all of it"
        );
    }
    let none = v1::Workflow::default();
    let v1::Workflow {
        code,
        version,
        etag,
        ..
    } = workflow.as_ref().unwrap_or(&none);
    let what = match (dry_run, replayed, changes.len()) {
        (_, true, _) => "was applied by an earlier call with this request id".to_owned(),
        (_, false, 0) => "is so already".to_owned(),
        (true, false, count) => format!("would change in {}", changes::parts(count)),
        (false, false, count) => format!("changed in {}", changes::parts(count)),
    };
    let _ = writeln!(text, "workflow {code} {what}, version {version}");
    if !dry_run && !etag.is_empty() {
        let _ = writeln!(text, "etag: {etag}");
    }
    text
}
