//! Requests about workflows as a whole.

use waymark_domain::{
    actor::Actor,
    value::{OrderId, WorkflowCode},
    workflow::{
        ActionPath, diagram,
        document::{Format, Mode, UnknownStates},
    },
};

use crate::{
    convert::{
        actor::read_actor,
        call::{EditCall, PageRequest, ValidateOnly},
        violations::{Path, Read, Violations},
    },
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
