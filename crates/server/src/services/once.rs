//! Calls that are carried out once: their idempotency keys, and the answers that are remembered.

use prost::Message;
use waymark_persistence::{Answered, ChangeError, ChangeMode, OutboxCall, Request};
use waymark_proto::{
    convert::call::{EditCall, RequestKey, ValidateOnly},
    v1,
};

use crate::{App, Error, telemetry};

/// An answer that is remembered.
pub(super) trait Remembered: Message + Default + 'static {
    /// The answer as that to an earlier call.
    fn replayed(self) -> Self;
}

/// An answer that is remembered and shows one thing.
pub(super) trait Showing: Remembered {
    /// The type of that.
    type Shown: Send + 'static;

    /// The answer that shows it.
    fn of(shown: Self::Shown) -> Self;
}

macro_rules! remembered {
    ($($answer:ident $(showing $field:ident: $shown:ty)?;)+) => {
        $(impl Remembered for v1::$answer {
            fn replayed(self) -> Self {
                Self { replayed: true, ..self }
            }
        }

        $(impl Showing for v1::$answer {
            type Shown = $shown;

            fn of($field: $shown) -> Self {
                Self { $field, ..Self::default() }
            }
        })?)+
    };
}

remembered! {
    ApplyWorkflowResponse;
    AssignStatusResponse showing assignment: Option<v1::StatusAssignment>;
    CreateEndpointResponse showing endpoint: Option<v1::Endpoint>;
    CreateStatusResponse showing status: Option<v1::OrderStatus>;
    CreateTransitionResponse showing transition: Option<v1::Transition>;
    DeleteEndpointResponse showing endpoint: Option<v1::Endpoint>;
    DeleteStatusResponse showing status: Option<v1::OrderStatus>;
    DeleteTransitionResponse showing transition: Option<v1::Transition>;
    DeleteWorkflowResponse showing workflow: Option<v1::Workflow>;
    RetryDeliveriesResponse showing retried: i64;
    RetryDeliveryResponse showing delivery: Option<v1::Delivery>;
    RotateEndpointSecretResponse showing endpoint: Option<v1::Endpoint>;
    SettleOrdersResponse;
    SkipDeliveriesResponse showing skipped: i64;
    SkipDeliveryResponse showing delivery: Option<v1::Delivery>;
    UnassignStatusResponse showing promoted_default: String;
    UpdateEndpointResponse showing endpoint: Option<v1::Endpoint>;
    UpdateStatusResponse showing status: Option<v1::OrderStatus>;
    UpdateTransitionResponse showing transition: Option<v1::Transition>;
}

/// Reads an answer that was remembered.
pub(super) fn replayed<R: Remembered>(stored: &[u8]) -> Result<R, Error> {
    let what = "a stored answer cannot be read";
    let stored = R::decode(stored).map_err(|_| Error::Internal { what })?;
    Ok(stored.replayed())
}

/// The idempotency key as the store knows it.
pub(super) fn key(key: &RequestKey) -> Request {
    Request {
        id: key.id.clone(),
        fingerprint: key.fingerprint,
    }
}

/// The idempotency key of a call, which the log notes.
pub(super) fn request(request: Option<&RequestKey>) -> Option<Request> {
    telemetry::note_request(request.map(|key| &key.id));
    request.map(key)
}

/// Whether a call is carried out.
pub(super) fn mode(validate_only: ValidateOnly) -> ChangeMode {
    match validate_only {
        ValidateOnly::No => ChangeMode::Apply,
        ValidateOnly::Yes => ChangeMode::DryRun,
    }
}

/// A call about deliveries or endpoints as the store knows it.
pub(super) fn outbox_call(edit: &EditCall) -> OutboxCall {
    OutboxCall {
        request: request(edit.request.as_ref()),
        actor: edit.actor.clone(),
        mode: mode(edit.validate_only),
    }
}

/// Carries a call about deliveries or endpoints out, also when the caller goes away, and answers
/// it. `then` follows where something was written.
pub(super) async fn carry_out<T, R, E>(
    app: &App,
    mode: ChangeMode,
    work: impl Future<Output = Result<Answered<T>, ChangeError<E>>> + Send + 'static,
    respond: impl Fn(&T) -> R + Send + 'static,
    then: impl FnOnce(&T) + Send + 'static,
) -> Result<R, Error>
where
    T: Send + 'static,
    R: Remembered,
    E: Into<Error> + Send + 'static,
{
    let carried_out = async move {
        match work.await? {
            Answered::Done(done) => {
                if mode == ChangeMode::Apply {
                    then(&done);
                }
                Ok(respond(&done))
            }
            Answered::Replayed(answer) => replayed(&answer),
        }
    };
    app.detached(Box::pin(carried_out)).await?
}
