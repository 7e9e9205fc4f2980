//! One page of the ledger: the partitions are read from their ends and merged, and each delivery
//! is held against the query.

use std::collections::{BTreeSet, VecDeque};

use diesel::{BoolExpressionMethods, ExpressionMethods, QueryDsl, dsl::sql, sql_types::Bool};
use diesel_async::RunQueryDsl;
use waymark_domain::{delivery::DeliveryState, partition::Partition};

use super::query::{DeliveryCursor, DeliveryPage, DeliveryQuery};
use crate::{
    Error, Store, history,
    rows::delivery::DeliveryRow,
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
    before: (i64, i32),
    buffer: VecDeque<DeliveryRow>,
    ended: bool,
}

pub(super) async fn page(
    store: &Store,
    tx: &mut Tx,
    query: &DeliveryQuery,
    after: Option<&DeliveryCursor>,
    limit: usize,
) -> Result<DeliveryPage, Error> {
    let mut cursor = after.cloned().unwrap_or_default();
    let mut sources = sources(store, tx, query, &cursor).await?;
    let share = 2 * limit / sources.len().max(1);
    let chunk = i64::try_from(share.clamp(8, 500)).unwrap_or(8);
    let mut deliveries = Vec::new();
    for _ in 0..SCAN_MAX {
        let Some(row) = first(tx, &mut sources, chunk).await? else {
            return Ok(DeliveryPage {
                deliveries,
                next: None,
            });
        };
        let delivery = row.delivery()?;
        let admitted = query.admits(&delivery);
        if admitted && deliveries.len() == limit {
            break;
        }
        cursor.pass(delivery.id);
        deliveries.extend(Some(delivery).filter(|_| admitted));
    }
    Ok(DeliveryPage {
        deliveries,
        next: Some(cursor),
    })
}

async fn sources(
    store: &Store,
    tx: &mut Tx,
    query: &DeliveryQuery,
    cursor: &DeliveryCursor,
) -> Result<Vec<Source>, Error> {
    if !query.orders.is_empty() {
        let orders: BTreeSet<_> = query.orders.iter().collect();
        let mut sources = Vec::new();
        for (workflow, order_id) in orders {
            let partition = store.partition_of(workflow, order_id);
            let offsets = history::offsets(tx, partition, workflow, order_id).await?;
            let before = cursor.of(partition);
            let offsets = offsets.into_iter().filter(|offset| *offset <= before.0);
            let stretch = Stretch::Order(offsets.collect());
            sources.push(Source::new(partition, stretch, cursor));
        }
        return Ok(sources);
    }
    let partitions = store.partition_count().all();
    if query.states.is_empty() || query.states.contains(&DeliveryState::Succeeded) {
        let all = partitions.map(|partition| Source::new(partition, Stretch::Log, cursor));
        return Ok(all.collect());
    }
    let states: BTreeSet<_> = query.states.iter().copied().collect();
    let stretches = partitions.flat_map(|partition| {
        let states = states.iter();
        states.map(move |state| Source::new(partition, Stretch::State(*state), cursor))
    });
    Ok(stretches.collect())
}

/// Takes the newest delivery of all sources.
async fn first(
    tx: &mut Tx,
    sources: &mut [Source],
    chunk: i64,
) -> Result<Option<DeliveryRow>, Error> {
    let mut best = None;
    for (index, source) in sources.iter_mut().enumerate() {
        let Some(row) = source.peek(tx, chunk).await? else {
            continue;
        };
        // Within a partition, offsets follow times.
        let place = (row.create_time, row.partition, row.log_offset, row.number);
        if best.is_none_or(|(_, other)| place > other) {
            best = Some((index, place));
        }
    }
    Ok(best
        .and_then(|(index, _)| sources.get_mut(index))
        .and_then(|source| source.buffer.pop_front()))
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

    /// The next delivery, which stays in the source.
    async fn peek(&mut self, tx: &mut Tx, chunk: i64) -> Result<Option<&DeliveryRow>, Error> {
        while self.buffer.is_empty() && !self.ended {
            let rows = self.fetch(tx, chunk).await?;
            if let Some(last) = rows.last() {
                self.before = (last.log_offset, last.number);
            }
            self.buffer = rows.into();
        }
        Ok(self.buffer.front())
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
