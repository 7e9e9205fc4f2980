//! Remarks about a workflow, or about what would become of a document.

use std::sync::Arc;

use waymark_domain::{
    value::WorkflowCode,
    workflow::{
        self, Finding, Workflow,
        document::{self, DocumentError, Format, Mode, Proposal, Remark, UnknownStates},
    },
};
use waymark_persistence::Published;
use waymark_proto::{
    convert::workflow::{LintSubject, LintWorkflow, remark_to_wire},
    v1,
};

use super::{
    super::{answers, definition},
    inventory::Inventory,
};
use crate::{App, Error};

/// Answers with what lint has to say, the gravest first.
pub(super) async fn answer(
    app: &App,
    call: LintWorkflow,
) -> Result<v1::LintWorkflowResponse, Error> {
    let remarks = lint(app, call).await?;
    Ok(answers::findings(
        remarks.iter().map(remark_to_wire).collect(),
    ))
}

async fn lint(app: &App, call: LintWorkflow) -> Result<Vec<Remark>, Error> {
    match call.subject {
        LintSubject::Stored(code) => {
            let published = definition::find(app, &code).await?;
            // What follows from parts that are missing is not said.
            if !published.unreadable().is_empty() {
                let unreadable = published.unreadable().iter().cloned();
                return Ok(unreadable.map(Remark::from).collect());
            }
            let inventory = Inventory::read(app).await?;
            let findings = stored(app, Arc::clone(&published)).await?;
            let joined = move || {
                // What the server has may change without the workflow.
                let mut all = findings.to_vec();
                all.extend(inventory.findings(&published.record.workflow));
                all.sort();
                all.into_iter().map(Remark::from).collect()
            };
            app.compute(joined).await
        }
        LintSubject::Document {
            workflow,
            document,
            format,
            mode,
        } => {
            let proposed = Proposed {
                workflow,
                text: Arc::new(document),
                format,
                mode,
                unknown_states: call.unknown_states,
            };
            proposed.check(app).await
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

/// A document that is applied, or would be.
#[derive(Debug, Clone)]
pub(super) struct Proposed {
    /// The workflow that was asked for; none for the one that the document names, or else the default one.
    pub(super) workflow: Option<WorkflowCode>,
    pub(super) text: Arc<String>,
    pub(super) format: Format,
    pub(super) mode: Mode,
    pub(super) unknown_states: UnknownStates,
}

impl Proposed {
    /// The document on top of a workflow.
    pub(super) fn on<'a>(
        &'a self,
        base: Option<&'a Workflow>,
        code: Option<&'a WorkflowCode>,
        fallback: Option<&'a WorkflowCode>,
    ) -> Proposal<'a> {
        Proposal {
            text: &self.text,
            format: self.format,
            mode: self.mode,
            unknown_states: self.unknown_states,
            base,
            code,
            fallback,
        }
    }

    /// Says everything that is to be said of the document on top of the workflow as it is now.
    pub(super) async fn check(self, app: &App) -> Result<Vec<Remark>, Error> {
        let base = match self.mode {
            // What is there goes.
            Mode::Replace => None,
            Mode::Merge => {
                let code = self.code(app).await?;
                let base = app.store().workflow(&code).await?;
                if let Some(base) = &base {
                    definition::whole(base)?;
                }
                base
            }
        };
        let fallback = app.default_workflow().clone();
        let inventory = Inventory::read(app).await?;
        let check = move || {
            let base = base.as_ref().map(|published| &published.record.workflow);
            let proposal = self.on(base, self.workflow.as_ref(), Some(&fallback));
            document::check(&proposal).map(|checked| {
                let mut remarks = checked.remarks;
                // They are information, which comes last.
                let findings = checked
                    .workflow
                    .map(|workflow| inventory.findings(&workflow));
                let findings = findings.unwrap_or_default();
                remarks.extend(document::located(&self.text, self.format, findings));
                remarks
            })
        };
        Ok(app.compute(check).await??)
    }

    /// The code of the workflow that is made or changed.
    async fn code(&self, app: &App) -> Result<WorkflowCode, Error> {
        if let Some(workflow) = &self.workflow {
            return Ok(workflow.clone());
        }
        let (text, format) = (Arc::clone(&self.text), self.format);
        let named = move || match document::parse(&text, format) {
            Ok(document) => document.workflow().cloned(),
            Err(DocumentError::Unreadable { workflow, .. }) => workflow,
            Err(DocumentError::NoExport | DocumentError::NotWritten { .. }) => None,
        };
        let named = app.compute(named).await?;
        Ok(named.unwrap_or_else(|| app.default_workflow().clone()))
    }
}
