//! Remarks about a workflow, a document, or a document on top of a workflow.

use std::sync::Arc;

use waymark_domain::{
    value::WorkflowCode,
    workflow::{
        self, Finding, Workflow,
        document::{self, Format, Mode, UnknownStates},
    },
};
use waymark_persistence::Published;
use waymark_proto::{
    convert::workflow::{LintSubject, LintWorkflow},
    invalid::{InvalidRequest, Problem},
};

use super::super::definition;
use super::known::Known;
use crate::{App, Error};

/// Says what is to be said, gravest first.
pub(super) async fn lint(app: &App, call: LintWorkflow) -> Result<Arc<[Finding]>, Error> {
    let unknown_states = call.unknown_states;
    let known = Known::read(app).await?;
    match call.subject {
        LintSubject::Stored(code) => {
            let published = definition::find(app, &code).await?;
            let findings = stored(app, Arc::clone(&published)).await?;
            let joined = move || {
                // What the server has may change without the workflow.
                let mut all = findings.to_vec();
                all.extend(known.findings(&published.record.workflow));
                all.sort();
                Arc::<[Finding]>::from(all)
            };
            app.compute(joined).await
        }
        LintSubject::Document(_, Format::MagentoConfigXml) => {
            let problem = "must be given for a Magento config.xml, which only adds to a workflow";
            Err(InvalidRequest::new("workflow", Problem::Text(problem.to_owned())).into())
        }
        LintSubject::Document(text, format) => {
            let code = app.default_workflow().clone();
            let draft =
                app.compute(move || draft(None, &code, text, format, unknown_states, &known));
            draft.await?
        }
        LintSubject::Applied(code, text, format) => {
            let published = definition::find(app, &code).await?;
            let draft = app.compute(move || {
                let base = &published.record.workflow;
                draft(Some(base), &code, text, format, unknown_states, &known)
            });
            draft.await?
        }
    }
}

/// Judges a version once, however often it is asked for.
async fn stored(app: &App, published: Arc<Published>) -> Result<Arc<[Finding]>, Error> {
    let kept = Arc::clone(app.kept());
    if let Some(findings) = kept.findings(&published.record) {
        return Ok(findings);
    }
    let judge = move || {
        // Others may have waited for the same.
        if let Some(findings) = kept.findings(&published.record) {
            return findings;
        }
        let findings = workflow::lint(&published.record.workflow).into();
        kept.keep_findings(&published.record, &findings);
        findings
    };
    app.compute(judge).await
}

/// Judges what `ApplyWorkflow` would make of a document where no mode is stated.
fn draft(
    base: Option<&Workflow>,
    code: &WorkflowCode,
    text: String,
    format: Format,
    unknown_states: UnknownStates,
    known: &Known,
) -> Result<Arc<[Finding]>, Error> {
    let document = document::parse(&text, format)?.with_unknown_states(unknown_states);
    drop(text);
    let mode = match format {
        Format::Yaml | Format::Json => Mode::Replace,
        Format::MagentoConfigXml => Mode::Merge,
    };
    let draft = document::draft(base, &document, mode, Some(code))?;
    let mut findings = document.findings().to_vec();
    drop(document);
    findings.extend(workflow::lint(&draft));
    findings.extend(known.findings(&draft));
    findings.sort();
    Ok(findings.into())
}
