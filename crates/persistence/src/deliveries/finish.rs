//! Noting what came of attempts.

use std::collections::{BTreeSet, HashSet};

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    delivery::{Attempt, Delivery, DeliveryId, DeliveryState},
    history::{Destination, Readers},
    value::Timestamp,
};

use super::{
    DispatcherId, RowKey, copies, key, lost, on_postgres, owned,
    statements::{AttemptRow, FinishedKey, InsertAttempt, PromoteNext, Update, UpdateDelivery},
};
use crate::{
    Error, Store,
    commit::retry::Chain,
    rows::{without_nul, word},
    schema::dispatchers,
    tx::{Ending, Tx, before, on_conn},
};

/// How many bytes are kept of an answer.
const ANSWER_MAX: usize = 1_024;

/// A delivery that was carried, or cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The delivery, as it was found; where the address of its customer was refused, it goes to
    /// [`Readers::CustomerRefused`], and its copies are a delivery of their own from then on.
    pub delivery: Delivery,
    /// The attempt that was made; none where there was nothing to attempt.
    pub attempt: Option<Attempt>,
    /// What becomes of it.
    pub next: NextStep,
}

/// What becomes of a delivery after an attempt.
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

/// What a process writes at once between two looks for what is due.
#[derive(Debug, Clone, Copy, Default)]
pub struct Round<'r> {
    /// What came of deliveries.
    pub finished: &'r [Finished],
    /// Deliveries of which it does not matter any more that processes ended while they worked on
    /// them.
    pub cleared: &'r [DeliveryId],
    /// All that the process has in flight from now on; none where it begins nothing.
    pub in_flight: Option<&'r [&'r Delivery]>,
}

/// What a process has written between two looks.
#[derive(Debug)]
pub struct Noted {
    /// Whether the process may begin what it named: not where another holds it for dead.
    pub may_begin: bool,
    /// What the database does not take in any form, while it takes the rest.
    pub refused: Vec<RefusedNote>,
}

/// What came of a delivery and cannot be noted.
#[derive(Debug)]
pub struct RefusedNote {
    /// The delivery.
    pub id: DeliveryId,
    /// What the database says.
    pub error: Error,
}

impl Store {
    /// Notes what came of deliveries, see [`Self::finish_deliveries`], and what the process is about
    /// to work on.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be written. What came of some deliveries may be
    /// noted all the same; it can be noted again.
    pub async fn carry_on(&self, me: &DispatcherId, round: Round<'_>) -> Result<Noted, Error> {
        let error = match self.write_round(me, round).await {
            Ok(may_begin) => {
                let refused = Vec::new();
                return Ok(Noted { may_begin, refused });
            }
            Err(error) => error,
        };
        if round.finished.is_empty() || !error.is_of_data() {
            return Err(error);
        }
        // One of them is refused, and must not keep the others.
        let refused = self.note_in_parts(me, round.finished).await?;
        let rest = Round {
            finished: &[],
            ..round
        };
        let may_begin = self.write_round(me, rest).await?;
        Ok(Noted { may_begin, refused })
    }

    /// Notes what came of deliveries in parts that become smaller, until the database refuses one
    /// alone. Says what it refuses in any form.
    async fn note_in_parts(
        &self,
        me: &DispatcherId,
        finished: &[Finished],
    ) -> Result<Vec<RefusedNote>, Error> {
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
                [alone] => refused.extend(self.note_plainly(me, alone, &error).await?),
                several => waiting.extend(halves(several)),
            }
        }
        Ok(refused)
    }

    /// Notes what came of a delivery without the words that came with it, which the database has
    /// refused. Says where it refuses that too.
    async fn note_plainly(
        &self,
        me: &DispatcherId,
        finished: &Finished,
        refused: &Error,
    ) -> Result<Option<RefusedNote>, Error> {
        let id = finished.delivery.id;
        let plain = [without_words(finished, refused)];
        match self.write_round(me, only(&plain)).await {
            Ok(_) => {
                tracing::error!(
                    delivery.id = %id,
                    order.id = %finished.delivery.order_id,
                    error = %Chain(refused),
                    "what came of a delivery was refused by the database; it is noted without words"
                );
                Ok(None)
            }
            Err(error) if error.is_of_data() => Ok(Some(RefusedNote { id, error })),
            Err(error) => Err(error),
        }
    }

    /// Writes a round in one transaction, and says whether the process may begin what it names.
    async fn write_round(&self, me: &DispatcherId, round: Round<'_>) -> Result<bool, Error> {
        let now = self.clock().now();
        let marks = round.in_flight.map(lost::delivery_marks).transpose()?;
        let written = self.database().write(&[], async |tx| {
            if !round.finished.is_empty() {
                note(tx, me, round.finished, now).await?;
            }
            lost::forget(tx, round.cleared).await?;
            let Some(marks) = &marks else {
                return Ok(Ending::Commit(true));
            };
            let row = dispatchers::table.find(me.as_str());
            let marked = on_conn!(tx, |c| diesel::update(row)
                .set(dispatchers::deliveries_in_flight.eq(marks))
                .execute(c)
                .await)?;
            Ok(Ending::Commit(marked > 0))
        });
        written.await.map_err(before)
    }

    /// Notes what came of deliveries, and lets the next of each order and lane have its turn.
    /// Those of partitions that `me` does not carry any more are left to who does. An attempt that
    /// is noted already, which its start tells, is not noted twice. What the database refuses is
    /// noted without the words that came from the target, and told where it refuses that too.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be written, as [`Self::carry_on`] does.
    pub async fn finish_deliveries(
        &self,
        me: &DispatcherId,
        finished: &[Finished],
    ) -> Result<Vec<RefusedNote>, Error> {
        let noted = self.carry_on(me, only(finished)).await?;
        Ok(noted.refused)
    }
}

