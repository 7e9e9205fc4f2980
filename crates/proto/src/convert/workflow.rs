//! Workflows as a whole: requests about them, and how they, their changes and findings about
//! them are shown.

use waymark_domain::{
    actor::Actor,
    value::{OrderId, Timestamp, WorkflowCode},
    workflow::{
        ActionPath, Difference, Finding, Operation, Record, Workflow, diagram,
        document::{Format, Mode, Remark, UnknownStates},
    },
};

use super::{
    action::actions_to_wire,
    actor::{actor_to_wire, read_actor},
    call::{EditCall, PageRequest, ValidateOnly},
    enums::number,
    instant::timestamp_to_wire,
    violations::{Path, Read, Violations},
};
use crate::{
    invalid::{InvalidRequest, Problem},
    v1,
};

request! {
    /// Asks to make a workflow what a document says.
    ApplyWorkflow: ApplyWorkflowRequest;
    // Which workflow it is may be left to the document, and request ids are kept for each anyway.
    hash = "ApplyWorkflow" without workflow, request_id, validate_only;
    /// The workflow; none for the one that the document names, or else the default one.
    workflow: Option<WorkflowCode> = optional(workflow),
    /// The document, not empty.
    document: String = with(document; |at| match document.as_str() {
        "" => Err(at.field("document").note(Problem::Required)),
        _ => Ok(document),
    }),
    /// The format of the document.
    format: Format = number(format),
    /// The fate of parts that it does not name.
    mode: Mode = with(mode; |at| read_mode(at.field("mode"), mode, format?)),
    /// The fate of states of a Magento configuration that the workflow does not have.
    unknown_states: UnknownStates = with(create_states; |at| {
        read_unknown_states(at.field("create_states"), create_states, format?)
    }),
    /// The actor and the key of the call; the etag is the workflow's.
    edit: EditCall = edit(actor, etag, request_id, validate_only; hash),
}

request! {
    /// Asks for a workflow as a document.
    ExportWorkflow: ExportWorkflowRequest in workflow or default;
    /// The format of the document, YAML or JSON.
    format: Format = with(format; |at| {
        match at.field("format").numbered(format)? {
            Format::MagentoConfigXml => Err(at.field("format").note(Problem::ReadOnlyFormat)),
            format @ (Format::Yaml | Format::Json) => Ok(format),
        }
    }),
    /// The version; none for the present one.
    version: Option<i64> = positive(version),
}

request! {
    /// Asks for one workflow.
    GetWorkflow: GetWorkflowRequest in workflow or default;
}

request! {
    /// Asks for a page of workflows.
    ListWorkflows: ListWorkflowsRequest;
    arguments = "ListWorkflows" without page_size, page_token;
    /// The page.
    page: PageRequest = page(page_size, page_token; arguments),
}

request! {
    /// Asks to delete a workflow.
    DeleteWorkflow: DeleteWorkflowRequest in workflow or default;
    hash = "DeleteWorkflow" in default without request_id, validate_only;
    /// The actor and the key of the call; the etag is the workflow's.
    edit: EditCall = edit(actor, etag, request_id, validate_only; hash),
}

request! {
    /// Asks for a page of a workflow's versions.
    ListWorkflowVersions: ListWorkflowVersionsRequest in workflow or default;
    arguments = "ListWorkflowVersions" without page_size, page_token;
    /// The page.
    page: PageRequest = page(page_size, page_token; arguments),
}

request! {
    /// Asks for a drawing of a workflow.
    DiagramWorkflow: DiagramWorkflowRequest in workflow or default;
    /// The language of the drawing.
    format: diagram::Format = number(format),
    /// An order whose place and way are marked; none for no order.
    order_id: Option<OrderId> = optional(order_id),
    /// Whether to show how many orders stand on each status.
    counts: bool = same(counts),
}

request! {
    /// Asks the automatic transitions of a page of orders.
    SettleOrders: SettleOrdersRequest in workflow or default;
    hash = "SettleOrders" in default without request_id, validate_only;
    // Each page has a request id of its own.
    arguments = "SettleOrders" without page_size, page_token, request_id;
    /// The page.
    page: PageRequest = page(page_size, page_token; arguments),
    /// The actor and the key of the call; without an etag.
    edit: EditCall = edit(actor, request_id, validate_only; hash),
}

request! {
    /// Asks that one action be run without a step.
    TestAction: TestActionRequest in workflow or default;
    /// The order.
    order_id: OrderId = text(order_id),
    /// The action.
    action: ActionPath = text(action),
    /// Whether its condition counts.
    ignore_condition: bool = same(ignore_condition),
    /// Whether it is run as if the call had said so.
    notify_customer: bool = same(notify_customer),
    /// The actor.
    actor: Actor = by(actor; read_actor),
    /// Whether the call only asks what would happen.
    validate_only: ValidateOnly = with(validate_only; |_| Ok(validate_only.into())),
}

/// Asks for remarks about a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LintWorkflow {
    /// Their subject.
    pub subject: LintSubject,
    /// The fate of states of a Magento configuration that the workflow does not have.
    pub unknown_states: UnknownStates,
}

