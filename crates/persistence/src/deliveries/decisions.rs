//! Decisions of people about deliveries.

use diesel::{
    ExpressionMethods, Insertable, IntoSql, QueryDsl,
    dsl::sql,
    sql_types::{BigInt, Text},
};
use diesel_async::RunQueryDsl;
use waymark_domain::delivery::{Decision, DeliveryId, Verdict};

use crate::{
    Error,
    error::ErrorChain,
    rows::{
        Number,
        delivery::{DecisionRow, Numbered, RETRIED, SKIPPED, key, numbered},
        json,
    },
    schema::{deliveries, delivery_decisions},
    tx::{Tx, on_conn},
};

/// How many decisions are shown of a delivery, the newest ones.
const DECISIONS_MAX: i64 = 500;
/// The number of the next decision about a delivery.
const NEXT: &str = "(SELECT coalesce(max(d.decision), 0) + 1 FROM delivery_decisions d \
     WHERE d.partition = deliveries.partition AND d.log_offset = deliveries.log_offset \
     AND d.number = deliveries.number)";

/// Adds a decision to those about some deliveries of a partition, which are there: those with
/// this number, of the entries at these offsets.
pub(super) async fn record(
    tx: &mut Tx,
    place: Numbered,
    offsets: &[i64],
    decision: &Decision,
) -> Result<(), Error> {
    let (verdict, reason) = match &decision.verdict {
        Verdict::Retried => (RETRIED, ""),
        Verdict::Skipped(reason) => (SKIPPED, reason.as_str()),
    };
    let rows = numbered!(deliveries, place, offsets.to_vec()).select((
        deliveries::partition,
        deliveries::log_offset,
        deliveries::number,
        sql::<Number>(NEXT),
        verdict.into_sql::<Text>(),
        reason.into_sql::<Text>(),
        json(&decision.actor)?.into_sql::<Text>(),
        decision.time.micros().into_sql::<BigInt>(),
    ));
    let insert = rows.insert_into(delivery_decisions::table).into_columns((
        delivery_decisions::partition,
        delivery_decisions::log_offset,
        delivery_decisions::number,
        delivery_decisions::decision,
        delivery_decisions::verdict,
        delivery_decisions::reason,
        delivery_decisions::actor,
        delivery_decisions::create_time,
    ));
    on_conn!(tx, |c| insert.execute(c).await)?;
    Ok(())
}

pub(super) async fn last(tx: &mut Tx, id: DeliveryId) -> Result<Vec<Decision>, Error> {
    let (partition, log_offset, number) = key(id);
    let rows = delivery_decisions::table
        .filter(delivery_decisions::partition.eq(partition))
        .filter(delivery_decisions::log_offset.eq(log_offset))
        .filter(delivery_decisions::number.eq(number))
        .order(delivery_decisions::decision.desc())
        .limit(DECISIONS_MAX);
    let rows: Vec<DecisionRow> = on_conn!(tx, |c| rows.load(c).await)?;
    Ok(readable(rows.into_iter().rev().map(DecisionRow::decision)))
}

/// The rows that can be read; the others are logged.
pub(super) fn readable<T>(rows: impl Iterator<Item = Result<T, Error>>) -> Vec<T> {
    let read = rows.filter_map(|row| {
        row.inspect_err(|error| {
            tracing::error!(error = %ErrorChain(error), "outbox row unreadable");
        })
        .ok()
    });
    read.collect()
}
