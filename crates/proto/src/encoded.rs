//! The streams of `HistoryService` as a server sends them: each entry is encoded once, however many read it. On the
//! wire nothing differs from the messages of [`v1`](crate::v1), with which clients read them.

use bytes::Bytes;

/// A message of `StreamHistory` or `WatchHistory`: the fields of `StreamHistoryResponse` and `WatchHistoryResponse`,
/// which are alike.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct HistoryMessage {
    /// The entries that match, whole steps only; each is an encoded `HistoryEntry`.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub entries: Vec<Bytes>,
    /// Covers everything up to and with this message.
    #[prost(string, tag = "2")]
    pub resume_token: String,
    /// Sent to say how far the reader is, with or without entries.
    #[prost(bool, tag = "3")]
    pub checkpoint: bool,
    /// How many partitions there are.
    #[prost(int32, tag = "4")]
    pub partition_count: i32,
}

#[expect(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::default_trait_access,
    clippy::doc_markdown,
    clippy::too_many_lines,
    reason = "generated code"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/encoded/waymark.v1.rs"));
}

pub use generated::history_service_server;

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::HistoryMessage;
    use crate::v1;

    #[test]
    fn bytes_on_the_wire_are_those_of_the_contract() {
        let entries: Vec<v1::HistoryEntry> = [1, 2]
            .map(|sequence| v1::HistoryEntry {
                order_id: "1".to_owned(),
                sequence,
                ..v1::HistoryEntry::default()
            })
            .into();
        let encoded = HistoryMessage {
            entries: entries
                .iter()
                .map(|entry| entry.encode_to_vec().into())
                .collect(),
            resume_token: "token".to_owned(),
            checkpoint: true,
            partition_count: 8,
        };
        let watched = v1::WatchHistoryResponse {
            entries: entries.clone(),
            resume_token: "token".to_owned(),
            checkpoint: true,
            partition_count: 8,
        };
        let streamed = v1::StreamHistoryResponse {
            entries,
            resume_token: "token".to_owned(),
            checkpoint: true,
            partition_count: 8,
        };
        assert_eq!(encoded.encode_to_vec(), watched.encode_to_vec());
        assert_eq!(encoded.encode_to_vec(), streamed.encode_to_vec());
    }
}
