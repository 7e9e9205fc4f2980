//! Deliveries whose rows cannot be read: shown as far as they can be, and given up by their keys,
//! so that nothing waits for what nobody can send.

use std::collections::BTreeSet;

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    delivery::{Delivery, DeliveryState},
    partition::Partition,
    value::Timestamp,
};

use super::{
    ownership::{DispatcherId, owned},
    results::unpark_next,
};
use crate::{
    Error, Store,
    rows::{
        StoredText,
        delivery::{DeliveryKey, DeliveryRow, key},
        without_nul,
    },
    schema::deliveries,
    tx::{Ending, Tx, before, on_conn},
};

/// How many characters are kept of why a column cannot be read.
const REASON_MAX: usize = 300;
const STATES: [DeliveryState; 4] = [
    DeliveryState::Pending,
    DeliveryState::Succeeded,
    DeliveryState::Dead,
    DeliveryState::Skipped,
];

/// A delivery as the outbox has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredDelivery {
    /// One that can be read.
    Readable(Delivery),
    /// One of which a column cannot be read.
    Unreadable(UnreadableDelivery),
}

/// A delivery of which a column cannot be read, or does not go with the others, as they are stored,
/// as far as that can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableDelivery {
    /// Its name, as that of any other delivery.
    pub id: String,
    /// The workflow of its order.
    pub workflow: String,
    /// Its order.
    pub order_id: String,
    /// The sequence of the entry that set it off.
    pub sequence: i64,
    /// The version in which the step of that entry left the order.
    pub order_version: i64,
    /// The transition that the entry took; empty for none.
    pub transition: String,
    /// The action that wants it.
    pub action: String,
    /// What is sent.
    pub kind: String,
    /// Where it goes.
    pub destination: String,
    /// Its lane, the ordering key of deliveries.
    pub lane: String,
    /// How far it has come; none where that cannot be read.
    pub state: Option<DeliveryState>,
    /// How many attempts were made.
    pub attempts: i32,
    /// Which column cannot be read and why, in words for the merchant, before what was said of it.
    pub problem: String,
    /// When it is tried next.
    pub due_time: Option<Timestamp>,
    /// When its step was written.
    pub create_time: Timestamp,
    /// When it last changed.
    pub update_time: Timestamp,
    key: DeliveryKey,
    word: StoredText,
}

impl StoredDelivery {
    pub(super) fn of(row: &DeliveryRow) -> Self {
        match row.delivery() {
            Ok(delivery) => Self::Readable(delivery),
            Err(error) => Self::Unreadable(UnreadableDelivery::of(row, &error)),
        }
    }

    /// A delivery that was found due. One that is not pending contradicts itself.
    pub(super) fn of_due(row: &DeliveryRow) -> Self {
        match row.due() {
            Ok(delivery) => Self::Readable(delivery),
            Err(error) => Self::Unreadable(UnreadableDelivery::of(row, &error)),
        }
    }

    /// The delivery; none where it cannot be read.
    pub fn readable(self) -> Option<Delivery> {
        match self {
            Self::Readable(delivery) => Some(delivery),
            Self::Unreadable(_) => None,
        }
    }

    pub(super) fn lane(&self) -> &str {
        match self {
            Self::Readable(delivery) => &delivery.lane,
            Self::Unreadable(unreadable) => &unreadable.lane,
        }
    }

    pub(super) fn key(&self) -> DeliveryKey {
        match self {
            Self::Readable(delivery) => key(delivery.id),
            Self::Unreadable(unreadable) => unreadable.key,
        }
    }

    /// Its state as it is stored, as far as that can be read.
    pub(super) fn state_word(&self) -> &str {
        match self {
            Self::Readable(delivery) => delivery.state.word(),
            Self::Unreadable(unreadable) => unreadable.word.lossy(),
        }
    }

    pub(super) fn is_unreadable(&self) -> bool {
        matches!(self, Self::Unreadable(_))
    }
}

