//! Pending deliveries as they are read without being tried: all of a partition, in small parts, and
//! the problems of those of a lane.

use diesel::{BoolExpressionMethods, ExpressionMethods, QueryDsl, dsl::sql, sql_types::Bool};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    delivery::{Delivery, DeliveryState},
    partition::Partition,
};

use super::{StoredDelivery, UnreadableDelivery};
use crate::{
    Error, Store,
    rows::{StoredNumber, StoredText, delivery::DeliveryRow},
    schema::deliveries,
    statement::limit,
    tx::on_conn,
};

/// How many deliveries one call reads: their results are written in one transaction.
const AT_ONCE: usize = 200;
/// Of how many deliveries of a lane the problems are read.
const ASKED: i64 = 8;

/// The place behind which a walk over the pending deliveries of a partition goes on: an offset and
/// a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitingCursor(i64, StoredNumber);

/// A part of the pending deliveries of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The pending deliveries in the order of the log.
    pub deliveries: Vec<Delivery>,
    /// Those that cannot be read, of all lanes, also those to which nothing goes now.
    pub unreadable: Vec<UnreadableDelivery>,
    /// Where the walk goes on; none at its end.
    pub next: Option<WaitingCursor>,
}

impl Store {
    /// Finds pending deliveries of a partition, whether or not they are due: 200 at a time, in the
    /// order of the log.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn waiting_deliveries(
        &self,
        partition: Partition,
        after: Option<WaitingCursor>,
    ) -> Result<Waiting, Error> {
        let WaitingCursor(log_offset, number) = after.unwrap_or(WaitingCursor(0, StoredNumber(-1)));
        let rows = deliveries::table
            .filter(deliveries::partition.eq(partition.number()))
            .filter(deliveries::state.eq(DeliveryState::Pending.word()))
            // In the words of the index, or it would not be taken.
            .filter(sql::<Bool>("state <> 'succeeded'"))
            // The first condition alone is a range of the index; the second makes it exact.
            .filter(deliveries::log_offset.ge(log_offset))
            .filter(
                deliveries::log_offset
                    .gt(log_offset)
                    .or(deliveries::number.gt(number)),
            )
            .order((deliveries::log_offset, deliveries::number))
            .limit(limit(AT_ONCE));
        let rows = self
            .database()
            .read(async |tx| Ok(on_conn!(tx, |c| rows.load::<DeliveryRow>(c).await)?));
        let rows = rows.await?;
        let last = rows.last().filter(|_| rows.len() >= AT_ONCE);
        let mut waiting = Waiting {
            next: last.map(|row| WaitingCursor(row.log_offset, row.number)),
            deliveries: Vec::with_capacity(rows.len()),
            unreadable: Vec::new(),
        };
        for row in &rows {
            match StoredDelivery::of(row) {
                StoredDelivery::Readable(delivery) => waiting.deliveries.push(delivery),
                StoredDelivery::Unreadable(unreadable) => waiting.unreadable.push(unreadable),
            }
        }
        Ok(waiting)
    }

    /// The problems of some deliveries of a lane that wait for another attempt; empty where none does.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn problems_in_lane(&self, lane: &str) -> Result<Vec<String>, Error> {
        let rows = deliveries::table
            .filter(deliveries::lane.eq(lane.to_owned()))
            .filter(deliveries::partition.eq_any(self.partition_numbers()))
            .filter(deliveries::due_time.gt(self.clock().now().micros()))
            .select(deliveries::problem)
            .limit(ASKED);
        let problems = self
            .database()
            .read(async |tx| Ok(on_conn!(tx, |c| rows.load::<StoredText>(c).await)?));
        let problems = problems.await?.into_iter();
        Ok(problems.filter_map(StoredText::into_utf8).collect())
    }
}
