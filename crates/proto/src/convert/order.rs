//! Orders as they are shown, and requests that only read them.

use waymark_domain::{
    actor::Actor,
    judge::Graph,
    order::{Customer, Hold, Line, Order, Progress, Rejection},
    value::{Money, OrderId, StatusCode, StoreView, TransitionCode},
    workflow::{Record, Standing, Transition},
};

pub use super::listing::{Direction, OrderBy, OrderFilter, OrderListRequest, SortKey};
use super::{
    actor::{actor_to_wire, read_actor},
    fields::text,
    instant::timestamp_to_wire,
    transition::transition_to_wire,
};
use crate::v1;

request! {
    /// Asks for one order.
    GetOrder: GetOrderRequest in workflow or default;
    /// Its id.
    id: OrderId = text(order_id),
    /// The store view whose labels are shown; none for the order's own.
    store_view: Option<StoreView> = optional(store_view),
}

request! {
    /// Asks what is possible now.
    ListAvailableTransitions: ListAvailableTransitionsRequest in workflow or default;
    /// The order.
    order_id: OrderId = text(order_id),
    /// For whom.
    actor: Actor = by(actor; read_actor),
    /// Whether transitions that may not be taken now are listed too.
    include_blocked: bool = same(include_blocked),
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
    let customer = &order.customer;
    let return_to = order.return_to.as_ref();
    message!(
        Order from order: Order {
            standing, lines, customer, attributes, holds, return_to, wait, whole, credited, credits,
            unreckoned,
        };
        text: workflow, id;
        same: version;
        optional: currency, store_view;
        money: grand_total, total_paid, total_refunded, total_canceled, total_invoiced;
        time: create_time, update_time, status_time;
        .. state: order.standing.state.to_string(),
        status: order.standing.status.to_string(),
        status_label: String::new(),
        visible_on_storefront: false,
        lines: order.lines.iter().map(line_to_wire).collect(),
        customer: (!customer.is_empty()).then(|| customer_to_wire(customer)),
        attributes: order.attributes.as_map().clone(),
        holds: order.holds.iter().map(hold_to_wire).collect(),
        return_state: text(return_to.map(|standing| &standing.state)),
        return_status: text(return_to.map(|standing| &standing.status)),
        allowed_operations: Vec::new(),
        due_time: None,
        feed_url: String::new(),
        total_due: order.total_due().minor_units(),
        total_overpaid: order.total_overpaid().minor_units(),
    )
}

/// Writes a hold. What becomes of its release by time, the call that placed it has said.
pub fn hold_to_wire(hold: &Hold) -> v1::Hold {
    message!(Hold from hold: Hold { placed_by, visible_to_customer, notify_customer };
        text: id, reason;
        time: place_time;
        optional_time: expire_time;
        optional: status;
        .. placed_by: Some(actor_to_wire(&hold.placed_by)),
    )
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
    message!(
        OrderLine from line: Line {
            ordered, invoiced, shipped, refunded, canceled, returned, total,
        };
        text: id, sku, name;
        same: is_virtual;
        .. quantity_ordered: line.ordered.to_string(),
        quantity_invoiced: line.invoiced.to_string(),
        quantity_shipped: line.shipped.to_string(),
        quantity_refunded: line.refunded.to_string(),
        quantity_canceled: line.canceled.to_string(),
        quantity_returned: line.returned.to_string(),
        total: line.total.map(Money::minor_units),
    )
}

fn customer_to_wire(customer: &Customer) -> v1::Customer {
    message!(Customer from customer: Customer;
        text: id, email, name;
        same: guest;
    )
}
