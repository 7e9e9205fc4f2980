//! Asking the automatic transitions of standing orders.

use waymark_domain::value::WorkflowCode;

use crate::{
    convert::{
        call::{EditCall, EditFields, PageRequest, fingerprint, read_page},
        violations::{Path, Violations},
    },
    invalid::InvalidRequest,
    v1,
};

/// Asks the automatic transitions of a page of orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettleOrders {
    /// The workflow.
    pub workflow: WorkflowCode,
    /// Which page.
    pub page: PageRequest,
    /// Who asks, and how; there is no etag.
    pub edit: EditCall,
}

impl SettleOrders {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        mut request: v1::SettleOrdersRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let fingerprint =
            fingerprint!("SettleOrders", request in default, without request_id, validate_only);
        // Each page has a request id of its own.
        let arguments =
            fingerprint!("SettleOrders", request, without page_size, page_token, request_id);
        let v1::SettleOrdersRequest {
            workflow,
            page_size,
            page_token,
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
            let workflow = found.workflow(Path::REQUEST, &workflow, default);
            let page = read_page(found, page_size, page_token, arguments);
            let edit = fields.read_without_etag(found, fingerprint);
            Ok(Self {
                workflow: workflow?,
                page: page?,
                edit: edit?,
            })
        })
    }
}
