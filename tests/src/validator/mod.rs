//! Holds what clients and watchers recorded against what the contract promises: nothing that was acknowledged is lost,
//! nothing happens twice, and every stream is ordered, unique, reliable, atomic, resumable and bookmarkable. It reads
//! a [`Record`] and knows nothing of servers, so that each promise is also tested here with a record that breaks it.

mod breach;
mod entries;
mod log;
mod reads;
mod record;
mod steps;
mod streams;
mod tokens;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use breach::Breach;
pub use record::{
    Answer, Done, End, Filter, MARK, Message, OrderKey, Read, Record, Session, Start, Step,
    mark_of, record_mark,
};

use entries::Entries;

/// Everything in which a record breaks the promises; empty for a good one.
///
/// Where the log itself has gaps nothing else can be judged, so then the answer tells of those alone.
pub fn check(record: &Record) -> Vec<Breach> {
    let mut breaches: Vec<_> = record
        .protests
        .iter()
        .cloned()
        .map(Breach::Protest)
        .collect();
    let gaps = log::gaps(record);
    if !gaps.is_empty() {
        breaches.extend(gaps);
        return breaches;
    }
    let entries = Entries::of(record);
    breaches.extend(log::check(record, &entries));
    breaches.extend(steps::check(record, &entries));
    breaches.extend(reads::check(record, &entries));
    breaches.extend(streams::check(record, &entries));
    breaches
}
