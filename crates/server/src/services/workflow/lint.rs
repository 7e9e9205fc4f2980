//! Remarks about a workflow, a document, or a document on top of a workflow.

use waymark_domain::{
    value::WorkflowCode,
    workflow::{
        self, Finding, Workflow,
        document::{self, Format, Mode},
    },
};
use waymark_proto::{
    convert::workflow::{LintSubject, LintWorkflow},
    invalid::{InvalidRequest, Problem},
};

use super::super::definition;
use crate::{App, Error};

/// Says what is to be said, gravest first.
pub(super) async fn lint(app: &App, call: LintWorkflow) -> Result<Vec<Finding>, Error> {
    match call.subject {
        LintSubject::Stored(code) => {
            let published = definition::find(app, &code).await?;
            Ok(workflow::lint(&published.record.workflow))
        }
        LintSubject::Document(_, Format::MagentoConfigXml) => {
            let problem = "must be given for a Magento config.xml, which only adds to a workflow";
            Err(InvalidRequest::new("workflow", Problem::Text(problem.to_owned())).into())
        }
        LintSubject::Document(text, format) => draft(None, app.default_workflow(), &text, format),
        LintSubject::Applied(code, text, format) => {
            let published = definition::find(app, &code).await?;
            draft(Some(&published.record.workflow), &code, &text, format)
        }
    }
}

/// Judges what `ApplyWorkflow` would make of a document where no mode is stated.
fn draft(
    base: Option<&Workflow>,
    code: &WorkflowCode,
    text: &str,
    format: Format,
) -> Result<Vec<Finding>, Error> {
    let document = document::parse(text, format)?;
    let mode = match format {
        Format::Yaml | Format::Json => Mode::Replace,
        Format::MagentoConfigXml => Mode::Merge,
    };
    let draft = document::draft(base, &document, mode, Some(code))?;
    Ok(workflow::lint(&draft))
}
