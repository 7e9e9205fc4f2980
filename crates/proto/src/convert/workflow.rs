//! Workflows as a whole: requests about them, and how they, their changes and findings about
//! them are shown.

use waymark_domain::{
    actor::Actor,
    value::{OrderId, Timestamp, WorkflowCode},
    workflow::{
        CommentStatus, Difference, DifferenceKind, Effect, Finding, Operation, Record,
        RefundedUnits, Severity, StatusSharing, Workflow,
        document::{Format, Mode},
    },
};

use super::{
    actor::actor_to_wire,
    call::{EditCall, EditFields, PageRequest, fingerprint, read_page},
    instant::timestamp_to_wire,
    order::text,
    violations::{Noted, Path, Violations},
};
use crate::{
    invalid::{InvalidRequest, Problem},
    v1,
};

/// Asks to make a workflow what a document says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyWorkflow {
    /// The workflow; none for the one that the document names, or else the default one.
    pub workflow: Option<WorkflowCode>,
    /// The document, not empty.
    pub document: String,
    /// How it is written.
    pub format: Format,
    /// What happens to parts that it does not name.
    pub mode: Mode,
    /// Who asks, and how; the etag is the workflow's.
    pub edit: EditCall,
}

/// Asks for a workflow as a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportWorkflow {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// How the document is to be written, YAML or JSON.
    pub format: Format,
    /// The version; none for the present one.
    pub version: Option<i64>,
}

/// Asks for one workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetWorkflow {
    /// The workflow.
    pub workflow: WorkflowCode,
}

/// Asks for a page of workflows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListWorkflows {
    /// Which page.
    pub page: PageRequest,
}

/// Asks to delete a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteWorkflow {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// Who asks, and how; the etag is the workflow's.
    pub edit: EditCall,
}

/// Asks for a page of a workflow's versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListWorkflowVersions {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// Which page.
    pub page: PageRequest,
}

/// Asks for remarks about a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LintWorkflow {
    /// What they are to be about.
    pub subject: LintSubject,
}

/// What remarks are to be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LintSubject {
    /// A stored workflow.
    Stored(WorkflowCode),
    /// A document by itself.
    Document(String, Format),
    /// A stored workflow as it would be after the document.
    Applied(WorkflowCode, String, Format),
}

/// Asks for a drawing of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiagramWorkflow {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// The language of the drawing.
    pub format: DiagramFormat,
    /// An order whose place and way are marked; none for no order.
    pub order_id: Option<OrderId>,
    /// Whether to show how many orders stand on each status.
    pub counts: bool,
}

/// The language of a drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiagramFormat {
    /// Mermaid.
    Mermaid,
    /// DOT, for Graphviz.
    Dot,
    /// SVG.
    Svg,
}

impl ApplyWorkflow {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(mut request: v1::ApplyWorkflowRequest) -> Result<Self, InvalidRequest> {
        let fingerprint = fingerprint!("ApplyWorkflow", request, without request_id, validate_only);
        let v1::ApplyWorkflowRequest {
            workflow,
            document,
            format,
            mode,
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
            let workflow = found.optional(at.field("workflow"), &workflow);
            if document.is_empty() {
                found.note(at.field("document"), Problem::Required);
            }
            let format = read_format(found, at.field("format"), format);
            let mode = format.and_then(|format| read_mode(found, at.field("mode"), mode, format));
            let edit = fields.read(found, (at.field("etag"), etag), fingerprint);
            Ok(Self {
                workflow: workflow?,
                document,
                format: format?,
                mode: mode?,
                edit: edit?,
            })
        })
    }
}

impl ExportWorkflow {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        request: v1::ExportWorkflowRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let v1::ExportWorkflowRequest {
            workflow,
            format,
            version,
        } = request;
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.workflow(at, &workflow, default);
            let format = match read_format(found, at.field("format"), format) {
                Ok(Format::MagentoConfigXml) => {
                    Err(found.note(at.field("format"), Problem::ReadOnlyFormat))
                }
                other => other,
            };
            let version = found.positive(at.field("version"), version);
            Ok(Self {
                workflow: workflow?,
                format: format?,
                version: version?,
            })
        })
    }
}

impl GetWorkflow {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        request: v1::GetWorkflowRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let v1::GetWorkflowRequest { workflow } = request;
        Violations::collect(|found| {
            let workflow = found.workflow(Path::REQUEST, &workflow, default)?;
            Ok(Self { workflow })
        })
    }
}

