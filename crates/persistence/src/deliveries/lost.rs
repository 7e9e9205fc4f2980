//! Work that was in flight when its process died. A process records what it begins in its row of
//! `dispatchers`; who takes over from it counts what still stands as it was recorded as tried in
//! vain. So work that ends its process is known by its name and not tried for ever.

use std::collections::{BTreeMap, BTreeSet};

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl,
    sql_types::{BigInt, Integer},
};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    delivery::{Delivery, DeliveryId, DeliveryState},
    partition::Partition,
};

use super::ownership::DispatcherId;
use crate::{
    Error, Store,
    rows::{
        Number, StoredNumber, StoredText,
        delivery::{DeliveryRow, Numbered, key, numbered},
        json,
        order::TimerKey,
        position,
    },
    schema::{deliveries, dispatchers, lost_deliveries, lost_timers, orders},
    statement::row_statement,
    tx::{Ending, Tx, before, on_conn},
};

/// How many rows one statement names.
const AT_ONCE: usize = 500;

/// A delivery as it is recorded before it is begun: partition, offset, number, last change.
type DeliveryMark = (i32, i64, StoredNumber, i64);
/// An order as it is recorded before its timer fires: partition, key, version.
type TimerMark = (i32, i64, i64);

/// A delivery during which processes ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostDelivery {
    /// Its name.
    pub id: DeliveryId,
    /// How often a process ended while it was being delivered.
    pub tries: u32,
    /// The delivery, where it waits still and can be read. One that cannot is given up when it is due.
    pub waiting: Option<Delivery>,
}

#[derive(Debug)]
pub(crate) struct LostKey {
    partition: i32,
    log_offset: i64,
    number: StoredNumber,
}

row_statement! {
    /// Counts a delivery during which a process ended.
    CountDelivery(LostKey)
    "INSERT INTO lost_deliveries (partition, log_offset, number, tries) VALUES (" [partition: Integer]
    ", " [log_offset: BigInt] ", " [number: Number]
    ", 1) ON CONFLICT (partition, log_offset, number) DO UPDATE SET tries = lost_deliveries.tries + 1"
}

row_statement! {
    /// Counts an order during whose timer a process ended; anew where it has changed since.
    CountTimer(TimerKey)
    "INSERT INTO lost_timers (partition, order_key, version, tries) VALUES (" [partition: Integer]
    ", " [order_key: BigInt] ", " [version: BigInt]
    ", 1) ON CONFLICT (partition, order_key) DO UPDATE SET tries = CASE \
     WHEN lost_timers.version = excluded.version THEN lost_timers.tries + 1 ELSE 1 END, \
     version = excluded.version"
}

/// The deliveries that a process has in flight, as its row has them.
pub(super) fn deliveries_in_flight(in_flight: &[&Delivery]) -> Result<String, Error> {
    let marks = in_flight.iter().map(|delivery| -> DeliveryMark {
        let (partition, log_offset, number) = key(delivery.id);
        (partition, log_offset, number, delivery.update_time.micros())
    });
    json(&marks.collect::<Vec<_>>())
}

/// Removes a process, unless its heartbeat went on since its count was seen, and counts what it had
/// in flight.
pub(super) async fn remove_process(
    tx: &mut Tx,
    name: &DispatcherId,
    count: i64,
) -> Result<(), Error> {
    let row = || {
        dispatchers::table
            .find(name.as_str())
            .filter(dispatchers::renewal.eq(count))
    };
    let marks = row().select((
        dispatchers::deliveries_in_flight,
        dispatchers::timers_in_flight,
    ));
    let marks = on_conn!(tx, |c| marks.first::<(StoredText, StoredText)>(c).await).optional()?;
    let Some((in_flight, firing)) = marks else {
        return Ok(());
    };
    if on_conn!(tx, |c| diesel::delete(row()).execute(c).await)? == 0 {
        return Ok(());
    }
    count_deliveries(tx, &in_flight).await?;
    count_timers(tx, &firing).await
}

async fn count_deliveries(tx: &mut Tx, marks: &StoredText) -> Result<(), Error> {
    let marks: Vec<DeliveryMark> = read(marks);
    for marks in marks.chunks(AT_ONCE) {
        let partitions: BTreeSet<i32> = marks.iter().map(|mark| mark.0).collect();
        let offsets: BTreeSet<i64> = marks.iter().map(|mark| mark.1).collect();
        let recorded: BTreeSet<_> = marks.iter().collect();
        let rows = deliveries::table
            .filter(deliveries::partition.eq_any(partitions))
            .filter(deliveries::log_offset.eq_any(offsets))
            .filter(deliveries::state.eq(DeliveryState::Pending.word()))
            .select((
                deliveries::partition,
                deliveries::log_offset,
                deliveries::number,
                deliveries::update_time,
            ));
        let rows: Vec<DeliveryMark> = on_conn!(tx, |c| rows.load(c).await)?;
        for mark in rows.iter().filter(|mark| recorded.contains(mark)) {
            let (partition, log_offset, number, _) = *mark;
            let key = LostKey {
                partition,
                log_offset,
                number,
            };
            on_conn!(tx, |c| CountDelivery(&key).execute(c).await)?;
        }
    }
    Ok(())
}

