//! Orders as they are shown, and requests that only read them.

use waymark_domain::{
    actor::Actor,
    order::{Customer, Hold, Line, Order, Progress, Rejection, Standing},
    value::{Money, OrderId, StatusCode, StoreView, TransitionCode, WorkflowCode},
    workflow::{Graph, Record, Transition},
};

pub use super::listing::{Direction, OrderBy, OrderFilter, OrderListRequest, SortKey};
use super::{
    actor::{actor_to_wire, read_actor},
    instant::timestamp_to_wire,
    transition::transition_to_wire,
    violations::{Path, Violations},
};
use crate::{invalid::InvalidRequest, v1};

/// Asks for one order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetOrder {
    /// Its workflow.
    pub workflow: WorkflowCode,
    /// Its id.
    pub id: OrderId,
    /// The store view whose labels are shown; none for the order's own.
    pub store_view: Option<StoreView>,
}

/// Asks what is possible now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListAvailableTransitions {
    /// The workflow of the order.
    pub workflow: WorkflowCode,
    /// The order.
    pub order_id: OrderId,
    /// For whom.
    pub actor: Actor,
    /// Whether transitions that may not be taken now are listed too.
    pub include_blocked: bool,
}

impl GetOrder {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        request: v1::GetOrderRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let v1::GetOrderRequest {
            workflow,
            order_id,
            store_view,
        } = request;
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.workflow(at, &workflow, default);
            let id = found.text(at.field("order_id"), &order_id);
            let store_view = found.optional(at.field("store_view"), &store_view);
            Ok(Self {
                workflow: workflow?,
                id: id?,
                store_view: store_view?,
            })
        })
    }
}

impl ListAvailableTransitions {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(
        request: v1::ListAvailableTransitionsRequest,
        default: &WorkflowCode,
    ) -> Result<Self, InvalidRequest> {
        let v1::ListAvailableTransitionsRequest {
            workflow,
            order_id,
            actor,
            include_blocked,
        } = request;
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflow = found.workflow(at, &workflow, default);
            let order_id = found.text(at.field("order_id"), &order_id);
            let actor = read_actor(found, at.field("actor"), actor);
            Ok(Self {
                workflow: workflow?,
                order_id: order_id?,
                actor: actor?,
                include_blocked,
            })
        })
    }
}

/// Writes an order as a reader in the store view `asked` sees it. Where its feed is, the order
/// itself does not know.
pub fn order_to_wire(graph: &Graph, order: &Order, asked: Option<&StoreView>) -> v1::Order {
    let workflow = graph.workflow();
    let Standing { state, status } = &order.standing;
    let assignment = workflow.assignment(state, status);
    let allowed = Progress::new(workflow, order).allowed_operations();
    v1::Order {
        status_label: workflow
            .status_label(status, asked, order.store_view.as_ref())
            .to_owned(),
        visible_on_storefront: assignment.is_some_and(|pair| pair.visible_on_storefront),
        allowed_operations: allowed.iter().map(ToString::to_string).collect(),
        due_time: graph.due_time(order).map(timestamp_to_wire),
        ..bare_order_to_wire(order)
    }
}

