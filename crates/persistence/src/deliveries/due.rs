//! Finding what is due.

use std::collections::{BTreeMap, BTreeSet};

use diesel_async::RunQueryDsl;
use waymark_domain::{
    delivery::Delivery,
    history::{Destination, Readers},
    partition::Partition,
};

use super::{
    DispatcherId, copies, on_postgres, owned,
    statements::{DueKey, FindDue, FindLanes, LanesAfter, PutAside, WaitingKey},
};
use crate::{
    Error, Store,
    rows::delivery::DeliveryRow,
    tx::{Ending, Tx, before, on_conn},
};

/// How often one call looks again because what waits was put aside.
const ROUNDS_MAX: u32 = 16;

impl Store {
    /// The lanes in which something waits to be tried, sorted.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn busy_lanes(&self) -> Result<Vec<String>, Error> {
        let lanes = self.database().read(async |tx| {
            let all = LanesAfter { lane: "" };
            Ok(on_conn!(tx, |c| FindLanes(&all).load::<String>(c).await)?)
        });
        let mut lanes = lanes.await?;
        lanes.sort_unstable();
        Ok(lanes)
    }

    /// Finds deliveries of a lane that are due in some partitions, the longest due first, at most
    /// `limit`. One that waits for an earlier one of its order is put aside until that one is
    /// finished, and not returned.
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
        self.due_in_lanes(me, partitions, lanes).await
    }

    /// Finds deliveries that are due in some partitions as [`Self::due_deliveries`] does, of several
    /// lanes at once, each with its limit.
    ///
    /// # Errors
    /// Returns [`Error`] when the database does not answer.
    pub async fn due_in_lanes(
        &self,
        me: &DispatcherId,
        partitions: &BTreeSet<Partition>,
        mut lanes: BTreeMap<String, i64>,
    ) -> Result<Vec<Delivery>, Error> {
        let now = self.clock().now().micros();
        let mut due = Vec::new();
        for round in 1..=ROUNDS_MAX {
            let found = self.find_due(partitions, &lanes, now).await?;
            let waiting: Vec<_> = found.iter().filter(|(_, waits)| *waits).collect();
            let is_last = waiting.is_empty()
                || self.put_aside(me, &waiting, now).await? == 0
                || round == ROUNDS_MAX;
            // What waits took the room of what is due behind it.
            lanes.retain(|lane, limit| {
                let rows = found.iter().filter(|(row, _)| row.lane == *lane);
                let is_full = i64::try_from(rows.count()).is_ok_and(|count| count >= *limit);
                let waits = waiting.iter().any(|(row, _)| row.lane == *lane);
                is_full && waits && !is_last
            });
            let (again, found): (Vec<_>, Vec<_>) = found
                .into_iter()
                .partition(|(row, _)| lanes.contains_key(&row.lane));
            drop(again);
            let ready = found.iter().filter(|(_, waits)| !*waits);
            for delivery in ready.map(|(row, _)| row.delivery()) {
                due.push(delivery?);
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

    /// Takes the due time of all that is due and waits for an earlier delivery, of the orders of
    /// these, and says of how many. The leases are held, so none of the earlier ones is finished
    /// meanwhile by somebody who would look for them. Copies of mails do not wait for a customer
    /// whose address was refused: they are due by themselves then.
    async fn put_aside(
        &self,
        me: &DispatcherId,
        waiting: &[&(DeliveryRow, bool)],
        now: i64,
    ) -> Result<usize, Error> {
        let partitions = waiting.iter().map(|(row, _)| Partition::new(row.partition));
        let partitions = partitions.collect();
        let orders = waiting.iter().map(|(row, _)| WaitingKey {
            partition: row.partition,
            order_key: row.order_key,
            lane: row.lane.clone(),
            now,
        });
        let orders: BTreeSet<_> = orders.collect();
        let mails = Destination::Readers(Readers::Customer).lane();
        let written = self.database().write(&[], async |tx| {
            let owned = owned(tx, me, &partitions).await?;
            let mut aside = 0;
            for order in orders.iter().filter(|key| owned.contains(&key.partition)) {
                aside += on_conn!(tx, |c| PutAside(order).execute(c).await)?;
                if order.lane == mails {
                    copies::part_waiting(tx, order).await?;
                }
            }
            Ok(Ending::Commit(aside))
        });
        written.await.map_err(before)
    }
}
