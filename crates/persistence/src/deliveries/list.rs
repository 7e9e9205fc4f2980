//! One page of the ledger: the partitions are read from their ends and merged, and each delivery
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
    Error, Store, history,
    rows::{StoredNumber, delivery::DeliveryRow, journal::PAGE_ENTRIES},
    schema::deliveries,
    tx::{Tx, on_conn},
};

/// How many deliveries one page may look at.
const SCAN_MAX: usize = 5_000;
/// At how many entries of an order to look in one statement.
const OFFSETS_AT_ONCE: usize = 200;

/// A stretch of the ledger, read from its end.
enum Stretch {
    /// All deliveries of a partition.
    Log,
    /// Those in a state, of which there is an index.
    State(DeliveryState),
    /// Those of entries at these offsets, the newest first.
    Order(VecDeque<i64>),
}

/// The deliveries of a stretch, the newest first.
struct Source {
    partition: Partition,
    stretch: Stretch,
    /// What is left lies before this offset and number.
    before: (i64, StoredNumber),
    buffer: VecDeque<DeliveryRow>,
    ended: bool,
}

/// How many deliveries one piece of a page looks at, and how many statements it makes.
const PIECE_ROWS: usize = 1_000;
const PIECE_STATEMENTS: usize = 128;

/// A page that is put together.
pub(super) struct Walk<'q> {
    query: &'q DeliveryQuery,
    limit: usize,
    cursor: DeliveryCursor,
    /// Orders whose entries are not known yet.
    orders: Option<BTreeSet<&'q (WorkflowCode, OrderId)>>,
    sources: Vec<Source>,
    deliveries: Vec<StoredDelivery>,
    looked_at: usize,
    /// Whether no delivery follows.
    at_end: bool,
}

/// How far a page is.
pub(super) enum Progress {
    /// It is the turn of others, then it goes on.
    Paused,
    /// It is there.
    Ended,
}

/// What comes next.
enum Next {
    Row(Box<DeliveryRow>),
    /// It is not known before the next piece.
    Pause,
    End,
}

