//! Refusals that are made below the services, where a message is too large or too dense,
//! is no message, or names no method: they get a reason and details like all others.

use std::error::Error as _;

use http::{HeaderMap, Response};
use tonic::{Code, Status};
use waymark_proto::invalid::InvalidRequest;

use super::{Problem, Reason};
use crate::limits::MESSAGE_BYTES_MAX;

const DETAILS: &str = "grpc-status-details-bin";

/// Adds a reason and details to an answer that is a refusal without any.
pub(crate) fn explained<B>(mut response: Response<B>) -> Response<B> {
    let headers = response.headers();
    if headers.contains_key(DETAILS) {
        return response;
    }
    // The status that was written into the headers still knows its source.
    let status = match response.extensions().get::<Status>() {
        Some(status) => Some(status.clone()),
        None => Status::from_header_map(headers),
    };
    let Some(status) = status.filter(|status| status.code() != Code::Ok) else {
        return response;
    };
    let status = explain(status);
    // A status that cannot be written leaves the one that is there.
    let mut written = HeaderMap::new();
    if status.add_header(&mut written).is_ok() {
        for (name, value) in &written {
            response.headers_mut().insert(name, value.clone());
        }
        response.extensions_mut().insert(status);
    }
    response
}

/// Adds a reason and details to a status that was made below the services.
pub(crate) fn explain(status: Status) -> Status {
    if !status.details().is_empty() {
        return status;
    }
    let invalid = status
        .source()
        .and_then(|source| source.downcast_ref::<InvalidRequest>());
    if let Some(invalid) = invalid {
        return Status::from(Problem::from(invalid));
    }
    let problem = match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => Problem::message_too_large(MESSAGE_BYTES_MAX),
        Code::Internal => {
            let message =
                "is not a message of this method, or is damaged or compressed in an unknown way";
            Problem::of_field(Reason::MessageMalformed, "request", message)
        }
        Code::Unimplemented => {
            let message =
                "there is no such method, or it does not take messages compressed like this";
            Problem::new(Reason::NotImplemented, message)
        }
        _ => return status,
    };
    Status::from(problem)
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    #[test]
    fn refusals_without_details_get_some() {
        for (code, reason) in [
            (Code::OutOfRange, "MESSAGE_TOO_LARGE"),
            (Code::Internal, "MESSAGE_MALFORMED"),
            (Code::Unimplemented, "NOT_IMPLEMENTED"),
        ] {
            let response = explained(Status::new(code, "as tonic says").into_http::<()>());
            let status = Status::from_header_map(response.headers()).unwrap();
            assert_eq!(status.get_details_error_info().unwrap().reason, reason);
            assert!(!status.message().contains("tonic"));
        }
    }

    #[test]
    fn answers_and_explained_refusals_stay() {
        let answer = explained(Response::new(()));
        assert!(answer.headers().is_empty());
        let refusal = Status::from(Problem::new(Reason::Internal, "as it is"));
        let response = explained(refusal.clone().into_http::<()>());
        let status = Status::from_header_map(response.headers()).unwrap();
        assert_eq!(
            (status.message(), status.details()),
            (refusal.message(), refusal.details())
        );
    }
}