/// A round that notes what came of deliveries, and nothing else.
fn only(finished: &[Finished]) -> Round<'_> {
    Round {
        finished,
        ..Round::default()
    }
}

/// Halves what has to be noted; the half that comes first is the last one, which is taken first.
fn halves(finished: &[Finished]) -> Vec<&[Finished]> {
    let (first, second) = finished.split_at(finished.len() / 2);
    let halves = [second, first].into_iter();
    halves.filter(|half| !half.is_empty()).collect()
}

/// What came of a delivery, without the words that were to be noted with it.
fn without_words(finished: &Finished, refused: &Error) -> Finished {
    let problem = format!(
        "what came of the attempt could not be stored: {}",
        Chain(refused)
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

async fn note(
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
    let notes = mine.map(|finished| Note::new(finished, now));
    let notes = notes.collect::<Result<Vec<_>, _>>()?;
    let mut left: Vec<_> = notes.iter().collect();
    // In turn, where there are several of one delivery.
    while !left.is_empty() {
        let mut keys = HashSet::new();
        let (first, later) = left.into_iter().partition(|note| keys.insert(note.key()));
        write(tx, first, now).await?;
        left = later;
    }
    Ok(())
}

/// What is noted of one delivery.
#[derive(Debug)]
struct Note<'f> {
    delivery: &'f Delivery,
    attempt: Option<AttemptRow>,
    update: Update,
}

impl<'f> Note<'f> {
    fn new(finished: &'f Finished, now: Timestamp) -> Result<Self, Error> {
        let delivery = &finished.delivery;
        let (partition, log_offset, number) = key(delivery.id);
        let attempt = finished.attempt.as_ref().map(|attempt| {
            Ok::<_, Error>(AttemptRow {
                partition,
                log_offset,
                number,
                start_time: attempt.start_time.micros(),
                duration_micros: i64::try_from(attempt.duration.as_micros()).unwrap_or(i64::MAX),
                outcome: word(&attempt.outcome)?,
                code: attempt.code.map(i32::from),
                problem: without_nul(&attempt.problem),
                answer: attempt.answer.iter().copied().take(ANSWER_MAX).collect(),
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
        let update = Update {
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

    fn key(&self) -> RowKey {
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

/// Notes at most one attempt of each delivery, and what became of it.
async fn write(tx: &mut Tx, notes: Vec<&Note<'_>>, now: Timestamp) -> Result<(), Error> {
    let attempts = notes.iter().filter_map(|note| note.attempt.as_ref());
    let inserted = insert(tx, attempts.collect()).await?;
    // What was noted before has perhaps been decided about since.
    let is_new = |note: &&Note| note.attempt.is_none() || inserted.contains(&note.key());
    let notes: Vec<_> = notes.into_iter().filter(is_new).collect();
    let updated = update(tx, notes.iter().map(|note| &note.update).collect()).await?;
    for note in notes.iter().filter(|note| !updated.contains(&note.key())) {
        tracing::info!(
            delivery.id = %note.delivery.id,
            order.id = %note.delivery.order_id,
            "what came of a delivery changes nothing: it is not as it was when it was begun"
        );
    }
    let refused = notes.iter().filter(|note| note.has_no_customer());
    let refused = refused.filter(|note| updated.contains(&note.key()));
    let refused: Vec<_> = refused.map(|note| note.delivery.id).collect();
    for id in refused {
        copies::part(tx, id, now).await?;
    }
    let ended = notes.into_iter().filter(|note| note.is_final());
    let ended: Vec<_> = ended.map(Note::key).collect();
    promote(tx, &ended, now).await
}

/// Adds attempts, and says to which deliveries.
async fn insert(tx: &mut Tx, rows: Vec<&AttemptRow>) -> Result<HashSet<RowKey>, Error> {
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
async fn update(tx: &mut Tx, rows: Vec<&Update>) -> Result<HashSet<RowKey>, Error> {
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

/// Lets the first that waits in the lane of each of these deliveries have its turn.
pub(super) async fn promote(tx: &mut Tx, ended: &[RowKey], now: Timestamp) -> Result<(), Error> {
    if let Tx::Postgres(connection) = tx {
        return Ok(on_postgres::promote(connection, ended, now).await?);
    }
    for (partition, log_offset, number) in ended.iter().copied() {
        let key = FinishedKey {
            partition,
            log_offset,
            number,
            now: now.micros(),
        };
        on_conn!(tx, |c| PromoteNext(&key).execute(c).await)?;
    }
    Ok(())
}
