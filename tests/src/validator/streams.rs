//! What watchers received against what the log has: ordered, unique, reliable, atomic, resumable and bookmarkable.

use std::collections::{BTreeMap, HashMap, HashSet};

use waymark_proto::v1::HistoryEntry;

use super::{
    Breach, End, Message, Record, Session,
    breach::Place,
    entries::{Entries, place_of},
    tokens::{Matches, Ranges, Times, Tokens, reached},
};

pub(super) fn check(record: &Record, entries: &Entries<'_>) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let times = Times::of(entries);
    let mut tokens = Tokens::default();
    let mut sessions: Vec<_> = record.sessions.iter().collect();
    sessions.sort_by_key(|session| session.opened);
    for session in &sessions {
        let matches = Matches::of(&session.filter, record);
        let view = View {
            session,
            entries,
            matches,
            times: &times,
        };
        breaches.extend(view.form());
        breaches.extend(view.contents());
        match tokens.start(session, entries, &times) {
            Some(start) => breaches.extend(view.course(&start, &mut tokens)),
            None => breaches.push(Breach::TokenFromNowhere {
                watcher: session.watcher.clone(),
            }),
        }
    }
    breaches.extend(repeated(&sessions));
    breaches.extend(partition_counts(&sessions));
    breaches
}

/// A watcher gets no entry twice, over all its sessions.
fn repeated(sessions: &[&Session]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut seen = HashSet::new();
    for session in sessions {
        for entry in session.messages.iter().flat_map(|message| &message.entries) {
            if !seen.insert((&session.watcher, place_of(entry))) {
                breaches.push(Breach::Repeated {
                    watcher: session.watcher.clone(),
                    place: place_of(entry),
                });
            }
        }
    }
    breaches
}

fn partition_counts(sessions: &[&Session]) -> Option<Breach> {
    let told = |session: &&Session| {
        session
            .messages
            .iter()
            .map(|message| message.partition_count)
            .collect::<Vec<_>>()
    };
    let first = sessions.iter().flat_map(told).next()?;
    let other = |session: &&Session| {
        told(session)
            .into_iter()
            .find(|count| *count != first || *count < 1)
    };
    let found = sessions
        .iter()
        .find_map(|session| other(session).map(|found| (session.watcher.clone(), found)));
    found.map(|(watcher, found)| Breach::PartitionCount { watcher, found })
}

struct View<'c, 'r> {
    session: &'r Session,
    entries: &'c Entries<'r>,
    matches: Matches,
    times: &'c Times,
}

impl<'r> View<'_, 'r> {
    fn watcher(&self) -> String {
        self.session.watcher.clone()
    }

    fn messages(&self) -> &'r [Message] {
        &self.session.messages
    }

    /// Whether each message has a reason and a token, and the first one is a greeting.
    fn form(&self) -> Vec<Breach> {
        let mut breaches = Vec::new();
        let is_watch = self.session.end != End::UpToNow;
        match self.messages().first() {
            Some(first) if is_watch && !first.checkpoint => breaches.push(Breach::NoGreeting {
                watcher: self.watcher(),
            }),
            None if !is_watch => breaches.push(Breach::EmptyMessage {
                watcher: self.watcher(),
            }),
            _ => {}
        }
        let is_empty = |message: &&Message| {
            message.resume_token.is_empty() || (message.entries.is_empty() && !message.checkpoint)
        };
        let empty = self.messages().iter().filter(is_empty);
        breaches.extend(empty.map(|_| Breach::EmptyMessage {
            watcher: self.watcher(),
        }));
        breaches
    }

    /// Whether each message has only what was asked for, as it is in the log, and whole steps.
    fn contents(&self) -> Vec<Breach> {
        let mut breaches = Vec::new();
        for message in self.messages() {
            let here: HashSet<_> = message.entries.iter().map(place_of).collect();
            for entry in &message.entries {
                let (watcher, place) = (self.watcher(), place_of(entry));
                if !self.session.filter.matches(entry) {
                    breaches.push(Breach::NotAskedFor { watcher, place });
                } else if self.entries.at(place) != Some(entry) {
                    breaches.push(Breach::EntryDiffers { watcher, place });
                } else if self.is_torn(entry, &here) {
                    breaches.push(Breach::StepTorn { watcher, place });
                }
            }
        }
        breaches
    }

    fn is_torn(&self, entry: &HistoryEntry, here: &HashSet<Place>) -> bool {
        let Some(logged) = self.entries.at(place_of(entry)) else {
            return false;
        };
        let mut of_step = self
            .entries
            .step_around(logged)
            .filter(|other| self.session.filter.matches(other));
        of_step.any(|other| !here.contains(&place_of(other)))
    }

    /// Whether it goes on from where it began without a step back or a gap, as far as it had to.
    fn course(&self, start: &Ranges, tokens: &mut Tokens) -> Vec<Breach> {
        let mut breaches = Vec::new();
        let mut delivered = BTreeMap::new();
        let mut sequences = HashMap::new();
        for message in self.messages() {
            for entry in &message.entries {
                breaches.extend(self.follows(entry, start, &mut delivered));
                let order = (entry.workflow.as_str(), entry.order_id.as_str());
                if sequences
                    .insert(order, entry.sequence)
                    .is_some_and(|before| before >= entry.sequence)
                {
                    breaches.push(Breach::Unordered {
                        watcher: self.watcher(),
                        place: place_of(entry),
                    });
                }
            }
            let ranges = reached(start, &delivered, message.at, &self.matches, self.times);
            if let Err(partition) = tokens.note(&message.resume_token, &ranges) {
                breaches.push(Breach::TokenMoves {
                    watcher: self.watcher(),
                    partition,
                });
            }
        }
        breaches.extend(
            start
                .keys()
                .filter_map(|partition| self.behind(*partition, start, &delivered)),
        );
        breaches
    }

    fn follows(
        &self,
        entry: &HistoryEntry,
        start: &Ranges,
        delivered: &mut BTreeMap<i32, i64>,
    ) -> Option<Breach> {
        let (partition, offset) = place_of(entry);
        let range = start.get(&partition)?;
        let before = delivered.insert(partition, offset);
        let watcher = self.watcher();
        if before.is_some_and(|before| offset <= before) {
            return Some(Breach::Unordered {
                watcher,
                place: (partition, offset),
            });
        }
        if before.is_none() && offset <= range.low {
            return Some(Breach::Repeated {
                watcher,
                place: (partition, offset),
            });
        }
        let next = self
            .matches
            .next_after(partition, before.unwrap_or(range.high));
        let missed = next.filter(|next| *next < offset)?;
        Some(Breach::Skipped {
            watcher,
            place: (partition, missed),
        })
    }

    fn behind(
        &self,
        partition: i32,
        start: &Ranges,
        delivered: &BTreeMap<i32, i64>,
    ) -> Option<Breach> {
        let up_to = match self.session.end {
            End::Cut => return None,
            End::UpToNow => self
                .times
                .acknowledged_before(partition, self.session.opened),
            End::Complete => i64::MAX,
        };
        let surely = delivered
            .get(&partition)
            .copied()
            .or_else(|| start.get(&partition).map(|range| range.high))?;
        let missing = self
            .matches
            .next_after(partition, surely)
            .filter(|missing| *missing <= up_to)?;
        Some(Breach::Behind {
            watcher: self.watcher(),
            place: (partition, missing),
        })
    }
}
