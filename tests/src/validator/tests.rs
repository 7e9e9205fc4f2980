//! Each promise, broken in a good record, must be caught; a check that catches nothing would be worth nothing.

use super::{
    Answer, Breach, End, Record, Session, Start, check,
    sample::{TICK, good},
};

/// Breaks a good record and expects one breach among others.
#[track_caller]
fn caught(corrupt: impl FnOnce(&mut Record), is_expected: impl Fn(&Breach) -> bool) {
    let mut record = good();
    corrupt(&mut record);
    let breaches = check(&record);
    assert!(
        breaches.iter().any(is_expected),
        "not caught, only {breaches:?}"
    );
}

fn watcher<'r>(record: &'r mut Record, name: &str) -> &'r mut Session {
    record
        .sessions
        .iter_mut()
        .rfind(|session| session.watcher == name)
        .unwrap()
}

fn step<'r>(record: &'r mut Record, mark: &str) -> &'r mut super::Step {
    record
        .steps
        .iter_mut()
        .find(|step| step.mark == mark)
        .unwrap()
}

#[test]
fn a_good_record_is_accepted() {
    assert_eq!(check(&good()), []);
}

#[test]
fn gaps_are_caught() {
    caught(
        |r| drop(r.log.remove(2)),
        |b| {
            matches!(
                b,
                Breach::OffsetGap {
                    partition: 0,
                    expected: 2,
                    ..
                }
            )
        },
    );
    caught(
        |r| r.log[2].sequence = 9,
        |b| {
            matches!(
                b,
                Breach::SequenceGap {
                    expected: 2,
                    found: 9,
                    ..
                }
            )
        },
    );
    caught(
        |r| r.log.swap(0, 2),
        |b| matches!(b, Breach::OffsetGap { .. }),
    );
}

#[test]
fn histories_and_orders_that_differ_are_caught() {
    let differs = |b: &Breach| matches!(b, Breach::HistoryDiffers { .. });
    caught(
        |r| drop(r.histories.values_mut().next().unwrap().pop()),
        differs,
    );
    caught(|r| drop(r.histories.pop_last()), differs);
    caught(
        |r| r.histories.values_mut().next().unwrap()[1].comment = "other".to_owned(),
        differs,
    );
    let differs = |b: &Breach| matches!(b, Breach::OrderDiffers { .. });
    caught(
        |r| r.orders.values_mut().next().unwrap().status = "elsewhere".to_owned(),
        differs,
    );
    caught(
        |r| r.orders.values_mut().next().unwrap().version += 1,
        differs,
    );
    caught(|r| drop(r.orders.pop_first()), differs);
    caught(|r| r.log[2].from_status = "elsewhere".to_owned(), differs);
}

#[test]
fn causes_times_and_partitions_are_judged() {
    caught(
        |r| r.log[4].caused_by = 1,
        |b| matches!(b, Breach::CauseAmiss { sequence: 4, .. }),
    );
    caught(
        |r| r.log[4].create_time = None,
        |b| matches!(b, Breach::TimeRunsBack { place: (0, 4) }),
    );
    caught(
        |r| r.log[4].create_time = r.log[0].create_time,
        |b| matches!(b, Breach::TimeRunsBack { place: (0, 4) }),
    );
    // The last entries of an order go to the end of another partition, which leaves no gap.
    let tear = |r: &mut Record| {
        let end = r
            .log
            .iter()
            .filter(|entry| entry.log_position.unwrap().partition == 1)
            .count();
        let offsets = i64::try_from(end).unwrap() + 1..;
        let length = r.log.len();
        for (entry, offset) in r.log[length - 2..].iter_mut().zip(offsets) {
            assert_eq!(entry.order_id, "c");
            entry.log_position = Some(waymark_proto::v1::LogPosition {
                partition: 1,
                offset,
            });
        }
    };
    caught(tear, |b| matches!(b, Breach::OrderTorn { .. }));
}

#[test]
fn lost_doubled_and_invented_steps_are_caught() {
    let unmark = |r: &mut Record, mark: &str, other: &str| {
        let entry = r
            .log
            .iter_mut()
            .find(|entry| super::mark_of(entry) == Some(mark))
            .unwrap();
        entry.metadata.insert("mark".to_owned(), other.to_owned());
    };
    caught(
        |r| unmark(r, "a2", "unheard"),
        |b| {
            *b == Breach::Lost {
                mark: "a2".to_owned(),
            }
        },
    );
    caught(
        |r| unmark(r, "a2", "unheard"),
        |b| matches!(b, Breach::Invented { sequence: 2, .. }),
    );
    caught(
        |r| unmark(r, "a2", "a1"),
        |b| {
            *b == Breach::Twice {
                mark: "a1".to_owned(),
                times: 2,
            }
        },
    );
    caught(
        |r| unmark(r, "a2", "refused"),
        |b| {
            *b == Breach::WrittenAllTheSame {
                mark: "refused".to_owned(),
            }
        },
    );
    caught(
        |r| step(r, "a2").tries = vec![Answer::Unavailable("DATABASE".to_owned())],
        |b| {
            *b == Breach::WrittenAllTheSame {
                mark: "a2".to_owned(),
            }
        },
    );
    // A lost acknowledgement alone is no breach: the step may be there.
    let mut record = good();
    step(&mut record, "a2").tries = vec![Answer::Unknown("cut".to_owned())];
    assert_eq!(check(&record), []);
}

