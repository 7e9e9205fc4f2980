//! Answers to calls that change anything but orders, remembered under their request ids until they
//! are too old. [`crate::once`] writes them.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use waymark_domain::{
    partition::Partition,
    value::{OrderId, Timestamp, WorkflowCode},
};

use crate::{
    Error, Request, Store,
    schema::requests,
    tx::{Ending, Tx, before, on_conn},
};

/// How many answers are removed in one transaction.
const AT_ONCE: i64 = 200;
/// The answer while a call is carried out.
const NO_ANSWER: &[u8] = &[];

/// The scope of a request id: the same id in another scope is another one. Where PostgreSQL is
/// distributed by partition, a scope is in the partition of its order, or in the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    partition: i32,
    name: String,
}

impl Scope {
    pub(crate) fn workflow(code: &WorkflowCode) -> Self {
        Self {
            partition: 0,
            name: format!("workflow/{code}"),
        }
    }

    /// That of deliveries and endpoints, which belong to no workflow.
    pub(crate) fn deliveries() -> Self {
        Self {
            partition: 0,
            name: "deliveries".to_owned(),
        }
    }

    pub(crate) fn order(partition: Partition, workflow: &WorkflowCode, id: &OrderId) -> Self {
        Self {
            partition: partition.number(),
            name: format!("order/{workflow}/{id}"),
        }
    }

    /// The name of the scope, for what is said about a row.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn key<'c>(&'c self, request: &'c Request) -> (i32, &'c str, &'c str) {
        (self.partition, &self.name, request.id.as_str())
    }
}

/// A call that is remembered under its request id.
#[derive(Debug, Clone, PartialEq, Eq, diesel::Queryable)]
pub(crate) struct Kept {
    pub(crate) fingerprint: Vec<u8>,
    /// The id that only the transaction has which wrote it.
    pub(crate) change_id: Vec<u8>,
    pub(crate) answer: Vec<u8>,
}

/// Takes a request id for a call, whose answer [`remember`] adds in the same transaction, or gives
/// what is remembered under it. Another transaction that is taking it is waited for: whether the
/// id is free then is certain.
pub(crate) async fn claim(
    tx: &mut Tx,
    scope: &Scope,
    request: &Request,
    (change_id, now): (&[u8; 16], Timestamp),
) -> Result<Option<Kept>, Error> {
    let row = (
        requests::partition.eq(scope.partition),
        requests::scope.eq(scope.name.as_str()),
        requests::request_id.eq(request.id.as_str()),
        requests::fingerprint.eq(request.fingerprint.as_slice()),
        requests::change_id.eq(change_id.as_slice()),
        requests::answer.eq(NO_ANSWER),
        requests::create_time.eq(now.micros()),
    );
    let insert = diesel::insert_into(requests::table)
        .values(row)
        .on_conflict_do_nothing();
    if on_conn!(tx, |c| insert.execute(c).await)? > 0 {
        return Ok(None);
    }
    let kept = find(tx, scope, request).await?;
    // Where it was forgotten this very moment, the next attempt takes it.
    let forgotten = Error::Conflict {
        source: diesel::result::Error::NotFound,
    };
    kept.map(Some).ok_or(forgotten)
}

/// Finds what is remembered under a request id. The row is locked, which is written down, so that
/// the commit of who repeats the answer waits for the standby as one that wrote would: after a
/// restart of the server, the row may be there and not with the standby yet.
async fn find(tx: &mut Tx, scope: &Scope, request: &Request) -> Result<Option<Kept>, Error> {
    let row = requests::table.find(scope.key(request)).select((
        requests::fingerprint,
        requests::change_id,
        requests::answer,
    ));
    match tx {
        Tx::Postgres(connection) => {
            let connection: &mut AsyncPgConnection = connection;
            Ok(row.for_update().load::<Kept>(connection).await?.pop())
        }
        // One file has no standby.
        Tx::Sqlite(_) => Ok(on_conn!(tx, |c| row.first::<Kept>(c).await).optional()?),
    }
}

/// Says whether an answer was remembered under a request id. What it is, and that it lasts, is
/// found out by [`claim`].
pub(crate) async fn is_remembered(
    tx: &mut Tx,
    scope: &Scope,
    request: &Request,
) -> Result<bool, Error> {
    let row = requests::table
        .find(scope.key(request))
        .select(requests::create_time);
    let found: Option<i64> = on_conn!(tx, |c| row.first(c).await).optional()?;
    Ok(found.is_some())
}

/// Remembers the answer to a call that has taken its request id.
pub(crate) async fn remember(
    tx: &mut Tx,
    scope: &Scope,
    request: &Request,
    answer: &[u8],
) -> Result<(), Error> {
    let row = requests::table.find(scope.key(request));
    let update = diesel::update(row).set(requests::answer.eq(answer));
    on_conn!(tx, |c| update.execute(c).await)?;
    Ok(())
}

/// Remembers another answer to a call that is answered with this one so far. Where it is answered
/// otherwise by now, that stays.
pub(crate) async fn answer_otherwise(
    tx: &mut Tx,
    scope: &Scope,
    request: &Request,
    (old, new): (&[u8], &[u8]),
) -> Result<(), Error> {
    let row = requests::table.find(scope.key(request));
    let row = row.filter(requests::answer.eq(old));
    let update = diesel::update(row).set(requests::answer.eq(new));
    on_conn!(tx, |c| update.execute(c).await)?;
    Ok(())
}

/// Forgets a call that is answered with this so far.
pub(crate) async fn forget(
    tx: &mut Tx,
    scope: &Scope,
    request: &Request,
    answer: &[u8],
) -> Result<(), Error> {
    let row = requests::table.find(scope.key(request));
    let row = row.filter(requests::answer.eq(answer));
    on_conn!(tx, |c| diesel::delete(row).execute(c).await)?;
    Ok(())
}

/// Forgets all calls of a scope but this one: what was done to a workflow that is gone says nothing
/// about another one of its code.
pub(crate) async fn forget_others(
    tx: &mut Tx,
    scope: &Scope,
    this: Option<&Request>,
) -> Result<(), Error> {
    // No request id is empty.
    let kept = this.map_or("", |request| request.id.as_str());
    let rows = requests::table
        .filter(requests::partition.eq(scope.partition))
        .filter(requests::scope.eq(scope.name.as_str()))
        .filter(requests::request_id.ne(kept));
    on_conn!(tx, |c| diesel::delete(rows).execute(c).await)?;
    Ok(())
}

impl Store {
    /// Forgets some hundreds of the oldest answers that were remembered at this instant or before,
    /// and says how many: calls that are repeated later are carried out anew.
    ///
    /// # Errors
    /// Returns [`Error`] when the database does not answer.
    pub async fn forget_requests(&self, until: Timestamp) -> Result<usize, Error> {
        let until = until.micros();
        let written = self.database().write(&[], async |tx| {
            let last = requests::table
                .filter(requests::create_time.le(until))
                .order(requests::create_time)
                .offset(AT_ONCE - 1)
                .select(requests::create_time);
            let last: Option<i64> = on_conn!(tx, |c| last.first(c).await).optional()?;
            let old = requests::table.filter(requests::create_time.le(last.unwrap_or(until)));
            let count = on_conn!(tx, |c| diesel::delete(old).execute(c).await)?;
            Ok(Ending::Commit(count))
        });
        written.await.map_err(before)
    }
}
