//! Making and revoking tokens: one transaction each, tried again when the
//! database was in the way.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use uuid::Uuid;
use waymark_domain::value::Timestamp;

use super::{
    NewTrackingToken, Revocation, TrackingAnswer, TrackingCall, TrackingError, TrackingToken,
    TrackingTokenId,
    requests::{self, Deed, Place},
    tokens,
};
use crate::{
    ChangeMode, CommitError, Error, Refusal, Store,
    commit::retry::{Patience, report},
    schema::{orders, workflows},
    tx::{Ending, Tx, WriteFailure, on_conn},
};

/// What an attempt came to; a refusal is an answer too.
type Judged<A> = Result<TrackingAnswer<A>, TrackingError>;

/// Whether an attempt may be repeated whose commit was not answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeat {
    /// A second one finds what the first one did.
    Safe,
    /// A second one could not tell.
    Doubtful,
}

/// What became of the attempts so far.
struct Attempts {
    patience: Patience,
    repeat: Repeat,
    in_doubt: bool,
    refused_before: bool,
}

impl Attempts {
    fn new(store: &Store, repeat: Repeat) -> Self {
        Self {
            patience: Patience::new(store.settings().commit_patience),
            repeat,
            in_doubt: false,
            refused_before: false,
        }
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// Returns [`TrackingError::Failed`] when there shall be none.
    async fn failed<T>(&mut self, failure: WriteFailure<T>) -> Result<(), TrackingError> {
        let error = match failure {
            WriteFailure::AtCommit { error, .. } => {
                self.in_doubt = true;
                error
            }
            WriteFailure::Before(error) => error,
        };
        let passing = error.is_passing() || self.in_doubt;
        let is_over = error.is_lasting()
            || (self.in_doubt && self.repeat == Repeat::Doubtful)
            // A refusal that is not known to pass may be the row of the same call, made elsewhere.
            || (!passing && std::mem::replace(&mut self.refused_before, true));
        if !is_over && self.patience.wait().await {
            return Ok(());
        }
        report(&error, "a change of tracking tokens was given up");
        Err(TrackingError::Failed(if self.in_doubt {
            CommitError::OutcomeUnknown
        } else {
            CommitError::from(&error)
        }))
    }
}

impl Store {
    /// Creates a token of an order.
    ///
    /// A rehearsal answers with a token that does not exist, unless the same call made one before.
    ///
    /// # Errors
    /// Returns [`TrackingError`] when there is no such order, when the token would have ended
    /// already, when the request id was used for another call, or when the database failed.
    pub async fn create_tracking_token(
        &self,
        new: &NewTrackingToken,
        call: &TrackingCall,
    ) -> Judged<TrackingToken> {
        let id = TrackingTokenId {
            partition: self.partition_of(&new.workflow, &new.order_id),
            id: Uuid::new_v4().into_bytes(),
        };
        // The id is chosen once for all attempts, so the row of an earlier one is known.
        let mut attempts = Attempts::new(self, Repeat::Safe);
        loop {
            let attempt = async |tx: &mut Tx| self.attempt_create(tx, new, call, id).await;
            match self.database().write(&[], attempt).await {
                Ok(judged) => return judged,
                Err(failure) => attempts.failed(failure).await?,
            }
        }
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
    ) -> Judged<i32> {
        let repeat = match call.request {
            Some(_) => Repeat::Safe,
            // What an earlier attempt revoked could not be told from what others did.
            None => Repeat::Doubtful,
        };
        let mut attempts = Attempts::new(self, repeat);
        loop {
            let attempt = async |tx: &mut Tx| self.attempt_revoke(tx, which, call).await;
            match self.database().write(&[], attempt).await {
                Ok(judged) => return judged,
                Err(failure) => attempts.failed(failure).await?,
            }
        }
    }

    async fn attempt_create(
        &self,
        tx: &mut Tx,
        new: &NewTrackingToken,
        call: &TrackingCall,
        id: TrackingTokenId,
    ) -> Result<Ending<Judged<TrackingToken>>, Error> {
        let place = (id.partition, &new.workflow, &new.order_id);
        match remembered(tx, place, call).await? {
            Ok(None) => {}
            // Repeated only once the standby has it too: committed, the lock of the row waits.
            Ok(Some(deed)) => return Ok(Ending::Commit(created(tx, id, deed).await?)),
            Err(refusal) => return Ok(Ending::RollBack(Err(refusal))),
        }
        let now = self.clock().now();
        // Where an earlier attempt was committed, this one settles it.
        if let Some(token) = tokens::find_locked(tx, id).await? {
            return done(tx, place, call, Deed::Created(id.id), token, now).await;
        }
        if let Some(refusal) = missing(tx, place).await? {
            return Ok(Ending::RollBack(Err(refusal)));
        }
        if new.expire_time.is_some_and(|end| end <= now) {
            return Ok(Ending::RollBack(Err(TrackingError::ExpireTimePassed)));
        }
        let token = TrackingToken {
            id,
            workflow: new.workflow.clone(),
            order_id: new.order_id.clone(),
            create_time: now,
            expire_time: new.expire_time,
            revoke_time: None,
        };
        let token = tokens::insert(tx, token, &call.actor).await?;
        let deed = Deed::Created(id.id);
        done(tx, place, call, deed, token, now).await
    }

