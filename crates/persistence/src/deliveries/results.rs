//! Recording the results of attempts.

use std::collections::{BTreeSet, HashSet};

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    delivery::{Attempt, Delivery, DeliveryId, DeliveryState},
    history::{Destination, Readers},
    value::Timestamp,
};

use super::{
    copies, lost, on_postgres,
    ownership::{DispatcherId, owned},
    statements::{
        DeliveryUpdate, FinishedKey, InsertAttempt, NewAttempt, UnparkNext, UpdateDelivery,
    },
};
use crate::{
    Error, Store,
    error::ErrorChain,
    rows::{
        delivery::{DeliveryKey, key},
        without_nul, word,
    },
    schema::dispatchers,
    tx::{Ending, Tx, before, on_conn},
};

/// How many bytes are kept of an answer.
const ANSWER_MAX: usize = 1_024;

/// A delivery that was attempted, or cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The delivery, as it was found; where the address of its customer was refused, it goes to
    /// [`Readers::CustomerRefused`], and its copies are a delivery of their own from then on.
    pub delivery: Delivery,
    /// The attempt that was made; none where there was nothing to attempt.
    pub attempt: Option<Attempt>,
    /// Its next step.
    pub next: NextStep,
}

/// The next step of a delivery after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextStep {
    /// It is done.
    Succeed,
    /// It is tried again at this instant, with what went wrong.
    Retry {
        /// When.
        at: Timestamp,
        /// What went wrong, in words for the merchant.
        problem: String,
    },
    /// It is given up, with what went wrong.
    GiveUp {
        /// What went wrong, in words for the merchant.
        problem: String,
    },
    /// It is not sent, with why.
    Skip {
        /// Why, in words for the merchant.
        problem: String,
    },
}

/// All that a dispatcher writes at once between two polls for due work.
#[derive(Debug, Clone, Copy, Default)]
pub struct DispatchRound<'r> {
    /// The results of deliveries.
    pub finished: &'r [Finished],
    /// Deliveries of which it does not matter any more that processes ended while they worked on
    /// them.
    pub cleared: &'r [DeliveryId],
    /// All that the process has in flight from now on; none where it begins nothing.
    pub in_flight: Option<&'r [&'r Delivery]>,
}

/// A round that was written.
#[derive(Debug)]
pub struct Recorded {
    /// Whether the process may begin what it named: not where another holds it for dead.
    pub may_begin: bool,
    /// The results that the database does not take in any form, while it takes the rest.
    pub refused: Vec<RefusedResult>,
}

/// The result of a delivery that cannot be recorded.
#[derive(Debug)]
pub struct RefusedResult {
    /// The delivery.
    pub id: DeliveryId,
    /// What the database says.
    pub error: Error,
}

impl Store {
    /// Records the results of deliveries, see [`Self::record_results`], and what the process is
    /// about to begin.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be written. Some results may be recorded all the
    /// same; they can be recorded again.
    pub async fn record_round(
        &self,
        me: &DispatcherId,
        round: DispatchRound<'_>,
    ) -> Result<Recorded, Error> {
        let error = match self.write_round(me, round).await {
            Ok(may_begin) => {
                let refused = Vec::new();
                return Ok(Recorded { may_begin, refused });
            }
            Err(error) => error,
        };
        if round.finished.is_empty() || !error.is_of_data() {
            return Err(error);
        }
        // One of them is refused, and must not keep the others.
        let refused = self.record_in_parts(me, round.finished).await?;
        let rest = DispatchRound {
            finished: &[],
            ..round
        };
        let may_begin = self.write_round(me, rest).await?;
        Ok(Recorded { may_begin, refused })
    }

    /// Records results in parts that become smaller, until the database refuses one alone. Returns
    /// those that it refuses in any form.
    async fn record_in_parts(
        &self,
        me: &DispatcherId,
        finished: &[Finished],
    ) -> Result<Vec<RefusedResult>, Error> {
        let mut waiting = halves(finished);
        let mut refused = Vec::new();
        while let Some(part) = waiting.pop() {
            let Err(error) = self.write_round(me, only(part)).await else {
                continue;
            };
            if !error.is_of_data() {
                return Err(error);
            }
            match part {
                [] => {}
                [alone] => refused.extend(self.record_plainly(me, alone, &error).await?),
                several => waiting.extend(halves(several)),
            }
        }
        Ok(refused)
    }

    /// Records a result without its texts, which the database has refused. Says where it refuses
    /// that too.
    async fn record_plainly(
        &self,
        me: &DispatcherId,
        finished: &Finished,
        refused: &Error,
    ) -> Result<Option<RefusedResult>, Error> {
        let id = finished.delivery.id;
        let plain = [without_texts(finished, refused)];
        match self.write_round(me, only(&plain)).await {
            Ok(_) => {
                tracing::error!(
                    delivery.id = %id,
                    order.id = %finished.delivery.order_id,
                    error = %ErrorChain(refused),
                    "delivery result refused by the database, recorded without its texts"
                );
                Ok(None)
            }
            Err(error) if error.is_of_data() => Ok(Some(RefusedResult { id, error })),
            Err(error) => Err(error),
        }
    }

