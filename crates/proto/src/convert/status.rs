//! Statuses: requests about them, and how they are shown.

use std::collections::BTreeMap;

use waymark_domain::{
    value::{Label, StateCode, StatusCode, StoreView, WorkflowCode},
    workflow::{LABELS_MAX, LabelsPatch, Record, Stamp, Status, StatusPatch},
};

use super::{
    action::{actions_to_wire, read_actions},
    call::{EditCall, EditFields, PageRequest, fingerprint, read_page},
    instant::timestamp_to_wire,
    mask::{Mask, Paths},
    order::text,
    violations::{Noted, Path, Violations},
};
use crate::{
    invalid::{InvalidRequest, MaskProblem},
    v1,
};

const PATHS: Paths = Paths {
    updatable: &[
        "label",
        "store_view_labels",
        "description",
        "color",
        "position",
        "retired",
        "on_enter",
    ],
    maps: &[],
    fixed: &[
        ("code", MaskProblem::Immutable),
        ("etag", MaskProblem::OutputOnly),
        ("create_time", MaskProblem::OutputOnly),
        ("update_time", MaskProblem::OutputOnly),
    ],
};

/// Asks for a new status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateStatus {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// The status.
    pub status: Status,
    /// Who asks, and how.
    pub edit: EditCall,
}

/// Asks for one status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetStatus {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// The status.
    pub code: StatusCode,
}

/// Asks for a page of statuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListStatuses {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// Only those assigned in this state; none for all, assigned or not.
    pub state: Option<StateCode>,
    /// Whether retired ones are listed as well.
    pub include_retired: bool,
    /// Which page.
    pub page: PageRequest,
}

/// Asks to change a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateStatus {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// The status.
    pub code: StatusCode,
    /// What shall change.
    pub patch: StatusPatch,
    /// Who asks, and how; the etag is the status's.
    pub edit: EditCall,
}

/// Asks to delete a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteStatus {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// The status.
    pub code: StatusCode,
    /// Who asks, and how; the etag is the status's.
    pub edit: EditCall,
}

impl CreateStatus {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        mut request: v1::CreateStatusRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let fingerprint =
            fingerprint!("CreateStatus", request in default, without request_id, validate_only);
        let v1::CreateStatusRequest {
            workflow,
            status,
            actor,
            request_id,
            validate_only,
        } = request;
        let fields = EditFields {
            actor,
            request_id,
            validate_only,
        };
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.workflow(at, &workflow, default);
            let edit = fields.read_without_etag(found, fingerprint);
            let at = at.field("status");
            let status = found.required(at, status);
            let status = status.and_then(|status| read_status(found, at, status));
            Ok(Self {
                workflow: workflow?,
                status: status?,
                edit: edit?,
            })
        })
    }
}

impl GetStatus {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        request: v1::GetStatusRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let v1::GetStatusRequest { workflow, code } = request;
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.workflow(at, &workflow, default);
            let code = found.text(at.field("code"), &code);
            Ok(Self {
                workflow: workflow?,
                code: code?,
            })
        })
    }
}

impl ListStatuses {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        mut request: v1::ListStatusesRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let arguments = fingerprint!("ListStatuses", request, without page_size, page_token);
        let v1::ListStatusesRequest {
            workflow,
            state,
            include_retired,
            page_size,
            page_token,
        } = request;
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.workflow(at, &workflow, default);
            let state = found.optional(at.field("state"), &state);
            let page = read_page(found, page_size, page_token, arguments);
            Ok(Self {
                workflow: workflow?,
                state: state?,
                include_retired,
                page: page?,
            })
        })
    }
}

impl UpdateStatus {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        mut request: v1::UpdateStatusRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let fingerprint =
            fingerprint!("UpdateStatus", request in default, without request_id, validate_only);
        let v1::UpdateStatusRequest {
            workflow,
            status,
            update_mask,
            actor,
            request_id,
            validate_only,
        } = request;
        let fields = EditFields {
            actor,
            request_id,
            validate_only,
        };
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.workflow(at, &workflow, default);
            let mask = Mask::read(found, Path::REQUEST, update_mask, &PATHS);
            let at = at.field("status");
            let status = found.required(at, status);
            let etag = status.as_ref().map(|status| status.etag.clone());
            let etag = (at.field("etag"), etag.unwrap_or_default());
            let edit = fields.read(found, etag, fingerprint);
            let status = status.and_then(|status| {
                let code = found.text(at.field("code"), &status.code);
                let patch = patch(found, at, status, &mask);
                Ok((code?, patch?))
            });
            let (code, patch) = status?;
            Ok(Self {
                workflow: workflow?,
                code,
                patch,
                edit: edit?,
            })
        })
    }
}

