//! The ledger as people see it: what became of deliveries, and what they decide about them.

use std::collections::{BTreeMap, BTreeSet};

use diesel::{BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    actor::Actor,
    delivery::{Attempt, Decision, Delivery, DeliveryId, DeliveryState, Verdict},
    partition::Partition,
    value::{Reason, Timestamp},
};

use super::{
    Answered, DeliveryCursor, DeliveryPage, DeliveryQuery, LedgerCall,
    answer::{Transact, failure},
    decisions,
    finish::promote,
    key,
    list::{Progress, Walk},
    lock, lost,
};
use crate::{
    ChangeError, ChangeMode, CommitError, Error, Store,
    rows::delivery::{AttemptRow, DeliveryRow},
    schema::{deliveries, delivery_attempts},
    tx::{Tx, on_conn},
};

/// How many attempts are shown of a delivery, the newest ones.
const ATTEMPTS_MAX: i64 = 500;
/// How many deliveries are retried in one transaction, so that no lease is locked for long.
const RETRIED_AT_ONCE: usize = 500;

/// A delivery, its attempts, and what was decided about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The delivery.
    pub delivery: Delivery,
    /// The last 500 attempts with their numbers, the oldest first.
    pub attempts: Vec<(u32, Attempt)>,
    /// The last 500 decisions, the oldest first.
    pub decisions: Vec<Decision>,
}

