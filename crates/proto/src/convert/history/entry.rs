//! Writing entries of history.

use waymark_domain::{
    delivery::DeliveryId,
    history::{Detail, Entry, LogPosition, Logged, Recorded, SetOff},
    order::LineQuantity,
    value::Quantity,
};

use super::change::change_to_wire;
use crate::{
    convert::{
        actor::actor_to_wire,
        enums::number,
        fields::text,
        order::{bare_order_to_wire, hold_to_wire},
    },
    v1::{self, history_entry::Detail as WireDetail},
};

impl From<&Logged> for v1::HistoryEntry {
    /// The entry of a dry run has no place in the log, which its offset 0 says.
    fn from(logged: &Logged) -> Self {
        let (entry, position) = (&logged.entry, logged.position);
        let (from, set_off) = (entry.from.as_ref(), entry.set_off.iter().zip(0..));
        message!(HistoryEntry from entry: Entry { from, to, actor, metadata, detail, set_off };
            optional: transition, request_id;
            text: comment;
            same: sequence, notify_customer, visible_to_customer, caused_by, workflow_version;
            time: create_time;
            .. workflow: logged.workflow.to_string(),
            order_id: logged.order_id.to_string(),
            log_position: (position.offset > 0).then(|| position_to_wire(position)),
            kind: number(entry.kind()),
            from_state: text(from.map(|standing| &standing.state)),
            from_status: text(from.map(|standing| &standing.status)),
            to_state: entry.to.state.to_string(),
            to_status: entry.to.status.to_string(),
            status_changed: entry.status_changed(),
            actor: Some(actor_to_wire(&entry.actor)),
            metadata: entry.metadata.as_map().clone(),
            detail: detail_to_wire(&entry.detail),
            set_off: set_off
                .map(|(set_off, number)| set_off_to_wire(position, number, set_off))
                .collect(),
        )
    }
}

/// Writes a delivery that an entry set off; that of a dry run has no id.
fn set_off_to_wire(position: LogPosition, number: u32, set_off: &SetOff) -> v1::SetOff {
    let id = DeliveryId { position, number };
    let is_kept = position.offset > 0;
    message!(SetOff from set_off: SetOff { to };
        text: action;
        .. delivery_id: text(is_kept.then_some(&id)),
        kind: set_off.to.kind().to_owned(),
        destination: set_off.to.to_string(),
    )
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
    message!(OperationRecorded from recorded: Recorded { lines, counted };
        text: operation;
        money: amount;
        number: effect;
        same: reverse, whole;
        .. lines: recorded.lines.iter().map(moved_to_wire).collect(),
        counted_amount: recorded.counted.minor_units(),
    )
}

fn moved_to_wire(moved: &LineQuantity) -> v1::OperationLine {
    message!(OperationLine from moved: LineQuantity { returned };
        text: line_id, quantity;
        .. returned: returned_to_wire(moved.returned),
    )
}

/// Most operations have nothing come back, and say nothing of it.
fn returned_to_wire(returned: Quantity) -> String {
    if returned.is_zero() {
        return String::new();
    }
    returned.to_string()
}

fn position_to_wire(position: LogPosition) -> v1::LogPosition {
    v1::LogPosition {
        partition: position.partition.number(),
        offset: position.offset,
    }
}
