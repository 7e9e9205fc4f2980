//! A good record, small enough to read: three orders in two partitions, every kind of answer, and streams with several
//! filters that are cut and go on.

use std::{collections::BTreeMap, ops::RangeInclusive};

use prost_types::Timestamp;
use tonic::Code;
use waymark_proto::v1::{
    self, EntryKind, HistoryEntry, LogPosition, Order, OrderCreated, history_entry::Detail,
};

use super::{
    Answer, Done, End, Filter, Message, OrderKey, Read, Record, Session, Start, Step,
    entries::place_of, log::replayed, record::MARK,
};

/// How long one step takes, in microseconds; the answer comes half-way.
pub(super) const TICK: u64 = 100;

/// The good record.
pub(super) fn good() -> Record {
    let mut world = World::default();
    world.create("a", 0);
    world.create("b", 1);
    world.write("a", Told::Plainly);
    world.cascade("a");
    world.create("c", 0);
    world.write("a", Told::Never);
    world.refuse("a");
    world.lose("b");
    world.together(&["a", "c"]);
    world.write("b", Told::AtSecondTry);
    world.write("b", Told::AfterUnavailable);
    world.cascade("c");
    world.finish()
}

/// How a client learns of a step that was written.
#[derive(Clone, Copy)]
enum Told {
    Plainly,
    Never,
    AtSecondTry,
    AfterUnavailable,
}

#[derive(Default)]
struct World {
    record: Record,
    partitions: BTreeMap<&'static str, i32>,
    /// Where the log ends in each partition after each step, by the end of the tick.
    heads: Vec<(u64, [i64; 2])>,
    tick: u64,
}

impl World {
    fn create(&mut self, order: &'static str, partition: i32) {
        self.partitions.insert(order, partition);
        let (state, status) = ("new".to_owned(), "pending".to_owned());
        let base = Order {
            workflow: "w".to_owned(),
            id: order.to_owned(),
            state,
            status,
            ..Order::default()
        };
        let created = OrderCreated {
            order: Some(Box::new(base)),
        };
        let mark = self.append(
            order,
            EntryKind::Created,
            0,
            "pending",
            Some(Detail::Created(created)),
        );
        self.tell(order, mark, None, Told::Plainly, 1);
    }

    fn write(&mut self, order: &'static str, told: Told) {
        let mark = self.append(order, EntryKind::Commented, 0, "same", None);
        self.tell(order, mark, None, told, 1);
    }

    /// A step that sets off an automatic one, and moves the status with both.
    fn cascade(&mut self, order: &'static str) {
        let mark = self.append(order, EntryKind::Transitioned, 0, "halfway", None);
        let call = self.of(order).last().unwrap().sequence;
        self.append(order, EntryKind::Transitioned, call, "there", None);
        self.tell(order, mark, None, Told::Plainly, 2);
    }

