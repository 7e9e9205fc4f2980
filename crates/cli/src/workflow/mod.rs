//! `waymark workflow`: documents of workflows, with and without a server.

mod apply;
mod changes;
mod diagram;
mod findings;
mod settle;
mod source;

use std::process::ExitCode;

use waymark_domain::workflow::{Difference, DifferenceKind, Severity, diff, document::Remark};
use waymark_proto::convert::workflow::remark_to_wire;

use findings::Text;
use source::Reading;
pub(crate) use source::Source;

use crate::{
    arguments::{Diff, Export, ExportFormat, Lint, Workflow},
    failure::{Failure, REFUSED},
    output,
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
        ExportFormat::Yaml => waymark_proto::v1::WorkflowFormat::Yaml,
        ExportFormat::Json => waymark_proto::v1::WorkflowFormat::Json,
    };
    output::print(&source::export(&server, workflow, version, format).await?)?;
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
    let base = match onto {
        Some(onto) => Some(onto.load(Reading::default(), None, &server).await?),
        None => None,
    };
    let reading = Reading {
        format,
        create_states,
    };
    let checked = source.check(reading, base.as_ref(), &server).await?;
    let findings: Vec<_> = checked.remarks.iter().map(remark_to_wire).collect();
    output::print(&Text::new(&checked.name, &checked.text).all(&findings))?;
    let is_bad = |remark: &Remark| match remark.severity() {
        Severity::Error => true,
        Severity::Warning => strict,
        Severity::Info => false,
    };
    Ok(if checked.remarks.iter().any(is_bad) {
        ExitCode::from(REFUSED)
    } else {
        ExitCode::SUCCESS
    })
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
    Ok(if differences.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(REFUSED)
    })
}

fn compared(difference: &Difference) -> String {
    let Difference {
        kind,
        subject,
        before,
        after,
    } = difference;
    let subject = subject.to_string();
    match kind {
        DifferenceKind::Added => changes::added(&subject, after),
        DifferenceKind::Removed => changes::removed(&subject, before),
        DifferenceKind::Changed => changes::changed(&subject, before, after),
    }
}
