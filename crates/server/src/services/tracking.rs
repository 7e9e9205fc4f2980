//! `TrackingService`: tokens of orders, and what customers see with them.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use waymark_domain::value::{Invalid, WorkflowCode};
use waymark_persistence::{
    ChangeMode, NewTrackingToken, Revocation, TrackingCall, TrackingError, TrackingToken,
};
use waymark_proto::{
    convert::{
        call::ValidateOnly,
        timestamp_to_wire,
        tracking::{self as wire, CreateTrackingToken, GetTracking, RevokeTrackingToken},
    },
    invalid::InvalidRequest,
    v1::{self, tracking_service_server::TrackingService},
};

use super::names;
use crate::{
    App, Error, telemetry,
    tracking::{self, Seal},
};

/// Answers the calls of `TrackingService`.
#[derive(Debug, Clone)]
pub struct Service {
    app: Arc<App>,
}

impl Service {
    /// The service in front of `app`.
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    fn default_workflow(&self) -> &WorkflowCode {
        self.app.default_workflow()
    }

    async fn create(
        &self,
        asked: CreateTrackingToken,
    ) -> Result<v1::CreateTrackingTokenResponse, Error> {
        let CreateTrackingToken {
            workflow,
            order_id,
            expire_time,
            call,
        } = asked;
        telemetry::note_order(&order_id);
        let new = NewTrackingToken {
            workflow,
            order_id,
            expire_time,
        };
        let call = read_call(call);
        let mode = call.mode;
        let store = self.app.store().clone();
        let created = async move { store.create_tracking_token(&new, &call).await };
        let created = match self.app.detached(created).await? {
            Ok(created) => created,
            Err(error) => return Err(names::told(self.app.store(), error.into()).await),
        };
        let text = match (mode, created.replayed) {
            (ChangeMode::Apply, _) | (ChangeMode::Rehearse, true) => {
                Seal::of(self.app.store()).token(created.answer.id)
            }
            // There is no such token.
            (ChangeMode::Rehearse, false) => String::new(),
        };
        let feeds = self.app.feeds().filter(|_| !text.is_empty());
        Ok(v1::CreateTrackingTokenResponse {
            feed_url: feeds.map(|feeds| feeds.of_token(&text)).unwrap_or_default(),
            tracking_token: Some(token_to_wire(&created.answer, text)),
            replayed: created.replayed,
        })
    }

    async fn revoke(
        &self,
        asked: RevokeTrackingToken,
    ) -> Result<v1::RevokeTrackingTokenResponse, Error> {
        let RevokeTrackingToken { which, call } = asked;
        let which = match which {
            wire::Revocation::Order(workflow, order_id) => {
                telemetry::note_order(&order_id);
                Revocation::Order(workflow, order_id)
            }
            wire::Revocation::Token(text) => {
                let claim = Seal::of(self.app.store()).open(&text);
                if !claim.is_genuine {
                    return Err(Error::TrackingNotFound);
                }
                Revocation::Token(claim.id)
            }
        };
        let call = read_call(call);
        let store = self.app.store().clone();
        let revoked = async move { store.revoke_tracking_tokens(&which, &call).await };
        let revoked = match self.app.detached(revoked).await? {
            Ok(revoked) => revoked,
            Err(error) => return Err(names::told(self.app.store(), error.into()).await),
        };
        Ok(v1::RevokeTrackingTokenResponse {
            revoked: revoked.answer,
            replayed: revoked.replayed,
        })
    }

    async fn get(&self, asked: GetTracking) -> Result<v1::GetTrackingResponse, Error> {
        let GetTracking { token, store_view } = asked;
        let shown = tracking::find(self.app.store(), &token, store_view.as_ref()).await?;
        let tracking = shown.ok_or(Error::TrackingNotFound)?.tracking;
        telemetry::note_order(&tracking.order_id);
        Ok(v1::GetTrackingResponse {
            tracking: Some(tracking.into()),
        })
    }
}

#[tonic::async_trait]
impl TrackingService for Service {
    async fn create_tracking_token(
        &self,
        request: Request<v1::CreateTrackingTokenRequest>,
    ) -> Result<Response<v1::CreateTrackingTokenResponse>, Status> {
        let asked = CreateTrackingToken::read(request.into_inner(), self.default_workflow())
            .map_err(Error::from)?;
        Ok(Response::new(self.create(asked).await?))
    }

    async fn revoke_tracking_token(
        &self,
        request: Request<v1::RevokeTrackingTokenRequest>,
    ) -> Result<Response<v1::RevokeTrackingTokenResponse>, Status> {
        let asked = RevokeTrackingToken::read(request.into_inner(), self.default_workflow())
            .map_err(Error::from)?;
        Ok(Response::new(self.revoke(asked).await?))
    }

    async fn get_tracking(
        &self,
        request: Request<v1::GetTrackingRequest>,
    ) -> Result<Response<v1::GetTrackingResponse>, Status> {
        let asked = GetTracking::read(request.into_inner()).map_err(Error::from)?;
        Ok(Response::new(self.get(asked).await?))
    }
}

fn read_call(call: wire::TrackingCall) -> TrackingCall {
    let wire::TrackingCall {
        actor,
        request,
        validate_only,
    } = call;
    telemetry::note_request(request.as_ref().map(|request| &request.id));
    TrackingCall {
        request: request.map(|key| waymark_persistence::Request {
            id: key.id,
            fingerprint: key.fingerprint,
        }),
        actor,
        mode: match validate_only {
            ValidateOnly::No => ChangeMode::Apply,
            ValidateOnly::Yes => ChangeMode::Rehearse,
        },
    }
}

fn token_to_wire(token: &TrackingToken, text: String) -> v1::TrackingToken {
    let TrackingToken {
        id: _,
        workflow,
        order_id,
        create_time,
        expire_time,
        revoke_time,
    } = token;
    v1::TrackingToken {
        token: text,
        workflow: workflow.to_string(),
        order_id: order_id.to_string(),
        create_time: Some(timestamp_to_wire(*create_time)),
        expire_time: expire_time.map(timestamp_to_wire),
        revoke_time: revoke_time.map(timestamp_to_wire),
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
