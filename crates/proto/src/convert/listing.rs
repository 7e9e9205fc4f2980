//! Which orders a list shall have, and how they are sorted.

use std::collections::BTreeMap;

use waymark_domain::value::{
    ActorId, Attributes, Invalid, OrderId, StateCode, StatusCode, StoreView, Timestamp,
    WorkflowCode,
};

use super::{
    call::{PageRequest, fingerprint, read_page},
    instant::{lower_bound, upper_bound},
    violations::{Noted, Path, Violations},
};
use crate::{invalid::InvalidRequest, v1};

/// How many values a list of a filter may have.
pub(crate) const FILTER_VALUES_MAX: usize = 1_000;

/// Asks for a page of orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderListRequest {
    /// The workflows; empty for all.
    pub workflows: Vec<WorkflowCode>,
    /// Which orders of them.
    pub filter: OrderFilter,
    /// How they are sorted.
    pub order_by: OrderBy,
    /// Which page.
    pub page: PageRequest,
    /// The store view whose labels are shown; none for the order's own.
    pub store_view: Option<StoreView>,
}

/// Which orders are wanted: all that is given must match, of a list one value.
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

/// How orders are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderBy {
    /// What by; equal ones by workflow and id.
    pub key: SortKey,
    /// Which way.
    pub direction: Direction,
}

/// What orders can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    /// The time of the last entry.
    UpdateTime,
    /// The time of the first entry.
    CreateTime,
    /// The id.
    Id,
}

/// Which way a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The smallest or oldest first.
    Ascending,
    /// The largest or newest first.
    Descending,
}

impl OrderListRequest {
    /// Reads the request.
    ///
    /// # Errors
    /// Returns [`InvalidRequest`] with every field that breaks a rule.
    pub fn read(mut request: v1::ListOrdersRequest) -> Result<Self, InvalidRequest> {
        let arguments = fingerprint!("ListOrders", request, without page_size, page_token);
        let v1::ListOrdersRequest {
            workflows,
            filter,
            order_by,
            page_size,
            page_token,
            store_view,
        } = request;
        Violations::collect(|found| {
            let at = Path::REQUEST;
            let workflows = found.list(at.field("workflows"), &workflows, FILTER_VALUES_MAX);
            let filter = filter.map(|filter| OrderFilter::read(found, at.field("filter"), filter));
            let order_by = OrderBy::read(found, at.field("order_by"), &order_by);
            let page = read_page(found, page_size, page_token, arguments);
            let store_view = found.optional(at.field("store_view"), &store_view);
            Ok(Self {
                workflows: workflows?,
                filter: filter.transpose()?.unwrap_or_default(),
                order_by: order_by?,
                page: page?,
                store_view: store_view?,
            })
        })
    }
}

impl OrderFilter {
    fn read(found: &mut Violations, at: Path<'_>, filter: v1::OrderFilter) -> Result<Self, Noted> {
        let v1::OrderFilter {
            ids,
            states,
            statuses,
            return_statuses,
            held,
            customer_id,
            updated_after,
            updated_before,
            visible_on_storefront,
            attributes,
        } = filter;
        let max = FILTER_VALUES_MAX;
        let ids = found.list(at.field("ids"), &ids, max);
        let states = found.list(at.field("states"), &states, max);
        let statuses = found.list(at.field("statuses"), &statuses, max);
        let return_statuses = found.list(at.field("return_statuses"), &return_statuses, max);
        let customer_id = found.optional(at.field("customer_id"), &customer_id);
        let updated_after = lower_bound(found, at.field("updated_after"), updated_after);
        let updated_before = upper_bound(found, at.field("updated_before"), updated_before);
        let attributes = found.check(at.field("attributes"), Attributes::new(attributes));
        Ok(Self {
            ids: ids?,
            states: states?,
            statuses: statuses?,
            return_statuses: return_statuses?,
            held,
            customer_id: customer_id?,
            updated_after: updated_after?,
            updated_before: updated_before?,
            visible_on_storefront,
            attributes: attributes?.as_map().clone(),
        })
    }
}

impl OrderBy {
    fn read(found: &mut Violations, at: Path<'_>, text: &str) -> Result<Self, Noted> {
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
        Err(found.note(at, Invalid::Malformed { expected }))
    }
}
