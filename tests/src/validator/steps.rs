//! What clients were told against what is in history.

use std::collections::{BTreeMap, BTreeSet};

use waymark_proto::v1::HistoryEntry;

use super::{Answer, Breach, Done, Record, Step, entries::Entries, log::replayed, mark_of};
use crate::replay::facts;

pub(super) fn check(record: &Record, entries: &Entries<'_>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for step in &record.steps {
        breaches.extend(count(step, entries));
        breaches.extend(answers(step, entries));
    }
    breaches.extend(invented(record, entries));
    breaches.extend(groups(record, entries));
    for of_order in entries.orders.values() {
        breaches.extend(real_time(of_order, entries));
    }
    for of_partition in entries.partitions.values() {
        breaches.extend(real_time(of_partition, entries));
    }
    breaches
}

fn times_written(step: &Step, entries: &Entries<'_>) -> usize {
    entries.marked.get(step.mark.as_str()).map_or(0, Vec::len)
}

fn count(step: &Step, entries: &Entries<'_>) -> Option<Breach> {
    let mark = step.mark.clone();
    match times_written(step, entries) {
        0 if step.done().is_some() => Some(Breach::Lost { mark }),
        0 => None,
        1 if step.done().is_some() || step.is_uncertain() => None,
        1 => Some(Breach::WrittenAllTheSame { mark }),
        times => Some(Breach::Twice { mark, times }),
    }
}

fn answers(step: &Step, entries: &Entries<'_>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut is_uncertain = false;
    for answer in &step.tries {
        match answer {
            Answer::Done(done) => {
                if !is_told_as_written(step, done, entries) {
                    breaches.push(Breach::AnswerDiffers {
                        mark: step.mark.clone(),
                    });
                }
                // UNAVAILABLE says that nothing was written, so only a try in doubt can be repeated.
                if done.replayed && !is_uncertain {
                    breaches.push(Breach::RepeatsNothing {
                        mark: step.mark.clone(),
                    });
                }
            }
            Answer::Unknown(_) => is_uncertain = true,
            Answer::Refused(..) | Answer::Unavailable(_) => {}
        }
    }
    breaches
}

fn is_told_as_written(step: &Step, done: &Done, entries: &Entries<'_>) -> bool {
    let written = entries
        .marked
        .get(step.mark.as_str())
        .and_then(|written| written.first());
    let Some(call) = written else { return true };
    let is_same = entries.step_around(call).eq(done.entries.iter());
    is_same
        && done
            .order
            .as_ref()
            .is_none_or(|order| is_order_of_then(order, done, entries.orders.get(&step.order)))
}

/// Whether an order in an answer is what its entries made of it up to its version, which is that of the step, or, where
/// an earlier answer is repeated, a later one.
fn is_order_of_then(
    order: &waymark_proto::v1::Order,
    done: &Done,
    history: Option<&Vec<&HistoryEntry>>,
) -> bool {
    let last = done.entries.last().map_or(0, |entry| entry.sequence);
    let is_current = if done.replayed {
        order.version >= last
    } else {
        order.version == last
    };
    let length = usize::try_from(order.version).unwrap_or_default();
    let then = history
        .and_then(|history| history.get(..length))
        .and_then(replayed);
    is_current && then == Some(facts(order.clone()))
}

/// Of the workflows that the steps are about: others are not those of the load.
fn invented(record: &Record, entries: &Entries<'_>) -> Vec<Breach> {
    let workflows = record.steps.iter().map(|step| &step.order.workflow);
    let workflows: BTreeSet<_> = workflows.collect();
    let calls = record
        .log
        .iter()
        .filter(|entry| entry.caused_by == 0 && workflows.contains(&entry.workflow));
    let invented = calls.filter(|entry| {
        let step = mark_of(entry).and_then(|mark| entries.steps.get(mark));
        step.is_none_or(|step| step.order != super::OrderKey::of(entry))
    });
    invented
        .map(|entry| Breach::Invented {
            order: super::OrderKey::of(entry),
            sequence: entry.sequence,
        })
        .collect()
}

fn groups(record: &Record, entries: &Entries<'_>) -> Vec<Breach> {
    let mut groups: BTreeMap<u64, (usize, usize)> = BTreeMap::new();
    for step in &record.steps {
        let Some(group) = step.group else { continue };
        let (present, of) = groups.entry(group).or_default();
        *present += times_written(step, entries).min(1);
        *of += 1;
    }
    let half = groups
        .into_iter()
        .filter(|(_, (present, of))| *present != 0 && present != of);
    half.map(|(group, (present, of))| Breach::HalfDone { group, present, of })
        .collect()
}

/// A step that was answered before another was sent stands before it.
fn real_time(history: &[&HistoryEntry], entries: &Entries<'_>) -> Option<Breach> {
    let mut first_end_of_later = u64::MAX;
    for entry in history.iter().rev().copied() {
        let Some(step) = entries.wanted(entry) else {
            continue;
        };
        if step.began > first_end_of_later {
            return Some(Breach::Overtaken {
                order: step.order.clone(),
                sequence: entry.sequence,
            });
        }
        // A try in doubt may have been written at any time, but its acknowledgement is an upper bound like any other.
        if step.done().is_some() {
            first_end_of_later = first_end_of_later.min(step.ended);
        }
    }
    None
}
