//! The table of tokens.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use waymark_domain::{
    actor::Actor,
    partition::Partition,
    value::{OrderId, Timestamp, WorkflowCode},
};

use super::{TrackingToken, TrackingTokenId};
use crate::{
    Error,
    rows::{Reading, StoredText, json},
    schema::tracking_tokens,
    tx::{Tx, on_conn},
};

/// A row without the actors, which nothing reads but people.
#[derive(Debug, diesel::Queryable)]
struct TokenRow {
    partition: i32,
    id: Vec<u8>,
    workflow: StoredText,
    order_id: StoredText,
    create_time: i64,
    expire_time: Option<i64>,
    revoke_time: Option<i64>,
}

impl TokenRow {
    fn token(&self) -> Result<TrackingToken, Error> {
        let reading = Reading {
            table: "tracking_tokens",
            row: &format_args!("of order {}/{}", self.workflow, self.order_id),
        };
        let id = self.id.as_slice().try_into();
        Ok(TrackingToken {
            id: TrackingTokenId {
                partition: Partition::new(self.partition),
                id: id.map_err(|_| reading.corrupt("id", "not 16 bytes"))?,
            },
            workflow: reading.text("workflow", &self.workflow)?,
            order_id: reading.text("order_id", &self.order_id)?,
            create_time: Timestamp::from_micros(self.create_time),
            expire_time: self.expire_time.map(Timestamp::from_micros),
            revoke_time: self.revoke_time.map(Timestamp::from_micros),
        })
    }
}

pub(super) async fn find(
    tx: &mut Tx,
    token: TrackingTokenId,
) -> Result<Option<TrackingToken>, Error> {
    let row = tracking_tokens::table
        .find((token.partition.number(), token.id.as_slice()))
        .select((
            tracking_tokens::partition,
            tracking_tokens::id,
            tracking_tokens::workflow,
            tracking_tokens::order_id,
            tracking_tokens::create_time,
            tracking_tokens::expire_time,
            tracking_tokens::revoke_time,
        ));
    let row = on_conn!(tx, |c| row.first::<TokenRow>(c).await).optional()?;
    row.map(|row| row.token()).transpose()
}

/// Finds a token that an earlier attempt of the same call may have made, and locks it.
pub(super) async fn find_locked(
    tx: &mut Tx,
    id: TrackingTokenId,
) -> Result<Option<TrackingToken>, Error> {
    let found = find(tx, id).await?;
    if let Some(token) = &found {
        let place = (token.id.partition, &token.workflow, &token.order_id);
        lock(tx, place, Some(id)).await?;
    }
    Ok(found)
}

/// Inserts a token. Its id is chosen at random for one call, so where it is there already, an
/// earlier attempt of the same call was committed, which is then settled by this one: gives the
/// token that is there.
pub(super) async fn insert(
    tx: &mut Tx,
    token: TrackingToken,
    actor: &Actor,
) -> Result<TrackingToken, Error> {
    let row = (
        tracking_tokens::partition.eq(token.id.partition.number()),
        tracking_tokens::id.eq(token.id.id.as_slice()),
        tracking_tokens::workflow.eq(token.workflow.as_str()),
        tracking_tokens::order_id.eq(token.order_id.as_str()),
        tracking_tokens::create_time.eq(token.create_time.micros()),
        tracking_tokens::create_actor.eq(json(actor)?),
        tracking_tokens::expire_time.eq(token.expire_time.map(Timestamp::micros)),
    );
    let insert = diesel::insert_into(tracking_tokens::table)
        .values(row)
        .on_conflict_do_nothing();
    if on_conn!(tx, |c| insert.execute(c).await)? == 0 {
        let found = find_locked(tx, token.id).await?;
        return Ok(found.unwrap_or(token));
    }
    Ok(token)
}

/// Locks one token of an order, or all, where nothing had to be changed: the lock is written down,
/// so that the commit waits for the standby, which may not have yet what was found.
async fn lock(
    tx: &mut Tx,
    (partition, workflow, order_id): (Partition, &WorkflowCode, &OrderId),
    only: Option<TrackingTokenId>,
) -> Result<(), Error> {
    // One file has no standby.
    let Tx::Postgres(connection) = tx else {
        return Ok(());
    };
    let connection: &mut AsyncPgConnection = connection;
    let all = tracking_tokens::table
        .filter(tracking_tokens::partition.eq(partition.number()))
        .filter(tracking_tokens::workflow.eq(workflow.as_str()))
        .filter(tracking_tokens::order_id.eq(order_id.as_str()))
        .select(tracking_tokens::id);
    let _: Vec<Vec<u8>> = match only {
        Some(token) => {
            let one = all.filter(tracking_tokens::id.eq(token.id.as_slice()));
            one.for_update().load(connection).await?
        }
        None => all.for_update().load(connection).await?,
    };
    Ok(())
}

/// Revokes one token of an order, or all; answers how many had not been revoked before.
pub(super) async fn revoke(
    tx: &mut Tx,
    (partition, workflow, order_id): (Partition, &WorkflowCode, &OrderId),
    only: Option<TrackingTokenId>,
    actor: &Actor,
    now: Timestamp,
) -> Result<usize, Error> {
    let revoked = (
        tracking_tokens::revoke_time.eq(now.micros()),
        tracking_tokens::revoke_actor.eq(json(actor)?),
    );
    let standing = tracking_tokens::table
        .filter(tracking_tokens::partition.eq(partition.number()))
        .filter(tracking_tokens::revoke_time.is_null());
    let count = if let Some(token) = only {
        let one = standing.filter(tracking_tokens::id.eq(token.id.as_slice()));
        let update = diesel::update(one).set(revoked);
        on_conn!(tx, |c| update.execute(c).await)?
    } else {
        let all = standing
            .filter(tracking_tokens::workflow.eq(workflow.as_str()))
            .filter(tracking_tokens::order_id.eq(order_id.as_str()));
        let update = diesel::update(all).set(revoked);
        on_conn!(tx, |c| update.execute(c).await)?
    };
    if count == 0 {
        lock(tx, (partition, workflow, order_id), only).await?;
    }
    Ok(count)
}
