//! Noting what came of attempts.

use std::collections::BTreeSet;

use diesel_async::RunQueryDsl;
use waymark_domain::{
    delivery::{Attempt, Delivery, DeliveryId, DeliveryState},
    value::Timestamp,
};

use super::{
    DispatcherId, key, on_postgres, owned,
    statements::{AttemptRow, FinishedKey, InsertAttempt, PromoteNext, Update, UpdateDelivery},
};
use crate::{
    Error, Store,
    rows::word,
    tx::{Ending, Tx, before, on_conn},
};

/// How many bytes are kept of an answer.
const ANSWER_MAX: usize = 1_024;

/// A delivery that was carried, or cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The delivery, as it was found.
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

impl Store {
    /// Notes what came of deliveries, and lets the next of each order and lane have its turn.
    /// Those of partitions that `me` does not carry any more are left to who does. An attempt that
    /// is noted already, which its start tells, is not noted twice.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be written; nothing is noted then.
    pub async fn finish_deliveries(
        &self,
        me: &DispatcherId,
        finished: &[Finished],
    ) -> Result<(), Error> {
        let now = self.clock().now();
        let partitions: BTreeSet<_> = finished
            .iter()
            .map(|finished| finished.delivery.id.position.partition)
            .collect();
        let written = self.database().write(&[], async |tx| {
            let owned = owned(tx, me, &partitions).await?;
            let mine = finished.iter().filter(|finished| {
                let partition = finished.delivery.id.position.partition;
                owned.contains(&partition.number())
            });
            let notes = mine.map(|finished| Note::new(finished, now));
            let notes = notes.collect::<Result<Vec<_>, _>>()?;
            if let Tx::Postgres(connection) = tx {
                on_postgres::note(connection, &notes).await?;
            } else {
                for note in &notes {
                    note.write(tx).await?;
                }
            }
            Ok(Ending::Commit(()))
        });
        written.await.map_err(before)
    }
}

/// What is noted of one delivery.
#[derive(Debug)]
pub(super) struct Note {
    id: DeliveryId,
    pub(super) attempt: Option<AttemptRow>,
    pub(super) update: Update,
}

impl Note {
    fn new(finished: &Finished, now: Timestamp) -> Result<Self, Error> {
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
                problem: attempt.problem.clone(),
                answer: attempt.answer.iter().copied().take(ANSWER_MAX).collect(),
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
            problem: problem.to_owned(),
            due_time,
            now: now.micros(),
            seen: i32::try_from(delivery.attempts).unwrap_or(i32::MAX),
        };
        Ok(Self {
            id: delivery.id,
            attempt: attempt.transpose()?,
            update,
        })
    }

    /// The key of the delivery's row.
    pub(super) fn key(&self) -> (i32, i64, i32) {
        key(self.id)
    }

    async fn write(&self, tx: &mut Tx) -> Result<(), Error> {
        if let Some(attempt) = &self.attempt
            && on_conn!(tx, |c| InsertAttempt(attempt).execute(c).await)? == 0
        {
            // Noted before, and perhaps decided about since.
            return Ok(());
        }
        on_conn!(tx, |c| UpdateDelivery(&self.update).execute(c).await)?;
        if self.update.is_final() {
            promote(tx, self.id, Timestamp::from_micros(self.update.now)).await?;
        }
        Ok(())
    }
}

/// Lets the first that waits in the lane of a delivery have its turn.
pub(super) async fn promote(tx: &mut Tx, id: DeliveryId, now: Timestamp) -> Result<(), Error> {
    let (partition, log_offset, number) = key(id);
    let key = FinishedKey {
        partition,
        log_offset,
        number,
        now: now.micros(),
    };
    on_conn!(tx, |c| PromoteNext(&key).execute(c).await)?;
    Ok(())
}
