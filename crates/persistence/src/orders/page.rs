//! A page of a list of orders.

use waymark_domain::order::Order;

use super::{
    cursor::{Spot, advance},
    query::OrderCursor,
};
use crate::catalog::Edition;

/// A page of orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderPage {
    /// The orders; perhaps none, although there is a next page.
    pub orders: Vec<Order>,
    /// Where the next page goes on; none at the end.
    pub next: Option<OrderCursor>,
    /// Where this page began, and where each of its orders was found.
    pub(super) begin: Option<OrderCursor>,
    pub(super) spots: Vec<Spot>,
    pub(super) by_key: bool,
    /// The edition of the catalog, later than the orders; none where there are none.
    pub(super) edition: Option<Edition>,
}

impl OrderPage {
    /// Where the next page goes on if only the first orders of this one are shown.
    pub fn next_after(&self, count: usize) -> Option<OrderCursor> {
        if count >= self.orders.len() {
            return self.next.clone();
        }
        let shown = self.spots.iter().take(count);
        shown.fold(self.begin.clone(), |cursor, spot| {
            advance(cursor, spot, self.by_key)
        })
    }
}