#[test]
fn halves_of_atomic_batches_are_caught() {
    let half = |b: &Breach| {
        *b == Breach::HalfDone {
            group: 7,
            present: 1,
            of: 2,
        }
    };
    caught(|r| step(r, "c2").mark = "c2 not done".to_owned(), half);
}

#[test]
fn answers_that_differ_are_caught() {
    let differs = |b: &Breach| matches!(b, Breach::AnswerDiffers { .. });
    let set_status = |done: &mut super::Done| {
        "elsewhere".clone_into(&mut done.order.as_mut().unwrap().status);
    };
    let done = |r: &mut Record, change: fn(&mut super::Done)| match step(r, "a3")
        .tries
        .last_mut()
        .unwrap()
    {
        Answer::Done(done) => change(done),
        other => panic!("{other:?}"),
    };
    caught(|r| done(r, |done| drop(done.entries.pop())), differs);
    caught(
        |r| done(r, |done| done.entries[0].comment = "other".to_owned()),
        differs,
    );
    caught(|r| done(r, set_status), differs);
    caught(
        |r| done(r, |done| done.order.as_mut().unwrap().version -= 1),
        differs,
    );
    caught(
        |r| done(r, |done| done.replayed = true),
        |b| matches!(b, Breach::RepeatsNothing { .. }),
    );
    caught(
        |r| drop(step(r, "b2").tries.remove(0)),
        |b| matches!(b, Breach::RepeatsNothing { .. }),
    );
}

#[test]
fn steps_before_their_time_are_caught() {
    let overtaken = |b: &Breach| matches!(b, Breach::Overtaken { .. });
    caught(|r| step(r, "a2").began = 100 * TICK, overtaken);
    caught(|r| step(r, "c1").ended = TICK / 4, overtaken);
}

#[test]
fn old_and_wrong_reads_are_caught() {
    caught(
        |r| r.reads[0].began = 5 * TICK,
        |b| matches!(b, Breach::Stale { version: 2, .. }),
    );
    caught(
        |r| r.reads[0].order.version = 3,
        |b| matches!(b, Breach::OrderDiffers { version: 3, .. }),
    );
    caught(
        |r| r.reads[0].order.state = "elsewhere".to_owned(),
        |b| matches!(b, Breach::OrderDiffers { .. }),
    );
}

#[test]
fn every_message_that_is_dropped_is_caught() {
    for (index, session) in good().sessions.iter().enumerate() {
        for (place, message) in session.messages.iter().enumerate() {
            let is_last_of_cut = session.end == End::Cut
                && session.messages[place + 1..]
                    .iter()
                    .all(|later| later.entries.is_empty());
            if message.entries.is_empty() || is_last_of_cut {
                continue;
            }
            let gone = |b: &Breach| matches!(b, Breach::Skipped { .. } | Breach::Behind { .. });
            caught(|r| drop(r.sessions[index].messages.remove(place)), gone);
        }
    }
}

#[test]
fn what_lacks_in_the_middle_and_at_the_end_is_told_apart() {
    let skipped = |b: &Breach| {
        *b == Breach::Skipped {
            watcher: "export".to_owned(),
            place: (0, 1),
        }
    };
    caught(|r| drop(watcher(r, "export").messages.remove(1)), skipped);
    for name in ["all", "changes", "export"] {
        let cut = |r: &mut Record| {
            let messages = &mut watcher(r, name).messages;
            let last = messages
                .iter()
                .rposition(|message| !message.entries.is_empty())
                .unwrap();
            messages.truncate(last);
        };
        caught(
            cut,
            |b| matches!(b, Breach::Behind { watcher, .. } if watcher == name),
        );
    }
    // What was not acknowledged before an export was asked for need not be in it.
    let mut record = good();
    let opened = step(&mut record, "c1").ended + 1;
    let export = watcher(&mut record, "export");
    export.opened = opened;
    export.messages.pop();
    let is_early = |entry: &waymark_proto::v1::HistoryEntry| {
        ["a1", "b1", "a2", "a3", "c1"].contains(&mark_of_call(entry))
    };
    export
        .messages
        .retain(|message| message.entries.first().is_none_or(is_early));
    export
        .messages
        .iter_mut()
        .for_each(|message| message.at = opened + 1);
    assert_eq!(check(&record), []);
}

fn mark_of_call(entry: &waymark_proto::v1::HistoryEntry) -> &str {
    super::mark_of(entry).unwrap_or_default()
}

#[test]
fn a_watcher_that_resumes_after_a_lost_message_is_caught() {
    // The checkpoint that follows claims what was lost, and another watcher goes on from its token.
    let lose = |r: &mut Record| {
        let messages = &mut r.sessions[0].messages;
        let lost = messages
            .iter()
            .rposition(|message| !message.entries.is_empty())
            .unwrap();
        messages.remove(lost);
    };
    caught(lose, |b| {
        matches!(b, Breach::Skipped { .. } | Breach::TokenMoves { .. })
    });
}

