//! Reading the mutations of an order that is there, but for updates.

use std::collections::BTreeSet;

use waymark_domain::{
    order::{Action, LINES_MAX, LineQuantity, OperationLines, Target},
    value::{Invalid, Money, OrderId, Quantity, WorkflowCode},
};

use super::{
    call::{StepFields, fingerprint},
    instant::upper_bound,
    step::ParsedStep,
    violations::{Noted, Path, Violations},
};
use crate::{
    invalid::Problem,
    v1::{self, transition_order_request::Target as To},
};

/// Reads a call that takes a transition.
pub(crate) fn transition(
    found: &mut Violations,
    at: Path<'_>,
    mut request: v1::TransitionOrderRequest,
    default: &WorkflowCode,
) -> Result<ParsedStep, Noted> {
    let fingerprint = fingerprint!("TransitionOrder", step request in default);
    let v1::TransitionOrderRequest {
        workflow,
        order_id,
        target: to,
        land_on_status,
        comment,
        notify_customer,
        visible_to_customer,
        metadata,
        actor,
        store_view,
        expected_version,
        request_id,
        validate_only,
    } = request;
    let fields = StepFields {
        comment,
        notify_customer,
        visible_to_customer,
        metadata,
        actor,
        store_view,
        expected_version,
        request_id,
        validate_only,
    };
    let order = order(found, at, &workflow, &order_id, default);
    let call = fields.read(found, at, fingerprint);
    let target = target(found, at, to, &land_on_status);
    Ok(ParsedStep::change(
        order?,
        call?,
        Action::Transition(target?),
    ))
}

/// Reads a call that records an operation.
pub(crate) fn operation(
    found: &mut Violations,
    at: Path<'_>,
    mut request: v1::RecordOperationRequest,
    default: &WorkflowCode,
) -> Result<ParsedStep, Noted> {
    let fingerprint = fingerprint!("RecordOperation", step request in default);
    let v1::RecordOperationRequest {
        workflow,
        order_id,
        operation,
        lines,
        amount_only,
        amount,
        reverse,
        comment,
        notify_customer,
        visible_to_customer,
        metadata,
        actor,
        store_view,
        expected_version,
        request_id,
        validate_only,
    } = request;
    let fields = StepFields {
        comment,
        notify_customer,
        visible_to_customer,
        metadata,
        actor,
        store_view,
        expected_version,
        request_id,
        validate_only,
    };
    let order = order(found, at, &workflow, &order_id, default);
    let call = fields.read(found, at, fingerprint);
    let operation = found.text(at.field("operation"), &operation);
    let lines = match (amount_only, lines.is_empty()) {
        (true, true) => Ok(OperationLines::AmountOnly),
        (true, false) => {
            let other = "amount_only";
            Err(found.note(at.field("lines"), Problem::Excluded { other }))
        }
        (false, true) => Ok(OperationLines::AllLeft),
        (false, false) => quantities(found, at.field("lines"), lines).map(OperationLines::Given),
    };
    let amount = amount.map(|amount| found.check(at.field("amount"), Money::new(amount)));
    let action = Action::RecordOperation {
        operation: operation?,
        lines: lines?,
        amount: amount.transpose()?,
        reverse,
    };
    Ok(ParsedStep::change(order?, call?, action))
}

/// Reads a call that puts an order on hold.
pub(crate) fn hold(
    found: &mut Violations,
    at: Path<'_>,
    mut request: v1::HoldOrderRequest,
    default: &WorkflowCode,
) -> Result<ParsedStep, Noted> {
    let fingerprint = fingerprint!("HoldOrder", step request in default);
    let v1::HoldOrderRequest {
        workflow,
        order_id,
        reason,
        status,
        expire_time,
        comment,
        notify_customer,
        visible_to_customer,
        metadata,
        actor,
        store_view,
        expected_version,
        request_id,
        validate_only,
    } = request;
    let fields = StepFields {
        comment,
        notify_customer,
        visible_to_customer,
        metadata,
        actor,
        store_view,
        expected_version,
        request_id,
        validate_only,
    };
    let order = order(found, at, &workflow, &order_id, default);
    let call = fields.read(found, at, fingerprint);
    let reason = found.text(at.field("reason"), &reason);
    let status = found.optional(at.field("status"), &status);
    let expire_time = upper_bound(found, at.field("expire_time"), expire_time);
    let action = Action::Hold {
        reason: reason?,
        status: status?,
        expire_time: expire_time?,
    };
    Ok(ParsedStep::change(order?, call?, action))
}

/// Reads a call that ends holds.
pub(crate) fn release(
    found: &mut Violations,
    at: Path<'_>,
    mut request: v1::ReleaseOrderRequest,
    default: &WorkflowCode,
) -> Result<ParsedStep, Noted> {
    let fingerprint = fingerprint!("ReleaseOrder", step request in default);
    let v1::ReleaseOrderRequest {
        workflow,
        order_id,
        hold_id,
        comment,
        notify_customer,
        visible_to_customer,
        metadata,
        actor,
        store_view,
        expected_version,
        request_id,
        validate_only,
    } = request;
    let fields = StepFields {
        comment,
        notify_customer,
        visible_to_customer,
        metadata,
        actor,
        store_view,
        expected_version,
        request_id,
        validate_only,
    };
    let order = order(found, at, &workflow, &order_id, default);
    let call = fields.read(found, at, fingerprint);
    let hold = found.optional(at.field("hold_id"), &hold_id);
    Ok(ParsedStep::change(
        order?,
        call?,
        Action::Release { hold: hold? },
    ))
}

