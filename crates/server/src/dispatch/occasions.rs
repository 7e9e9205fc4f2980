//! Reads what deliveries are about: their entries, and the orders as these left them.

use std::collections::HashMap;

use waymark_domain::{
    delivery::{Delivery, DeliveryId},
    history::LogPosition,
    order::{self, Order},
};
use waymark_persistence::{Batched, Error, Store};

use super::content::Occasion;

/// How many entries of an order are read at once to see it as it was.
const REPLAY_CHUNK: usize = 1_000;

/// Reads what deliveries are about; those are left out whose order or entry is gone.
pub(super) async fn read(
    store: &Store,
    due: &[Delivery],
) -> Result<HashMap<DeliveryId, Occasion>, Error> {
    if due.is_empty() {
        return Ok(HashMap::new());
    }
    let keys: Vec<_> = due
        .iter()
        .map(|delivery| (delivery.workflow.clone(), delivery.order_id.clone()))
        .collect();
    let found = store.find_orders(&keys).await?;
    let positions: Vec<LogPosition> = due.iter().map(|delivery| delivery.id.position).collect();
    let entries = store.history_at(&positions).await?.into_iter();
    let entries: HashMap<LogPosition, Batched> = entries
        .map(|batched| (batched.logged.position, batched))
        .collect();
    let mut occasions = HashMap::with_capacity(due.len());
    for (delivery, found) in due.iter().zip(found) {
        let (Some(stored), Some(published)) = (found.order, found.published) else {
            continue;
        };
        let Some(entry) = entries.get(&delivery.id.position) else {
            continue;
        };
        let order = as_it_was(store, stored.read()?, delivery.order_version).await?;
        let Some(order) = order else {
            continue;
        };
        let occasion = Occasion {
            entry: entry.clone(),
            order,
            published,
            feed_url: String::new(),
        };
        occasions.insert(delivery.id, occasion);
    }
    Ok(occasions)
}

/// The order as it was in a version, by its history where it has moved on.
async fn as_it_was(store: &Store, now: Order, version: i64) -> Result<Option<Order>, Error> {
    if now.version == version {
        return Ok(Some(now));
    }
    let mut entries = Vec::new();
    loop {
        let after = entries
            .last()
            .map_or(0, |batched: &Batched| batched.logged.entry.sequence);
        let read = store.order_history_after(&now.workflow, &now.id, after, REPLAY_CHUNK);
        let chunk = read.await?;
        let is_last = chunk.is_empty();
        entries.extend(chunk);
        let reached = entries
            .last()
            .is_some_and(|batched| batched.logged.entry.sequence >= version);
        if reached || is_last {
            break;
        }
    }
    let until = entries.iter().map(|batched| &batched.logged.entry);
    Ok(order::replay(
        until.take_while(|entry| entry.sequence <= version),
    ))
}
