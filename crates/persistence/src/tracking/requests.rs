//! The calls that are answered when they come again.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use waymark_domain::{
    partition::Partition,
    value::{OrderId, RequestId, Timestamp, WorkflowCode},
};

use crate::{
    Error, Refusal, Request,
    rows::Reading,
    schema::tracking_requests,
    tx::{Tx, on_conn},
};

/// What a call did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// It created this token.
    Created([u8; 16]),
    /// It revoked so many.
    Revoked(i32),
}

/// An order with its partition.
pub(super) type Place<'p> = (Partition, &'p WorkflowCode, &'p OrderId);

/// The fingerprint of a call, the token that it created, and how many it revoked.
type RequestRow = (Vec<u8>, Option<Vec<u8>>, Option<i32>);

/// Finds what a call did when it came before; the inner error says that its id was used for
/// another call. The row is locked, so that the commit of who repeats the answer waits for the
/// standby, see `crate::requests`.
pub(super) async fn find(
    tx: &mut Tx,
    (partition, workflow, order_id): Place<'_>,
    request: &Request,
) -> Result<Result<Option<Deed>, Refusal>, Error> {
    let row = tracking_requests::table
        .find((
            partition.number(),
            workflow.as_str(),
            order_id.as_str(),
            request.id.as_str(),
        ))
        .select((
            tracking_requests::fingerprint,
            tracking_requests::token_id,
            tracking_requests::revoked,
        ));
    let row = match tx {
        Tx::Postgres(connection) => {
            let connection: &mut AsyncPgConnection = connection;
            row.for_update().load::<RequestRow>(connection).await?.pop()
        }
        Tx::Sqlite(_) => on_conn!(tx, |c| row.first::<RequestRow>(c).await).optional()?,
    };
    let Some((fingerprint, token, revoked)) = row else {
        return Ok(Ok(None));
    };
    if fingerprint.as_slice() != request.fingerprint {
        let request_id = request.id.clone();
        return Ok(Err(Refusal::RequestIdReused { request_id }));
    }
    let deed = read(token, revoked, workflow, order_id, &request.id)?;
    Ok(Ok(Some(deed)))
}

fn read(
    token: Option<Vec<u8>>,
    revoked: Option<i32>,
    workflow: &WorkflowCode,
    order_id: &OrderId,
    request_id: &RequestId,
) -> Result<Deed, Error> {
    let reading = Reading {
        table: "tracking_requests",
        row: &format_args!("{workflow}/{order_id}/{request_id}"),
    };
    match (token, revoked) {
        (Some(token), None) => {
            let token = token.try_into();
            let token = token.map_err(|_| reading.corrupt("token_id", "not 16 bytes"))?;
            Ok(Deed::Created(token))
        }
        (None, Some(revoked)) => Ok(Deed::Revoked(revoked)),
        (Some(_), Some(_)) | (None, None) => {
            Err(reading.corrupt("revoked", "not either this or a token"))
        }
    }
}

/// Remembers what a call did.
pub(super) async fn remember(
    tx: &mut Tx,
    (partition, workflow, order_id): Place<'_>,
    request: &Request,
    deed: Deed,
    now: Timestamp,
) -> Result<(), Error> {
    let (token, revoked) = match deed {
        Deed::Created(token) => (Some(token.to_vec()), None),
        Deed::Revoked(count) => (None, Some(count)),
    };
    let row = (
        tracking_requests::partition.eq(partition.number()),
        tracking_requests::workflow.eq(workflow.as_str()),
        tracking_requests::order_id.eq(order_id.as_str()),
        tracking_requests::request_id.eq(request.id.as_str()),
        tracking_requests::fingerprint.eq(request.fingerprint.as_slice()),
        tracking_requests::token_id.eq(token),
        tracking_requests::revoked.eq(revoked),
        tracking_requests::create_time.eq(now.micros()),
    );
    let insert = diesel::insert_into(tracking_requests::table).values(row);
    on_conn!(tx, |c| insert.execute(c).await)?;
    Ok(())
}
