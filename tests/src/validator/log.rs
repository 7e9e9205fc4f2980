//! What stood in the end: no gaps, causes that are there, and orders that are what their entries make of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic,
};

use waymark_proto::v1::{HistoryEntry, Order};

use super::{
    Breach, OrderKey, Record,
    entries::{Entries, place_of},
};
use crate::replay::{facts, replay};

/// Where offsets or sequences are not 1, 2, 3 ..., in the order in which the stream of everything told them.
pub(super) fn gaps(record: &Record) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut offsets = BTreeMap::new();
    let mut sequences = BTreeMap::new();
    for entry in &record.log {
        let (partition, found) = place_of(entry);
        let expected = next(&mut offsets, partition);
        if found != expected {
            breaches.push(Breach::OffsetGap {
                partition,
                expected,
                found,
            });
        }
        let order = OrderKey::of(entry);
        let expected = next(&mut sequences, order.clone());
        if entry.sequence != expected {
            breaches.push(Breach::SequenceGap {
                order,
                expected,
                found: entry.sequence,
            });
        }
    }
    // The first one tells where it broke; the others follow from it.
    breaches.truncate(4);
    breaches
}

fn next<K: Ord>(counts: &mut BTreeMap<K, i64>, key: K) -> i64 {
    let count = counts.entry(key).or_default();
    *count += 1;
    *count
}

pub(super) fn check(record: &Record, entries: &Entries<'_>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (order, of_order) in &entries.orders {
        breaches.extend(order_shape(order, of_order));
    }
    for of_partition in entries.partitions.values() {
        breaches.extend(times(of_partition));
    }
    breaches.extend(histories(record, entries));
    breaches.extend(orders(record, entries));
    breaches
}

fn order_shape(order: &OrderKey, entries: &[&HistoryEntry]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let partitions: BTreeSet<_> = entries.iter().map(|entry| place_of(entry).0).collect();
    if partitions.len() > 1 {
        breaches.push(Breach::OrderTorn {
            order: order.clone(),
        });
    }
    let mut call = 0;
    for entry in entries {
        let is_amiss = entry.caused_by != 0 && !(call..entry.sequence).contains(&entry.caused_by);
        if entry.caused_by == 0 {
            call = entry.sequence;
        }
        if is_amiss || call == 0 {
            breaches.push(Breach::CauseAmiss {
                order: order.clone(),
                sequence: entry.sequence,
            });
        }
    }
    breaches
}

fn times(entries: &[&HistoryEntry]) -> Vec<Breach> {
    let time = |entry: &HistoryEntry| entry.create_time.map(|time| (time.seconds, time.nanos));
    let pairs = entries.iter().zip(entries.iter().skip(1));
    let back = pairs.filter(|(before, after)| time(after).is_none() || time(after) < time(before));
    back.map(|(_, entry)| Breach::TimeRunsBack {
        place: place_of(entry),
    })
    .collect()
}

fn histories(record: &Record, entries: &Entries<'_>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let nothing = Vec::new();
    let known: BTreeSet<_> = record
        .histories
        .keys()
        .chain(entries.orders.keys())
        .collect();
    for order in known {
        let listed = record.histories.get(order).unwrap_or(&nothing);
        let streamed = entries
            .orders
            .get(order)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let length = listed.len().max(streamed.len());
        let differs = (0..length).find(|index| listed.get(*index) != streamed.get(*index).copied());
        if let Some(index) = differs {
            let sequence = i64::try_from(index).unwrap_or_default() + 1;
            breaches.push(Breach::HistoryDiffers {
                order: order.clone(),
                sequence,
            });
        }
    }
    breaches
}

fn orders(record: &Record, entries: &Entries<'_>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (key, of_order) in &entries.orders {
        let told = record.orders.get(key);
        let version = i64::try_from(of_order.len()).unwrap_or_default();
        if told.map(|order| facts(order.clone())) != replayed(of_order) {
            breaches.push(Breach::OrderDiffers {
                order: key.clone(),
                version,
            });
        }
    }
    for key in record
        .orders
        .keys()
        .filter(|key| !entries.orders.contains_key(key))
    {
        breaches.push(Breach::OrderDiffers {
            order: key.clone(),
            version: 0,
        });
    }
    breaches
}

/// What entries make of an order; none where they are not a history.
pub(super) fn replayed(entries: &[&HistoryEntry]) -> Option<Order> {
    let entries: Vec<_> = entries.iter().copied().cloned().collect();
    // The replay of the scenarios panics where this check has to go on and tell the order.
    panic::catch_unwind(|| replay(&entries)).ok()
}