    /// Writes a round in one transaction, and says whether the process may begin what it names.
    async fn write_round(
        &self,
        me: &DispatcherId,
        round: DispatchRound<'_>,
    ) -> Result<bool, Error> {
        let now = self.clock().now();
        let in_flight = round.in_flight.map(lost::deliveries_in_flight);
        let in_flight = in_flight.transpose()?;
        let written = self.database().write(&[], async |tx| {
            if !round.finished.is_empty() {
                record(tx, me, round.finished, now).await?;
            }
            lost::forget(tx, round.cleared).await?;
            let Some(in_flight) = &in_flight else {
                return Ok(Ending::Commit(true));
            };
            let row = dispatchers::table.find(me.as_str());
            let update = diesel::update(row).set(dispatchers::deliveries_in_flight.eq(in_flight));
            let updated = on_conn!(tx, |c| update.execute(c).await)?;
            Ok(Ending::Commit(updated > 0))
        });
        written.await.map_err(before)
    }

    /// Records the results of deliveries, and unparks the next of each order and lane. Those of
    /// partitions that `me` does not own any more are left to the owner. An attempt that is
    /// recorded already, which its start tells, is not recorded twice. A result that the database
    /// refuses is recorded without the texts of the target, and returned where it refuses that too.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be written, as [`Self::record_round`] does.
    pub async fn record_results(
        &self,
        me: &DispatcherId,
        finished: &[Finished],
    ) -> Result<Vec<RefusedResult>, Error> {
        let recorded = self.record_round(me, only(finished)).await?;
        Ok(recorded.refused)
    }
}

/// A round that records results and nothing else.
fn only(finished: &[Finished]) -> DispatchRound<'_> {
    DispatchRound {
        finished,
        ..DispatchRound::default()
    }
}

/// Halves results; the half that comes first is the last one, which is taken first.
fn halves(finished: &[Finished]) -> Vec<&[Finished]> {
    let (first, second) = finished.split_at(finished.len() / 2);
    let halves = [second, first].into_iter();
    halves.filter(|half| !half.is_empty()).collect()
}

/// The result of a delivery without the texts that were to be recorded with it.
fn without_texts(finished: &Finished, refused: &Error) -> Finished {
    let problem = format!(
        "what came of the attempt could not be stored: {}",
        ErrorChain(refused)
    );
    let attempt = finished.attempt.as_ref().map(|attempt| Attempt {
        problem: problem.clone(),
        answer: Vec::new(),
        ..attempt.clone()
    });
    let next = match &finished.next {
        NextStep::Succeed => NextStep::Succeed,
        NextStep::Retry { at, .. } => NextStep::Retry { at: *at, problem },
        NextStep::GiveUp { .. } => NextStep::GiveUp { problem },
        NextStep::Skip { .. } => NextStep::Skip { problem },
    };
    Finished {
        delivery: finished.delivery.clone(),
        attempt,
        next,
    }
}

/// Records the results of the deliveries of partitions that a process owns.
async fn record(
    tx: &mut Tx,
    me: &DispatcherId,
    finished: &[Finished],
    now: Timestamp,
) -> Result<(), Error> {
    let partitions: BTreeSet<_> = finished
        .iter()
        .map(|finished| finished.delivery.id.position.partition)
        .collect();
    let owned = owned(tx, me, &partitions).await?;
    let mine = finished.iter().filter(|finished| {
        let partition = finished.delivery.id.position.partition;
        owned.contains(&partition.number())
    });
    let results = mine.map(|finished| DeliveryResult::new(finished, now));
    let results = results.collect::<Result<Vec<_>, _>>()?;
    let mut left: Vec<_> = results.iter().collect();
    // In turn, where there are several of one delivery.
    while !left.is_empty() {
        let mut keys = HashSet::new();
        let (first, later) = left
            .into_iter()
            .partition(|result| keys.insert(result.key()));
        write(tx, first, now).await?;
        left = later;
    }
    Ok(())
}

#[derive(Debug)]
struct DeliveryResult<'f> {
    delivery: &'f Delivery,
    attempt: Option<NewAttempt<'f>>,
    update: DeliveryUpdate<'f>,
}

