//! Messages: their frame, and slim forms of answers that leave out what a row
//! does not ask for. Field numbers are those of the contract; what is not named
//! here is skipped unread.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

use crate::failure::Failure;

/// A flag and a length stand before every message.
pub(super) const PREFIX_BYTES: usize = 5;

/// Encodes a message with its prefix.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut buffer = BytesMut::with_capacity(PREFIX_BYTES + length);
    buffer.put_u8(0);
    // A length beyond four bytes cannot be allocated by any message of the benchmark.
    buffer.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    message.encode_raw(&mut buffer);
    buffer.freeze()
}

/// `StepResult`: whether the step was refused.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StepFault {
    #[prost(message, optional, tag = "5")]
    pub(crate) error: Option<Refusal>,
}

/// `StepError`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Refusal {
    #[prost(string, tag = "2")]
    pub(crate) reason: String,
    #[prost(string, tag = "3")]
    pub(crate) message: String,
}

/// `ExecuteStepsResponse`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StepFaults {
    #[prost(message, repeated, tag = "1")]
    pub(crate) results: Vec<StepFault>,
}

/// `StreamStepsResponse`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StreamedStep {
    #[prost(string, tag = "1")]
    pub(crate) correlation_id: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) result: Option<StepFault>,
}

/// `grpc.health.v1.HealthCheckRequest` for the server as a whole.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct HealthRequest {}

/// `grpc.health.v1.HealthCheckResponse`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct HealthReport {
    #[prost(int32, tag = "1")]
    pub(crate) status: i32,
}

/// `WatchHistoryResponse`: where its entries lie and when they were written.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Watched {
    #[prost(message, repeated, tag = "1")]
    pub(crate) entries: Vec<WatchedEntry>,
}

/// `HistoryEntry`.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct WatchedEntry {
    #[prost(message, optional, tag = "4")]
    pub(crate) position: Option<Position>,
    #[prost(message, optional, tag = "20")]
    pub(crate) create_time: Option<prost_types::Timestamp>,
}

/// `ListOrdersResponse`: which orders it has, and whether more follow.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Listed {
    #[prost(message, repeated, tag = "1")]
    pub(crate) orders: Vec<ListedOrder>,
    #[prost(string, tag = "2")]
    pub(crate) next_page_token: String,
}

/// `Order`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ListedOrder {
    #[prost(string, tag = "2")]
    pub(crate) id: String,
    #[prost(message, optional, tag = "21")]
    pub(crate) update_time: Option<prost_types::Timestamp>,
}

/// `LogPosition`.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Position {
    #[prost(int32, tag = "1")]
    pub(crate) partition: i32,
    #[prost(int64, tag = "2")]
    pub(crate) offset: i64,
}

impl StepFault {
    /// Fails for a step that was refused.
    pub(crate) fn check(self) -> Result<(), Failure> {
        match self.error {
            None => Ok(()),
            Some(Refusal { reason, message }) => Err(Failure::StepRefused { reason, message }),
        }
    }
}

#[cfg(test)]
mod tests {
    use waymark_proto::v1;

    use super::*;

    #[test]
    fn slim_forms_read_what_the_contract_writes() {
        let response = v1::WatchHistoryResponse {
            entries: vec![v1::HistoryEntry {
                order_id: "order-1".to_owned(),
                log_position: Some(v1::LogPosition {
                    partition: 3,
                    offset: 77,
                }),
                create_time: Some(prost_types::Timestamp {
                    seconds: 5,
                    nanos: 6,
                }),
                ..v1::HistoryEntry::default()
            }],
            resume_token: "token".to_owned(),
            ..v1::WatchHistoryResponse::default()
        };
        let slim = Watched::decode(response.encode_to_vec().as_slice()).unwrap();
        let [entry] = slim.entries.as_slice() else {
            panic!("one entry");
        };
        let position = entry.position.unwrap();
        assert_eq!((position.partition, position.offset), (3, 77));
        assert_eq!(entry.create_time.unwrap().nanos, 6);
    }

    #[test]
    fn a_listed_order_has_its_id_and_time() {
        let time = prost_types::Timestamp {
            seconds: 5,
            nanos: 6,
        };
        let response = v1::ListOrdersResponse {
            orders: vec![v1::Order {
                workflow: "bench".to_owned(),
                id: "order-1".to_owned(),
                update_time: Some(time),
                ..v1::Order::default()
            }],
            next_page_token: "token".to_owned(),
        };
        let slim = Listed::decode(response.encode_to_vec().as_slice()).unwrap();
        let expected = Listed {
            orders: vec![ListedOrder {
                id: "order-1".to_owned(),
                update_time: Some(time),
            }],
            next_page_token: "token".to_owned(),
        };
        assert_eq!(slim, expected);
    }

    #[test]
    fn a_refused_step_is_seen_in_streams_and_batches() {
        let result = v1::StepResult {
            error: Some(v1::StepError {
                code: 9,
                reason: "GUARD_REFUSED".to_owned(),
                ..v1::StepError::default()
            }),
            ..v1::StepResult::default()
        };
        let batch = v1::ExecuteStepsResponse {
            results: vec![v1::StepResult::default(), result.clone()],
        };
        let slim = StepFaults::decode(batch.encode_to_vec().as_slice()).unwrap();
        let checked = slim.results.into_iter().map(StepFault::check);
        let refused = checked.map(|done| done.is_err()).collect::<Vec<_>>();
        assert_eq!(refused, [false, true]);
        let streamed = v1::StreamStepsResponse {
            correlation_id: "12".to_owned(),
            result: Some(result),
        };
        let slim = StreamedStep::decode(streamed.encode_to_vec().as_slice()).unwrap();
        assert_eq!(slim.correlation_id, "12");
        assert!(slim.result.unwrap().check().is_err());
    }
}