/// The subject of remarks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LintSubject {
    /// A stored workflow.
    Stored(WorkflowCode),
    /// The workflow that a document would make.
    Document {
        /// The workflow; none for the one that the document names, or else the default one.
        workflow: Option<WorkflowCode>,
        /// The document, not empty.
        document: String,
        /// The format of the document.
        format: Format,
        /// The fate of parts that it does not name.
        mode: Mode,
    },
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
            mode,
            create_states,
        } = request;
        Violations::collect(|at| {
            let workflow = at.field("workflow").optional(&workflow);
            let is_mode_stated = mode != i32::from(v1::ApplyMode::Unspecified);
            let format: Read<Format> = at.field("format").numbered(format);
            let mode = format.and_then(|format| read_mode(at.field("mode"), mode, format));
            let unknown_states = format.and_then(|format| {
                read_unknown_states(at.field("create_states"), create_states, format)
            });
            let (workflow, format) = (workflow?, format?);
            if format == Format::MagentoConfigXml
                && !is_mode_stated
                && workflow.is_none()
                && !document.is_empty()
            {
                let problem =
                    "must be given for a Magento config.xml, which only adds to a workflow";
                return Err(at.field("workflow").note(Problem::Text(problem.to_owned())));
            }
            let subject = if document.is_empty() {
                LintSubject::Stored(workflow.unwrap_or_else(|| default.clone()))
            } else {
                LintSubject::Document {
                    workflow,
                    document,
                    format,
                    mode: mode?,
                }
            };
            Ok(Self {
                subject,
                unknown_states: unknown_states?,
            })
        })
    }
}

/// A Magento configuration knows statuses only, so what is unspecified is to merge it; that it
/// cannot replace a workflow is a rule of the domain.
fn read_mode(at: Path<'_>, mode: i32, format: Format) -> Read<Mode> {
    Ok(match (at.number(mode)?, format) {
        (v1::ApplyMode::Merge, _) | (v1::ApplyMode::Unspecified, Format::MagentoConfigXml) => {
            Mode::Merge
        }
        (v1::ApplyMode::Replace, _) | (v1::ApplyMode::Unspecified, Format::Yaml | Format::Json) => {
            Mode::Replace
        }
    })
}

/// Other documents than Magento's say by themselves what their states are.
fn read_unknown_states(at: Path<'_>, create_states: bool, format: Format) -> Read<UnknownStates> {
    match (create_states, format) {
        (false, _) => Ok(UnknownStates::Refuse),
        (true, Format::MagentoConfigXml) => Ok(UnknownStates::Create),
        (true, Format::Yaml | Format::Json) => {
            let problem = "goes with the format MAGENTO_CONFIG_XML only";
            Err(at.note(Problem::Text(problem.to_owned())))
        }
    }
}

impl From<&Record> for v1::Workflow {
    fn from(record: &Record) -> Self {
        let (workflow, stamp) = (&record.workflow, &record.stamp);
        message!(
            Workflow from workflow: Workflow {
                operations, max_cascade, states, statuses, assignments, transitions, on_create,
                on_comment,
            };
            text: code, label, description, initial_state;
            optional: default_store_view;
            number: comment_status, status_sharing, refunded_units, overpayment;
            .. operations: workflow.operations.iter().map(operation_to_wire).collect(),
            // At most 100.
            max_cascade: i32::try_from(workflow.max_cascade).unwrap_or(i32::MAX),
            version: stamp.version,
            etag: stamp.etag(),
            create_time: Some(timestamp_to_wire(stamp.create_time)),
            update_time: Some(timestamp_to_wire(stamp.update_time)),
            on_create: actions_to_wire(&workflow.on_create),
            on_comment: actions_to_wire(&workflow.on_comment),
        )
    }
}

/// Writes one difference between two versions of a workflow.
pub fn change_to_wire(difference: &Difference) -> v1::WorkflowChange {
    message!(WorkflowChange from difference: Difference;
        number: kind;
        text: subject;
        clone: before, after;
    )
}

/// Writes what is said of a document or the workflow that it makes.
pub fn remark_to_wire(remark: &Remark) -> v1::LintFinding {
    let Remark { place, finding } = remark;
    let number = |number: u64| i32::try_from(number).unwrap_or(i32::MAX);
    v1::LintFinding {
        line: place.map_or(0, |place| number(place.line)),
        column: place.map_or(0, |place| number(place.column)),
        ..finding_to_wire(finding)
    }
}

/// Writes a finding about a workflow.
pub fn finding_to_wire(finding: &Finding) -> v1::LintFinding {
    message!(LintFinding from finding: Finding;
        text: rule, subject;
        clone: message;
        .. severity: number(finding.severity()),
        line: 0,
        column: 0,
    )
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
        truncated: false,
    }
}

fn operation_to_wire(operation: &Operation) -> v1::OrderOperation {
    message!(OrderOperation from operation: Operation { actions };
        text: code, label;
        number: effect;
        texts: roles;
        optional: guard;
        .. actions: actions_to_wire(&operation.actions),
    )
}