impl ListWorkflows {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] for a negative page size.
    pub fn read(mut request: v1::ListWorkflowsRequest) -> Result<Self, InvalidRequest> {
        let arguments = fingerprint!("ListWorkflows", request, without page_size, page_token);
        let v1::ListWorkflowsRequest {
            page_size,
            page_token,
        } = request;
        Violations::collect(|found| {
            let page = read_page(found, page_size, page_token, arguments)?;
            Ok(Self { page })
        })
    }
}

impl DeleteWorkflow {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        mut request: v1::DeleteWorkflowRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let fingerprint =
            fingerprint!("DeleteWorkflow", request, without request_id, validate_only);
        let v1::DeleteWorkflowRequest {
            workflow,
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
            let edit = fields.read(found, (at.field("etag"), etag), fingerprint);
            Ok(Self {
                workflow: workflow?,
                edit: edit?,
            })
        })
    }
}

impl ListWorkflowVersions {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        mut request: v1::ListWorkflowVersionsRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let arguments =
            fingerprint!("ListWorkflowVersions", request, without page_size, page_token);
        let v1::ListWorkflowVersionsRequest {
            workflow,
            page_size,
            page_token,
        } = request;
        Violations::collect(|found| {
            let workflow = found.workflow(Path::REQUEST, &workflow, default);
            let page = read_page(found, page_size, page_token, arguments);
            Ok(Self {
                workflow: workflow?,
                page: page?,
            })
        })
    }
}

impl LintWorkflow {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        request: v1::LintWorkflowRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let v1::LintWorkflowRequest {
            workflow,
            document,
            format,
        } = request;
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.optional(at.field("workflow"), &workflow);
            let format = read_format(found, at.field("format"), format);
            let subject = match (workflow?, document.is_empty(), format?) {
                (Some(workflow), false, format) => LintSubject::Applied(workflow, document, format),
                (None, false, format) => LintSubject::Document(document, format),
                (Some(workflow), true, _) => LintSubject::Stored(workflow),
                (None, true, _) => LintSubject::Stored(default.clone()),
            };
            Ok(Self { subject })
        })
    }
}

impl DiagramWorkflow {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        request: v1::DiagramWorkflowRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let v1::DiagramWorkflowRequest {
            workflow,
            format,
            order_id,
            counts,
        } = request;
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.workflow(at, &workflow, default);
            let format = found.number(at.field("format"), format);
            let order_id = found.optional(at.field("order_id"), &order_id);
            Ok(Self {
                workflow: workflow?,
                format: match format? {
                    v1::DiagramFormat::Unspecified | v1::DiagramFormat::Mermaid => {
                        DiagramFormat::Mermaid
                    }
                    v1::DiagramFormat::Dot => DiagramFormat::Dot,
                    v1::DiagramFormat::Svg => DiagramFormat::Svg,
                },
                order_id: order_id?,
                counts,
            })
        })
    }
}

fn read_format(found: &mut Violations, at: Path<'_>, format: i32) -> Result<Format, Noted> {
    Ok(match found.number(at, format)? {
        v1::WorkflowFormat::Unspecified | v1::WorkflowFormat::Yaml => Format::Yaml,
        v1::WorkflowFormat::Json => Format::Json,
        v1::WorkflowFormat::MagentoConfigXml => Format::MagentoConfigXml,
    })
}

/// A Magento configuration knows statuses only, so it can replace no workflow.
fn read_mode(
    found: &mut Violations,
    at: Path<'_>,
    mode: i32,
    format: Format,
) -> Result<Mode, Noted> {
    match (found.number(at, mode)?, format) {
        (v1::ApplyMode::Replace, Format::MagentoConfigXml) => {
            let other = "format: MAGENTO_CONFIG_XML";
            Err(found.note(at, Problem::Excluded { other }))
        }
        (v1::ApplyMode::Merge, _) | (v1::ApplyMode::Unspecified, Format::MagentoConfigXml) => {
            Ok(Mode::Merge)
        }
        (v1::ApplyMode::Replace | v1::ApplyMode::Unspecified, Format::Yaml | Format::Json) => {
            Ok(Mode::Replace)
        }
    }
}