#[test]
fn every_message_that_comes_twice_is_caught() {
    for (index, session) in good().sessions.iter().enumerate() {
        for place in
            (0..session.messages.len()).filter(|place| !session.messages[*place].entries.is_empty())
        {
            let double = |r: &mut Record| {
                let again = r.sessions[index].messages[place].clone();
                r.sessions[index].messages.insert(place + 1, again);
            };
            caught(double, |b| matches!(b, Breach::Repeated { .. }));
            caught(double, |b| matches!(b, Breach::Unordered { .. }));
        }
    }
}

#[test]
fn what_a_watcher_gets_again_after_it_resumed_is_caught() {
    let again = |r: &mut Record| {
        let last = r.sessions[0]
            .messages
            .iter()
            .rfind(|message| !message.entries.is_empty())
            .unwrap()
            .clone();
        r.sessions[1].messages.insert(1, last);
    };
    caught(again, |b| matches!(b, Breach::Repeated { .. }));
    // Another watcher may get it, but not from a token that covers it.
    let foreign = |r: &mut Record| {
        let last = r.sessions[0]
            .messages
            .iter()
            .rfind(|message| !message.entries.is_empty())
            .unwrap()
            .clone();
        watcher(r, "other").messages.insert(1, last);
    };
    caught(foreign, |b| matches!(b, Breach::Repeated { .. }));
}

#[test]
fn messages_in_another_order_are_caught() {
    caught(
        |r| watcher(r, "first").messages.swap(1, 2),
        |b| matches!(b, Breach::Unordered { .. }),
    );
    caught(
        |r| watcher(r, "changes").messages.swap(1, 3),
        |b| matches!(b, Breach::Unordered { .. }),
    );
}

#[test]
fn torn_steps_are_caught() {
    let tear = |r: &mut Record| {
        let messages = &mut watcher(r, "all").messages;
        let whole = messages
            .iter()
            .position(|message| message.entries.len() == 2)
            .unwrap();
        let mut rest = messages[whole].clone();
        messages[whole].entries.pop();
        rest.entries.remove(0);
        messages.insert(whole + 1, rest);
    };
    caught(tear, |b| matches!(b, Breach::StepTorn { .. }));
    assert!(
        watcher(&mut good(), "all")
            .messages
            .iter()
            .any(|message| message.entries.len() == 2)
    );
}

#[test]
fn entries_that_were_not_asked_for_or_differ_are_caught() {
    let foreign =
        |r: &mut Record| watcher(r, "comments").filter.statuses = vec!["nowhere".to_owned()];
    caught(foreign, |b| matches!(b, Breach::NotAskedFor { .. }));
    let change =
        |r: &mut Record| watcher(r, "first").messages[1].entries[0].comment = "other".to_owned();
    caught(change, |b| matches!(b, Breach::EntryDiffers { .. }));
    let wider = |r: &mut Record| watcher(r, "changes").filter.status_changes_only = false;
    caught(wider, |b| matches!(b, Breach::Skipped { .. }));
}

#[test]
fn messages_without_form_are_caught() {
    caught(
        |r| watcher(r, "now").messages[0].checkpoint = false,
        |b| matches!(b, Breach::NoGreeting { .. }),
    );
    caught(
        |r| watcher(r, "now").messages[0].checkpoint = false,
        |b| matches!(b, Breach::EmptyMessage { .. }),
    );
    caught(
        |r| watcher(r, "now").messages[1].resume_token.clear(),
        |b| matches!(b, Breach::EmptyMessage { .. }),
    );
    caught(
        |r| watcher(r, "export").messages.clear(),
        |b| matches!(b, Breach::EmptyMessage { .. }),
    );
    caught(
        |r| watcher(r, "now").messages[1].partition_count = 3,
        |b| matches!(b, Breach::PartitionCount { found: 3, .. }),
    );
}

#[test]
fn tokens_are_judged() {
    let unheard = |r: &mut Record| watcher(r, "other").start = Start::Token("unheard".to_owned());
    caught(unheard, |b| matches!(b, Breach::TokenFromNowhere { .. }));
    // A checkpoint that claims what was not sent yet.
    let early = |r: &mut Record| {
        let messages = &mut watcher(r, "first").messages;
        messages[0].resume_token = messages.last().unwrap().resume_token.clone();
    };
    caught(early, |b| matches!(b, Breach::TokenMoves { .. }));
    // A watcher from now on that begins too late, or too early.
    caught(
        |r| drop(watcher(r, "now").messages.remove(1)),
        |b| matches!(b, Breach::Skipped { .. } | Breach::Behind { .. }),
    );
    let late = |r: &mut Record| watcher(r, "now").opened = 7 * TICK;
    caught(late, |b| matches!(b, Breach::Repeated { .. }));
}

#[test]
fn protests_are_breaches() {
    caught(
        |r| r.protests.push("INTERNAL".to_owned()),
        |b| *b == Breach::Protest("INTERNAL".to_owned()),
    );
}
