//! The outbox as people see it: deliveries with their attempts, and decisions about them.

use std::collections::BTreeSet;

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    actor::Actor,
    delivery::{Attempt, Decision, DeliveryId, DeliveryState, Verdict},
    value::{Reason, Timestamp},
};

use super::{
    DeliveryCursor, DeliveryPage, DeliveryQuery, OutboxCall, OutboxRefusal, StoredDelivery,
    decisions::{self, readable},
    list::DeliveryListing,
    many::decide,
    ownership::lock,
};
use crate::{
    Error, Store,
    merge::Progress,
    once::{Answered, CarriedOut, ChangeError, Transact},
    rows::delivery::{AttemptRow, DeliveryRow, key},
    schema::{deliveries, delivery_attempts},
    tx::{Tx, on_conn},
};

/// How many attempts are shown of a delivery, the newest ones.
const ATTEMPTS_MAX: i64 = 500;

/// A delivery, its attempts, and what was decided about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// The delivery.
    pub delivery: StoredDelivery,
    /// The last 500 attempts with their numbers, the oldest first, without those that cannot be read.
    pub attempts: Vec<(u32, Attempt)>,
    /// The last 500 decisions, the oldest first, without those that cannot be read.
    pub decisions: Vec<Decision>,
}

impl Store {
    /// Lists deliveries as one page, the newest first; see [`DeliveryQuery`]. It is read in pieces,
    /// between which the connection is given back and others get their turn.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn list_deliveries(
        &self,
        query: &DeliveryQuery,
        after: Option<&DeliveryCursor>,
        limit: usize,
    ) -> Result<DeliveryPage, Error> {
        let mut page = DeliveryListing::new(query, after, limit.max(1));
        loop {
            let piece = self
                .database()
                .snapshot(async |tx| page.read_piece(self, tx).await);
            match piece.await? {
                Progress::Ended => return Ok(page.into_page()),
                // On SQLite nothing else waits, so nobody else would get the thread.
                Progress::Paused => tokio::task::yield_now().await,
            }
        }
    }

    /// Finds a delivery with its attempts and what was decided about it.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn find_delivery(&self, id: DeliveryId) -> Result<Option<DeliveryRecord>, Error> {
        let found = self.database().snapshot(async |tx| {
            let Some(delivery) = find(tx, id).await? else {
                return Ok(None);
            };
            let attempts = attempts(tx, id).await?;
            let decisions = decisions::last(tx, id).await?;
            Ok(Some(DeliveryRecord {
                delivery,
                attempts,
                decisions,
            }))
        });
        found.await
    }

    /// Makes a delivery due now, with no attempt counted; one that waits for an earlier one goes
    /// on waiting. `encode` makes the bytes that a repeated call is answered with.
    ///
    /// # Errors
    /// Returns [`ChangeError`] when it is not there or has succeeded, and when it cannot be written.
    pub async fn retry_delivery(
        &self,
        call: &OutboxCall,
        id: DeliveryId,
        encode: impl FnMut(&StoredDelivery) -> Vec<u8>,
    ) -> Result<Answered<StoredDelivery>, ChangeError<OutboxRefusal>> {
        self.answer_once(call, &[], Retry(id, &call.actor), encode)
            .await
    }

    /// Decides that a delivery is not sent, and unparks the next one of its lane. One
    /// that is skipped already stays as it is. `encode` makes the bytes that a repeated call is
    /// answered with.
    ///
    /// # Errors
    /// Returns [`ChangeError`] when it is not there or has succeeded, and when it cannot be written.
    pub async fn skip_delivery(
        &self,
        call: &OutboxCall,
        id: DeliveryId,
        reason: &Reason,
        encode: impl FnMut(&StoredDelivery) -> Vec<u8>,
    ) -> Result<Answered<StoredDelivery>, ChangeError<OutboxRefusal>> {
        let skip = Skip(id, reason, &call.actor);
        self.answer_once(call, &[], skip, encode).await
    }
}

struct Retry<'c>(DeliveryId, &'c Actor);

struct Skip<'c>(DeliveryId, &'c Reason, &'c Actor);

impl Transact for Retry<'_> {
    type Done = StoredDelivery;
    type Refusal = OutboxRefusal;

    async fn carry_out(&mut self, tx: &mut Tx, now: Timestamp) -> CarriedOut<Self> {
        let Self(id, actor) = *self;
        let delivery = match undecided(tx, id).await? {
            Ok(delivery) => delivery,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let decision = Decision {
            verdict: Verdict::Retried,
            actor: actor.clone(),
            time: now,
        };
        decide(tx, &[delivery], &decision).await?;
        undecided(tx, id).await
    }
}

impl Transact for Skip<'_> {
    type Done = StoredDelivery;
    type Refusal = OutboxRefusal;

    async fn carry_out(&mut self, tx: &mut Tx, now: Timestamp) -> CarriedOut<Self> {
        let Self(id, reason, actor) = *self;
        match undecided(tx, id).await? {
            Ok(delivery) if delivery.state_word() != DeliveryState::Skipped.word() => {
                let decision = Decision {
                    verdict: Verdict::Skipped(reason.clone()),
                    actor: actor.clone(),
                    time: now,
                };
                decide(tx, &[delivery], &decision).await?;
                undecided(tx, id).await
            }
            as_it_is => Ok(as_it_is),
        }
    }
}

/// Finds a delivery that did not succeed, under the lock of its partition.
async fn undecided(
    tx: &mut Tx,
    id: DeliveryId,
) -> Result<Result<StoredDelivery, OutboxRefusal>, Error> {
    lock(tx, &BTreeSet::from([id.position.partition])).await?;
    Ok(match find(tx, id).await? {
        None => Err(OutboxRefusal::DeliveryNotFound { id }),
        Some(delivery) if delivery.state_word() == DeliveryState::Succeeded.word() => {
            Err(OutboxRefusal::DeliverySucceeded { id })
        }
        Some(delivery) => Ok(delivery),
    })
}

async fn find(tx: &mut Tx, id: DeliveryId) -> Result<Option<StoredDelivery>, Error> {
    let row = deliveries::table.find(key(id));
    let row = on_conn!(tx, |c| row.first::<DeliveryRow>(c).await).optional()?;
    Ok(row.as_ref().map(StoredDelivery::of))
}

async fn attempts(tx: &mut Tx, id: DeliveryId) -> Result<Vec<(u32, Attempt)>, Error> {
    let (partition, log_offset, number) = key(id);
    let rows = delivery_attempts::table
        .filter(delivery_attempts::partition.eq(partition))
        .filter(delivery_attempts::log_offset.eq(log_offset))
        .filter(delivery_attempts::number.eq(number))
        .order(delivery_attempts::attempt.desc())
        .limit(ATTEMPTS_MAX);
    let rows: Vec<AttemptRow> = on_conn!(tx, |c| rows.load(c).await)?;
    Ok(readable(rows.into_iter().rev().map(AttemptRow::attempt)))
}
