//! Finding due deliveries.

use std::collections::{BTreeMap, BTreeSet};

use diesel_async::RunQueryDsl;
use waymark_domain::{
    delivery::Delivery,
    history::{Destination, Readers},
    partition::Partition,
};

use super::{
    StoredDelivery, UnreadableDelivery, copies, on_postgres,
    ownership::{DispatcherId, owned},
    statements::{DueKey, FindDue, FindLanes, LanesFrom, ParkWaiting, WaitingKey},
};
use crate::{
    Error, Store,
    rows::{StoredText, delivery::DeliveryRow},
    statement::limit as sql_limit,
    tx::{Ending, Tx, before, on_conn},
};

/// How often one call polls again because deliveries were parked, or some cannot be read.
const ROUNDS_MAX: u32 = 16;
/// How many are looked for in a lane at most to find something behind what cannot be read.
const BEHIND_MAX: i64 = 500;

/// Deliveries that are due.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Due {
    /// The deliveries.
    pub deliveries: Vec<Delivery>,
    /// Those that cannot be read, or have a due time and are not pending; the dispatcher
    /// [gives them up](Store::give_up_unreadable).
    pub unreadable: Vec<UnreadableDelivery>,
}

impl Store {
    /// The lanes in which something waits to be tried, sorted. Nothing is found in one that cannot be
    /// read: what waits there is given up when [all that waits](Store::waiting_deliveries) is read.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn busy_lanes(&self) -> Result<Vec<String>, Error> {
        let lanes = self.database().read(async |tx| {
            let all = LanesFrom { lane: "" };
            Ok(on_conn!(tx, |c| FindLanes(&all)
                .load::<StoredText>(c)
                .await)?)
        });
        let lanes = lanes.await?.into_iter();
        let lanes: BTreeSet<_> = lanes.map(StoredText::into_lossy).collect();
        Ok(lanes.into_iter().collect())
    }

    /// Finds deliveries of a lane that are due in some partitions, the longest due first, at most
    /// `limit`. One that waits for an earlier one of its order is parked until that one is
    /// finished, and not returned; nor is one that cannot be read.
    ///
    /// # Errors
    /// Returns [`Error`] when the database does not answer.
    pub async fn due_deliveries(
        &self,
        me: &DispatcherId,
        partitions: &BTreeSet<Partition>,
        lane: &str,
        limit: i64,
    ) -> Result<Vec<Delivery>, Error> {
        let lanes = BTreeMap::from([(lane.to_owned(), limit)]);
        let due = self.due_in_lanes(me, partitions, lanes).await?;
        Ok(due.deliveries)
    }

    /// Finds deliveries that are due in some partitions as [`Self::due_deliveries`] does, of several
    /// lanes at once, each with its limit. Those that cannot be read are kept apart, and take no room
    /// of the others.
    ///
    /// # Errors
    /// Returns [`Error`] when the database does not answer.
    pub async fn due_in_lanes(
        &self,
        me: &DispatcherId,
        partitions: &BTreeSet<Partition>,
        mut lanes: BTreeMap<String, i64>,
    ) -> Result<Due, Error> {
        let now = self.clock().now().micros();
        let (mut due, mut wanted) = (Due::default(), lanes.clone());
        for round in 1..=ROUNDS_MAX {
            let found = self.find_due(partitions, &lanes, now).await?;
            // What is not pending waits for nothing, and could not be parked.
            let waits = |(row, waits): &(DeliveryRow, bool)| *waits && row.is_pending();
            let (waiting, ready): (Vec<_>, Vec<_>) = found.into_iter().partition(waits);
            let waiting: Vec<_> = waiting.into_iter().map(|(row, _)| row).collect();
            let ready = ready.iter().map(|(row, _)| StoredDelivery::of_due(row));
            let ready: Vec<_> = ready.collect();
            let were_parked = !waiting.is_empty() && self.park(me, &waiting, now).await? > 0;
            if round == ROUNDS_MAX {
                lanes.clear();
            }
            // What waits, or cannot be read, took the room of what is due behind it.
            lanes.retain(|lane, limit| {
                let wanted = wanted.get(lane).copied().unwrap_or_default();
                let waits = waiting.iter().filter(|row| row.lane.lossy() == lane);
                let waits = sql_limit(waits.count());
                let here = ready.iter().filter(|stored| stored.lane() == lane.as_str());
                let unreadable = here.clone().filter(|stored| stored.is_unreadable());
                let unreadable = sql_limit(unreadable.count());
                let readable = sql_limit(here.count()) - unreadable;
                let is_full = waits + readable + unreadable >= *limit;
                let lacks = unreadable > 0 && readable < wanted && *limit < BEHIND_MAX;
                if lacks {
                    *limit = wanted.saturating_add(2 * unreadable);
                }
                is_full && ((waits > 0 && were_parked) || lacks)
            });
            let done = ready.into_iter();
            for stored in done.filter(|stored| !lanes.contains_key(stored.lane())) {
                match stored {
                    StoredDelivery::Readable(delivery) => {
                        if let Some(left) = wanted.get_mut(&delivery.lane).filter(|left| **left > 0)
                        {
                            *left -= 1;
                            due.deliveries.push(delivery);
                        }
                    }
                    StoredDelivery::Unreadable(unreadable) => due.unreadable.push(unreadable),
                }
            }
            if lanes.is_empty() {
                break;
            }
        }
        Ok(due)
    }

    async fn find_due(
        &self,
        partitions: &BTreeSet<Partition>,
        lanes: &BTreeMap<String, i64>,
        now: i64,
    ) -> Result<Vec<(DeliveryRow, bool)>, Error> {
        let found = self.database().read(async |tx| {
            if let Tx::Postgres(connection) = tx {
                let found = on_postgres::due(connection, partitions, lanes, now);
                return Ok(found.await?);
            }
            let mut all = Vec::new();
            for (lane, limit) in lanes {
                let mut found = Vec::new();
                for partition in partitions {
                    let key = DueKey {
                        lane: lane.clone(),
                        partition: partition.number(),
                        now,
                        limit: *limit,
                    };
                    let rows: Vec<(DeliveryRow, bool)> =
                        on_conn!(tx, |c| FindDue(&key).load(c).await)?;
                    found.extend(rows);
                }
                found.sort_by_key(|(row, _)| row.due_time);
                found.truncate(usize::try_from(*limit).unwrap_or(usize::MAX));
                all.extend(found);
            }
            Ok(all)
        });
        found.await
    }

    /// Parks all that is due and waits for an earlier delivery, of the orders of these, and says how
    /// many those are. The leases are held, so none of the earlier ones is finished
    /// meanwhile by somebody who would unpark them. Copies of mails do not wait for a customer
    /// whose address was refused: they are due by themselves then.
    async fn park(
        &self,
        me: &DispatcherId,
        waiting: &[DeliveryRow],
        now: i64,
    ) -> Result<usize, Error> {
        let partitions = waiting.iter().map(|row| Partition::new(row.partition));
        let partitions = partitions.collect();
        let orders = waiting.iter().map(|row| WaitingKey {
            partition: row.partition,
            order_key: row.order_key,
            lane: row.lane.lossy().to_owned(),
            now,
        });
        let orders: BTreeSet<_> = orders.collect();
        let mails = Destination::Readers(Readers::Customer).lane();
        let written = self.database().write(&[], async |tx| {
            let owned = owned(tx, me, &partitions).await?;
            let mut parked = 0;
            for order in orders.iter().filter(|key| owned.contains(&key.partition)) {
                parked += on_conn!(tx, |c| ParkWaiting(order).execute(c).await)?;
                if order.lane == mails {
                    copies::part_waiting(tx, order).await?;
                }
            }
            Ok(Ending::Commit(parked))
        });
        written.await.map_err(before)
    }
}
