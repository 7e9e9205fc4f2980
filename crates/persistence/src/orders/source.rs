//! Sorted streams of orders, one for each stretch of an index. A list merges as
//! many of them as it needs.

use std::collections::VecDeque;

use diesel::{BoolExpressionMethods, ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::{order::Standing, value::WorkflowCode};

use super::query::Direction;
use crate::{
    Error,
    rows::order::OrderRow,
    schema::orders,
    tx::{Tx, on_conn},
};

/// A stretch of an index.
#[derive(Debug, Clone)]
pub(super) enum Stretch {
    /// Orders of a workflow in one place, by update time and key.
    Standing {
        partition: i32,
        workflow: WorkflowCode,
        standing: Standing,
    },
    /// Orders of a partition, by key.
    Log { partition: i32 },
    /// Orders of a workflow, by id.
    Ids { workflow: WorkflowCode },
}

/// Where a stream goes on.
#[derive(Debug, Clone)]
pub(super) enum From {
    /// Behind this update time and key.
    Time(i64, i64),
    /// Behind this key.
    Key(i64),
    /// Behind this id, or at it where it was not seen yet.
    Id(String, Seen),
}

/// Whether the order at the place where a stream goes on was given already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    Yes,
    No,
}

/// What one statement brought.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fetched {
    pub(super) rows: usize,
    /// Of the orders themselves.
    pub(super) bytes: usize,
}

/// A sorted stream of orders.
#[derive(Debug)]
pub(super) struct Source {
    stretch: Stretch,
    direction: Direction,
    from: From,
    buffer: VecDeque<OrderRow>,
    ended: bool,
}

impl Source {
    pub(super) fn new(stretch: Stretch, direction: Direction, from: From) -> Self {
        Self {
            stretch,
            direction,
            from,
            buffer: VecDeque::new(),
            ended: false,
        }
    }

    /// The next order of those at hand, which stays in the stream.
    pub(super) fn front(&self) -> Option<&OrderRow> {
        self.buffer.front()
    }

    /// Whether more has to be fetched before the next order is known.
    pub(super) fn is_dry(&self) -> bool {
        self.buffer.is_empty() && !self.ended
    }

    /// Fetches at most `chunk` orders, and says how many and how large they are.
    pub(super) async fn refill(&mut self, tx: &mut Tx, chunk: i64) -> Result<Fetched, Error> {
        let rows = self.fetch(tx, chunk).await?;
        self.ended = i64::try_from(rows.len()).is_ok_and(|length| length < chunk);
        if let Some(last) = rows.last() {
            self.from = match self.from {
                From::Time(..) => From::Time(last.update_time, last.order_key),
                From::Key(_) => From::Key(last.order_key),
                From::Id(..) => From::Id(last.id.clone(), Seen::Yes),
            };
        }
        let fetched = Fetched {
            rows: rows.len(),
            bytes: rows.iter().map(|row| row.body.len()).sum(),
        };
        self.buffer = rows.into();
        Ok(fetched)
    }

    /// Takes the next order.
    pub(super) fn next(&mut self) -> Option<OrderRow> {
        self.buffer.pop_front()
    }

    async fn fetch(&self, tx: &mut Tx, chunk: i64) -> Result<Vec<OrderRow>, Error> {
        match (&self.stretch, &self.from) {
            (
                Stretch::Standing {
                    partition,
                    workflow,
                    standing,
                },
                From::Time(time, key),
            ) => {
                let place = (*partition, workflow, standing);
                by_update_time(tx, place, self.direction, (*time, *key), chunk).await
            }
            (Stretch::Ids { workflow }, From::Id(id, Seen::No)) => {
                by_id(tx, workflow, self.direction, id, chunk).await
            }
            (Stretch::Ids { workflow }, From::Id(id, Seen::Yes)) => {
                let mut rows = by_id(tx, workflow, self.direction, id, chunk + 1).await?;
                rows.retain(|row| row.id != *id);
                Ok(rows)
            }
            (Stretch::Log { partition }, From::Key(key)) => {
                by_key(tx, *partition, self.direction, *key, chunk).await
            }
            (Stretch::Standing { .. } | Stretch::Ids { .. } | Stretch::Log { .. }, _) => {
                Ok(Vec::new())
            }
        }
    }
}

/// The first condition alone is a stretch of the index; the second makes it exact.
async fn by_update_time(
    tx: &mut Tx,
    (partition, workflow, standing): (i32, &WorkflowCode, &Standing),
    direction: Direction,
    (time, key): (i64, i64),
    chunk: i64,
) -> Result<Vec<OrderRow>, Error> {
    let here = orders::table
        .filter(orders::partition.eq(partition))
        .filter(orders::workflow.eq(workflow.as_str()))
        .filter(orders::state.eq(standing.state.as_str()))
        .filter(orders::status.eq(standing.status.as_str()));
    let rows = match direction {
        Direction::Ascending => {
            let rows = here
                .filter(orders::update_time.ge(time))
                .filter(orders::update_time.gt(time).or(orders::order_key.gt(key)))
                .order((orders::update_time.asc(), orders::order_key.asc()))
                .limit(chunk);
            on_conn!(tx, |c| rows.load(c).await)
        }
        Direction::Descending => {
            let rows = here
                .filter(orders::update_time.le(time))
                .filter(orders::update_time.lt(time).or(orders::order_key.lt(key)))
                .order((orders::update_time.desc(), orders::order_key.desc()))
                .limit(chunk);
            on_conn!(tx, |c| rows.load(c).await)
        }
    };
    Ok(rows?)
}

async fn by_key(
    tx: &mut Tx,
    partition: i32,
    direction: Direction,
    key: i64,
    chunk: i64,
) -> Result<Vec<OrderRow>, Error> {
    let here = orders::table.filter(orders::partition.eq(partition));
    let rows = match direction {
        Direction::Ascending => {
            let rows = here
                .filter(orders::order_key.gt(key))
                .order(orders::order_key.asc())
                .limit(chunk);
            on_conn!(tx, |c| rows.load(c).await)
        }
        Direction::Descending => {
            let rows = here
                .filter(orders::order_key.lt(key))
                .order(orders::order_key.desc())
                .limit(chunk);
            on_conn!(tx, |c| rows.load(c).await)
        }
    };
    Ok(rows?)
}

async fn by_id(
    tx: &mut Tx,
    workflow: &WorkflowCode,
    direction: Direction,
    id: &str,
    chunk: i64,
) -> Result<Vec<OrderRow>, Error> {
    let here = orders::table.filter(orders::workflow.eq(workflow.as_str()));
    let rows = match direction {
        Direction::Ascending => {
            let rows = here
                .filter(orders::id.ge(id))
                .order(orders::id.asc())
                .limit(chunk);
            on_conn!(tx, |c| rows.load(c).await)
        }
        Direction::Descending => {
            let rows = here
                .filter(orders::id.le(id))
                .order(orders::id.desc())
                .limit(chunk);
            on_conn!(tx, |c| rows.load(c).await)
        }
    };
    Ok(rows?)
}
