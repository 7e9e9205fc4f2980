//! Requests for lists of orders: filters and sorting.

use std::collections::BTreeMap;

use waymark_domain::value::{
    ActorId, Attributes, Invalid, OrderId, StateCode, StatusCode, StoreView, Timestamp,
    WorkflowCode,
};

use super::{
    call::PageRequest,
    instant::{lower_bound, upper_bound},
    violations::{Path, Read},
};

/// The most values that a list of a filter may have.
pub(crate) const FILTER_VALUES_MAX: usize = 1_000;

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
