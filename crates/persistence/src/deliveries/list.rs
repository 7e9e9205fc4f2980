//! One page of the outbox: the partitions are read from their ends and merged, and each delivery
//! is held against the query. A page is put together in pieces, each of which has a connection
//! for a short while.

use std::collections::{BTreeSet, VecDeque};

use diesel::{BoolExpressionMethods, ExpressionMethods, QueryDsl, dsl::sql, sql_types::Bool};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    delivery::DeliveryState,
    partition::Partition,
    value::{OrderId, WorkflowCode},
};

use super::{
    StoredDelivery,
    query::{DeliveryCursor, DeliveryPage, DeliveryQuery},
};
use crate::{
    Direction, Error, Store,
    merge::{Merge, Next, Progress, SCAN_MAX},
    order_entries,
    rows::{StoredNumber, delivery::DeliveryRow, entry_index::PAGE_ENTRIES},
    schema::deliveries,
    statement::limit,
    tx::{Tx, on_conn},
};

/// How many entries of an order one statement is about.
const OFFSETS_AT_ONCE: usize = 200;

/// How many deliveries one piece of a page looks at, and how many statements it makes.
const PIECE_ROWS: usize = 1_000;
const PIECE_STATEMENTS: usize = 128;

enum StreamOf {
    /// All of a partition.
    Log,
    /// Those in a state, of which there is an index.
    State(DeliveryState),
    /// Those of entries at these offsets, the newest first.
    Order(VecDeque<i64>),
}

/// A stream of deliveries of a partition, the newest first.
struct DeliveryStream {
    partition: Partition,
    of: StreamOf,
    /// What is left lies before this offset and number.
    before: (i64, StoredNumber),
}

/// The place of a delivery in the list. Within a partition, offsets follow times.
type DeliveryPlace = (i64, i32, i64, StoredNumber);

pub(super) struct DeliveryListing<'q> {
    query: &'q DeliveryQuery,
    limit: usize,
    cursor: DeliveryCursor,
    /// The orders whose entries are not known yet.
    orders: BTreeSet<&'q (WorkflowCode, OrderId)>,
    streams: Vec<DeliveryStream>,
    /// The merge of the streams, once all are known.
    merge: Option<Merge<DeliveryPlace, DeliveryRow>>,
    deliveries: Vec<StoredDelivery>,
    looked_at: usize,
    at_end: bool,
}

impl<'q> DeliveryListing<'q> {
    pub(super) fn new(
        query: &'q DeliveryQuery,
        after: Option<&DeliveryCursor>,
        limit: usize,
    ) -> Self {
        Self {
            query,
            limit,
            cursor: after.cloned().unwrap_or_default(),
            orders: query.orders.iter().collect(),
            streams: Vec::new(),
            merge: None,
            deliveries: Vec::new(),
            looked_at: 0,
            at_end: false,
        }
    }

    pub(super) fn into_page(self) -> DeliveryPage {
        DeliveryPage {
            deliveries: self.deliveries,
            next: Some(self.cursor).filter(|_| !self.at_end),
        }
    }

    pub(super) async fn read_piece(
        &mut self,
        store: &Store,
        tx: &mut Tx,
    ) -> Result<Progress, Error> {
        let mut statements = PIECE_STATEMENTS;
        if !self.open(store, tx, &mut statements).await? {
            return Ok(Progress::Paused);
        }
        for _ in 0..PIECE_ROWS {
            let row = match self.next(tx, &mut statements).await? {
                Next::Row(row) => row,
                Next::Unknown => return Ok(Progress::Paused),
                Next::End => {
                    self.at_end = true;
                    return Ok(Progress::Ended);
                }
            };
            let admitted = self.query.admits(&row);
            if admitted && self.deliveries.len() == self.limit {
                return Ok(Progress::Ended);
            }
            self.cursor.pass(row.key());
            if admitted {
                self.deliveries.push(StoredDelivery::of(&row));
            }
            self.looked_at += 1;
            if self.looked_at == SCAN_MAX {
                return Ok(Progress::Ended);
            }
        }
        Ok(Progress::Paused)
    }

