//! The newest token of an order that can be used now, for many orders at once.

use diesel::sql_types::{BigInt, Binary, Integer, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use waymark_domain::{
    partition::Partition,
    value::{OrderId, WorkflowCode},
};

use super::TrackingTokenId;
use crate::{
    Error, Store,
    rows::Reading,
    statement::{array_statement, row_statement},
    tx::{Tx, on_conn},
};

#[derive(Debug)]
pub(crate) struct TokenKey<'k> {
    /// Its place among the orders.
    number: i64,
    partition: i32,
    workflow: &'k str,
    order_id: &'k str,
    now: i64,
}

/// The place of an order, and its token.
type NewestRow = (i64, Vec<u8>);

array_statement! {
    /// Finds the newest usable token of each order that has one.
    FindNewestOfEach {
        number: i64 => BigInt, partition: i32 => Integer, workflow: &'a str => Text, order_id: &'a str => Text,
        now: i64 => BigInt,
    } -> (BigInt, Binary);
    "SELECT k.number, t.id FROM",
    ") AS k (number, partition, workflow, order_id, instant) CROSS JOIN LATERAL (SELECT n.id FROM tracking_tokens n \
     WHERE n.workflow = k.workflow AND n.order_id = k.order_id AND n.partition = k.partition \
     AND n.revoke_time IS NULL AND (n.expire_time IS NULL OR n.expire_time > k.instant) \
     ORDER BY n.create_time DESC, n.id DESC LIMIT 1) t"
}

row_statement! {
    FindNewest(TokenKey<'a>) -> (BigInt, Binary);
    "SELECT " [number: BigInt]
    ", id FROM tracking_tokens WHERE workflow = " [workflow: Text]
    " AND order_id = " [order_id: Text]
    " AND partition = " [partition: Integer]
    " AND revoke_time IS NULL AND (expire_time IS NULL OR expire_time > " [now: BigInt]
    ") ORDER BY create_time DESC, id DESC LIMIT 1"
}

impl Store {
    /// Finds the newest token of an order that can be used now.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn newest_tracking_token(
        &self,
        workflow: &WorkflowCode,
        order_id: &OrderId,
    ) -> Result<Option<TrackingTokenId>, Error> {
        let order = [(workflow.clone(), order_id.clone())];
        let keys = self.token_keys(&order);
        let found = self.database().read(async |tx| match tx {
            Tx::Postgres(connection) => newest_of_each(connection, &keys).await,
            Tx::Sqlite(_) => newest_in_file(tx, &keys).await,
        });
        Ok(found.await?.into_iter().next().flatten())
    }

    /// The keys by which the tokens of orders are found.
    pub(crate) fn token_keys<'k>(
        &self,
        orders: &'k [(WorkflowCode, OrderId)],
    ) -> Vec<TokenKey<'k>> {
        let now = self.clock().now().micros();
        let keys = (0..)
            .zip(orders)
            .map(|(number, (workflow, order_id))| TokenKey {
                number,
                partition: self.partition_of(workflow, order_id).number(),
                workflow: workflow.as_str(),
                order_id: order_id.as_str(),
                now,
            });
        keys.collect()
    }
}

/// Finds the newest usable token of each order, on PostgreSQL in one statement; as many answers as
/// keys.
pub(crate) async fn newest_of_each(
    mut connection: &AsyncPgConnection,
    keys: &[TokenKey<'_>],
) -> Result<Vec<Option<TrackingTokenId>>, Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let find = FindNewestOfEach {
        number: keys.iter().map(|key| key.number).collect(),
        partition: keys.iter().map(|key| key.partition).collect(),
        workflow: keys.iter().map(|key| key.workflow).collect(),
        order_id: keys.iter().map(|key| key.order_id).collect(),
        now: keys.iter().map(|key| key.now).collect(),
        ..FindNewestOfEach::default()
    };
    answers(keys, find.load(&mut connection).await?)
}

/// Does the same in a file, where a statement for each costs no round trip.
pub(crate) async fn newest_in_file(
    tx: &mut Tx,
    keys: &[TokenKey<'_>],
) -> Result<Vec<Option<TrackingTokenId>>, Error> {
    let mut rows = Vec::with_capacity(keys.len());
    for key in keys {
        let found: Vec<NewestRow> = on_conn!(tx, |c| FindNewest(key).load(c).await)?;
        rows.extend(found);
    }
    answers(keys, rows)
}

fn answers(
    keys: &[TokenKey<'_>],
    rows: Vec<NewestRow>,
) -> Result<Vec<Option<TrackingTokenId>>, Error> {
    let mut found = vec![None; keys.len()];
    for (number, id) in rows {
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        let (Some(key), Some(token)) = (keys.get(place), found.get_mut(place)) else {
            continue;
        };
        let reading = Reading {
            table: "tracking_tokens",
            row: &format_args!("of order {}/{}", key.workflow, key.order_id),
        };
        let id = id.try_into();
        *token = Some(TrackingTokenId {
            partition: Partition::new(key.partition),
            id: id.map_err(|_| reading.corrupt("id", "not 16 bytes"))?,
        });
    }
    Ok(found)
}
