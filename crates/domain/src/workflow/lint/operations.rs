//! Operations that nothing can record, refunds that find nothing to refund, and transitions that
//! look like operations.

use std::collections::BTreeSet;

use super::{Finding, Rule, listed};
use crate::{
    value::OperationCode,
    workflow::{Effect, Operation, Trigger, Workflow},
};

pub(super) fn find(workflow: &Workflow) -> Vec<Finding> {
    let mut findings = Vec::new();
    for operation in &workflow.operations {
        if is_recorded(workflow, operation) {
            continue;
        }
        let message = "is allowed in no state and recorded by no transition, so nobody can record it: list it under the operations of a state";
        findings.push(operation.finding(Rule::OperationNeverAllowed, message));
    }
    findings.extend(refunds(workflow));
    findings.extend(beside(workflow));
    findings
}

/// Manual transitions with the code of an operation that they do not record: calls take one and
/// mean the other.
fn beside(workflow: &Workflow) -> Vec<Finding> {
    let codes = workflow.operations.iter();
    let codes: BTreeSet<&str> = codes.map(|operation| operation.code.as_str()).collect();
    let transitions = workflow.transitions.iter().filter(|transition| {
        let code = transition.code.as_str();
        let recorded = transition.operation.as_ref().map(OperationCode::as_str);
        let is_beside = codes.contains(code) && recorded != Some(code);
        is_beside && transition.trigger == Trigger::Manual
    });
    let findings = transitions.map(|transition| {
        let code = &transition.code;
        let message = format!(
            "has the code of operation {code} and does not record it, so who takes one leaves the other undone: set operation: {code}, or trigger: {{on_operations: [{code}]}}, or give it another code"
        );
        transition.finding(Rule::OperationBeside, message)
    });
    findings.collect()
}

/// Whether a state allows an operation, or a transition records it.
fn is_recorded(workflow: &Workflow, operation: &Operation) -> bool {
    let code = &operation.code;
    let mut states = workflow.states.iter();
    let mut transitions = workflow.transitions.iter();
    states.any(|state| state.operations.contains(code))
        || transitions.any(|it| it.operation.as_ref() == Some(code) && !it.reverse)
}

/// Money is given back that was paid. Units are refunded that were invoiced, and in a workflow
/// without invoices those that were shipped, or ordered and paid.
fn refunds(workflow: &Workflow) -> Vec<Finding> {
    let of = |effect: Effect| {
        workflow
            .operations
            .iter()
            .filter(move |o| o.effect == effect)
    };
    let happens = |effect: Effect| of(effect).any(|operation| is_recorded(workflow, operation));
    let invoices = listed(of(Effect::Invoice).map(|operation| &operation.code));
    let problem = if !invoices.is_empty() && !happens(Effect::Invoice) {
        let money = if happens(Effect::Pay) {
            "only amounts without lines"
        } else {
            "nothing"
        };
        format!(
            "can refund {money}: with operations of effect invoice ({invoices}), only units are refunded that were invoiced, and nothing records one; allow it in a state, or remove it"
        )
    } else if invoices.is_empty() && !happens(Effect::Ship) && !happens(Effect::Pay) {
        "can refund nothing: nothing records an operation of effect pay or ship, so nothing was paid or sent that could go back".to_owned()
    } else {
        return Vec::new();
    };
    let refunds = of(Effect::Refund).filter(|operation| is_recorded(workflow, operation));
    let findings =
        refunds.map(|operation| operation.finding(Rule::RefundNeverPossible, problem.clone()));
    findings.collect()
}