    fn together(&mut self, orders: &[&'static str]) {
        let before = self.tick;
        for order in orders {
            self.tick = before;
            let mark = self.append(order, EntryKind::Commented, 0, "same", None);
            self.tell(order, mark, Some(7), Told::Plainly, 1);
        }
    }

    fn refuse(&mut self, order: &'static str) {
        self.step(
            order,
            "refused".to_owned(),
            None,
            vec![Answer::Refused(
                Code::Aborted,
                "VERSION_MISMATCH".to_owned(),
            )],
        );
    }

    fn lose(&mut self, order: &'static str) {
        self.step(
            order,
            "lost".to_owned(),
            None,
            vec![Answer::Unknown("cut".to_owned())],
        );
    }

    fn of(&self, order: &str) -> Vec<HistoryEntry> {
        self.record
            .log
            .iter()
            .filter(|entry| entry.order_id == order)
            .cloned()
            .collect()
    }

    fn append(
        &mut self,
        order: &str,
        kind: EntryKind,
        cause: i64,
        to: &str,
        detail: Option<Detail>,
    ) -> String {
        let partition = self.partitions[order];
        let offset = self
            .record
            .log
            .iter()
            .filter(|entry| place_of(entry).0 == partition)
            .count()
            + 1;
        let history = self.of(order);
        let sequence = i64::try_from(history.len()).unwrap() + 1;
        let from = history
            .last()
            .map_or(String::new(), |last| last.to_status.clone());
        let to = if to == "same" {
            from.clone()
        } else {
            to.to_owned()
        };
        let state = if from.is_empty() { "" } else { "new" };
        let mark = format!("{order}{sequence}");
        self.record.log.push(HistoryEntry {
            workflow: "w".to_owned(),
            order_id: order.to_owned(),
            sequence,
            log_position: Some(LogPosition {
                partition,
                offset: i64::try_from(offset).unwrap(),
            }),
            kind: kind.into(),
            from_state: state.to_owned(),
            status_changed: from != to,
            from_status: from,
            to_state: "new".to_owned(),
            to_status: to,
            caused_by: cause,
            metadata: if cause == 0 {
                BTreeMap::from([(MARK.to_owned(), mark.clone())])
            } else {
                BTreeMap::new()
            },
            create_time: Some(Timestamp {
                seconds: i64::try_from(self.tick).unwrap(),
                nanos: 0,
            }),
            detail,
            ..v1::HistoryEntry::default()
        });
        mark
    }

    fn tell(
        &mut self,
        order: &'static str,
        mark: String,
        group: Option<u64>,
        told: Told,
        entries: usize,
    ) {
        let history = self.of(order);
        let written = history[history.len() - entries..].to_vec();
        let order_now = replayed(&history.iter().collect::<Vec<_>>());
        let done = |replayed| {
            Answer::Done(Box::new(Done {
                entries: written,
                order: order_now,
                replayed,
            }))
        };
        let tries = match told {
            Told::Plainly => vec![done(false)],
            Told::Never => vec![Answer::Unknown("cut".to_owned())],
            Told::AtSecondTry => vec![Answer::Unknown("cut".to_owned()), done(true)],
            Told::AfterUnavailable => vec![Answer::Unavailable("DATABASE".to_owned()), done(false)],
        };
        self.step(order, mark, group, tries);
    }

    fn step(&mut self, order: &str, mark: String, group: Option<u64>, tries: Vec<Answer>) {
        self.tick += 1;
        let began = self.tick * TICK;
        let order = OrderKey {
            workflow: "w".to_owned(),
            id: order.to_owned(),
        };
        self.record.steps.push(Step {
            mark,
            order,
            group,
            began,
            ended: began + TICK / 2,
            tries,
        });
        self.heads.push((began + TICK / 2, self.head(usize::MAX)));
    }

    /// Where the partitions end within the first entries of the log.
    fn head(&self, entries: usize) -> [i64; 2] {
        let places = self.record.log.iter().take(entries).map(place_of);
        places.fold([0; 2], |mut head, (partition, offset)| {
            head[usize::try_from(partition).unwrap()] = offset;
            head
        })
    }

    fn finish(mut self) -> Record {
        for order in ["a", "b", "c"] {
            let key = OrderKey {
                workflow: "w".to_owned(),
                id: order.to_owned(),
            };
            let history = self.of(order);
            let order = replayed(&history.iter().collect::<Vec<_>>()).unwrap();
            self.record.orders.insert(key.clone(), order);
            self.record.histories.insert(key, history);
        }
        let early = self.of("a")[..2].to_vec();
        let early = replayed(&early.iter().collect::<Vec<_>>()).unwrap();
        self.record.reads.push(Read {
            began: 4 * TICK - 1,
            order: early,
        });
        self.look_on();
        self.record
    }

    fn look_on(&mut self) {
        let (zero, middle, end) = ([0, 0], self.head(5), self.head(usize::MAX));
        let all = Filter::default();
        let mut changes = all.clone();
        changes.status_changes_only = true;
        let mut comments = all.clone();
        comments.kinds = vec![EntryKind::Commented.into()];
        let mut first = all.clone();
        first.partitions = vec![0];
        let (begin, resume) = (Start::Beginning, token(middle));
        let (then, now) = self.heads[3];
        let late = self.tick * TICK * 2;
        let streams = [
            ("all", &all, &begin, zero..=middle, 1, End::Cut),
            ("all", &all, &resume, middle..=end, 700, End::Complete),
            ("changes", &changes, &begin, zero..=end, 2, End::Complete),
            ("comments", &comments, &begin, zero..=middle, 3, End::Cut),
            (
                "comments",
                &comments,
                &resume,
                middle..=end,
                701,
                End::Complete,
            ),
            ("other", &all, &resume, middle..=end, 702, End::Complete),
            ("first", &first, &begin, zero..=end, 4, End::Complete),
            (
                "now",
                &all,
                &Start::Now,
                now..=end,
                then + 10,
                End::Complete,
            ),
            ("export", &all, &begin, zero..=end, late, End::UpToNow),
        ];
        for (watcher, filter, start, reach, opened, end) in streams {
            let messages = self.messages(filter, &reach, opened);
            let (watcher, filter, start) = (watcher.to_owned(), filter.clone(), start.clone());
            let session = Session {
                watcher,
                filter,
                start,
                opened,
                messages,
                end,
            };
            self.record.sessions.push(session);
        }
    }

    /// The messages of a stream from one position to another: one for each step that matches, as soon as it may be
    /// known.
    fn messages(
        &self,
        filter: &Filter,
        reach: &RangeInclusive<[i64; 2]>,
        opened: u64,
    ) -> Vec<Message> {
        let (from, to) = (*reach.start(), *reach.end());
        let mut at = opened + 1;
        let mut place = from;
        let mut messages = vec![message(at, Vec::new(), place)];
        for group in self.record.log.chunk_by(|_, next| next.caused_by != 0) {
            let (partition, last) = place_of(group.last().unwrap());
            let index = usize::try_from(partition).unwrap();
            if last <= from[index] || last > to[index] {
                continue;
            }
            let step = self
                .record
                .steps
                .iter()
                .find(|step| step.mark == group[0].metadata[MARK])
                .unwrap();
            at = at.max(step.ended) + 1;
            place[index] = last;
            let entries: Vec<_> = group
                .iter()
                .filter(|entry| filter.matches(entry))
                .cloned()
                .collect();
            if !entries.is_empty() {
                messages.push(message(at, entries, place));
            }
        }
        messages.push(message(at + 1, Vec::new(), place));
        messages
    }
}

/// The token of a position, which only this sample can read.
fn token(place: [i64; 2]) -> Start {
    Start::Token(format!("{place:?}"))
}

fn message(at: u64, entries: Vec<HistoryEntry>, place: [i64; 2]) -> Message {
    Message {
        at,
        checkpoint: entries.is_empty(),
        entries,
        resume_token: format!("{place:?}"),
        partition_count: 2,
    }
}
