//! Statuses: requests about them, and how they are shown.

use std::collections::BTreeMap;

use waymark_domain::{
    value::{Label, StateCode, StatusCode, StoreView},
    workflow::{LABELS_MAX, LabelsPatch, Record, Stamp, Status, StatusPatch},
};

use super::{
    action::{actions_to_wire, read_actions},
    call::{EditCall, PageRequest},
    instant::timestamp_to_wire,
    mask::Mask,
    violations::{Path, Read},
};
use crate::v1;

request! {
    /// Asks for a new status.
    CreateStatus: CreateStatusRequest in workflow or default;
    hash = "CreateStatus" in default without request_id, validate_only;
    /// The actor and the key of the call.
    edit: EditCall = edit(actor, request_id, validate_only; hash),
    /// The status.
    status: Status = required(status; read_status),
}

request! {
    /// Asks for one status.
    GetStatus: GetStatusRequest in workflow or default;
    /// The status.
    code: StatusCode = text(code),
}

request! {
    /// Asks for a page of statuses.
    ListStatuses: ListStatusesRequest in workflow or default;
    arguments = "ListStatuses" without page_size, page_token;
    /// Only those assigned in this state; none for all, assigned or not.
    state: Option<StateCode> = optional(state),
    /// Whether retired ones are listed as well.
    include_retired: bool = same(include_retired),
    /// The page.
    page: PageRequest = page(page_size, page_token; arguments),
}

update_request! {
    /// Asks to change a status.
    UpdateStatus: UpdateStatusRequest in workflow or default;
    "UpdateStatus", status(StatusCode, StatusPatch by status_patch)
}

request! {
    /// Asks to delete a status.
    DeleteStatus: DeleteStatusRequest in workflow or default;
    hash = "DeleteStatus" in default without request_id, validate_only;
    /// The status.
    code: StatusCode = text(code),
    /// The actor and the key of the call; the etag is the status's.
    edit: EditCall = edit(actor, etag, request_id, validate_only; hash),
}

reader! {
    fn read_status(OrderStatus { etag, create_time, update_time }) -> Status {
        code: text(code),
        label: text(label),
        store_view_labels: borrowed(store_view_labels; labels),
        description: text(description),
        color: optional(color),
        position: same(position),
        retired: same(retired),
        on_enter: by(on_enter; read_actions),
    }
}

patch! {
    fn status_patch(OrderStatus {
        Immutable: code;
        OutputOnly: etag, create_time, update_time;
    }) -> StatusPatch {
        label: text(label),
        store_view_labels: masked(store_view_labels; labels_patch),
        description: text(description),
        color: optional(color),
        position: same(position),
        retired: same(retired),
        on_enter: by(on_enter; read_actions),
    }
}

fn labels_patch(
    at: Path<'_>,
    given: BTreeMap<String, String>,
    mask: &Mask,
) -> Read<Option<LabelsPatch>> {
    let given = mask.take("store_view_labels", given);
    let given = given.map(|given| labels(at, &given)).transpose()?;
    let merge_or_replace = match mask {
        Mask::Set => LabelsPatch::Merge,
        Mask::Named(_) => LabelsPatch::Replace,
    };
    Ok(given.map(merge_or_replace))
}

fn labels(at: Path<'_>, labels: &BTreeMap<String, String>) -> Read<BTreeMap<StoreView, Label>> {
    at.count(labels.len(), LABELS_MAX)?;
    let entries = labels.iter().map(|(view, label)| {
        let at = at.key(view);
        let (view, label) = (at.text(view), at.text(label));
        Ok((view?, label?))
    });
    entries.collect::<Vec<_>>().into_iter().collect()
}

/// Writes a status with its etag and times.
pub fn status_to_wire(record: &Record, status: &Status) -> v1::OrderStatus {
    let stamp = record.statuses.get(&status.code);
    let labels = status.store_view_labels.iter();
    message!(OrderStatus from status: Status { store_view_labels, on_enter };
        text: code, label, description;
        optional: color;
        same: position, retired;
        .. store_view_labels: labels
            .map(|(view, label)| (view.to_string(), label.to_string()))
            .collect(),
        etag: stamp.map(Stamp::etag).unwrap_or_default(),
        create_time: stamp.map(|stamp| timestamp_to_wire(stamp.create_time)),
        update_time: stamp.map(|stamp| timestamp_to_wire(stamp.update_time)),
        on_enter: actions_to_wire(&status.on_enter),
    )
}