    /// Finds out what there is to read; says whether that is known.
    async fn open(
        &mut self,
        store: &Store,
        tx: &mut Tx,
        statements: &mut usize,
    ) -> Result<bool, Error> {
        if self.merge.is_some() {
            return Ok(true);
        }
        if self.query.orders.is_empty() {
            self.streams = streams(store, self.query, &self.cursor);
        }
        while let Some((workflow, order_id)) = self.orders.pop_first() {
            let partition = store.partition_of(workflow, order_id);
            let offsets = order_entries::offsets(tx, partition, workflow, order_id).await?;
            // Each page of an entry index is as much as a statement.
            *statements = statements.saturating_sub(2 + offsets.len() / PAGE_ENTRIES);
            let before = self.cursor.of(partition);
            let offsets = offsets.into_iter().filter(|offset| *offset <= before.0);
            let of = StreamOf::Order(offsets.collect());
            let stream = DeliveryStream::new(partition, of, &self.cursor);
            self.streams.push(stream);
            if *statements == 0 {
                return Ok(false);
            }
        }
        let merge = Merge::new(self.streams.len(), Direction::Descending, place);
        self.merge = Some(merge);
        Ok(true)
    }

    /// Takes the newest delivery, which is not known where the statements do not suffice.
    async fn next(
        &mut self,
        tx: &mut Tx,
        statements: &mut usize,
    ) -> Result<Next<DeliveryRow>, Error> {
        let share = 2 * self.limit / self.streams.len().max(1);
        let Some(merge) = &mut self.merge else {
            return Ok(Next::Unknown);
        };
        loop {
            match merge.next() {
                Next::Unknown if *statements > 0 => *statements -= 1,
                next => return Ok(next),
            }
            for index in merge.take_dry(1) {
                if let Some(stream) = self.streams.get_mut(index) {
                    let (rows, ended) = stream.fetch(tx, share.clamp(8, 500)).await?;
                    merge.fill(index, rows, ended);
                }
            }
        }
    }
}

fn place(row: &DeliveryRow) -> DeliveryPlace {
    (row.create_time, row.partition, row.log_offset, row.number)
}

fn streams(store: &Store, query: &DeliveryQuery, cursor: &DeliveryCursor) -> Vec<DeliveryStream> {
    let partitions = store.partition_count().all();
    if query.states.is_empty() || query.states.contains(&DeliveryState::Succeeded) {
        let all = partitions.map(|partition| DeliveryStream::new(partition, StreamOf::Log, cursor));
        return all.collect();
    }
    let states: BTreeSet<_> = query.states.iter().copied().collect();
    let streams = partitions.flat_map(|partition| {
        let states = states.iter();
        states.map(move |state| DeliveryStream::new(partition, StreamOf::State(*state), cursor))
    });
    streams.collect()
}

impl DeliveryStream {
    fn new(partition: Partition, of: StreamOf, cursor: &DeliveryCursor) -> Self {
        Self {
            partition,
            of,
            before: cursor.of(partition),
        }
    }

    /// Reads the next rows, and says whether these are the last.
    async fn fetch(&mut self, tx: &mut Tx, most: usize) -> Result<(Vec<DeliveryRow>, bool), Error> {
        let (log_offset, number) = self.before;
        let here = deliveries::table
            .filter(deliveries::partition.eq(self.partition.number()))
            // The first condition alone is a range of the index; the second makes it exact.
            .filter(deliveries::log_offset.le(log_offset))
            .filter(
                deliveries::log_offset
                    .lt(log_offset)
                    .or(deliveries::number.lt(number)),
            )
            .order((deliveries::log_offset.desc(), deliveries::number.desc()));
        let mut ended = None;
        let rows: Vec<DeliveryRow> = match &mut self.of {
            StreamOf::Log => {
                let rows = here.limit(limit(most));
                on_conn!(tx, |c| rows.load(c).await)?
            }
            StreamOf::State(state) => {
                let rows = here
                    .filter(deliveries::state.eq(state.word()))
                    // In the words of the index, or it would not be taken.
                    .filter(sql::<Bool>("state <> 'succeeded'"))
                    .limit(limit(most));
                on_conn!(tx, |c| rows.load(c).await)?
            }
            StreamOf::Order(offsets) => {
                let next = offsets.len().min(OFFSETS_AT_ONCE);
                let next: Vec<_> = offsets.drain(..next).collect();
                ended = Some(offsets.is_empty());
                let rows = here.filter(deliveries::log_offset.eq_any(next));
                on_conn!(tx, |c| rows.load(c).await)?
            }
        };
        if let Some(last) = rows.last() {
            self.before = (last.log_offset, last.number);
        }
        let ended = ended.unwrap_or(rows.len() < most);
        Ok((rows, ended))
    }
}
