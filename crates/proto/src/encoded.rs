//! Messages that are bytes in part. Streams of `HistoryService` send each entry as it was encoded once, however many
//! read it; `ExecuteSteps` takes steps as they came. On the wire nothing differs from the messages of
//! [`v1`](crate::v1), which clients use.

use bytes::Bytes;

use crate::shape::{Field, Kind, Shape, Shaped};

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
    /// The number of partitions.
    #[prost(int32, tag = "4")]
    pub partition_count: i32,
}

/// A request of `ExecuteSteps`, whose steps are decoded one after the other: a thousand of them are many times as large
/// as messages than as bytes. The bytes are those that came, and are not copied.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct StepsMessage {
    /// The steps; each is an encoded `Step`.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub steps: Vec<Bytes>,
    /// Whether all or none are carried out.
    #[prost(bool, tag = "2")]
    pub atomic: bool,
    /// Whether results carry the order.
    #[prost(bool, tag = "3")]
    pub return_orders: bool,
    /// Checks everything and answers as if it were done, but writes nothing.
    #[prost(bool, tag = "28")]
    pub validate_only: bool,
}

impl Shaped for StepsMessage {
    fn shape() -> &'static Shape {
        static SHAPE: Shape = Shape {
            bytes: size_of::<StepsMessage>(),
            fields: &[
                Field {
                    number: 1,
                    name: "steps",
                    kind: Kind::Slice,
                    repeated: true,
                },
                flag(2, "atomic"),
                flag(3, "return_orders"),
                flag(28, "validate_only"),
            ],
        };
        const fn flag(number: u32, name: &'static str) -> Field {
            Field {
                number,
                name,
                kind: Kind::Varint(1),
                repeated: false,
            }
        }
        &SHAPE
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::{HistoryMessage, StepsMessage};
    use crate::v1::{self, step::Command};

    #[test]
    fn steps_are_those_of_the_contract() {
        let step = v1::Step {
            command: Some(Command::AddComment(v1::AddCommentRequest::default())),
        };
        let request = v1::ExecuteStepsRequest {
            steps: vec![step.clone(), v1::Step::default()],
            atomic: true,
            return_orders: true,
            validate_only: true,
        };
        let encoded = StepsMessage {
            steps: vec![step.encode_to_vec().into(), Vec::new().into()],
            atomic: true,
            return_orders: true,
            validate_only: true,
        };
        let bytes = request.encode_to_vec();
        assert_eq!(encoded.encode_to_vec(), bytes);
        assert_eq!(StepsMessage::decode(bytes.as_slice()), Ok(encoded));
    }

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