impl From<&Record> for v1::Workflow {
    fn from(record: &Record) -> Self {
        let Workflow {
            code,
            label,
            description,
            initial_state,
            default_store_view,
            comment_status,
            status_sharing,
            refunded_units,
            operations,
            max_cascade,
            states: _,
            statuses: _,
            assignments: _,
            transitions: _,
        } = &record.workflow;
        let stamp = &record.stamp;
        Self {
            code: code.to_string(),
            label: label.to_string(),
            description: description.to_string(),
            initial_state: initial_state.to_string(),
            default_store_view: text(default_store_view.as_ref()),
            comment_status: comment_status_to_wire(*comment_status).into(),
            status_sharing: status_sharing_to_wire(*status_sharing).into(),
            refunded_units: refunded_units_to_wire(*refunded_units).into(),
            operations: operations.iter().map(operation_to_wire).collect(),
            // At most 100.
            max_cascade: i32::try_from(*max_cascade).unwrap_or(i32::MAX),
            version: stamp.version,
            etag: stamp.etag(),
            create_time: Some(timestamp_to_wire(stamp.create_time)),
            update_time: Some(timestamp_to_wire(stamp.update_time)),
        }
    }
}

/// Writes one difference between two versions of a workflow.
pub fn change_to_wire(difference: &Difference) -> v1::WorkflowChange {
    let Difference {
        kind,
        subject,
        before,
        after,
    } = difference;
    let kind = match kind {
        DifferenceKind::Added => v1::ChangeKind::Added,
        DifferenceKind::Changed => v1::ChangeKind::Changed,
        DifferenceKind::Removed => v1::ChangeKind::Removed,
    };
    v1::WorkflowChange {
        kind: kind.into(),
        subject: subject.to_string(),
        before: before.clone(),
        after: after.clone(),
    }
}

/// Writes a finding about a workflow.
pub fn finding_to_wire(finding: &Finding) -> v1::LintFinding {
    let Finding {
        rule,
        subject,
        message,
    } = finding;
    let severity = match finding.severity() {
        Severity::Error => v1::LintSeverity::Error,
        Severity::Warning => v1::LintSeverity::Warning,
        Severity::Info => v1::LintSeverity::Info,
    };
    v1::LintFinding {
        severity: severity.into(),
        rule: rule.to_string(),
        subject: subject.to_string(),
        message: message.clone(),
    }
}

/// Writes one version of a workflow and what it changed.
pub fn version_to_wire(
    version: i64,
    actor: &Actor,
    create_time: Timestamp,
    changes: &[Difference],
) -> v1::WorkflowVersion {
    v1::WorkflowVersion {
        version,
        actor: Some(actor_to_wire(actor)),
        create_time: Some(timestamp_to_wire(create_time)),
        changes: changes.iter().map(change_to_wire).collect(),
    }
}

fn operation_to_wire(operation: &Operation) -> v1::OrderOperation {
    let Operation {
        code,
        label,
        effect,
    } = operation;
    v1::OrderOperation {
        code: code.to_string(),
        label: label.to_string(),
        effect: effect_to_wire(*effect).into(),
    }
}

pub(crate) fn effect_to_wire(effect: Effect) -> v1::OperationEffect {
    match effect {
        Effect::None => v1::OperationEffect::None,
        Effect::Invoice => v1::OperationEffect::Invoice,
        Effect::Ship => v1::OperationEffect::Ship,
        Effect::Refund => v1::OperationEffect::Refund,
        Effect::Cancel => v1::OperationEffect::Cancel,
        Effect::Pay => v1::OperationEffect::Pay,
    }
}

fn comment_status_to_wire(comment_status: CommentStatus) -> v1::CommentStatus {
    match comment_status {
        CommentStatus::AnyInState => v1::CommentStatus::AnyInState,
        CommentStatus::Never => v1::CommentStatus::Never,
    }
}

fn status_sharing_to_wire(status_sharing: StatusSharing) -> v1::StatusSharing {
    match status_sharing {
        StatusSharing::Exclusive => v1::StatusSharing::Exclusive,
        StatusSharing::Shared => v1::StatusSharing::Shared,
    }
}

fn refunded_units_to_wire(refunded_units: RefundedUnits) -> v1::RefundedUnits {
    match refunded_units {
        RefundedUnits::StillShip => v1::RefundedUnits::StillShip,
        RefundedUnits::Fulfilled => v1::RefundedUnits::Fulfilled,
    }
}