/// Why nothing can be decided about a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LedgerRefusal {
    /// There is no such delivery.
    #[error("there is no delivery {id}")]
    DeliveryNotFound {
        /// Its id.
        id: DeliveryId,
    },
    /// The target has taken it.
    #[error("delivery {id} has succeeded")]
    DeliverySucceeded {
        /// Its id.
        id: DeliveryId,
    },
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
        let mut walk = Walk::new(query, after, limit.max(1));
        loop {
            let piece = self
                .database()
                .snapshot(async |tx| walk.go_on(self, tx).await);
            match piece.await? {
                Progress::Ended => return Ok(walk.into_page()),
                // On SQLite nothing else waits, so nobody else would get the thread.
                Progress::Paused => tokio::task::yield_now().await,
            }
        }
    }

    /// Finds a delivery with its attempts and what was decided about it.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn find_delivery(&self, id: DeliveryId) -> Result<Option<Account>, Error> {
        let found = self.database().snapshot(async |tx| {
            let Some(delivery) = find(tx, id).await? else {
                return Ok(None);
            };
            let attempts = attempts(tx, id).await?;
            let decisions = decisions::last(tx, id).await?;
            Ok(Some(Account {
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
        call: &LedgerCall,
        id: DeliveryId,
        encode: impl FnMut(&Delivery) -> Vec<u8>,
    ) -> Result<Answered<Delivery>, ChangeError<LedgerRefusal>> {
        self.answer_once(call, &[], Retry(id, &call.actor), encode)
            .await
    }

    /// Makes all deliveries due now that match, which must name states other than that of those
    /// that succeeded, and says how many. They are written a few hundred at a time.
    ///
    /// # Errors
    /// Returns [`ChangeError::Failed`]; with [`CommitError::OutcomeUnknown`], some were retried.
    pub async fn retry_deliveries(
        &self,
        call: &LedgerCall,
        query: &DeliveryQuery,
        encode: impl FnMut(&usize) -> Vec<u8>,
    ) -> Result<Answered<usize>, ChangeError<LedgerRefusal>> {
        if let Some(answered) = self.answered_before(call).await? {
            return Ok(answered);
        }
        let mut retried = 0;
        let mut cursor = None;
        loop {
            match self.retry_page(call, query, cursor.as_ref()).await {
                Ok((count, next)) => {
                    retried += count;
                    cursor = next;
                }
                // What was retried before stays retried.
                Err(_) if retried > 0 && call.mode == ChangeMode::Apply => {
                    return Err(ChangeError::Failed(CommitError::OutcomeUnknown));
                }
                Err(error) => return Err(error),
            }
            if cursor.is_none() {
                break;
            }
        }
        let answered = self.answer_once(call, &[], Total(retried), encode).await;
        match answered {
            Err(ChangeError::Failed(_)) if retried > 0 && call.mode == ChangeMode::Apply => {
                Err(ChangeError::Failed(CommitError::OutcomeUnknown))
            }
            answered => answered,
        }
    }

    /// Retries what one page of the list has, and says how many and where to go on.
    async fn retry_page(
        &self,
        call: &LedgerCall,
        query: &DeliveryQuery,
        after: Option<&DeliveryCursor>,
    ) -> Result<(usize, Option<DeliveryCursor>), ChangeError<LedgerRefusal>> {
        let page = self.list_deliveries(query, after, RETRIED_AT_ONCE).await;
        let DeliveryPage { deliveries, next } =
            page.map_err(|error| ChangeError::Failed(failure(&error)))?;
        // Each page is a transaction; the request id belongs to the whole call.
        let part = LedgerCall {
            request: None,
            ..call.clone()
        };
        let retried = self.answer_once(&part, &[], RetryAll(&deliveries, &call.actor), |_| {
            Vec::new()
        });
        match retried.await? {
            Answered::Done(retried) => Ok((retried, next)),
            Answered::Replayed(_) => Ok((0, next)),
        }
    }

    /// Decides that a delivery is not sent, and lets the next one of its lane have its turn. One
    /// that is skipped already stays as it is. `encode` makes the bytes that a repeated call is
    /// answered with.
    ///
    /// # Errors
    /// Returns [`ChangeError`] when it is not there or has succeeded, and when it cannot be written.
    pub async fn skip_delivery(
        &self,
        call: &LedgerCall,
        id: DeliveryId,
        reason: &Reason,
        encode: impl FnMut(&Delivery) -> Vec<u8>,
    ) -> Result<Answered<Delivery>, ChangeError<LedgerRefusal>> {
        let skip = Skip(id, reason, &call.actor);
        self.answer_once(call, &[], skip, encode).await
    }
}

/// Retries one delivery.
struct Retry<'c>(DeliveryId, &'c Actor);

/// Retries those of some deliveries that are as they were found, and says how many.
struct RetryAll<'c>(&'c [Delivery], &'c Actor);

/// Does nothing, after all was done; says how many deliveries were retried.
struct Total(usize);

/// Skips a delivery.
struct Skip<'c>(DeliveryId, &'c Reason, &'c Actor);

impl Transact for Retry<'_> {
    type Done = Delivery;
    type Refusal = LedgerRefusal;

    async fn carry_out(
        &mut self,
        tx: &mut Tx,
        now: Timestamp,
    ) -> Result<Result<Delivery, LedgerRefusal>, Error> {
        let Self(id, actor) = *self;
        let delivery = match undecided(tx, id).await? {
            Ok(delivery) => delivery,
            Err(refusal) => return Ok(Err(refusal)),
        };
        retry(tx, &[delivery], actor, now).await?;
        undecided(tx, id).await
    }
}

impl Transact for RetryAll<'_> {
    type Done = usize;
    type Refusal = LedgerRefusal;

    async fn carry_out(
        &mut self,
        tx: &mut Tx,
        now: Timestamp,
    ) -> Result<Result<usize, LedgerRefusal>, Error> {
        let Self(found, actor) = *self;
        let partitions = found.iter().map(|delivery| delivery.id.position.partition);
        lock(tx, &partitions.collect()).await?;
        Ok(Ok(retry(tx, found, actor, now).await?))
    }
}

impl Transact for Total {
    type Done = usize;
    type Refusal = LedgerRefusal;

    async fn carry_out(
        &mut self,
        _: &mut Tx,
        _: Timestamp,
    ) -> Result<Result<usize, LedgerRefusal>, Error> {
        Ok(Ok(self.0))
    }
}

impl Transact for Skip<'_> {
    type Done = Delivery;
    type Refusal = LedgerRefusal;

    async fn carry_out(
        &mut self,
        tx: &mut Tx,
        now: Timestamp,
    ) -> Result<Result<Delivery, LedgerRefusal>, Error> {
        let Self(id, reason, actor) = *self;
        match undecided(tx, id).await? {
            Ok(delivery) if delivery.state != DeliveryState::Skipped => {
                let decision = Decision {
                    verdict: Verdict::Skipped(reason.clone()),
                    actor: actor.clone(),
                    time: now,
                };
                skip(tx, id, reason, decision).await?;
                undecided(tx, id).await
            }
            as_it_is => Ok(as_it_is),
        }
    }
}