impl UnreadableDelivery {
    fn of(row: &DeliveryRow, error: &Error) -> Self {
        let (partition, log_offset, number) = row.key();
        let why = why(error);
        let said = row.problem.lossy();
        let shown = |text: &StoredText| text.lossy().to_owned();
        Self {
            id: format!("{partition}-{log_offset}-{number}"),
            workflow: shown(&row.workflow),
            order_id: shown(&row.order_id),
            sequence: row.sequence,
            order_version: row.order_version,
            transition: row.transition.as_ref().map(shown).unwrap_or_default(),
            action: shown(&row.action),
            kind: shown(&row.kind),
            destination: shown(&row.destination),
            lane: shown(&row.lane),
            state: STATES
                .into_iter()
                .find(|state| state.word() == row.state.lossy()),
            attempts: row.attempts.saturated(),
            problem: if said.is_empty() {
                why
            } else if said.starts_with(&why) {
                said.to_owned()
            } else {
                format!("{why}; before that: {said}")
            },
            due_time: row.due_time.map(Timestamp::from_micros),
            create_time: Timestamp::from_micros(row.create_time),
            update_time: Timestamp::from_micros(row.update_time),
            key: row.key(),
            word: row.state.clone(),
        }
    }

    fn is_ended(&self) -> bool {
        match self.state {
            Some(DeliveryState::Succeeded | DeliveryState::Dead | DeliveryState::Skipped) => true,
            Some(DeliveryState::Pending) | None => false,
        }
    }

    /// The partition in which it stands.
    pub fn partition(&self) -> Partition {
        Partition::new(self.key.0)
    }
}

/// Which column cannot be read, in words for the merchant.
fn why(error: &Error) -> String {
    let what = if let Error::Corrupt {
        table,
        column,
        source,
        ..
    } = error
    {
        format!("table {table}, column {column}: {source}")
    } else {
        error.to_string()
    };
    let what: String = what.chars().take(REASON_MAX).collect();
    without_nul(&format!("it cannot be read from the database: {what}"))
}

impl Store {
    /// Gives up deliveries whose rows cannot be read, as they were found, and unparks those behind
    /// them. What is not pending stays as it is, and is not due any more. Those of
    /// partitions that `me` does not own any more are left to the owner. Says how many were given up,
    /// and logs each.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be written; none is given up then.
    pub async fn give_up_unreadable(
        &self,
        me: &DispatcherId,
        unreadable: &[UnreadableDelivery],
    ) -> Result<usize, Error> {
        let now = self.clock().now();
        let partitions: BTreeSet<_> = unreadable
            .iter()
            .map(UnreadableDelivery::partition)
            .collect();
        let written = self.database().write(&[], async |tx| {
            let owned = owned(tx, me, &partitions).await?;
            let mine = unreadable.iter();
            let mine: Vec<_> = mine.filter(|one| owned.contains(&one.key.0)).collect();
            let mut ended = Vec::with_capacity(mine.len());
            for one in mine {
                if give_up(tx, one, now).await? {
                    ended.push(one.key);
                }
            }
            unpark_next(tx, &ended, now).await?;
            Ok(Ending::Commit(ended))
        });
        let ended = written.await.map_err(before)?;
        for one in unreadable.iter().filter(|one| ended.contains(&one.key)) {
            let what = if one.is_ended() {
                "delivery due that has ended"
            } else {
                "delivery dead-lettered"
            };
            tracing::error!(
                delivery.id = one.id,
                delivery.lane = one.lane,
                order.id = one.order_id,
                "{what}: {}",
                one.problem
            );
        }
        Ok(ended.len())
    }
}

/// Gives a delivery up, or takes its due time away where it is not pending, unless something became
/// of it since it was found. Says whether it did.
async fn give_up(tx: &mut Tx, one: &UnreadableDelivery, now: Timestamp) -> Result<bool, Error> {
    let row = || {
        deliveries::table
            .find(one.key)
            .filter(deliveries::update_time.eq(one.update_time.micros()))
    };
    // The leases are held, so it stays as it is. A state that cannot be read is nothing to ask for.
    let state = row().select(deliveries::state);
    let state: Option<StoredText> = on_conn!(tx, |c| state.first(c).await).optional()?;
    if state.as_ref() != Some(&one.word) {
        return Ok(false);
    }
    if one.is_ended() {
        let row = row().filter(deliveries::due_time.is_not_null());
        let change = deliveries::due_time.eq(None::<i64>);
        let updated = on_conn!(tx, |c| diesel::update(row).set(change).execute(c).await)?;
        return Ok(updated > 0);
    }
    let change = (
        deliveries::state.eq(DeliveryState::Dead.word()),
        deliveries::problem.eq(one.problem.as_str()),
        deliveries::due_time.eq(None::<i64>),
        deliveries::update_time.eq(now.micros()),
    );
    let updated = on_conn!(tx, |c| diesel::update(row()).set(change).execute(c).await)?;
    Ok(updated > 0)
}
