//! A record as a file to read, for a run that broke a promise.

use std::{fs, path::PathBuf};

use waymark_proto::v1::HistoryEntry;

use crate::validator::{Breach, Message, Record, Session};

/// Writes a record below the target directory, and says where.
pub(super) fn write(name: &str, record: &Record, breaches: &[Breach]) -> PathBuf {
    let tests = std::env::current_exe().expect("the test binary has a path");
    let target = tests
        .ancestors()
        .nth(3)
        .expect("target/<profile>/deps/<test>");
    let path = target
        .join("faults")
        .join(format!("{name}-{}.txt", record.seed));
    fs::create_dir_all(path.parent().expect("a directory")).expect("the directory is made");
    fs::write(&path, told(record, breaches)).expect("the record is written");
    path
}

/// A record as text: breaches, then one line for each step, message and entry.
fn told(record: &Record, breaches: &[Breach]) -> String {
    let mut lines: Vec<_> = breaches
        .iter()
        .map(|breach| format!("BREACH {breach:?}"))
        .collect();
    lines.extend(record.steps.iter().map(|step| format!("STEP {step:?}")));
    lines.extend(record.reads.iter().map(|read| format!("READ {read:?}")));
    for session in &record.sessions {
        let Session {
            watcher,
            filter,
            start,
            opened,
            end,
            messages,
        } = session;
        lines.push(format!(
            "STREAM {watcher} {filter:?} {start:?} at {opened}, {end:?}"
        ));
        lines.extend(messages.iter().map(|message| {
            let places: Vec<_> = message.entries.iter().map(place).collect();
            let Message {
                at,
                resume_token,
                checkpoint,
                ..
            } = message;
            format!(
                "  MESSAGE at {at} checkpoint {checkpoint} token {resume_token} {}",
                places.join(" ")
            )
        }));
    }
    lines.extend(
        record
            .log
            .iter()
            .map(|entry| format!("ENTRY {} {entry:?}", place(entry))),
    );
    lines.join("\n")
}

fn place(entry: &HistoryEntry) -> String {
    let position = entry.log_position.unwrap_or_default();
    format!(
        "{}:{}={}#{}",
        position.partition, position.offset, entry.order_id, entry.sequence
    )
}