impl DeleteStatus {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        mut request: v1::DeleteStatusRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let fingerprint =
            fingerprint!("DeleteStatus", request in default, without request_id, validate_only);
        let v1::DeleteStatusRequest {
            workflow,
            code,
            actor,
            etag,
            request_id,
            validate_only,
        } = request;
        let fields = EditFields {
            actor,
            request_id,
            validate_only,
        };
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.workflow(at, &workflow, default);
            let code = found.text(at.field("code"), &code);
            let edit = fields.read(found, (at.field("etag"), etag), fingerprint);
            Ok(Self {
                workflow: workflow?,
                code: code?,
                edit: edit?,
            })
        })
    }
}

fn read_status(
    found: &mut Violations,
    at: Path<'_>,
    status: v1::OrderStatus,
) -> Result<Status, Noted> {
    let v1::OrderStatus {
        code,
        label,
        store_view_labels,
        description,
        color,
        position,
        retired,
        etag: _,
        create_time: _,
        update_time: _,
        on_enter,
    } = status;
    let code = found.text(at.field("code"), &code);
    let label = found.text(at.field("label"), &label);
    let store_view_labels = labels(found, at.field("store_view_labels"), &store_view_labels);
    let description = found.text(at.field("description"), &description);
    let color = found.optional(at.field("color"), &color);
    let on_enter = read_actions(found, at.field("on_enter"), on_enter);
    Ok(Status {
        code: code?,
        label: label?,
        store_view_labels: store_view_labels?,
        description: description?,
        color: color?,
        position,
        retired,
        on_enter: on_enter?,
    })
}

fn patch(
    found: &mut Violations,
    at: Path<'_>,
    status: v1::OrderStatus,
    mask: &Mask,
) -> Result<StatusPatch, Noted> {
    let v1::OrderStatus {
        code: _,
        label,
        store_view_labels,
        description,
        color,
        position,
        retired,
        etag: _,
        create_time: _,
        update_time: _,
        on_enter,
    } = status;
    let label = mask.take("label", label);
    let label = label.map(|text| found.text(at.field("label"), &text));
    let view_labels = mask.take("store_view_labels", store_view_labels);
    let view_labels = view_labels.map(|given| labels(found, at.field("store_view_labels"), &given));
    let description = mask.take("description", description);
    let description = description.map(|text| found.text(at.field("description"), &text));
    let color = mask.take("color", color);
    let color = color.map(|text| found.optional(at.field("color"), &text));
    let on_enter = mask.take("on_enter", on_enter);
    let on_enter = on_enter.map(|given| read_actions(found, at.field("on_enter"), given));
    let merge_or_replace = match mask {
        Mask::Set => LabelsPatch::Merge,
        Mask::Named(_) => LabelsPatch::Replace,
    };
    Ok(StatusPatch {
        label: label.transpose()?,
        store_view_labels: view_labels.transpose()?.map(merge_or_replace),
        description: description.transpose()?,
        color: color.transpose()?,
        position: mask.take("position", position),
        retired: mask.take("retired", retired),
        on_enter: on_enter.transpose()?,
    })
}

fn labels(
    found: &mut Violations,
    at: Path<'_>,
    labels: &BTreeMap<String, String>,
) -> Result<BTreeMap<StoreView, Label>, Noted> {
    found.count(at, labels.len(), LABELS_MAX)?;
    let entries = labels.iter().map(|(view, label)| {
        let at = at.key(view);
        let (view, label) = (found.text(at, view), found.text(at, label));
        Ok((view?, label?))
    });
    let entries: Vec<Result<_, Noted>> = entries.collect();
    entries.into_iter().collect()
}

/// Writes a status with its etag and times.
pub fn status_to_wire(record: &Record, status: &Status) -> v1::OrderStatus {
    let Status {
        code,
        label,
        store_view_labels,
        description,
        color,
        position,
        retired,
        on_enter,
    } = status;
    let stamp = record.statuses.get(code);
    let labels = store_view_labels.iter();
    v1::OrderStatus {
        code: code.to_string(),
        label: label.to_string(),
        store_view_labels: labels
            .map(|(view, label)| (view.to_string(), label.to_string()))
            .collect(),
        description: description.to_string(),
        color: text(color.as_ref()),
        position: *position,
        retired: *retired,
        etag: stamp.map(Stamp::etag).unwrap_or_default(),
        create_time: stamp.map(|stamp| timestamp_to_wire(stamp.create_time)),
        update_time: stamp.map(|stamp| timestamp_to_wire(stamp.update_time)),
        on_enter: actions_to_wire(on_enter),
    }
}