    async fn attempt_revoke(
        &self,
        tx: &mut Tx,
        which: &Revocation,
        call: &TrackingCall,
    ) -> Result<Ending<Judged<i32>>, Error> {
        let (workflow, order_id, only) = match which {
            Revocation::Order(workflow, order_id) => (workflow.clone(), order_id.clone(), None),
            Revocation::Token(id) => match tokens::find(tx, *id).await? {
                Some(token) => (token.workflow, token.order_id, Some(*id)),
                None => return Ok(Ending::RollBack(Err(TrackingError::TokenNotFound))),
            },
        };
        let place = (
            self.partition_of(&workflow, &order_id),
            &workflow,
            &order_id,
        );
        match remembered(tx, place, call).await? {
            Ok(None) => {}
            Ok(Some(deed)) => return Ok(Ending::Commit(revoked(deed))),
            Err(refusal) => return Ok(Ending::RollBack(Err(refusal))),
        }
        if let Some(refusal) = missing(tx, place).await? {
            return Ok(Ending::RollBack(Err(refusal)));
        }
        let now = self.clock().now();
        let count = tokens::revoke(tx, place, only, &call.actor, now).await?;
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        done(tx, place, call, Deed::Revoked(count), count, now).await
    }
}

/// Finds what the same call did before.
async fn remembered(
    tx: &mut Tx,
    place: Place<'_>,
    call: &TrackingCall,
) -> Result<Result<Option<Deed>, TrackingError>, Error> {
    match &call.request {
        Some(request) => {
            let found = requests::find(tx, place, request).await?;
            Ok(found.map_err(TrackingError::from))
        }
        None => Ok(Ok(None)),
    }
}

/// Ends an attempt that did its part: it is remembered and committed, unless it was a rehearsal.
async fn done<A>(
    tx: &mut Tx,
    place: Place<'_>,
    call: &TrackingCall,
    deed: Deed,
    answer: A,
    now: Timestamp,
) -> Result<Ending<Judged<A>>, Error> {
    let answered = Ok(TrackingAnswer {
        answer,
        replayed: false,
    });
    match (call.mode, &call.request) {
        (ChangeMode::Rehearse, _) => Ok(Ending::RollBack(answered)),
        (ChangeMode::Apply, None) => Ok(Ending::Commit(answered)),
        (ChangeMode::Apply, Some(request)) => {
            requests::remember(tx, place, request, deed, now).await?;
            Ok(Ending::Commit(answered))
        }
    }
}

/// The answer to a call that created a token before: the token as it is now.
async fn created(
    tx: &mut Tx,
    asked: TrackingTokenId,
    deed: Deed,
) -> Result<Judged<TrackingToken>, Error> {
    let Deed::Created(id) = deed else {
        // The fingerprint tells the two kinds of calls apart.
        return Ok(Err(TrackingError::Failed(CommitError::Database)));
    };
    let id = TrackingTokenId { id, ..asked };
    let Some(token) = tokens::find(tx, id).await? else {
        return Err(Error::Corrupt {
            table: "tracking_requests",
            column: "token_id",
            row: asked.partition.number().to_string(),
            source: "the token of a remembered call is not there".into(),
        });
    };
    // The id of this very call was committed by an attempt that was not answered.
    let replayed = id != asked;
    Ok(Ok(TrackingAnswer {
        answer: token,
        replayed,
    }))
}

fn revoked(deed: Deed) -> Judged<i32> {
    match deed {
        Deed::Revoked(count) => Ok(TrackingAnswer {
            answer: count,
            replayed: true,
        }),
        Deed::Created(_) => Err(TrackingError::Failed(CommitError::Database)),
    }
}

/// Why there can be no tokens: the order is not there, or not even its workflow.
async fn missing(
    tx: &mut Tx,
    (partition, workflow, order_id): Place<'_>,
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