impl<'q> Walk<'q> {
    pub(super) fn new(
        query: &'q DeliveryQuery,
        after: Option<&DeliveryCursor>,
        limit: usize,
    ) -> Self {
        Self {
            query,
            limit,
            cursor: after.cloned().unwrap_or_default(),
            orders: None,
            sources: Vec::new(),
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

    /// Reads the next piece.
    pub(super) async fn go_on(&mut self, store: &Store, tx: &mut Tx) -> Result<Progress, Error> {
        let mut statements = PIECE_STATEMENTS;
        if !self.open(store, tx, &mut statements).await? {
            return Ok(Progress::Paused);
        }
        let chunk = self.chunk();
        for _ in 0..PIECE_ROWS {
            let row = match first(tx, &mut self.sources, chunk, &mut statements).await? {
                Next::Row(row) => *row,
                Next::Pause => return Ok(Progress::Paused),
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

    fn chunk(&self) -> i64 {
        let share = 2 * self.limit / self.sources.len().max(1);
        i64::try_from(share.clamp(8, 500)).unwrap_or(8)
    }

    /// Finds out what there is to read; says whether that is known.
    async fn open(
        &mut self,
        store: &Store,
        tx: &mut Tx,
        statements: &mut usize,
    ) -> Result<bool, Error> {
        if self.orders.is_none() {
            self.orders = Some(self.query.orders.iter().collect());
            if self.query.orders.is_empty() {
                self.sources = sources(store, self.query, &self.cursor);
            }
        }
        while let Some((workflow, order_id)) = self.orders.as_mut().and_then(BTreeSet::pop_first) {
            let partition = store.partition_of(workflow, order_id);
            let offsets = history::offsets(tx, partition, workflow, order_id).await?;
            // Each page of a journal is as much as a statement.
            *statements = statements.saturating_sub(2 + offsets.len() / PAGE_ENTRIES);
            let before = self.cursor.of(partition);
            let offsets = offsets.into_iter().filter(|offset| *offset <= before.0);
            let stretch = Stretch::Order(offsets.collect());
            let source = Source::new(partition, stretch, &self.cursor);
            self.sources.push(source);
            if *statements == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn sources(store: &Store, query: &DeliveryQuery, cursor: &DeliveryCursor) -> Vec<Source> {
    let partitions = store.partition_count().all();
    if query.states.is_empty() || query.states.contains(&DeliveryState::Succeeded) {
        let all = partitions.map(|partition| Source::new(partition, Stretch::Log, cursor));
        return all.collect();
    }
    let states: BTreeSet<_> = query.states.iter().copied().collect();
    let stretches = partitions.flat_map(|partition| {
        let states = states.iter();
        states.map(move |state| Source::new(partition, Stretch::State(*state), cursor))
    });
    stretches.collect()
}

/// Takes the newest delivery of all sources.
async fn first(
    tx: &mut Tx,
    sources: &mut [Source],
    chunk: i64,
    statements: &mut usize,
) -> Result<Next, Error> {
    let mut best = None;
    for (index, source) in sources.iter_mut().enumerate() {
        while source.is_dry() {
            if *statements == 0 {
                return Ok(Next::Pause);
            }
            *statements -= 1;
            source.refill(tx, chunk).await?;
        }
        let Some(row) = source.buffer.front() else {
            continue;
        };
        // Within a partition, offsets follow times.
        let place = (row.create_time, row.partition, row.log_offset, row.number);
        if best.is_none_or(|(_, other)| place > other) {
            best = Some((index, place));
        }
    }
    let row = best
        .and_then(|(index, _)| sources.get_mut(index))
        .and_then(|source| source.buffer.pop_front());
    Ok(row.map_or(Next::End, |row| Next::Row(Box::new(row))))
}

impl Source {
    fn new(partition: Partition, stretch: Stretch, cursor: &DeliveryCursor) -> Self {
        Self {
            partition,
            stretch,
            before: cursor.of(partition),
            buffer: VecDeque::new(),
            ended: false,
        }
    }

    /// Whether more has to be fetched before the next delivery is known.
    fn is_dry(&self) -> bool {
        self.buffer.is_empty() && !self.ended
    }

    async fn refill(&mut self, tx: &mut Tx, chunk: i64) -> Result<(), Error> {
        let rows = self.fetch(tx, chunk).await?;
        if let Some(last) = rows.last() {
            self.before = (last.log_offset, last.number);
        }
        self.buffer = rows.into();
        Ok(())
    }

    async fn fetch(&mut self, tx: &mut Tx, chunk: i64) -> Result<Vec<DeliveryRow>, Error> {
        let (log_offset, number) = self.before;
        let here = deliveries::table
            .filter(deliveries::partition.eq(self.partition.number()))
            // The first condition alone is a stretch of the index; the second makes it exact.
            .filter(deliveries::log_offset.le(log_offset))
            .filter(
                deliveries::log_offset
                    .lt(log_offset)
                    .or(deliveries::number.lt(number)),
            )
            .order((deliveries::log_offset.desc(), deliveries::number.desc()));
        let rows: Vec<DeliveryRow> = match &mut self.stretch {
            Stretch::Log => {
                let rows = here.limit(chunk);
                on_conn!(tx, |c| rows.load(c).await)?
            }
            Stretch::State(state) => {
                let rows = here
                    .filter(deliveries::state.eq(state.word()))
                    // In the words of the index, or it would not be taken.
                    .filter(sql::<Bool>("state <> 'succeeded'"))
                    .limit(chunk);
                on_conn!(tx, |c| rows.load(c).await)?
            }
            Stretch::Order(offsets) => {
                let next = offsets.len().min(OFFSETS_AT_ONCE);
                let next: Vec<_> = offsets.drain(..next).collect();
                self.ended = offsets.is_empty();
                let rows = here.filter(deliveries::log_offset.eq_any(next));
                return Ok(on_conn!(tx, |c| rows.load(c).await)?);
            }
        };
        self.ended = i64::try_from(rows.len()).is_ok_and(|length| length < chunk);
        Ok(rows)
    }
}
