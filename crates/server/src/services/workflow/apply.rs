//! Making a workflow what a document says.

use std::sync::Arc;

use prost::Message;
use waymark_domain::{
    value::WorkflowCode,
    workflow::{
        Blocker, Record, Refusal, Severity, Workflow,
        document::{self, Document, DocumentError, Mode, Remark},
    },
};
use waymark_persistence::{Counting, Extent, Outcome};
use waymark_proto::{
    convert::workflow::{ApplyWorkflow, change_to_wire, finding_to_wire, remark_to_wire},
    v1,
};

use super::{
    super::{answers, definition},
    inventory::Inventory,
    lint::Proposed,
};
use crate::{App, Error, limits::ANSWER_BYTES_SOFT_MAX, page};

/// Applies a document, in one transaction. Lint judges what it makes once, and the answer has that.
pub(super) async fn apply(
    app: &App,
    call: ApplyWorkflow,
) -> Result<v1::ApplyWorkflowResponse, Error> {
    let proposed = Proposed {
        workflow: call.workflow,
        text: Arc::new(call.document),
        format: call.format,
        mode: call.mode,
        unknown_states: call.unknown_states,
    };
    let document = parse(app, &proposed).await?;
    let code = proposed.workflow.as_ref().or(document.workflow()).cloned();
    let code = code.unwrap_or_else(|| app.default_workflow().clone());
    let extent = match proposed.mode {
        Mode::Replace => Extent::Whole,
        Mode::Merge => Extent::Part,
    };
    let (target, etag) = (code.clone(), call.edit.etag.clone());
    let inventory = Inventory::read(app).await?;
    let edit = move |record: Option<&Record>| {
        if record.is_none() && etag.is_some() {
            let workflow = target.clone();
            return Err(Error::from(Refusal::WorkflowNotFound { workflow }));
        }
        definition::check_etag(etag.as_ref(), record.map(|record| &record.stamp))?;
        let base = record.map(|record| &record.workflow);
        let (workflow, remarks) = judge(&proposed, &document, (base, &target), &inventory)?;
        let answer = move |outcome: &Outcome| answer(outcome, &remarks);
        Ok((Some(workflow), answer))
    };
    let (extent, call) = ((extent, Counting::Affected), (call.edit, "document"));
    let applied = definition::carry_out(app, code, extent, call, edit).await;
    applied.map_err(left_out)
}

/// Reads a document that can be applied.
async fn parse(app: &App, proposed: &Proposed) -> Result<Document, Error> {
    let (text, format) = (Arc::clone(&proposed.text), proposed.format);
    match app.compute(move || document::parse(&text, format)).await? {
        Ok(document) => Ok(document.with_unknown_states(proposed.unknown_states)),
        Err(error @ DocumentError::Unreadable { .. }) => {
            let remarks = proposed.clone().check(app).await?;
            Err(refused(remarks).unwrap_or(Error::from(error)))
        }
        Err(error @ (DocumentError::NoExport | DocumentError::NotWritten { .. })) => {
            Err(error.into())
        }
    }
}

/// Makes the workflow of a document, with everything that is to be said of it.
fn judge(
    proposed: &Proposed,
    document: &Document,
    (base, code): (Option<&Workflow>, &WorkflowCode),
    inventory: &Inventory,
) -> Result<(Workflow, Vec<Remark>), Error> {
    let located = |findings| document::located(&proposed.text, proposed.format, findings);
    let refusal = match document::judge(base, document, proposed.mode, Some(code)) {
        Ok((workflow, mut findings)) => {
            findings.extend(inventory.findings(&workflow));
            return Ok((workflow, located(findings)));
        }
        Err(refusal) => refusal,
    };
    let remarks = match &refusal {
        Refusal::WorkflowInvalid { findings } => located(findings.clone()),
        // With what lint says of the rest.
        Refusal::FieldRequired { .. } => {
            document::check(&proposed.on(base, Some(code), None))?.remarks
        }
        _ => return Err(refusal.into()),
    };
    Err(refused(remarks).unwrap_or(Error::from(refusal)))
}

/// Says of a status in use that the document leaves it out, rather than that it goes.
fn left_out(mut error: Error) -> Error {
    if let Error::Definition(Refusal::StatusInUse { why, .. }) = &mut error
        && *why == Blocker::Goes
    {
        *why = Blocker::LeftOut;
    }
    error
}

