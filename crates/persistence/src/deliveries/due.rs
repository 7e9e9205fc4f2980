//! Finding what is due.

use std::collections::BTreeSet;

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::{delivery::Delivery, partition::Partition};

use super::{
    DispatcherId, on_postgres, owned,
    statements::{DueKey, FindDue},
};
use crate::{
    Error, Store,
    rows::delivery::DeliveryRow,
    schema::deliveries,
    tx::{Ending, Tx, before, on_conn},
};

impl Store {
    /// The lanes in which something waits to be tried, sorted.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn busy_lanes(&self) -> Result<Vec<String>, Error> {
        let lanes = self.database().read(async |tx| {
            // The index is asked for the next lane each time: there are few lanes, and perhaps
            // many deliveries in one.
            let mut lanes: Vec<String> = Vec::new();
            loop {
                let last = lanes.last().cloned().unwrap_or_default();
                let next = deliveries::table
                    .filter(deliveries::due_time.is_not_null())
                    .filter(deliveries::lane.gt(last))
                    .order(deliveries::lane)
                    .select(deliveries::lane);
                match on_conn!(tx, |c| next.first::<String>(c).await).optional()? {
                    Some(lane) => lanes.push(lane),
                    None => return Ok(lanes),
                }
            }
        });
        lanes.await
    }

    /// Finds deliveries of a lane that are due in some partitions, the longest due first, at most
    /// `limit`. One that waits for an earlier one of its order is
    /// put aside until that one is finished, and not returned.
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
        let now = self.clock().now().micros();
        let found = self.database().read(async |tx| {
            if let Tx::Postgres(connection) = tx {
                let found = on_postgres::due(connection, partitions, lane, (now, limit));
                return Ok(found.await?);
            }
            let mut found = Vec::new();
            for partition in partitions {
                let key = DueKey {
                    lane: lane.to_owned(),
                    partition: partition.number(),
                    now,
                    limit,
                };
                let rows: Vec<(DeliveryRow, bool)> = on_conn!(tx, |c| FindDue(&key).load(c).await)?;
                found.extend(rows);
            }
            found.sort_by_key(|(row, _)| row.due_time);
            found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            Ok(found)
        });
        let (waiting, due): (Vec<_>, Vec<_>) =
            found.await?.into_iter().partition(|(_, waits)| *waits);
        if !waiting.is_empty() {
            self.put_aside(me, &waiting).await?;
        }
        due.iter().map(|(row, _)| row.delivery()).collect()
    }

    /// Takes the due time of deliveries that wait for earlier ones. The leases are held, so none
    /// of those is finished meanwhile by somebody who would look for them.
    async fn put_aside(
        &self,
        me: &DispatcherId,
        waiting: &[(DeliveryRow, bool)],
    ) -> Result<(), Error> {
        let partitions = waiting.iter().map(|(row, _)| Partition::new(row.partition));
        let partitions = partitions.collect();
        let written = self.database().write(&[], async |tx| {
            let owned = owned(tx, me, &partitions).await?;
            for (row, _) in waiting {
                if !owned.contains(&row.partition) {
                    continue;
                }
                let key = (row.partition, row.log_offset, row.number);
                let earlier = deliveries::table
                    .filter(deliveries::order_key.eq(row.order_key))
                    .filter(deliveries::lane.eq(row.lane.clone()))
                    .filter(deliveries::partition.eq(row.partition))
                    .filter(deliveries::state.eq("pending"))
                    .order((deliveries::log_offset, deliveries::number))
                    .select((
                        deliveries::partition,
                        deliveries::log_offset,
                        deliveries::number,
                    ));
                let first = on_conn!(tx, |c| earlier.first::<(i32, i64, i32)>(c).await);
                if first.optional()?.is_none_or(|first| first == key) {
                    continue;
                }
                let row = deliveries::table
                    .find(key)
                    .filter(deliveries::state.eq("pending"));
                on_conn!(tx, |c| diesel::update(row)
                    .set(deliveries::due_time.eq(None::<i64>))
                    .execute(c)
                    .await)?;
            }
            Ok(Ending::Commit(()))
        });
        written.await.map_err(before)
    }
}
