//! Orders as they are shown, and requests that only read them: one or a list, filtered and sorted.

use std::collections::BTreeMap;

use waymark_domain::{
    actor::Actor,
    judge::Graph,
    order::{Customer, Hold, Line, Order, Progress, Rejection},
    value::{
        ActorId, Attributes, Invalid, Money, OrderId, StateCode, StatusCode, StoreView, Timestamp,
        TransitionCode, WorkflowCode,
    },
    workflow::{Record, Standing, Transition},
};

use super::{
    actor::{actor_to_wire, read_actor},
    call::{FILTER_VALUES_MAX, PageRequest},
    fields::text,
    instant::{lower_bound, timestamp_to_wire, upper_bound},
    transition::transition_to_wire,
    violations::{Path, Read},
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

request! {
    /// Asks for a page of orders.
    OrderListRequest: ListOrdersRequest;
    arguments = "ListOrders" without page_size, page_token;
    /// The workflows; empty for all.
    workflows: Vec<WorkflowCode> = list(workflows; FILTER_VALUES_MAX),
    /// The filter of their orders.
    filter: OrderFilter = with(filter; |at| {
        let filter = filter.map(|filter| read_filter(at.field("filter"), filter));
        Ok(filter.transpose()?.unwrap_or_default())
    }),
    /// The order of the list.
    order_by: OrderBy = borrowed(order_by; OrderBy::read),
    /// The page.
    page: PageRequest = page(page_size, page_token; arguments),
    /// The store view whose labels are shown; none for the order's own.
    store_view: Option<StoreView> = optional(store_view),
}

/// A filter of orders: all that is given must match, of a list one value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// Ids; empty for any.
    pub ids: Vec<OrderId>,
    /// States; empty for any.
    pub states: Vec<StateCode>,
    /// Statuses; empty for any.
    pub statuses: Vec<StatusCode>,
    /// Statuses to which held orders will return; empty for any order, held or not.
    pub return_statuses: Vec<StatusCode>,
    /// Whether a hold stands; none for either.
    pub held: Option<bool>,
    /// The customer's id; none for any.
    pub customer_id: Option<ActorId>,
    /// The instant that the last entry must be later than.
    pub updated_after: Option<Timestamp>,
    /// The instant that the last entry must be earlier than.
    pub updated_before: Option<Timestamp>,
    /// Whether customers may see the order where it stands; none for either.
    pub visible_on_storefront: Option<bool>,
    /// Attributes that the order must have with these values.
    pub attributes: BTreeMap<String, String>,
}

/// The order in which a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderBy {
    /// The key; equal ones by workflow and id.
    pub key: SortKey,
    /// The direction.
    pub direction: Direction,
}

/// A key by which orders can be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    /// The time of the last entry.
    UpdateTime,
    /// The time of the first entry.
    CreateTime,
    /// The id.
    Id,
}

/// The direction in which a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The smallest or oldest first.
    Ascending,
    /// The largest or newest first.
    Descending,
}

reader! {
    fn read_filter(OrderFilter) -> OrderFilter {
        ids: list(ids; FILTER_VALUES_MAX),
        states: list(states; FILTER_VALUES_MAX),
        statuses: list(statuses; FILTER_VALUES_MAX),
        return_statuses: list(return_statuses; FILTER_VALUES_MAX),
        held: same(held),
        customer_id: optional(customer_id),
        updated_after: by(updated_after; lower_bound),
        updated_before: by(updated_before; upper_bound),
        visible_on_storefront: same(visible_on_storefront),
        attributes: with(attributes; |at| {
            let attributes = at.field("attributes").check(Attributes::new(attributes))?;
            Ok(attributes.as_map().clone())
        }),
    }
}

impl OrderBy {
    fn read(at: Path<'_>, text: &str) -> Read<Self> {
        let mut words = text.split_whitespace();
        let key = match words.next() {
            Some("update_time") => Some(SortKey::UpdateTime),
            Some("create_time") => Some(SortKey::CreateTime),
            Some("id") | None => Some(SortKey::Id),
            Some(_) => None,
        };
        let direction = match words.next() {
            None => Some(Direction::Ascending),
            Some("desc") => Some(Direction::Descending),
            Some(_) => None,
        };
        if let (Some(key), Some(direction), None) = (key, direction, words.next()) {
            return Ok(Self { key, direction });
        }
        let expected = "update_time, create_time or id, perhaps followed by desc";
        Err(at.note(Invalid::Malformed { expected }))
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
