//! `waymark workflow apply`.

use std::{fmt::Write, path::Path, process::ExitCode};

use waymark_proto::v1::{
    self, ApplyWorkflowRequest, ApplyWorkflowResponse, ChangeKind, LintSeverity, WorkflowFormat,
    workflow_service_client::WorkflowServiceClient,
};

use super::{
    changes,
    source::{document_format, read},
};
use crate::{
    arguments::{Apply, ApplyMode, DocumentFormat},
    connection,
    failure::Failure,
    output,
};

/// Sends a document to the server and prints what changed.
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
    let format = match format {
        DocumentFormat::Yaml => WorkflowFormat::Yaml,
        DocumentFormat::Json => WorkflowFormat::Json,
        DocumentFormat::MagentoXml => WorkflowFormat::MagentoConfigXml,
    };
    let mode = match mode {
        None => v1::ApplyMode::Unspecified,
        Some(ApplyMode::Replace) => v1::ApplyMode::Replace,
        Some(ApplyMode::Merge) => v1::ApplyMode::Merge,
    };
    let request = ApplyWorkflowRequest {
        workflow,
        document,
        format: format.into(),
        mode: mode.into(),
        create_states,
        actor: caller.actor(),
        etag,
        request_id,
        validate_only: dry_run,
    };
    let mut client = WorkflowServiceClient::new(connection::connect(&server).await?);
    let response = client.apply_workflow(request).await?.into_inner();
    output::print(&report(&response, dry_run))?;
    Ok(ExitCode::SUCCESS)
}

fn report(response: &ApplyWorkflowResponse, dry_run: bool) -> String {
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
        text.push_str(&match change.kind() {
            ChangeKind::Added => changes::added(subject, after),
            ChangeKind::Removed => changes::removed(subject, before),
            ChangeKind::Changed | ChangeKind::Unspecified => {
                changes::changed(subject, before, after)
            }
        });
    }
    // Writing to a string cannot fail.
    for finding in findings {
        let severity = match finding.severity() {
            LintSeverity::Error => "error",
            LintSeverity::Warning => "warning",
            LintSeverity::Info | LintSeverity::Unspecified => "info",
        };
        let _ = writeln!(
            text,
            "{severity} {}: {} {}",
            finding.rule, finding.subject, finding.message
        );
    }
    if *truncated {
        let _ = writeln!(
            text,
            "there is more than fits into an answer: `waymark workflow lint` and `diff` show all of it"
        );
    }
    let (code, version, etag) = workflow.as_ref().map_or(("", 0, ""), |workflow| {
        (
            workflow.code.as_str(),
            workflow.version,
            workflow.etag.as_str(),
        )
    });
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