/// That a document is refused for these remarks; none where no error is among them.
fn refused(mut remarks: Vec<Remark>) -> Option<Error> {
    remarks.retain(|remark| remark.severity() == Severity::Error);
    (!remarks.is_empty()).then_some(Error::DocumentRefused { remarks })
}

fn answer(outcome: &Outcome, remarks: &[Remark]) -> v1::ApplyWorkflowResponse {
    let record = outcome.record.as_ref().map(|published| &published.record);
    // An error that is not refused was there before the call. After those comes what was counted: it
    // is what the call has to decide about.
    let is_error = |remark: &&Remark| remark.severity() == Severity::Error;
    let (errors, others): (Vec<_>, Vec<_>) = remarks.iter().partition(is_error);
    let errors = errors.into_iter().map(remark_to_wire);
    let counted = outcome.findings.iter().map(finding_to_wire);
    let others = others.into_iter().map(remark_to_wire);
    fitted(v1::ApplyWorkflowResponse {
        workflow: record.map(v1::Workflow::from),
        changes: outcome.changes.iter().map(change_to_wire).collect(),
        findings: errors.chain(counted).chain(others).collect(),
        ..v1::ApplyWorkflowResponse::default()
    })
}

/// The workflow has changed, so the answer must arrive: what clients would not take is left out.
fn fitted(mut answer: v1::ApplyWorkflowResponse) -> v1::ApplyWorkflowResponse {
    let whole = answer.workflow.take();
    let workflow = whole.clone().map(answers::workflow);
    let mut room =
        ANSWER_BYTES_SOFT_MAX.saturating_sub(workflow.as_ref().map_or(0, Message::encoded_len));
    let changes = page::fitting_in(&mut room, &answer.changes);
    let findings = page::fitting_in(&mut room, &answer.findings);
    answer.truncated =
        workflow != whole || changes < answer.changes.len() || findings < answer.findings.len();
    answer.changes.truncate(changes);
    answer.findings.truncate(findings);
    v1::ApplyWorkflowResponse { workflow, ..answer }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(bytes: usize) -> v1::WorkflowChange {
        v1::WorkflowChange {
            before: "b".repeat(bytes),
            ..v1::WorkflowChange::default()
        }
    }

    fn finding(bytes: usize) -> v1::LintFinding {
        v1::LintFinding {
            message: "m".repeat(bytes),
            ..v1::LintFinding::default()
        }
    }

    #[test]
    fn an_answer_that_fits_stays() {
        let answer = v1::ApplyWorkflowResponse {
            workflow: Some(v1::Workflow::default()),
            changes: vec![change(10); 1_000],
            findings: vec![finding(10); 1_000],
            ..v1::ApplyWorkflowResponse::default()
        };
        assert_eq!(fitted(answer.clone()), answer);
    }

    #[test]
    fn what_is_too_large_goes_findings_first() {
        let operation = v1::OrderOperation {
            label: "l".repeat(1_000),
            ..v1::OrderOperation::default()
        };
        let huge = v1::Workflow {
            code: "order".to_owned(),
            operations: vec![operation; 3_000],
            ..v1::Workflow::default()
        };
        for (changes, findings) in [(100, 3_000), (3_000, 3_000)] {
            let answer = fitted(v1::ApplyWorkflowResponse {
                workflow: Some(v1::Workflow::default()),
                changes: vec![change(1_000); changes],
                findings: vec![finding(1_000); findings],
                ..v1::ApplyWorkflowResponse::default()
            });
            assert!(answer.encoded_len() <= 2 * 1024 * 1024 && answer.truncated);
            assert_eq!(answer.changes.len() < changes, answer.findings.is_empty());
            assert!(!answer.changes.is_empty() && answer.findings.len() < findings);
        }
        let answer = fitted(v1::ApplyWorkflowResponse {
            workflow: Some(huge),
            ..v1::ApplyWorkflowResponse::default()
        });
        let workflow = answer.workflow.unwrap();
        assert!(answer.truncated && workflow.operations.is_empty());
        assert_eq!(workflow.code, "order");
    }
}
