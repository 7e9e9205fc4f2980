//! Answers to calls that change anything but orders, remembered under their request ids.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use waymark_domain::value::Timestamp;

use crate::{
    Error, Request,
    schema::definition_requests,
    tx::{Tx, on_conn},
};

/// Finds the fingerprint and the answer that were remembered under a request id. The scope is the
/// code of a workflow, or empty for what belongs to no workflow. The row is locked, which is
/// written down, so that the commit of who repeats the answer waits for the standby as one that
/// wrote would: after a restart of the server, the row may be there and not with the standby yet.
pub(crate) async fn find(
    tx: &mut Tx,
    scope: &str,
    request: &Request,
) -> Result<Option<(Vec<u8>, Vec<u8>)>, Error> {
    let row = definition_requests::table
        .find((scope, request.id.as_str()))
        .select((
            definition_requests::fingerprint,
            definition_requests::answer,
        ));
    match tx {
        Tx::Postgres(connection) => {
            let connection: &mut AsyncPgConnection = connection;
            Ok(row.for_update().load(connection).await?.pop())
        }
        // One file has no standby.
        Tx::Sqlite(_) => Ok(on_conn!(tx, |c| row.first(c).await).optional()?),
    }
}

/// Says whether an answer was remembered under a request id. What it is, and that it lasts, is found
/// out under locks, by [`find`].
pub(crate) async fn is_remembered(
    tx: &mut Tx,
    scope: &str,
    request: &Request,
) -> Result<bool, Error> {
    let row = definition_requests::table
        .find((scope, request.id.as_str()))
        .select(definition_requests::create_time);
    let found: Option<i64> = on_conn!(tx, |c| row.first(c).await).optional()?;
    Ok(found.is_some())
}

/// Remembers the answer to a call.
pub(crate) async fn remember(
    tx: &mut Tx,
    scope: &str,
    request: &Request,
    answer: &[u8],
    now: Timestamp,
) -> Result<(), Error> {
    let row = (
        definition_requests::workflow.eq(scope),
        definition_requests::request_id.eq(request.id.as_str()),
        definition_requests::fingerprint.eq(request.fingerprint.as_slice()),
        definition_requests::answer.eq(answer),
        definition_requests::create_time.eq(now.micros()),
    );
    let insert = diesel::insert_into(definition_requests::table).values(row);
    on_conn!(tx, |c| insert.execute(c).await)?;
    Ok(())
}

/// Remembers another answer to a call that is answered with this one so far. Where it is answered
/// otherwise by now, that stays.
pub(crate) async fn answer_otherwise(
    tx: &mut Tx,
    scope: &str,
    request: &Request,
    (old, new): (&[u8], &[u8]),
) -> Result<(), Error> {
    let row = definition_requests::table
        .filter(definition_requests::workflow.eq(scope))
        .filter(definition_requests::request_id.eq(request.id.as_str()))
        .filter(definition_requests::fingerprint.eq(request.fingerprint.as_slice()))
        .filter(definition_requests::answer.eq(old));
    let update = diesel::update(row).set(definition_requests::answer.eq(new));
    on_conn!(tx, |c| update.execute(c).await)?;
    Ok(())
}

/// Forgets a call that is answered with this so far.
pub(crate) async fn forget(
    tx: &mut Tx,
    scope: &str,
    request: &Request,
    answer: &[u8],
) -> Result<(), Error> {
    let row = definition_requests::table
        .filter(definition_requests::workflow.eq(scope))
        .filter(definition_requests::request_id.eq(request.id.as_str()))
        .filter(definition_requests::fingerprint.eq(request.fingerprint.as_slice()))
        .filter(definition_requests::answer.eq(answer));
    on_conn!(tx, |c| diesel::delete(row).execute(c).await)?;
    Ok(())
}

/// Forgets all calls of a scope: what was done to a workflow that is gone says nothing about
/// another one of its code.
pub(crate) async fn forget_all(tx: &mut Tx, scope: &str) -> Result<(), Error> {
    let rows = definition_requests::table.filter(definition_requests::workflow.eq(scope));
    on_conn!(tx, |c| diesel::delete(rows).execute(c).await)?;
    Ok(())
}
