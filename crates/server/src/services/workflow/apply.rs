//! Making a workflow what a document says.

use std::sync::Arc;

use prost::Message;
use waymark_domain::workflow::{
    InTheWay, Record, Refusal, Severity,
    document::{self, DocumentError, Mode, Proposal, Remark},
};
use waymark_persistence::{Counting, Extent, Outcome};
use waymark_proto::{
    convert::workflow::{ApplyWorkflow, change_to_wire, finding_to_wire, remark_to_wire},
    v1,
};

use super::{
    super::{definition, fit},
    known::Known,
    lint::Applied,
};
use crate::{App, Error, limits::ANSWER_BYTES_SOFT_MAX, page};

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
        unknown_states,
        edit,
    } = call;
    let applied = Applied {
        workflow,
        text: Arc::new(document),
        format,
        mode,
        unknown_states,
    };
    let text = Arc::clone(&applied.text);
    let document = match app.compute(move || document::parse(&text, format)).await? {
        Ok(document) => document.with_unknown_states(unknown_states),
        Err(error @ DocumentError::Unreadable { .. }) => {
            let remarks = applied.check(app).await?;
            return Err(refused(remarks).unwrap_or(Error::from(error)));
        }
        Err(error @ (DocumentError::NoExport | DocumentError::NotWritten { .. })) => {
            return Err(error.into());
        }
    };
    let asked = applied.workflow.as_ref();
    let code = asked.or(document.workflow()).cloned();
    let code = code.unwrap_or_else(|| app.default_workflow().clone());
    let (target, etag) = (code.clone(), edit.etag.clone());
    let known = Known::read(app).await?;
    let change = move |record: Option<&Record>, _| {
        if record.is_none() && etag.is_some() {
            return Err(Error::from(Refusal::WorkflowNotFound {
                workflow: target.clone(),
            }));
        }
        definition::check_etag(etag.as_ref(), record.map(|record| &record.stamp))?;
        let base = record.map(|record| &record.workflow);
        let proposal = Proposal {
            text: &applied.text,
            format,
            mode,
            unknown_states,
            base,
            code: Some(&target),
            fallback: None,
        };
        match document::judge(base, &document, mode, Some(&target)) {
            Ok((workflow, mut findings)) => {
                findings.extend(known.findings(&workflow));
                let remarks = document::located(&applied.text, format, findings);
                Ok((Some(workflow), remarks))
            }
            Err(refusal) => Err(explained(refusal, &proposal)),
        }
    };
    let extent = match mode {
        Mode::Replace => Extent::Whole,
        Mode::Merge => Extent::Part,
    };
    let code = (code, extent, Counting::Affected);
    let changed = definition::change_to_extent(app, code, edit, "document", change, answer).await;
    let (response, replayed) = changed.map_err(left_out)?;
    Ok(v1::ApplyWorkflowResponse {
        replayed,
        ..response
    })
}

/// What a document takes away, it does not name.
fn left_out(error: Error) -> Error {
    match error {
        Error::Definition(Refusal::StatusInUse {
            status,
            state,
            why: InTheWay::Goes,
            usage,
        }) => Error::Definition(Refusal::StatusInUse {
            status,
            state,
            why: InTheWay::LeftOut,
            usage,
        }),
        other => other,
    }
}

/// Why a document that can be read makes no workflow, with the places in it.
fn explained(refusal: Refusal, proposal: &Proposal<'_>) -> Error {
    let remarks = match &refusal {
        Refusal::WorkflowInvalid { findings } => {
            document::located(proposal.text, proposal.format, findings.clone())
        }
        // With what lint says of the rest.
        Refusal::FieldRequired { .. } => match document::check(proposal) {
            Ok(checked) => checked.remarks,
            Err(refusal) => return refusal.into(),
        },
        _ => return refusal.into(),
    };
    refused(remarks).unwrap_or(Error::from(refusal))
}

/// That a document is refused for these remarks; none where no error is among them.
fn refused(mut remarks: Vec<Remark>) -> Option<Error> {
    remarks.retain(|remark| remark.severity() == Severity::Error);
    (!remarks.is_empty()).then_some(Error::DocumentRefused { remarks })
}

fn answer(outcome: &Outcome<Vec<Remark>>) -> v1::ApplyWorkflowResponse {
    let record = outcome.record.as_ref().map(|published| &published.record);
    let remarks = outcome.answer.iter();
    // An error that is not refused was there before the call. After those comes what was counted: it
    // is what the call has to decide about.
    let (errors, others): (Vec<_>, Vec<_>) =
        remarks.partition(|remark| remark.severity() == Severity::Error);
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
    let workflow = whole.clone().map(fit::workflow);
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