impl<'f> DeliveryResult<'f> {
    fn new(finished: &'f Finished, now: Timestamp) -> Result<Self, Error> {
        let delivery = &finished.delivery;
        let (partition, log_offset, number) = key(delivery.id);
        let attempt = finished.attempt.as_ref().map(|attempt| {
            Ok::<_, Error>(NewAttempt {
                partition,
                log_offset,
                number,
                start_time: attempt.start_time.micros(),
                duration_micros: i64::try_from(attempt.duration.as_micros()).unwrap_or(i64::MAX),
                outcome: word(&attempt.outcome)?,
                code: attempt.code.map(i32::from),
                problem: without_nul(&attempt.problem),
                answer: attempt.answer.get(..ANSWER_MAX).unwrap_or(&attempt.answer),
                made: delivery.create_time.micros(),
            })
        });
        let (state, problem, due_time) = match &finished.next {
            NextStep::Succeed => (DeliveryState::Succeeded, "", None),
            NextStep::Retry { at, problem } => {
                (DeliveryState::Pending, problem.as_str(), Some(at.micros()))
            }
            NextStep::GiveUp { problem } => (DeliveryState::Dead, problem.as_str(), None),
            NextStep::Skip { problem } => (DeliveryState::Skipped, problem.as_str(), None),
        };
        let made = u32::from(finished.attempt.is_some());
        let update = DeliveryUpdate {
            partition,
            log_offset,
            number,
            state: state.word(),
            attempts: i32::try_from(delivery.attempts.saturating_add(made)).unwrap_or(i32::MAX),
            problem: without_nul(problem),
            due_time,
            now: now.micros(),
            attempts_seen: i32::try_from(delivery.attempts).unwrap_or(i32::MAX),
            change_seen: delivery.update_time.micros(),
        };
        Ok(Self {
            delivery,
            attempt: attempt.transpose()?,
            update,
        })
    }

    fn key(&self) -> DeliveryKey {
        key(self.delivery.id)
    }

    /// Whether it is a mail whose customer it did not reach, since the address was refused.
    fn has_no_customer(&self) -> bool {
        self.delivery.to == Destination::Readers(Readers::CustomerRefused)
            && self.update.state != DeliveryState::Succeeded.word()
    }

    fn is_final(&self) -> bool {
        self.update.state != DeliveryState::Pending.word()
    }
}

/// Records at most one result of each delivery.
async fn write(
    tx: &mut Tx,
    results: Vec<&DeliveryResult<'_>>,
    now: Timestamp,
) -> Result<(), Error> {
    let attempts = results.iter().filter_map(|result| result.attempt.as_ref());
    let inserted = insert(tx, attempts.collect()).await?;
    // About what was recorded before, something was perhaps decided since.
    let is_new =
        |result: &&DeliveryResult| result.attempt.is_none() || inserted.contains(&result.key());
    let results: Vec<_> = results.into_iter().filter(is_new).collect();
    let changes = results.iter().map(|result| &result.update);
    let updated = update(tx, changes.collect()).await?;
    let stale = |result: &&&DeliveryResult| !updated.contains(&result.key());
    for result in results.iter().filter(stale) {
        tracing::info!(
            delivery.id = %result.delivery.id,
            order.id = %result.delivery.order_id,
            "delivery result ignored: the delivery has changed since it was begun"
        );
    }
    let refused = results.iter().filter(|result| result.has_no_customer());
    let refused = refused.filter(|result| updated.contains(&result.key()));
    let refused: Vec<_> = refused.map(|result| result.delivery.id).collect();
    for id in refused {
        copies::part(tx, id, now).await?;
    }
    let ended = results.into_iter().filter(|result| result.is_final());
    let ended: Vec<_> = ended.map(DeliveryResult::key).collect();
    unpark_next(tx, &ended, now).await
}

/// Adds attempts, and says to which deliveries.
async fn insert(tx: &mut Tx, rows: Vec<&NewAttempt<'_>>) -> Result<HashSet<DeliveryKey>, Error> {
    if let Tx::Postgres(connection) = tx {
        return Ok(on_postgres::insert(connection, &rows).await?);
    }
    let mut inserted = HashSet::new();
    for row in rows {
        if on_conn!(tx, |c| InsertAttempt(row).execute(c).await)? > 0 {
            inserted.insert((row.partition, row.log_offset, row.number));
        }
    }
    Ok(inserted)
}

/// Updates deliveries, and says which were as they had been found.
async fn update(
    tx: &mut Tx,
    rows: Vec<&DeliveryUpdate<'_>>,
) -> Result<HashSet<DeliveryKey>, Error> {
    if let Tx::Postgres(connection) = tx {
        return Ok(on_postgres::update(connection, &rows).await?);
    }
    let mut updated = HashSet::new();
    for row in rows {
        if on_conn!(tx, |c| UpdateDelivery(row).execute(c).await)? > 0 {
            updated.insert((row.partition, row.log_offset, row.number));
        }
    }
    Ok(updated)
}

/// Unparks the first delivery that waits in the lane of each of these, which have ended.
pub(super) async fn unpark_next(
    tx: &mut Tx,
    ended: &[DeliveryKey],
    now: Timestamp,
) -> Result<(), Error> {
    if let Tx::Postgres(connection) = tx {
        return Ok(on_postgres::unpark(connection, ended, now).await?);
    }
    for (partition, log_offset, number) in ended.iter().copied() {
        let key = FinishedKey {
            partition,
            log_offset,
            number,
            now: now.micros(),
        };
        on_conn!(tx, |c| UnparkNext(&key).execute(c).await)?;
    }
    Ok(())
}
