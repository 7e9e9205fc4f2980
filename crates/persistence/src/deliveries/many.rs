//! Decisions about many deliveries: what a page of the list has is decided in one transaction, so
//! that no lease is locked for long, and the call goes on until the list ends.

use std::collections::BTreeMap;

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    actor::Actor,
    delivery::{Decision, DeliveryState, Verdict},
    partition::Partition,
    value::{Reason, Timestamp},
};

use super::{
    DeliveryCursor, DeliveryPage, DeliveryQuery, OutboxCall, OutboxRefusal, StoredDelivery,
    answer::failure, decisions, lost, ownership::lock, results::unpark_next,
};
use crate::{
    CommitError, Error, Store,
    once::{Answered, CarriedOut, ChangeError, ChangeMode, Transact},
    rows::{
        StoredNumber, StoredText,
        delivery::{DeliveryKey, Numbered, numbered},
    },
    schema::deliveries,
    tx::{Tx, on_conn},
};

/// How many deliveries are decided about in one transaction.
const AT_ONCE: usize = 500;

impl Store {
    /// Makes all deliveries due now that match, which must name states other than that of those
    /// that succeeded, and says how many. They are written a few hundred at a time.
    ///
    /// # Errors
    /// Returns [`ChangeError::Failed`]; with [`CommitError::OutcomeUnknown`], some were retried.
    pub async fn retry_deliveries(
        &self,
        call: &OutboxCall,
        query: &DeliveryQuery,
        encode: impl FnMut(&usize) -> Vec<u8>,
    ) -> Result<Answered<usize>, ChangeError<OutboxRefusal>> {
        let verdict = Verdict::Retried;
        self.decide_about_all(call, query, &verdict, encode).await
    }

    /// Decides that all deliveries are not sent that match and are pending or dead, and says how
    /// many; those behind them are unparked. They are written a few hundred at a time. An
    /// attempt that is under way may still succeed.
    ///
    /// # Errors
    /// Returns [`ChangeError::Failed`]; with [`CommitError::OutcomeUnknown`], some were skipped.
    pub async fn skip_deliveries(
        &self,
        call: &OutboxCall,
        query: &DeliveryQuery,
        reason: &Reason,
        encode: impl FnMut(&usize) -> Vec<u8>,
    ) -> Result<Answered<usize>, ChangeError<OutboxRefusal>> {
        let verdict = Verdict::Skipped(reason.clone());
        self.decide_about_all(call, query, &verdict, encode).await
    }

    async fn decide_about_all(
        &self,
        call: &OutboxCall,
        query: &DeliveryQuery,
        verdict: &Verdict,
        encode: impl FnMut(&usize) -> Vec<u8>,
    ) -> Result<Answered<usize>, ChangeError<OutboxRefusal>> {
        if let Some(answered) = self.answered_before(call).await? {
            return Ok(answered);
        }
        let mut decided = 0;
        let mut cursor = None;
        loop {
            match self
                .decide_about_page(call, (query, cursor.as_ref()), verdict)
                .await
            {
                Ok((count, next)) => {
                    decided += count;
                    cursor = next;
                }
                // What was decided before stays decided.
                Err(_) if decided > 0 && call.mode == ChangeMode::Apply => {
                    return Err(ChangeError::Failed(CommitError::OutcomeUnknown));
                }
                Err(error) => return Err(error),
            }
            if cursor.is_none() {
                break;
            }
        }
        let answered = self.answer_once(call, &[], Total(decided), encode).await;
        match answered {
            Err(ChangeError::Failed(_)) if decided > 0 && call.mode == ChangeMode::Apply => {
                Err(ChangeError::Failed(CommitError::OutcomeUnknown))
            }
            answered => answered,
        }
    }

    /// Decides about what one page of the list has, and says about how many and where to go on.
    async fn decide_about_page(
        &self,
        call: &OutboxCall,
        (query, after): (&DeliveryQuery, Option<&DeliveryCursor>),
        verdict: &Verdict,
    ) -> Result<(usize, Option<DeliveryCursor>), ChangeError<OutboxRefusal>> {
        let page = self.list_deliveries(query, after, AT_ONCE).await;
        let DeliveryPage { deliveries, next } =
            page.map_err(|error| ChangeError::Failed(failure(&error)))?;
        // Each page is a transaction; the request id belongs to the whole call.
        let part = OutboxCall {
            request: None,
            ..call.clone()
        };
        let work = DecideAll {
            found: &deliveries,
            verdict,
            actor: &call.actor,
        };
        let decided = self.answer_once(&part, &[], work, |_| Vec::new());
        match decided.await? {
            Answered::Done(decided) => Ok((decided, next)),
            Answered::Replayed(_) => Ok((0, next)),
        }
    }
}

/// Decides about those of some deliveries that are as they were found, and says about how many.
struct DecideAll<'c> {
    found: &'c [StoredDelivery],
    verdict: &'c Verdict,
    actor: &'c Actor,
}

/// Does nothing, after all was done; says about how many deliveries was decided.
struct Total(usize);

