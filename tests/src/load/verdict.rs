//! What an answer says about whether a call was written.

use std::{collections::HashMap, error::Error};

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{
    Refusal,
    validator::{Answer, OrderKey},
};

/// Whether the call surely did not reach a handler: no connection could be made, it closed while the call still waited
/// for it, or the server said goodbye and named the calls that it still takes. A connection that merely broke may have
/// had the call.
pub(super) fn was_not_sent(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        let has_waited = error.downcast_ref().is_some_and(hyper::Error::is_canceled);
        if error.is::<tonic::ConnectError>()
            || has_waited
            || error.downcast_ref().is_some_and(came_after_goodbye)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether the server ended the connection in order before it took this call: only those calls get this error.
fn came_after_goodbye(error: &h2::Error) -> bool {
    error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR)
}

/// What an error says. One without particulars is not from the service, but from the connection.
pub(super) fn judge(status: &Status) -> Answer {
    if status.get_details_error_info().is_none() {
        return Answer::Unknown(format!("{status:?}"));
    }
    let refusal = Refusal::of(status);
    weigh(refusal.code, refusal.reason)
}

pub(super) fn weigh(code: Code, reason: String) -> Answer {
    match code {
        Code::Unavailable | Code::ResourceExhausted => Answer::Unavailable(reason),
        Code::Unknown => Answer::Unknown(reason),
        code => Answer::Refused(code, reason),
    }
}

/// Whether steps on one order were carried out in the order in which one call had them.
pub(super) fn is_in_order(steps: &[&OrderKey], answers: &[Answer]) -> bool {
    let mut last = HashMap::new();
    steps
        .iter()
        .zip(answers)
        .all(|(order, answer)| match answer {
            Answer::Done(done) if !done.replayed => {
                let sequence = done.entries.first().map_or(0, |entry| entry.sequence);
                last.insert(*order, sequence)
                    .is_none_or(|before| before < sequence)
            }
            _ => true,
        })
}

/// Whether an answer is one that no client should get, whatever it does.
pub(super) fn is_fault(answer: &Answer) -> bool {
    matches!(
        answer,
        Answer::Refused(
            Code::Ok | Code::Internal | Code::DataLoss | Code::Unimplemented | Code::Cancelled,
            _
        )
    )
}
