//! Messages as protobuf's JSON, the same that grpcurl prints, one a line.

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use waymark_proto::v1::{HistoryEntry, StreamHistoryResponse, WatchHistoryResponse};

use crate::{failure::Failure, output};

/// Prints messages, or the entries in them.
pub(super) struct Printer {
    entry: MessageDescriptor,
    stream: MessageDescriptor,
    watch: MessageDescriptor,
    whole: bool,
}

impl Printer {
    /// Prints whole messages if asked to, else entries alone.
    pub(super) fn new(whole: bool) -> Result<Self, Failure> {
        let pool = DescriptorPool::decode(waymark_proto::FILE_DESCRIPTOR_SET).map_err(not_shown)?;
        let find = |name: &str| {
            let missing = || not_shown(format!("{name} is not among the descriptors"));
            pool.get_message_by_name(name).ok_or_else(missing)
        };
        Ok(Self {
            entry: find("waymark.v1.HistoryEntry")?,
            stream: find("waymark.v1.StreamHistoryResponse")?,
            watch: find("waymark.v1.WatchHistoryResponse")?,
            whole,
        })
    }

    pub(super) fn stream(&self, message: &StreamHistoryResponse) -> Result<(), Failure> {
        if self.whole {
            print(&self.stream, [message])
        } else {
            self.entries(&message.entries)
        }
    }

    pub(super) fn watch(&self, message: &WatchHistoryResponse) -> Result<(), Failure> {
        if self.whole {
            print(&self.watch, [message])
        } else {
            self.entries(&message.entries)
        }
    }

    fn entries(&self, entries: &[HistoryEntry]) -> Result<(), Failure> {
        print(&self.entry, entries)
    }
}

/// Prints all at once, so that a reader that goes away leaves no half of a message.
fn print<'a, M: Message + 'a>(
    descriptor: &MessageDescriptor,
    messages: impl IntoIterator<Item = &'a M>,
) -> Result<(), Failure> {
    let mut text = String::new();
    for message in messages {
        text.push_str(&line(descriptor, message)?);
        text.push('\n');
    }
    output::print(&text)
}

fn line(descriptor: &MessageDescriptor, message: &impl Message) -> Result<String, Failure> {
    let encoded = message.encode_to_vec();
    let message =
        DynamicMessage::decode(descriptor.clone(), encoded.as_slice()).map_err(not_shown)?;
    serde_json::to_string(&message).map_err(not_shown)
}

fn not_shown(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    Failure::Json(error.into())
}

#[cfg(test)]
mod tests {
    use waymark_proto::v1::{EntryKind, LogPosition};

    use super::*;

    #[test]
    fn an_entry_reads_as_grpcurl_shows_it() {
        let printer = Printer::new(false).unwrap();
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
        let line = line(&printer.entry, &entry).unwrap();
        assert_eq!(
            line,
            r#"{"orderId":"1","sequence":"2","logPosition":{"offset":"7"},"kind":"ENTRY_KIND_COMMENTED","comment":"two\nlines"}"#
        );
    }
}
