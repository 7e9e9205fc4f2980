//! Requests about workflows as a whole.

use waymark_domain::{
    value::{OrderId, WorkflowCode},
    workflow::{
        diagram,
        document::{Format, Mode, UnknownStates},
    },
};

use crate::{
    convert::{
        call::{EditCall, EditFields, PageRequest, fingerprint, read_page},
        violations::{Noted, Path, Violations},
    },
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
    /// What happens to states of a Magento configuration that the workflow does not have.
    pub unknown_states: UnknownStates,
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
    /// What happens to states of a Magento configuration that the workflow does not have.
    pub unknown_states: UnknownStates,
}

/// What remarks are to be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LintSubject {
    /// A stored workflow.
    Stored(WorkflowCode),
    /// What would become of a document.
    Document {
        /// The workflow; none for the one that the document names, or else the default one.
        workflow: Option<WorkflowCode>,
        /// The document, not empty.
        document: String,
        /// How it is written.
        format: Format,
        /// What would happen to parts that it does not name.
        mode: Mode,
    },
}

/// Asks for a drawing of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiagramWorkflow {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// The language of the drawing.
    pub format: diagram::Format,
    /// An order whose place and way are marked; none for no order.
    pub order_id: Option<OrderId>,
    /// Whether to show how many orders stand on each status.
    pub counts: bool,
}

impl ApplyWorkflow {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(mut request: v1::ApplyWorkflowRequest) -> Result<Self, InvalidRequest> {
        // Which workflow it is may be left to the document, and request ids are kept for each anyway.
        let fingerprint =
            fingerprint!("ApplyWorkflow", request, without workflow, request_id, validate_only);
        let v1::ApplyWorkflowRequest {
            workflow,
            document,
            format,
            mode,
            create_states,
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
            let unknown_states = format.and_then(|format| {
                read_unknown_states(found, at.field("create_states"), create_states, format)
            });
            let edit = fields.read(found, (at.field("etag"), etag), fingerprint);
            Ok(Self {
                workflow: workflow?,
                document,
                format: format?,
                mode: mode?,
                unknown_states: unknown_states?,
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
            fingerprint!("DeleteWorkflow", request in default, without request_id, validate_only);
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
            mode,
            create_states,
        } = request;
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.optional(at.field("workflow"), &workflow);
            let is_mode_stated = mode != i32::from(v1::ApplyMode::Unspecified);
            let format = read_format(found, at.field("format"), format);
            let mode = format.and_then(|format| read_mode(found, at.field("mode"), mode, format));
            let unknown_states = format.and_then(|format| {
                read_unknown_states(found, at.field("create_states"), create_states, format)
            });
            let (workflow, format) = (workflow?, format?);
            if format == Format::MagentoConfigXml
                && !is_mode_stated
                && workflow.is_none()
                && !document.is_empty()
            {
                let problem =
                    "must be given for a Magento config.xml, which only adds to a workflow";
                return Err(found.note(at.field("workflow"), Problem::Text(problem.to_owned())));
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
                        diagram::Format::Mermaid
                    }
                    v1::DiagramFormat::Dot => diagram::Format::Dot,
                    v1::DiagramFormat::Svg => diagram::Format::Svg,
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

/// A Magento configuration knows statuses only, so what is unspecified is to merge it; that it
/// cannot replace a workflow is a rule of the domain.
fn read_mode(
    found: &mut Violations,
    at: Path<'_>,
    mode: i32,
    format: Format,
) -> Result<Mode, Noted> {
    Ok(match (found.number(at, mode)?, format) {
        (v1::ApplyMode::Merge, _) | (v1::ApplyMode::Unspecified, Format::MagentoConfigXml) => {
            Mode::Merge
        }
        (v1::ApplyMode::Replace, _) | (v1::ApplyMode::Unspecified, Format::Yaml | Format::Json) => {
            Mode::Replace
        }
    })
}

/// Other documents than Magento's say by themselves what their states are.
fn read_unknown_states(
    found: &mut Violations,
    at: Path<'_>,
    create_states: bool,
    format: Format,
) -> Result<UnknownStates, Noted> {
    match (create_states, format) {
        (false, _) => Ok(UnknownStates::Refuse),
        (true, Format::MagentoConfigXml) => Ok(UnknownStates::Create),
        (true, Format::Yaml | Format::Json) => {
            let problem = "goes with the format MAGENTO_CONFIG_XML only";
            Err(found.note(at, Problem::Text(problem.to_owned())))
        }
    }
}
