//! Reading the mutations of an order that is there, but for updates.

use std::collections::BTreeSet;

use waymark_domain::{
    order::{Action, LineQuantity, OperationLines, Target},
    value::{Invalid, LINES_MAX, Quantity, WorkflowCode},
};

use super::{
    call::{fill_in, step_fields},
    created::{above_zero, money},
    instant::upper_bound,
    parsed::ParsedStep,
    violations::{Path, Read},
};
use crate::{
    invalid::Problem,
    v1::{self, transition_order_request::Target as To},
};

/// Makes a function that reads a mutation of an order that is there: the name of the call, which
/// never changes, how its own fields are read, and the action that they make.
macro_rules! command {
    (
        fn $name:ident($call:literal, $wire:ident) {
            $($field:ident: $how:ident($($given:ident),+ $(; $argument:expr)?)),+ $(,)?
        } => $action:expr
    ) => {
        pub(crate) fn $name(
            at: Path<'_>,
            mut request: v1::$wire,
            default: &WorkflowCode,
        ) -> Read<ParsedStep> {
            fill_in(&mut request.workflow, default);
            let (fields, (workflow, order_id, $($($given,)+)+)) =
                step_fields!($call, request: $wire { workflow, order_id, $($($given,)+)+ });
            let workflow = at.workflow(&workflow, default);
            let order_id = at.field("order_id").text(&order_id);
            let call = fields.read(at);
            $(let $field = read_field!(at, $how($($given),+ $(; $argument)?));)+
            let order = (workflow?, order_id?);
            $(let $field = $field?;)+
            Ok(ParsedStep::change(order, call?, $action))
        }
    };
}

command! {
    fn transition("TransitionOrder", TransitionOrderRequest) {
        target: with(target, land_on_status; |at| {
            read_target(at, target, &land_on_status)
        }),
    } => Action::Transition(target)
}

command! {
    fn operation("RecordOperation", RecordOperationRequest) {
        operation: text(operation),
        lines: with(lines, amount_only; |at| {
            operation_lines(at.field("lines"), lines, amount_only)
        }),
        amount: given(amount; money),
        reverse: same(reverse),
    } => Action::RecordOperation { operation, lines, amount, reverse }
}

command! {
    fn hold("HoldOrder", HoldOrderRequest) {
        reason: text(reason),
        status: optional(status),
        expire_time: by(expire_time; upper_bound),
    } => Action::Hold { reason, status, expire_time }
}

command! {
    fn release("ReleaseOrder", ReleaseOrderRequest) {
        hold: optional(hold_id),
    } => Action::Release { hold }
}

command! {
    // Whether it may be empty depends on the order's status.
    fn comment("AddComment", AddCommentRequest) {
        status: optional(status),
    } => Action::Comment { status }
}

const TARGETS: &str = "transition, to_status or to";

fn read_target(at: Path<'_>, target: Option<To>, land_on_status: &str) -> Read<Target> {
    let land_on_at = at.field("land_on_status");
    let land_on = land_on_at.optional(land_on_status);
    if !land_on_status.is_empty() && !matches!(target, None | Some(To::Transition(_))) {
        let other = "transition";
        land_on_at.note(Problem::Unaccompanied { other });
    }
    match at.field("target").choice(target, TARGETS)? {
        To::Transition(code) => Ok(Target::Transition {
            code: at.field("transition").text(&code)?,
            land_on: land_on?,
        }),
        To::ToStatus(code) => at.field("to_status").text(&code).map(Target::Status),
        To::To(position) => standing(at.field("to"), position),
    }
}

fn standing(at: Path<'_>, target: v1::TransitionTarget) -> Read<Target> {
    let v1::TransitionTarget {
        state,
        status,
        keep_status,
    } = target;
    let state = at.field("state").text(&state);
    let status = at.field("status").optional(&status);
    match (status?, keep_status) {
        (Some(_), true) => {
            let other = "status";
            Err(at.field("keep_status").note(Problem::Excluded { other }))
        }
        (Some(status), false) => Ok(Target::Standing(state?, status)),
        (None, true) => state.map(Target::KeepStatus),
        (None, false) => state.map(Target::State),
    }
}

fn operation_lines(
    at: Path<'_>,
    lines: Vec<v1::OperationLine>,
    amount_only: bool,
) -> Read<OperationLines> {
    match (amount_only, lines.is_empty()) {
        (true, true) => Ok(OperationLines::AmountOnly),
        (true, false) => {
            let other = "amount_only";
            Err(at.note(Problem::Excluded { other }))
        }
        (false, true) => Ok(OperationLines::AllLeft),
        (false, false) => quantities(at, lines).map(OperationLines::Given),
    }
}

fn quantities(at: Path<'_>, lines: Vec<v1::OperationLine>) -> Read<Vec<LineQuantity>> {
    let mut seen = BTreeSet::new();
    at.each(lines, LINES_MAX, |at, line| {
        let is_new = seen.insert(line.line_id.clone());
        let moved = moved(at, line);
        if !is_new {
            at.field("line_id").note(Invalid::Duplicate);
        }
        moved
    })
}

reader! {
    fn moved(OperationLine) -> LineQuantity {
        line_id: text(line_id),
        quantity: borrowed(quantity; above_zero),
        returned: with(returned; |at| {
            let returned = at.field("returned").optional::<Quantity>(&returned)?;
            Ok(returned.unwrap_or(Quantity::ZERO))
        }),
    }
}
