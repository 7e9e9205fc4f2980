//! Requests about deliveries.

use waymark_domain::{
    actor::Actor,
    delivery::DeliveryId,
    value::{Invalid, OrderId, Reason, WorkflowCode},
    workflow::ActionPath,
};

use super::DeliveryFilter;
use crate::{
    convert::{
        actor::read_actor,
        call::{EditCall, EditFields, PageRequest, ValidateOnly, fingerprint, read_page},
        violations::{Noted, Path, Violations},
    },
    invalid::InvalidRequest,
    v1,
};

/// Asks for a page of deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListDeliveries {
    /// Which deliveries.
    pub filter: DeliveryFilter,
    /// Which page.
    pub page: PageRequest,
}

/// Asks for one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetDelivery {
    /// Its id.
    pub id: DeliveryId,
}

/// Asks that a delivery be tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// Who asks, and how; there is no etag.
    pub edit: EditCall,
}

/// Asks that many deliveries be tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryDeliveries {
    /// Which deliveries; it names at least one state, and not that of those that succeeded.
    pub filter: DeliveryFilter,
    /// Who asks, and how; there is no etag.
    pub edit: EditCall,
}

/// Asks that a delivery be not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkipDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// Why; not empty.
    pub reason: Reason,
    /// Who asks, and how; there is no etag.
    pub edit: EditCall,
}

/// Asks that many deliveries be not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkipDeliveries {
    /// Which deliveries; it names at least one state, and something besides, but neither that of
    /// those that succeeded nor that of those that are skipped.
    pub filter: DeliveryFilter,
    /// Why; not empty.
    pub reason: Reason,
    /// Who asks, and how; there is no etag.
    pub edit: EditCall,
}

/// Asks that one action be run without a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestAction {
    /// The workflow of the order.
    pub workflow: WorkflowCode,
    /// The order.
    pub order_id: OrderId,
    /// The action.
    pub action: ActionPath,
    /// Whether its condition counts.
    pub ignore_condition: bool,
    /// Whether it is run as if the call had said so.
    pub notify_customer: bool,
    /// Who asks.
    pub actor: Actor,
    /// Whether the call only asks what would happen.
    pub validate_only: ValidateOnly,
}

impl ListDeliveries {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(mut request: v1::ListDeliveriesRequest) -> Result<Self, InvalidRequest> {
        let arguments = fingerprint!("ListDeliveries", request, without page_size, page_token);
        let v1::ListDeliveriesRequest {
            workflows,
            filter,
            page_size,
            page_token,
        } = request;
        Violations::collect(|found| {
            let filter = DeliveryFilter::read(found, &workflows, filter);
            let page = read_page(found, page_size, page_token, arguments);
            Ok(Self {
                filter: filter?,
                page: page?,
            })
        })
    }
}

impl GetDelivery {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(request: &v1::GetDeliveryRequest) -> Result<Self, InvalidRequest> {
        let v1::GetDeliveryRequest { delivery_id } = request;
        Violations::collect(|found| {
            let id = found.text(Path::REQUEST.field("delivery_id"), delivery_id)?;
            Ok(Self { id })
        })
    }
}

impl RetryDelivery {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(mut request: v1::RetryDeliveryRequest) -> Result<Self, InvalidRequest> {
        let fingerprint = fingerprint!("RetryDelivery", request, without request_id, validate_only);
        let v1::RetryDeliveryRequest {
            delivery_id,
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
            let id = found.text(at.field("delivery_id"), &delivery_id);
            let edit = fields.read_without_etag(found, fingerprint);
            Ok(Self {
                id: id?,
                edit: edit?,
            })
        })
    }
}

impl RetryDeliveries {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(mut request: v1::RetryDeliveriesRequest) -> Result<Self, InvalidRequest> {
        let fingerprint =
            fingerprint!("RetryDeliveries", request, without request_id, validate_only);
        let v1::RetryDeliveriesRequest {
            workflows,
            filter,
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
            let filter = DeliveryFilter::read(found, &workflows, filter);
            let filter = filter.and_then(|filter| filter.retryable(found));
            let edit = fields.read_without_etag(found, fingerprint);
            Ok(Self {
                filter: filter?,
                edit: edit?,
            })
        })
    }
}

impl SkipDelivery {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(mut request: v1::SkipDeliveryRequest) -> Result<Self, InvalidRequest> {
        let fingerprint = fingerprint!("SkipDelivery", request, without request_id, validate_only);
        let v1::SkipDeliveryRequest {
            delivery_id,
            reason,
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
            let id = found.text(at.field("delivery_id"), &delivery_id);
            let reason = why(found, &reason);
            let edit = fields.read_without_etag(found, fingerprint);
            Ok(Self {
                id: id?,
                reason: reason?,
                edit: edit?,
            })
        })
    }
}

impl SkipDeliveries {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(mut request: v1::SkipDeliveriesRequest) -> Result<Self, InvalidRequest> {
        let fingerprint =
            fingerprint!("SkipDeliveries", request, without request_id, validate_only);
        let v1::SkipDeliveriesRequest {
            workflows,
            filter,
            reason,
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
            let filter = DeliveryFilter::read(found, &workflows, filter);
            let filter = filter.and_then(|filter| filter.skippable(found));
            let reason = why(found, &reason);
            let edit = fields.read_without_etag(found, fingerprint);
            Ok(Self {
                filter: filter?,
                reason: reason?,
                edit: edit?,
            })
        })
    }
}

/// Why something is not sent, which has to be said.
fn why(found: &mut Violations, reason: &str) -> Result<Reason, Noted> {
    let at = Path::REQUEST;
    let at = at.field("reason");
    if reason.trim().is_empty() {
        return Err(found.note(at, Invalid::Empty));
    }
    found.text(at, reason)
}

impl TestAction {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        request: v1::TestActionRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let v1::TestActionRequest {
            workflow,
            order_id,
            action,
            ignore_condition,
            notify_customer,
            actor,
            validate_only,
        } = request;
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.workflow(at, &workflow, default);
            let order_id = found.text(at.field("order_id"), &order_id);
            let action = found.text(at.field("action"), &action);
            let actor = read_actor(found, at.field("actor"), actor);
            Ok(Self {
                workflow: workflow?,
                order_id: order_id?,
                action: action?,
                ignore_condition,
                notify_customer,
                actor: actor?,
                validate_only: validate_only.into(),
            })
        })
    }
}
