//! Making and revoking tokens: one transaction each, see [`crate::once`].

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use uuid::Uuid;
use waymark_domain::{
    actor::Actor,
    partition::Partition,
    value::{OrderId, Timestamp, WorkflowCode},
};

use super::{
    NewTrackingToken, Revocation, TrackingAnswer, TrackingCall, TrackingError, TrackingToken,
    TrackingTokenId, tokens,
};
use crate::{
    ChangeError, CommitError, Error, Refusal, Store,
    logging::report,
    once::{Answered, Call, CarriedOut, Transact},
    requests::Scope,
    rows::Reading,
    schema::{orders, workflows},
    tx::{Tx, on_conn},
};

/// The outcome of a call; a refusal is an answer too.
type TrackingResult<A> = Result<TrackingAnswer<A>, TrackingError>;

/// An order with its partition.
type OrderPlace<'p> = (Partition, &'p WorkflowCode, &'p OrderId);

impl Store {
    /// Creates a token of an order.
    ///
    /// A dry run answers with a token that does not exist, unless the same call made one before.
    ///
    /// # Errors
    /// Returns [`TrackingError`] when there is no such order, when the token would have ended
    /// already, when the request id was used for another call, or when the database failed.
    pub async fn create_tracking_token(
        &self,
        new: &NewTrackingToken,
        call: &TrackingCall,
    ) -> TrackingResult<TrackingToken> {
        let partition = self.partition_of(&new.workflow, &new.order_id);
        let scope = Scope::order(partition, &new.workflow, &new.order_id);
        // The id is chosen once for all attempts, so the row of an earlier one is known.
        let id = TrackingTokenId {
            partition,
            id: Uuid::new_v4().into_bytes(),
        };
        let actor = &call.actor;
        let create = Create { new, actor, id };
        let encode = |token: &TrackingToken| token.id.id.to_vec();
        let answered = self.once(call.once(&scope), create, encode).await;
        let (answer, replayed) = match answered.map_err(|error| refused(error, call))? {
            Answered::Done(token) => (token, false),
            Answered::Replayed(kept) => {
                let token = self.token_of(partition, &scope, &kept).await;
                (token.map_err(|error| failed(&error))?, true)
            }
        };
        Ok(TrackingAnswer { answer, replayed })
    }

    /// Revokes one token, or all that an order has; answers how many had not been revoked before.
    ///
    /// # Errors
    /// Returns [`TrackingError`] when there is no such token or order, when the request id was
    /// used for another call, or when the database failed.
    pub async fn revoke_tracking_tokens(
        &self,
        which: &Revocation,
        call: &TrackingCall,
    ) -> TrackingResult<i32> {
        let (workflow, order_id, only) = match which {
            Revocation::Order(workflow, order_id) => (workflow.clone(), order_id.clone(), None),
            Revocation::Token(id) => {
                let token = self.database().read(async |tx| tokens::find(tx, *id).await);
                let token = token.await.map_err(|error| failed(&error))?;
                let token = token.ok_or(TrackingError::TokenNotFound)?;
                (token.workflow, token.order_id, Some(*id))
            }
        };
        let partition = self.partition_of(&workflow, &order_id);
        let scope = Scope::order(partition, &workflow, &order_id);
        let revoke = Revoke {
            place: (partition, &workflow, &order_id),
            only,
            actor: &call.actor,
        };
        let encode = |count: &i32| count.to_string().into_bytes();
        let answered = self.once(call.once(&scope), revoke, encode).await;
        let (answer, replayed) = match answered.map_err(|error| refused(error, call))? {
            Answered::Done(count) => (count, false),
            Answered::Replayed(kept) => {
                let count = str::from_utf8(&kept).ok();
                let count = count.and_then(|text| text.parse::<i32>().ok());
                let unread = || corrupt(&scope, "not a number of tokens");
                (count.ok_or_else(|| failed(&unread()))?, true)
            }
        };
        Ok(TrackingAnswer { answer, replayed })
    }

    /// The token as it is now that a call created before.
    async fn token_of(
        &self,
        partition: Partition,
        scope: &Scope,
        answer: &[u8],
    ) -> Result<TrackingToken, Error> {
        let id = answer.try_into();
        let id = id.map_err(|_| corrupt(scope, "not the id of a token"))?;
        let id = TrackingTokenId { partition, id };
        let token = self.database().read(async |tx| tokens::find(tx, id).await);
        token
            .await?
            .ok_or_else(|| corrupt(scope, "the token of a remembered call is not there"))
    }
}

