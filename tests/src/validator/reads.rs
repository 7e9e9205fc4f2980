//! What readers saw meanwhile: an order as its entries made it, and never older than what was acknowledged.

use super::{Breach, OrderKey, Record, entries::Entries, log::replayed};
use crate::replay::facts;

pub(super) fn check(record: &Record, entries: &Entries<'_>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for read in &record.reads {
        let order = OrderKey {
            workflow: read.order.workflow.clone(),
            id: read.order.id.clone(),
        };
        let version = read.order.version;
        let length = usize::try_from(version).unwrap_or_default();
        let then = entries
            .orders
            .get(&order)
            .and_then(|history| history.get(..length))
            .and_then(replayed);
        if then != Some(facts(read.order.clone())) {
            breaches.push(Breach::OrderDiffers { order, version });
        } else if version < acknowledged_before(&order, read.began, entries) {
            breaches.push(Breach::Stale { order, version });
        }
    }
    breaches
}

/// The sequence of the last entry of an order that was acknowledged before an instant.
fn acknowledged_before(order: &OrderKey, instant: u64, entries: &Entries<'_>) -> i64 {
    let history = entries
        .orders
        .get(order)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let is_told = |entry: &&waymark_proto::v1::HistoryEntry| {
        entries
            .wanted(entry)
            .is_some_and(|step| step.done().is_some() && step.ended < instant)
    };
    history
        .iter()
        .copied()
        .rev()
        .find(is_told)
        .map_or(0, |entry| entry.sequence)
}