/// Finds a delivery that did not succeed, under the lock of its partition.
async fn undecided(tx: &mut Tx, id: DeliveryId) -> Result<Result<Delivery, LedgerRefusal>, Error> {
    lock(tx, &BTreeSet::from([id.position.partition])).await?;
    Ok(match find(tx, id).await? {
        None => Err(LedgerRefusal::DeliveryNotFound { id }),
        Some(delivery) if delivery.state == DeliveryState::Succeeded => {
            Err(LedgerRefusal::DeliverySucceeded { id })
        }
        Some(delivery) => Ok(delivery),
    })
}

async fn find(tx: &mut Tx, id: DeliveryId) -> Result<Option<Delivery>, Error> {
    let row = deliveries::table.find(key(id));
    let row = on_conn!(tx, |c| row.first::<DeliveryRow>(c).await).optional()?;
    row.map(|row| row.delivery()).transpose()
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
    rows.into_iter().rev().map(AttemptRow::attempt).collect()
}

/// Makes deliveries due now, those that are still in the state in which they were found, and
/// says how many.
async fn retry(
    tx: &mut Tx,
    found: &[Delivery],
    actor: &Actor,
    now: Timestamp,
) -> Result<usize, Error> {
    let mut groups: BTreeMap<(Partition, i32, DeliveryState), Vec<i64>> = BTreeMap::new();
    for Delivery { id, state, .. } in found {
        let (_, log_offset, number) = key(*id);
        let group = (id.position.partition, number, *state);
        groups.entry(group).or_default().push(log_offset);
    }
    let decision = Decision {
        verdict: Verdict::Retried,
        actor: actor.clone(),
        time: now,
    };
    let mut retried = 0;
    for ((partition, number, state), offsets) in groups {
        let here = || {
            deliveries::table
                .filter(deliveries::partition.eq(partition.number()))
                .filter(deliveries::number.eq(number))
        };
        let rows = here()
            .filter(deliveries::log_offset.eq_any(offsets))
            .filter(deliveries::state.eq(state.word()))
            // One that waits for an earlier one is put aside until that one is finished.
            .filter(
                deliveries::state
                    .ne(DeliveryState::Pending.word())
                    .or(deliveries::due_time.is_not_null()),
            )
            .select(deliveries::log_offset);
        let offsets: Vec<i64> = on_conn!(tx, |c| rows.load(c).await)?;
        if offsets.is_empty() {
            continue;
        }
        decisions::record(tx, (partition, number), &offsets, &decision).await?;
        let change = (
            deliveries::state.eq(DeliveryState::Pending.word()),
            deliveries::attempts.eq(0),
            deliveries::problem.eq(""),
            deliveries::due_time.eq(Some(now.micros())),
            deliveries::update_time.eq(now.micros()),
        );
        // Whoever has it tried again means it.
        lost::forget_all(tx, (partition, number), &offsets).await?;
        let rows = here().filter(deliveries::log_offset.eq_any(offsets));
        retried += on_conn!(tx, |c| diesel::update(rows).set(change).execute(c).await)?;
    }
    Ok(retried)
}

async fn skip(
    tx: &mut Tx,
    id: DeliveryId,
    reason: &Reason,
    decision: Decision,
) -> Result<(), Error> {
    let (_, log_offset, number) = key(id);
    let place = (id.position.partition, number);
    decisions::record(tx, place, &[log_offset], &decision).await?;
    let row = deliveries::table.find(key(id));
    let change = (
        deliveries::state.eq(DeliveryState::Skipped.word()),
        deliveries::problem.eq(reason.as_str()),
        deliveries::due_time.eq(None::<i64>),
        deliveries::update_time.eq(decision.time.micros()),
    );
    on_conn!(tx, |c| diesel::update(row).set(change).execute(c).await)?;
    lost::forget(tx, &[id]).await?;
    promote(tx, id, decision.time).await
}