async fn count_timers(tx: &mut Tx, marks: &StoredText) -> Result<(), Error> {
    let marks: Vec<TimerMark> = read(marks);
    for marks in marks.chunks(AT_ONCE) {
        let partitions: BTreeSet<i32> = marks.iter().map(|mark| mark.0).collect();
        let keys: BTreeSet<i64> = marks.iter().map(|mark| mark.1).collect();
        let recorded: BTreeSet<_> = marks.iter().collect();
        let rows = orders::table
            .filter(orders::partition.eq_any(partitions))
            .filter(orders::order_key.eq_any(keys))
            .select((orders::partition, orders::order_key, orders::version));
        let rows: Vec<TimerMark> = on_conn!(tx, |c| rows.load(c).await)?;
        for mark in rows.iter().filter(|mark| recorded.contains(mark)) {
            let key = TimerKey::from(*mark);
            on_conn!(tx, |c| CountTimer(&key).execute(c).await)?;
        }
    }
    Ok(())
}

/// The work that a process which is gone has recorded. Where that cannot be read, nobody must be
/// kept from taking over.
fn read<T: serde::de::DeserializeOwned>(marks: &StoredText) -> Vec<T> {
    serde_json::from_str(marks.lossy()).unwrap_or_else(|error| {
        tracing::error!(%error, "work in flight of a dead process unreadable");
        Vec::new()
    })
}

pub(super) async fn forget(tx: &mut Tx, ids: &[DeliveryId]) -> Result<(), Error> {
    for id in ids {
        let row = lost_deliveries::table.find(key(*id));
        on_conn!(tx, |c| diesel::delete(row).execute(c).await)?;
    }
    Ok(())
}

/// Forgets how often processes ended during deliveries of a partition: those with this number, of
/// the entries at these offsets.
pub(super) async fn forget_all(tx: &mut Tx, place: Numbered, offsets: &[i64]) -> Result<(), Error> {
    let rows = numbered!(lost_deliveries, place, offsets.to_vec());
    on_conn!(tx, |c| diesel::delete(rows).execute(c).await)?;
    Ok(())
}

/// Forgets how often processes ended during the timer of an order.
pub(crate) async fn forget_timer(tx: &mut Tx, key: TimerKey) -> Result<(), Error> {
    let row = lost_timers::table.find((key.partition, key.order_key));
    on_conn!(tx, |c| diesel::delete(row).execute(c).await)?;
    Ok(())
}

impl Store {
    /// The deliveries of some partitions during which processes ended.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn lost_deliveries(
        &self,
        partitions: &BTreeSet<Partition>,
    ) -> Result<Vec<LostDelivery>, Error> {
        let numbers = numbers(partitions);
        let found = self.database().read(async |tx| {
            let rows = lost_deliveries::table.filter(lost_deliveries::partition.eq_any(numbers));
            let rows: Vec<(i32, i64, StoredNumber, StoredNumber)> =
                on_conn!(tx, |c| rows.load(c).await)?;
            let mut lost = Vec::with_capacity(rows.len());
            for (partition, log_offset, number, tries) in rows {
                let row = deliveries::table
                    .find((partition, log_offset, number))
                    .filter(deliveries::state.eq(DeliveryState::Pending.word()));
                let row = on_conn!(tx, |c| row.first::<DeliveryRow>(c).await).optional();
                // Nobody must be kept from a partition by one of them.
                let waiting = match row.map_err(Error::from) {
                    Ok(row) => row.and_then(|row| row.delivery().ok()),
                    Err(error) if error.is_of_data() => None,
                    Err(error) => return Err(error),
                };
                lost.push(LostDelivery {
                    id: DeliveryId {
                        position: position(partition, log_offset),
                        number: u32::try_from(number.0).unwrap_or(0),
                    },
                    tries: u32::try_from(tries.0).unwrap_or(u32::MAX),
                    waiting,
                });
            }
            Ok(lost)
        });
        found.await
    }

    /// The orders of some partitions during whose timers processes ended, and how often.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn lost_timers(
        &self,
        partitions: &BTreeSet<Partition>,
    ) -> Result<BTreeMap<TimerKey, u32>, Error> {
        let numbers = numbers(partitions);
        let found = self.database().read(async |tx| {
            let rows = lost_timers::table.filter(lost_timers::partition.eq_any(numbers));
            let rows: Vec<(i32, i64, i64, StoredNumber)> = on_conn!(tx, |c| rows.load(c).await)?;
            let lost = rows
                .into_iter()
                .map(|(partition, order_key, version, tries)| {
                    let key = TimerKey::from((partition, order_key, version));
                    (key, u32::try_from(tries.0).unwrap_or(u32::MAX))
                });
            Ok(lost.collect())
        });
        found.await
    }

    /// Records of which orders the timers are about to fire; of none, when they have. It says whether
    /// they may: not where another process holds this one for dead.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be written.
    pub async fn record_timers(
        &self,
        me: &DispatcherId,
        firing: &[TimerKey],
    ) -> Result<bool, Error> {
        let marks = firing
            .iter()
            .map(|key| -> TimerMark { (key.partition, key.order_key, key.version) });
        let marks = json(&marks.collect::<Vec<_>>())?;
        let written = self.database().write(&[], async |tx| {
            let row = dispatchers::table.find(me.as_str());
            let update = diesel::update(row).set(dispatchers::timers_in_flight.eq(&marks));
            let marked = on_conn!(tx, |c| update.execute(c).await)?;
            Ok(Ending::Commit(marked > 0))
        });
        written.await.map_err(before)
    }

    /// Forgets that processes ended during the timer of an order, which has fired now.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be written.
    pub async fn clear_lost_timer(&self, key: TimerKey) -> Result<(), Error> {
        let written = self.database().write(&[], async |tx| {
            forget_timer(tx, key).await?;
            Ok(Ending::Commit(()))
        });
        written.await.map_err(before)
    }
}

fn numbers(partitions: &BTreeSet<Partition>) -> Vec<i32> {
    partitions.iter().map(|p| p.number()).collect()
}