/// Writes what an order is by itself: without labels and what its workflow allows.
pub(crate) fn bare_order_to_wire(order: &Order) -> v1::Order {
    let Order {
        workflow,
        id,
        standing: Standing { state, status },
        version,
        lines,
        currency,
        grand_total,
        total_paid,
        total_refunded,
        total_canceled,
        total_invoiced,
        store_view,
        customer,
        attributes,
        holds,
        return_to,
        create_time,
        update_time,
        status_time,
        wait: _,
        whole: _,
        credited: _,
        credits: _,
        unreckoned: _,
    } = order;
    let return_to = return_to.as_ref();
    v1::Order {
        workflow: workflow.to_string(),
        id: id.to_string(),
        state: state.to_string(),
        status: status.to_string(),
        status_label: String::new(),
        visible_on_storefront: false,
        version: *version,
        lines: lines.iter().map(line_to_wire).collect(),
        currency: text(currency.as_ref()),
        grand_total: grand_total.minor_units(),
        total_paid: total_paid.minor_units(),
        total_refunded: total_refunded.minor_units(),
        store_view: text(store_view.as_ref()),
        customer: (!customer.is_empty()).then(|| customer_to_wire(customer)),
        attributes: attributes.as_map().clone(),
        holds: holds.iter().map(hold_to_wire).collect(),
        return_state: text(return_to.map(|standing| &standing.state)),
        return_status: text(return_to.map(|standing| &standing.status)),
        allowed_operations: Vec::new(),
        create_time: Some(timestamp_to_wire(*create_time)),
        update_time: Some(timestamp_to_wire(*update_time)),
        status_time: Some(timestamp_to_wire(*status_time)),
        due_time: None,
        feed_url: String::new(),
        total_canceled: total_canceled.minor_units(),
        total_invoiced: total_invoiced.minor_units(),
        total_due: order.total_due().minor_units(),
        total_overpaid: order.total_overpaid().minor_units(),
    }
}

/// Writes a hold.
pub fn hold_to_wire(hold: &Hold) -> v1::Hold {
    let Hold {
        id,
        reason,
        placed_by,
        place_time,
        expire_time,
        status,
        // What becomes of its release by time; the call that placed it has said so.
        visible_to_customer: _,
        notify_customer: _,
    } = hold;
    v1::Hold {
        id: id.to_string(),
        reason: reason.to_string(),
        placed_by: Some(actor_to_wire(placed_by)),
        place_time: Some(timestamp_to_wire(*place_time)),
        expire_time: expire_time.map(timestamp_to_wire),
        status: text(status.as_ref()),
    }
}

/// Writes a transition and whether it may be taken now.
pub fn available_to_wire(
    record: &Record,
    transition: &Transition,
    judged: &Result<Standing, Rejection>,
) -> v1::AvailableTransition {
    v1::AvailableTransition {
        transition: Some(transition_to_wire(record, transition)),
        allowed: judged.is_ok(),
        reasons: reasons(judged.as_ref().err()),
    }
}

/// Writes a status and whether a comment may set it now, by which transition, if any.
pub fn available_status_to_wire(
    status: &StatusCode,
    judged: &Result<Option<TransitionCode>, Rejection>,
) -> v1::AvailableStatus {
    let taken = judged.as_ref().ok().and_then(Option::as_ref);
    v1::AvailableStatus {
        status: status.to_string(),
        allowed: judged.is_ok(),
        reasons: reasons(judged.as_ref().err()),
        transition: text(taken),
    }
}

fn reasons(refused: Option<&Rejection>) -> Vec<v1::BlockReason> {
    let reasons = refused.into_iter();
    reasons
        .map(|rejection| v1::BlockReason {
            reason: rejection.reason().to_owned(),
            message: rejection.to_string(),
        })
        .collect()
}

/// Writes a line with what was done with it.
pub(crate) fn line_to_wire(line: &Line) -> v1::OrderLine {
    let Line {
        id,
        sku,
        name,
        ordered,
        invoiced,
        shipped,
        refunded,
        canceled,
        returned,
        is_virtual,
        total,
    } = line;
    v1::OrderLine {
        id: id.to_string(),
        sku: sku.to_string(),
        name: name.to_string(),
        quantity_ordered: ordered.to_string(),
        quantity_invoiced: invoiced.to_string(),
        quantity_shipped: shipped.to_string(),
        quantity_refunded: refunded.to_string(),
        quantity_canceled: canceled.to_string(),
        is_virtual: *is_virtual,
        quantity_returned: returned.to_string(),
        total: total.map(Money::minor_units),
    }
}

fn customer_to_wire(customer: &Customer) -> v1::Customer {
    let Customer {
        id,
        email,
        name,
        guest,
    } = customer;
    v1::Customer {
        id: id.to_string(),
        email: email.to_string(),
        name: name.to_string(),
        guest: *guest,
    }
}

/// The text of a value that may be missing; empty means none.
pub(crate) fn text<T: ToString>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}
