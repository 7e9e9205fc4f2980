//! Calls about deliveries and endpoints, which are carried out once: what the store needs to know of
//! one, and the answer to it.

use prost::Message;
use waymark_persistence::{Answered, ChangeMode, LedgerCall};
use waymark_proto::convert::call::{EditCall, ValidateOnly};

use crate::{Error, telemetry};

/// What the store needs to know of a call.
pub(super) fn ledger_call(edit: &EditCall) -> LedgerCall {
    let request = edit.request.as_ref();
    telemetry::note_request(request.map(|request| &request.id));
    LedgerCall {
        request: request.map(|key| waymark_persistence::Request {
            id: key.id.clone(),
            fingerprint: key.fingerprint,
        }),
        actor: edit.actor.clone(),
        mode: match edit.validate_only {
            ValidateOnly::No => ChangeMode::Apply,
            ValidateOnly::Yes => ChangeMode::Rehearse,
        },
    }
}

/// The answer to a call; the flag says whether it is that to an earlier one.
pub(super) fn answer<T, R: Message + Default>(
    answered: &Answered<T>,
    answer: impl Fn(&T) -> R,
) -> Result<(R, bool), Error> {
    match answered {
        Answered::Done(done) => Ok((answer(done), false)),
        Answered::Replayed(stored) => {
            let what = "a stored answer cannot be read";
            let stored = R::decode(stored.as_slice()).map_err(|_| Error::Internal { what })?;
            Ok((stored, true))
        }
    }
}
