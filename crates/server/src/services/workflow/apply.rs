//! Making a workflow what a document says.

use waymark_domain::workflow::{self, Record, Refusal, Severity, document};
use waymark_persistence::Outcome;
use waymark_proto::{
    convert::workflow::{ApplyWorkflow, change_to_wire, finding_to_wire},
    v1,
};

use super::super::definition;
use crate::{App, Error};

/// Applies a document, in one transaction.
pub(super) async fn apply(
    app: &App,
    call: ApplyWorkflow,
) -> Result<v1::ApplyWorkflowResponse, Error> {
    let ApplyWorkflow {
        workflow,
        document,
        format,
        mode,
        edit,
    } = call;
    let document = document::parse(&document, format)?;
    let code = workflow.or_else(|| document.workflow().cloned());
    let code = code.unwrap_or_else(|| app.default_workflow().clone());
    let (target, etag) = (code.clone(), edit.etag.clone());
    let change = move |record: Option<&Record>, _| {
        if record.is_none() && etag.is_some() {
            return Err(Error::from(Refusal::WorkflowNotFound {
                workflow: target.clone(),
            }));
        }
        definition::check_etag(etag.as_ref(), record.map(|record| &record.stamp))?;
        let before = record.map(|record| &record.workflow);
        Ok((
            Some(document::apply(before, &document, mode, Some(&target))?),
            (),
        ))
    };
    let (response, replayed) =
        definition::change(app, code, edit, "document", change, answer).await?;
    Ok(v1::ApplyWorkflowResponse {
        replayed,
        ..response
    })
}

fn answer(outcome: &Outcome<()>) -> v1::ApplyWorkflowResponse {
    let record = outcome.record.as_ref().map(|published| &published.record);
    let findings = record
        .map(|record| workflow::lint(&record.workflow))
        .unwrap_or_default();
    let findings = findings
        .iter()
        .filter(|finding| finding.severity() != Severity::Error);
    v1::ApplyWorkflowResponse {
        workflow: record.map(v1::Workflow::from),
        changes: outcome.changes.iter().map(change_to_wire).collect(),
        findings: findings.map(finding_to_wire).collect(),
        replayed: false,
    }
}
