//! `TrackingService`: tokens of orders, and what customers see with them.

use waymark_domain::value::Invalid;
use waymark_persistence::{
    ChangeMode, NewTrackingToken, Revocation, TrackingCall, TrackingError, TrackingToken,
};
use waymark_proto::{
    convert::{
        call::EditCall,
        timestamp_to_wire,
        tracking::{self as wire, CreateTrackingToken, GetTracking, RevokeTrackingToken},
    },
    invalid::InvalidRequest,
    v1::{self, tracking_service_server::TrackingService},
};

use super::{once, suggestions};
use crate::{
    App, Error, telemetry,
    tracking::{self, Seal},
};

service!("TrackingService");

rpcs! {
    TrackingService {
        create_tracking_token(v1::CreateTrackingTokenRequest) -> v1::CreateTrackingTokenResponse:
            CreateTrackingToken::read(default_workflow()) => create;
        revoke_tracking_token(v1::RevokeTrackingTokenRequest) -> v1::RevokeTrackingTokenResponse:
            RevokeTrackingToken::read(default_workflow()) => revoke;
        get_tracking(v1::GetTrackingRequest) -> v1::GetTrackingResponse:
            GetTracking::read() => get;
    }
}

async fn create(
    app: &App,
    asked: CreateTrackingToken,
) -> Result<v1::CreateTrackingTokenResponse, Error> {
    telemetry::note_order(&asked.order_id);
    let new = NewTrackingToken {
        workflow: asked.workflow,
        order_id: asked.order_id,
        expire_time: asked.expire_time,
    };
    let (call, store) = (read_call(asked.call), app.store().clone());
    let mode = call.mode;
    let created = app.detached(async move { store.create_tracking_token(&new, &call).await });
    let created = match created.await? {
        Ok(created) => created,
        Err(error) => return Err(suggestions::with_workflow(app.store(), error.into()).await),
    };
    let text = match (mode, created.replayed) {
        (ChangeMode::Apply, _) | (ChangeMode::DryRun, true) => {
            Seal::of(app.store()).token(created.answer.id)
        }
        // There is no such token.
        (ChangeMode::DryRun, false) => String::new(),
    };
    let feeds = app.feeds().filter(|_| !text.is_empty());
    Ok(v1::CreateTrackingTokenResponse {
        feed_url: feeds.map(|feeds| feeds.of_token(&text)).unwrap_or_default(),
        tracking_token: Some(token_to_wire(&created.answer, text)),
        replayed: created.replayed,
    })
}

async fn revoke(
    app: &App,
    asked: RevokeTrackingToken,
) -> Result<v1::RevokeTrackingTokenResponse, Error> {
    let which = match asked.which {
        wire::Revocation::Order(workflow, order_id) => {
            telemetry::note_order(&order_id);
            Revocation::Order(workflow, order_id)
        }
        wire::Revocation::Token(text) => {
            let claim = Seal::of(app.store()).open(&text);
            if !claim.is_genuine {
                return Err(Error::TrackingNotFound);
            }
            Revocation::Token(claim.id)
        }
    };
    let (call, store) = (read_call(asked.call), app.store().clone());
    let revoked = app.detached(async move { store.revoke_tracking_tokens(&which, &call).await });
    match revoked.await? {
        Ok(revoked) => Ok(v1::RevokeTrackingTokenResponse {
            revoked: revoked.answer,
            replayed: revoked.replayed,
        }),
        Err(error) => Err(suggestions::with_workflow(app.store(), error.into()).await),
    }
}

async fn get(app: &App, asked: GetTracking) -> Result<v1::GetTrackingResponse, Error> {
    let shown = tracking::find(app.store(), &asked.token, asked.store_view.as_ref()).await?;
    let tracking = shown.ok_or(Error::TrackingNotFound)?.tracking;
    telemetry::note_order(&tracking.order_id);
    Ok(v1::GetTrackingResponse {
        tracking: Some(v1::Tracking::from(&tracking)),
    })
}

fn read_call(call: EditCall) -> TrackingCall {
    TrackingCall {
        request: once::request(call.request.as_ref()),
        actor: call.actor,
        mode: once::mode(call.validate_only),
    }
}

fn token_to_wire(token: &TrackingToken, text: String) -> v1::TrackingToken {
    v1::TrackingToken {
        token: text,
        workflow: token.workflow.to_string(),
        order_id: token.order_id.to_string(),
        create_time: Some(timestamp_to_wire(token.create_time)),
        expire_time: token.expire_time.map(timestamp_to_wire),
        revoke_time: token.revoke_time.map(timestamp_to_wire),
    }
}

impl From<TrackingError> for Error {
    fn from(error: TrackingError) -> Self {
        match error {
            TrackingError::Refused(refusal) => refusal.into(),
            TrackingError::TokenNotFound => Self::TrackingNotFound,
            TrackingError::ExpireTimePassed => {
                let expected = "an instant later than now";
                InvalidRequest::new("expire_time", Invalid::Malformed { expected }).into()
            }
            TrackingError::Failed(error) => error.into(),
        }
    }
}
