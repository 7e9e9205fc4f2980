//! Messages as protobuf's JSON, the same that grpcurl prints, one a line.

use prost::Message;
use waymark_proto::{
    json,
    v1::{HistoryEntry, StreamHistoryResponse, WatchHistoryResponse},
};

use crate::{failure::Failure, output};

/// Prints messages, or the entries in them.
pub(super) struct Printer {
    whole: bool,
}

impl Printer {
    /// Prints whole messages if asked to, else entries alone.
    pub(super) fn new(whole: bool) -> Self {
        Self { whole }
    }

    pub(super) fn stream(&self, message: &StreamHistoryResponse) -> Result<(), Failure> {
        if self.whole {
            print("waymark.v1.StreamHistoryResponse", [message])
        } else {
            entries(&message.entries)
        }
    }

    pub(super) fn watch(&self, message: &WatchHistoryResponse) -> Result<(), Failure> {
        if self.whole {
            print("waymark.v1.WatchHistoryResponse", [message])
        } else {
            entries(&message.entries)
        }
    }
}

fn entries(entries: &[HistoryEntry]) -> Result<(), Failure> {
    print("waymark.v1.HistoryEntry", entries)
}

/// Prints all at once, so that a reader that goes away leaves no half of a message.
fn print<'a, M: Message + 'a>(
    name: &str,
    messages: impl IntoIterator<Item = &'a M>,
) -> Result<(), Failure> {
    let mut text = String::new();
    for message in messages {
        text.push_str(&json::line(name, message)?);
        text.push('\n');
    }
    output::print(&text)
}

#[cfg(test)]
mod tests {
    use waymark_proto::v1::{EntryKind, LogPosition};

    use super::*;

    #[test]
    fn an_entry_reads_as_grpcurl_shows_it() {
        let entry = HistoryEntry {
            order_id: "1".to_owned(),
            sequence: 2,
            log_position: Some(LogPosition {
                partition: 0,
                offset: 7,
            }),
            kind: EntryKind::Commented.into(),
            comment: "two\nlines".to_owned(),
            ..HistoryEntry::default()
        };
        let line = json::line("waymark.v1.HistoryEntry", &entry).unwrap();
        assert_eq!(
            line,
            r#"{"orderId":"1","sequence":"2","logPosition":{"offset":"7"},"kind":"ENTRY_KIND_COMMENTED","comment":"two\nlines"}"#
        );
    }
}