impl TrackingCall {
    fn once<'c>(&'c self, scope: &'c Scope) -> Call<'c> {
        Call {
            scope,
            request: self.request.as_ref(),
            mode: self.mode,
            locks: &[],
        }
    }
}

struct Create<'c> {
    new: &'c NewTrackingToken,
    actor: &'c Actor,
    id: TrackingTokenId,
}

impl Transact for Create<'_> {
    type Done = TrackingToken;
    type Refusal = TrackingError;
    // The token of an earlier attempt is found by its id.
    const IS_REPEATABLE: bool = true;

    async fn carry_out(&mut self, tx: &mut Tx, now: Timestamp) -> CarriedOut<Self> {
        let Self { new, actor, id } = *self;
        if let Some(token) = tokens::find_locked(tx, id).await? {
            return Ok(Ok(token));
        }
        let place = (id.partition, &new.workflow, &new.order_id);
        if let Some(refusal) = missing(tx, place).await? {
            return Ok(Err(refusal));
        }
        if new.expire_time.is_some_and(|end| end <= now) {
            return Ok(Err(TrackingError::ExpireTimePassed));
        }
        let token = TrackingToken {
            id,
            workflow: new.workflow.clone(),
            order_id: new.order_id.clone(),
            create_time: now,
            expire_time: new.expire_time,
            revoke_time: None,
        };
        Ok(Ok(tokens::insert(tx, token, actor).await?))
    }
}

/// Revokes one token of an order, or all. Without a request id it is not known after a commit that
/// was not answered which attempt revoked what.
struct Revoke<'c> {
    place: OrderPlace<'c>,
    only: Option<TrackingTokenId>,
    actor: &'c Actor,
}

impl Transact for Revoke<'_> {
    type Done = i32;
    type Refusal = TrackingError;

    async fn carry_out(&mut self, tx: &mut Tx, now: Timestamp) -> CarriedOut<Self> {
        let Self { place, only, actor } = *self;
        if let Some(refusal) = missing(tx, place).await? {
            return Ok(Err(refusal));
        }
        let count = tokens::revoke(tx, place, only, actor, now).await?;
        Ok(Ok(i32::try_from(count).unwrap_or(i32::MAX)))
    }
}

fn refused(error: ChangeError<TrackingError>, call: &TrackingCall) -> TrackingError {
    match (error, &call.request) {
        (ChangeError::Refused(refusal), _) => refusal,
        (ChangeError::RequestIdReused, Some(request)) => {
            let request_id = request.id.clone();
            Refusal::RequestIdReused { request_id }.into()
        }
        // Nothing is looked up without a request id.
        (ChangeError::RequestIdReused, None) => TrackingError::Failed(CommitError::Database),
        (ChangeError::Failed(error), _) => TrackingError::Failed(error),
    }
}

/// Reports an error of a read.
fn failed(error: &Error) -> TrackingError {
    report(error, "tracking tokens could not be read");
    TrackingError::Failed(CommitError::from(error))
}

fn corrupt(scope: &Scope, why: &'static str) -> Error {
    Reading::of("requests", &scope.name()).corrupt("answer", why)
}

/// The reason why there can be no tokens: the order is not there, or not even its workflow.
async fn missing(
    tx: &mut Tx,
    (partition, workflow, order_id): OrderPlace<'_>,
) -> Result<Option<TrackingError>, Error> {
    let order = orders::table
        .filter(orders::workflow.eq(workflow.as_str()))
        .filter(orders::id.eq(order_id.as_str()))
        .filter(orders::partition.eq(partition.number()))
        .select(orders::order_key);
    let order = on_conn!(tx, |c| order.first::<i64>(c).await).optional()?;
    if order.is_some() {
        return Ok(None);
    }
    let code = workflows::table
        .find(workflow.as_str())
        .select(workflows::code);
    let code = on_conn!(tx, |c| code.first::<String>(c).await).optional()?;
    let workflow = workflow.clone();
    Ok(Some(TrackingError::Refused(match code {
        None => Refusal::WorkflowNotFound { workflow },
        Some(_) => Refusal::OrderNotFound {
            workflow,
            order_id: order_id.clone(),
        },
    })))
}
