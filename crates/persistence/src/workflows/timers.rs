//! What a change of a workflow means for orders that wait for time to take them on.
//! The change only notes that they have to be looked at; that is done a few at a time
//! afterwards, so that a change of a timer holds up nobody, however many orders wait.

use std::{collections::BTreeSet, sync::Arc};

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    partition::Partition,
    value::WorkflowCode,
    workflow::{Transition, Workflow},
};

use crate::{
    Error, Published, Store,
    catalog::Edition,
    error::ErrorChain,
    rows::{Reading, StoredText},
    schema::{orders, timer_refreshes},
    tx::{Ending, Tx, before, on_conn},
};

/// How many orders are looked at in one transaction.
const ORDERS_AT_ONCE: i64 = 200;

/// Whether timers of a workflow came, went or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timers {
    /// None did.
    Same,
    /// Some did, so orders may wait for something else.
    Changed,
}

impl Timers {
    pub(super) fn between(before: Option<&Workflow>, after: Option<&Workflow>) -> Self {
        match (before, after) {
            (Some(before), Some(after)) if !timed(after).eq(timed(before)) => Self::Changed,
            (Some(_) | None, Some(_) | None) => Self::Same,
        }
    }
}

/// An order, as far as its timers depend on it.
type Place = (i64, StoredText, StoredText, StoredText, Option<i64>);

/// A workflow whose orders have to be looked at, since which change, and behind which order.
type Noted = (StoredText, i64, i64);

/// Notes that the orders of a workflow have to be looked at.
///
/// # Errors
/// Returns what the database refuses.
pub(super) async fn note(
    tx: &mut Tx,
    partitions: impl Iterator<Item = Partition>,
    workflow: &WorkflowCode,
    edition: Edition,
) -> Result<(), Error> {
    use timer_refreshes::{after_key, catalog_version, partition, table, workflow as code};
    let old = table.filter(code.eq(workflow.as_str()));
    on_conn!(tx, |c| diesel::delete(old).execute(c).await)?;
    let rows = partitions.map(|number| {
        (
            partition.eq(number.number()),
            code.eq(workflow.as_str()),
            catalog_version.eq(edition.version),
            after_key.eq(0_i64),
        )
    });
    let rows = rows.collect::<Vec<_>>();
    match tx {
        Tx::Postgres(connection) => {
            let insert = diesel::insert_into(table).values(&rows);
            insert.execute(&mut ***connection).await?;
        }
        Tx::Sqlite(connection) => {
            for row in rows {
                let insert = diesel::insert_into(table).values(row);
                insert.execute(&mut ***connection).await?;
            }
        }
    }
    Ok(())
}

impl Store {
    /// The partitions of these in which orders have to be looked at, see
    /// [`refresh_timers`](Self::refresh_timers).
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn timers_to_refresh(
        &self,
        partitions: &BTreeSet<Partition>,
    ) -> Result<BTreeSet<Partition>, Error> {
        let noted = timer_refreshes::table.select(timer_refreshes::partition);
        let noted = self
            .database()
            .read(async |tx| Ok(on_conn!(tx, |c| noted.load::<i32>(c).await)?))
            .await?;
        let mine = partitions.iter().copied();
        Ok(mine
            .filter(|partition| noted.contains(&partition.number()))
            .collect())
    }