impl Transact for DecideAll<'_> {
    type Done = usize;
    type Refusal = OutboxRefusal;

    async fn carry_out(&mut self, tx: &mut Tx, now: Timestamp) -> CarriedOut<Self> {
        let found = self.found.iter();
        let partitions = found.map(|delivery| Partition::new(delivery.key().0));
        lock(tx, &partitions.collect()).await?;
        let decision = Decision {
            verdict: self.verdict.clone(),
            actor: self.actor.clone(),
            time: now,
        };
        Ok(Ok(decide(tx, self.found, &decision).await?))
    }
}

impl Transact for Total {
    type Done = usize;
    type Refusal = OutboxRefusal;

    async fn carry_out(&mut self, _: &mut Tx, _: Timestamp) -> CarriedOut<Self> {
        Ok(Ok(self.0))
    }
}

/// Carries a decision out about those of some deliveries that are still in the state in which they
/// were found and about which it can be made, and says about how many. Their leases are locked.
pub(super) async fn decide(
    tx: &mut Tx,
    found: &[StoredDelivery],
    decision: &Decision,
) -> Result<usize, Error> {
    let mut groups: BTreeMap<(Numbered, String), Vec<i64>> = BTreeMap::new();
    for delivery in found {
        let (partition, log_offset, number) = delivery.key();
        let state = delivery.state_word().to_owned();
        let place = (Partition::new(partition), number);
        groups.entry((place, state)).or_default().push(log_offset);
    }
    let mut decided = 0;
    for ((place, state), offsets) in groups {
        let offsets = decidable(tx, (place, state.as_str()), offsets, &decision.verdict).await?;
        if offsets.is_empty() {
            continue;
        }
        decisions::record(tx, place, &offsets, decision).await?;
        // Whoever decides by hand means it, however often a process ended before.
        lost::forget_all(tx, place, &offsets).await?;
        decided += match &decision.verdict {
            Verdict::Retried => retry(tx, place, offsets, decision.time).await?,
            Verdict::Skipped(reason) => skip(tx, place, offsets, (reason, decision.time)).await?,
        };
    }
    Ok(decided)
}

/// Of some deliveries that were found in a state, those that are in it still, and about which this
/// can be decided.
async fn decidable(
    tx: &mut Tx,
    (place, state): (Numbered, &str),
    offsets: Vec<i64>,
    verdict: &Verdict,
) -> Result<Vec<i64>, Error> {
    let rows = numbered!(deliveries, place, offsets).select((
        deliveries::log_offset,
        deliveries::state,
        deliveries::due_time,
    ));
    let rows: Vec<(i64, StoredText, Option<i64>)> = on_conn!(tx, |c| rows.load(c).await)?;
    let is_decidable = |due_time: Option<i64>| match verdict {
        // One that waits for an earlier one is parked until that one is finished.
        Verdict::Retried => state != DeliveryState::Pending.word() || due_time.is_some(),
        // Not those that are pending or dead, since nothing is known of a state that cannot be read.
        Verdict::Skipped(_) => {
            let done = [DeliveryState::Succeeded, DeliveryState::Skipped];
            done.iter().all(|done| done.word() != state)
        }
    };
    let rows = rows
        .into_iter()
        .filter(|(_, found, due_time)| found.lossy() == state && is_decidable(*due_time));
    Ok(rows.map(|(offset, ..)| offset).collect())
}

/// Makes deliveries due now, with no attempt counted.
async fn retry(
    tx: &mut Tx,
    place: Numbered,
    offsets: Vec<i64>,
    now: Timestamp,
) -> Result<usize, Error> {
    let rows = numbered!(deliveries, place, offsets);
    let change = (
        deliveries::state.eq(DeliveryState::Pending.word()),
        deliveries::attempts.eq(StoredNumber(0)),
        deliveries::problem.eq(""),
        deliveries::due_time.eq(Some(now.micros())),
        deliveries::update_time.eq(now.micros()),
    );
    let update = diesel::update(rows).set(change);
    Ok(on_conn!(tx, |c| update.execute(c).await)?)
}

/// Records that deliveries are not sent, and unparks those behind them.
async fn skip(
    tx: &mut Tx,
    place: Numbered,
    offsets: Vec<i64>,
    (reason, now): (&Reason, Timestamp),
) -> Result<usize, Error> {
    let keys = offsets.iter();
    let keys: Vec<DeliveryKey> = keys
        .map(|offset| (place.0.number(), *offset, place.1))
        .collect();
    let rows = numbered!(deliveries, place, offsets);
    let change = (
        deliveries::state.eq(DeliveryState::Skipped.word()),
        deliveries::problem.eq(reason.as_str()),
        deliveries::due_time.eq(None::<i64>),
        deliveries::update_time.eq(now.micros()),
    );
    let skipped = on_conn!(tx, |c| diesel::update(rows).set(change).execute(c).await)?;
    unpark_next(tx, &keys, now).await?;
    Ok(skipped)
}
