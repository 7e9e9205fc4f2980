//! Remarks about a workflow, a document, or a document on top of a workflow.

use waymark_domain::workflow::{
    self, Finding,
    document::{self, Format, Mode},
};
use waymark_proto::{
    convert::workflow::LintWorkflow,
    invalid::{InvalidRequest, Problem},
};

use super::super::definition;
use crate::{App, Error};

/// Says what is to be said, gravest first.
pub(super) async fn lint(app: &App, call: LintWorkflow) -> Result<Vec<Finding>, Error> {
    let LintWorkflow { workflow, document, format } = call;
    let stored = match &workflow {
        Some(code) => Some(definition::find(app, code).await?),
        None => None,
    };
    let base = stored.as_ref().map(|published| &published.record.workflow);
    let Some(text) = document else {
        return Ok(base.map(workflow::lint).unwrap_or_default());
    };
    let mode = match (format, base) {
        (Format::Yaml | Format::Json, _) => Mode::Replace,
        (Format::MagentoConfigXml, Some(_)) => Mode::Merge,
        (Format::MagentoConfigXml, None) => {
            let problem = "must be given for a Magento config.xml, which only adds to a workflow";
            return Err(InvalidRequest::new("workflow", Problem::Text(problem.to_owned())).into());
        }
    };
    let document = document::parse(&text, format)?;
    let code = workflow.as_ref().or(document.workflow()).unwrap_or(app.default_workflow());
    let draft = document::draft(base, &document, mode, Some(code))?;
    Ok(workflow::lint(&draft))
}