/// Reads a call that adds a comment. Whether it may be empty depends on the order's status.
pub(crate) fn comment(
    found: &mut Violations,
    at: Path<'_>,
    mut request: v1::AddCommentRequest,
    default: &WorkflowCode,
) -> Result<ParsedStep, Noted> {
    let fingerprint = fingerprint!("AddComment", step request in default);
    let v1::AddCommentRequest {
        workflow,
        order_id,
        status,
        comment,
        notify_customer,
        visible_to_customer,
        metadata,
        actor,
        store_view,
        expected_version,
        request_id,
        validate_only,
    } = request;
    let fields = StepFields {
        comment,
        notify_customer,
        visible_to_customer,
        metadata,
        actor,
        store_view,
        expected_version,
        request_id,
        validate_only,
    };
    let order = order(found, at, &workflow, &order_id, default);
    let call = fields.read(found, at, fingerprint);
    let status = found.optional(at.field("status"), &status);
    Ok(ParsedStep::change(
        order?,
        call?,
        Action::Comment { status: status? },
    ))
}

fn order(
    found: &mut Violations,
    at: Path<'_>,
    workflow: &str,
    order_id: &str,
    default: &WorkflowCode,
) -> Result<(WorkflowCode, OrderId), Noted> {
    let workflow = found.workflow(at, workflow, default);
    let order_id = found.text(at.field("order_id"), order_id);
    Ok((workflow?, order_id?))
}

const TARGETS: &str = "transition, to_status or to";

fn target(
    found: &mut Violations,
    at: Path<'_>,
    target: Option<To>,
    land_on_status: &str,
) -> Result<Target, Noted> {
    let land_on_at = at.field("land_on_status");
    let land_on = found.optional(land_on_at, land_on_status);
    if !land_on_status.is_empty() && !matches!(target, None | Some(To::Transition(_))) {
        found.note(
            land_on_at,
            Problem::Unaccompanied {
                other: "transition",
            },
        );
    }
    match found.choice(at.field("target"), target, TARGETS)? {
        To::Transition(code) => Ok(Target::Transition {
            code: found.text(at.field("transition"), &code)?,
            land_on: land_on?,
        }),
        To::ToStatus(code) => found.text(at.field("to_status"), &code).map(Target::Status),
        To::To(position) => standing(found, at.field("to"), position),
    }
}

fn standing(
    found: &mut Violations,
    at: Path<'_>,
    target: v1::TransitionTarget,
) -> Result<Target, Noted> {
    let v1::TransitionTarget {
        state,
        status,
        keep_status,
    } = target;
    let state = found.text(at.field("state"), &state);
    let status = found.optional(at.field("status"), &status);
    match (status?, keep_status) {
        (Some(_), true) => Err(found.note(
            at.field("keep_status"),
            Problem::Excluded { other: "status" },
        )),
        (Some(status), false) => Ok(Target::Standing(state?, status)),
        (None, true) => state.map(Target::KeepStatus),
        (None, false) => state.map(Target::State),
    }
}

fn quantities(
    found: &mut Violations,
    at: Path<'_>,
    lines: Vec<v1::OperationLine>,
) -> Result<Vec<LineQuantity>, Noted> {
    found.count(at, lines.len(), LINES_MAX)?;
    let mut seen = BTreeSet::new();
    let mut read = Vec::with_capacity(lines.len());
    for (index, line) in lines.into_iter().enumerate() {
        let at = at.index(index);
        read.push(moved(found, at, &line));
        if !seen.insert(line.line_id) {
            found.note(at.field("line_id"), Invalid::Duplicate);
        }
    }
    read.into_iter().collect()
}

fn moved(
    found: &mut Violations,
    at: Path<'_>,
    line: &v1::OperationLine,
) -> Result<LineQuantity, Noted> {
    let v1::OperationLine {
        line_id,
        quantity,
        returned,
    } = line;
    let line_id = found.text(at.field("line_id"), line_id);
    let quantity = above_zero(found, at.field("quantity"), quantity);
    let returned = found.optional::<Quantity>(at.field("returned"), returned);
    Ok(LineQuantity {
        line_id: line_id?,
        quantity: quantity?,
        returned: returned?.unwrap_or(Quantity::ZERO),
    })
}

/// Reads a quantity that must be more than nothing.
pub(crate) fn above_zero(
    found: &mut Violations,
    at: Path<'_>,
    text: &str,
) -> Result<Quantity, Noted> {
    let quantity: Quantity = found.text(at, text)?;
    if quantity.is_zero() {
        let expected = "more than 0";
        return Err(found.note(at, Invalid::Malformed { expected }));
    }
    Ok(quantity)
}
