//! The view that a customer has of an order: where it stands, in words of the shop,
//! and the entries that were written for the customer.

use crate::{
    history::Entry,
    order::Order,
    value::{OrderId, StoreView, Timestamp},
    workflow::{Standing, Workflow},
};

/// The view that a customer has of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracking {
    /// The order.
    pub order_id: OrderId,
    /// The label of its status.
    pub status_label: String,
    /// Since when it has this status.
    pub status_time: Timestamp,
    /// The entries that the customer may read, in the order in which they were given.
    pub entries: Vec<Remark>,
}

/// An entry as a customer may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The sequence of the entry, by which it is known again. Not for customers: it would tell
    /// them how many entries they do not see.
    pub sequence: i64,
    /// The label of the status after the entry; none where storefronts do not show it.
    pub label: Option<String>,
    /// The comment; may be empty.
    pub comment: String,
    /// When it was written.
    pub create_time: Timestamp,
    /// Whether the order came to the status with this entry; never without a label.
    pub status_changed: bool,
}

impl Tracking {
    /// Shows an order to its customer in the store view `asked`, or else in its own; none while
    /// it stands where storefronts do not show it. Entries of other orders are not looked for;
    /// those that are not for the customer are left out.
    pub fn of<'e>(
        workflow: &Workflow,
        order: &Order,
        entries: impl IntoIterator<Item = &'e Entry>,
        asked: Option<&StoreView>,
    ) -> Option<Self> {
        let label = |standing: &Standing| {
            let assignment = workflow.assignment(&standing.state, &standing.status)?;
            let own = order.store_view.as_ref();
            let label = || {
                workflow
                    .status_label(&standing.status, asked, own)
                    .to_owned()
            };
            assignment.visible_on_storefront.then(label)
        };
        let shown = |entry: &Entry| {
            let label = label(&entry.to);
            Remark {
                sequence: entry.sequence,
                comment: entry.comment.to_string(),
                create_time: entry.create_time,
                status_changed: label.is_some() && entry.status_changed(),
                label,
            }
        };
        let entries = entries.into_iter();
        Some(Self {
            order_id: order.id.clone(),
            status_label: label(&order.standing)?,
            status_time: order.status_time,
            entries: entries
                .filter(|entry| entry.visible_to_customer)
                .map(shown)
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests;
