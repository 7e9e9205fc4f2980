//! Writing entries of history.

use waymark_domain::{
    delivery::DeliveryId,
    history::{Detail, Entry, Kind, LogPosition, Logged, Recorded, SetOff},
    order::LineQuantity,
    value::Quantity,
};

use super::change::change_to_wire;
use crate::{
    convert::{
        actor::actor_to_wire,
        instant::timestamp_to_wire,
        order::{bare_order_to_wire, hold_to_wire, text},
        workflow::effect_to_wire,
    },
    v1::{self, history_entry::Detail as WireDetail},
};

impl From<&Logged> for v1::HistoryEntry {
    /// An entry that was only rehearsed has no place in the log, which its offset 0 says.
    fn from(logged: &Logged) -> Self {
        let Logged {
            workflow,
            order_id,
            position,
            step_offset: _,
            entry,
        } = logged;
        let Entry {
            sequence,
            from,
            to,
            transition,
            comment,
            notify_customer,
            visible_to_customer,
            actor,
            request_id,
            caused_by,
            workflow_version,
            metadata,
            create_time,
            detail,
            set_off,
        } = entry;
        let from = from.as_ref();
        Self {
            workflow: workflow.to_string(),
            order_id: order_id.to_string(),
            sequence: *sequence,
            log_position: (position.offset > 0).then(|| position_to_wire(*position)),
            kind: kind_to_wire(entry.kind()).into(),
            from_state: text(from.map(|standing| &standing.state)),
            from_status: text(from.map(|standing| &standing.status)),
            to_state: to.state.to_string(),
            to_status: to.status.to_string(),
            status_changed: entry.status_changed(),
            transition: text(transition.as_ref()),
            comment: comment.to_string(),
            notify_customer: *notify_customer,
            visible_to_customer: *visible_to_customer,
            actor: Some(actor_to_wire(actor)),
            request_id: text(request_id.as_ref()),
            caused_by: *caused_by,
            workflow_version: *workflow_version,
            metadata: metadata.as_map().clone(),
            create_time: Some(timestamp_to_wire(*create_time)),
            detail: detail_to_wire(detail),
            set_off: set_off
                .iter()
                .zip(0..)
                .map(|(set_off, number)| set_off_to_wire(*position, number, set_off))
                .collect(),
        }
    }
}

/// What was only rehearsed has no delivery.
fn set_off_to_wire(position: LogPosition, number: u32, set_off: &SetOff) -> v1::SetOff {
    let SetOff { action, to } = set_off;
    let id = DeliveryId { position, number };
    v1::SetOff {
        delivery_id: if position.offset > 0 {
            id.to_string()
        } else {
            String::new()
        },
        action: action.to_string(),
        kind: to.kind().to_owned(),
        destination: to.to_string(),
    }
}

fn detail_to_wire(detail: &Detail) -> Option<WireDetail> {
    match detail {
        Detail::Created(order) => {
            let order = Some(Box::new(bare_order_to_wire(order)));
            Some(WireDetail::Created(v1::OrderCreated { order }))
        }
        Detail::Transitioned(None) | Detail::Commented => None,
        Detail::Transitioned(Some(recorded)) | Detail::Recorded(recorded) => {
            Some(WireDetail::Recorded(recorded_to_wire(recorded)))
        }
        Detail::Held(hold) => {
            let hold = Some(hold_to_wire(hold));
            Some(WireDetail::Held(v1::OrderHeld { hold }))
        }
        Detail::Released(holds) => {
            let hold_ids = holds.iter().map(ToString::to_string).collect();
            Some(WireDetail::Released(v1::OrderReleased { hold_ids }))
        }
        Detail::Updated(changes) => {
            let changes = changes.iter().flat_map(change_to_wire).collect();
            Some(WireDetail::Updated(v1::OrderUpdated { changes }))
        }
    }
}

fn recorded_to_wire(recorded: &Recorded) -> v1::OperationRecorded {
    let Recorded {
        operation,
        effect,
        lines,
        amount,
        reverse,
        whole,
        counted,
    } = recorded;
    v1::OperationRecorded {
        operation: operation.to_string(),
        lines: lines.iter().map(moved_to_wire).collect(),
        amount: amount.minor_units(),
        effect: effect_to_wire(*effect).into(),
        reverse: *reverse,
        whole: *whole,
        counted_amount: counted.minor_units(),
    }
}

fn moved_to_wire(moved: &LineQuantity) -> v1::OperationLine {
    let LineQuantity {
        line_id,
        quantity,
        returned,
    } = moved;
    v1::OperationLine {
        line_id: line_id.to_string(),
        quantity: quantity.to_string(),
        returned: returned_to_wire(*returned),
    }
}

/// Most operations have nothing come back, and say nothing of it.
fn returned_to_wire(returned: Quantity) -> String {
    if returned.is_zero() {
        String::new()
    } else {
        returned.to_string()
    }
}

fn position_to_wire(position: LogPosition) -> v1::LogPosition {
    let LogPosition { partition, offset } = position;
    v1::LogPosition {
        partition: partition.number(),
        offset,
    }
}

fn kind_to_wire(kind: Kind) -> v1::EntryKind {
    match kind {
        Kind::Created => v1::EntryKind::Created,
        Kind::Transitioned => v1::EntryKind::Transitioned,
        Kind::Commented => v1::EntryKind::Commented,
        Kind::Held => v1::EntryKind::Held,
        Kind::Released => v1::EntryKind::Released,
        Kind::OperationRecorded => v1::EntryKind::OperationRecorded,
        Kind::Updated => v1::EntryKind::Updated,
    }
}