    /// Makes some orders of a partition due at once whose workflow got other timers: whoever looks
    /// at them finds out when they are really due. Says whether there may be more.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read or written.
    pub async fn refresh_timers(&self, partition: Partition) -> Result<bool, Error> {
        let number = partition.number();
        let mut passed = 0;
        let (noted, code, published) = loop {
            let noted = self
                .database()
                .read(async |tx| next(tx, number, passed).await);
            let Some(noted) = noted.await? else {
                return Ok(false);
            };
            match self.noted_workflow(number, &noted.0).await {
                Ok((code, published)) => break (noted, code, published),
                // It stays noted, and holds up no other.
                Err(error @ Error::Corrupt { .. }) => {
                    tracing::debug!(workflow = %noted.0, error = %ErrorChain(&error), "orders wait for a workflow that cannot be read");
                    passed += 1;
                }
                Err(error) => return Err(error),
            }
        };
        let key = noted.2;
        let workflow = published.as_ref().map(|found| &found.record.workflow);
        let now = Some(self.clock().now().micros());
        let locks = [partition];
        let looked = self.database().write(&locks, async |tx| {
            // The workflow was read before the lock, and may have changed again.
            if next(tx, number, passed).await?.as_ref() != Some(&noted) {
                return Ok(Ending::RollBack(()));
            }
            let places = places(tx, number, key).await?;
            let may_wait = places.iter().filter(|place| {
                let is_ours = place.1.lossy() == code.as_str();
                is_ours && workflow.is_some_and(|workflow| waits(workflow, place))
            });
            let keys = may_wait.map(|place| place.0).collect::<Vec<_>>();
            let due = orders::table
                .filter(orders::partition.eq(number))
                .filter(orders::order_key.eq_any(keys));
            let update = diesel::update(due).set(orders::due_time.eq(now));
            on_conn!(tx, |c| update.execute(c).await)?;
            let is_full = i64::try_from(places.len()).is_ok_and(|found| found >= ORDERS_AT_ONCE);
            let last = places.last().map(|place| place.0).filter(|_| is_full);
            go_on(tx, (number, code.as_str()), last).await?;
            Ok(Ending::Commit(()))
        });
        looked.await.map_err(before)?;
        Ok(true)
    }

    async fn noted_workflow(
        &self,
        number: i32,
        code: &StoredText,
    ) -> Result<(WorkflowCode, Option<Arc<Published>>), Error> {
        let code: WorkflowCode = Reading::of("timer_refreshes", &number).text("workflow", code)?;
        let published = self.workflow(&code).await?;
        Ok((code, published))
    }
}

/// The next workflow behind so many others.
async fn next(tx: &mut Tx, number: i32, passed: i64) -> Result<Option<Noted>, Error> {
    let next = timer_refreshes::table
        .filter(timer_refreshes::partition.eq(number))
        .order(timer_refreshes::workflow)
        .offset(passed)
        .select((
            timer_refreshes::workflow,
            timer_refreshes::catalog_version,
            timer_refreshes::after_key,
        ));
    Ok(on_conn!(tx, |c| next.first(c).await).optional()?)
}

async fn places(tx: &mut Tx, number: i32, after: i64) -> Result<Vec<Place>, Error> {
    let places = orders::table
        .filter(orders::partition.eq(number))
        .filter(orders::order_key.gt(after))
        .order(orders::order_key)
        .limit(ORDERS_AT_ONCE)
        .select((
            orders::order_key,
            orders::workflow,
            orders::state,
            orders::status,
            orders::due_time,
        ));
    Ok(on_conn!(tx, |c| places.load(c).await)?)
}

/// Notes how far the orders were looked at; none for all.
async fn go_on(tx: &mut Tx, row: (i32, &str), last: Option<i64>) -> Result<(), Error> {
    let row = timer_refreshes::table.find(row);
    match last {
        Some(key) => {
            let update = diesel::update(row).set(timer_refreshes::after_key.eq(key));
            on_conn!(tx, |c| update.execute(c).await)?
        }
        None => on_conn!(tx, |c| diesel::delete(row).execute(c).await)?,
    };
    Ok(())
}

/// Whether an order waits for time, or may do so now.
fn waits(workflow: &Workflow, (_, _, state, status, due_time): &Place) -> bool {
    due_time.is_some()
        || timed(workflow).any(|transition| {
            let (from, in_status) = (&transition.from_states, &transition.from_statuses);
            (from.is_empty() || from.iter().any(|from| from.as_str() == state.lossy()))
                && (in_status.is_empty()
                    || in_status.iter().any(|from| from.as_str() == status.lossy()))
        })
}

fn timed(workflow: &Workflow) -> impl Iterator<Item = &Transition> {
    workflow
        .transitions
        .iter()
        .filter(|transition| transition.trigger.is_timed())
}
