//! Messages as protobuf's JSON, the same that grpcurl prints, one a line.

use prost::Message;
use waymark_proto::json;

use crate::failure::Failure;

/// Writes messages, one a line.
pub(super) fn lines<'a, M: Message + 'a>(
    name: &str,
    messages: impl IntoIterator<Item = &'a M>,
) -> Result<String, Failure> {
    let mut text = String::new();
    for message in messages {
        text.push_str(&json::line(name, message)?);
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use waymark_proto::v1::{EntryKind, HistoryEntry, LogPosition};

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
