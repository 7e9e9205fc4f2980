//! The account of everything that is sent after a step, and who carries it.
//!
//! Rows are written with their steps, see [`crate::commit`]. Everything else that happens to
//! them locks the lease of their partition first, so that whoever carries a partition is
//! alone with it.

mod answer;
mod copies;
mod decisions;
mod due;
mod endpoint;
mod finish;
mod lease;
mod ledger;
mod list;
pub(crate) mod lost;
mod many;
mod on_postgres;
mod put_right;
mod query;
mod retention;
mod statements;
mod unreadable;
mod waiting;

pub use answer::{Answered, LedgerCall};
pub use due::Due;
pub use endpoint::{Endpoint, EndpointEdit, EndpointInUse, EndpointSecret};
pub use finish::{Finished, NextStep, Noted, RefusedNote, Round};
pub use lease::{DispatcherId, Leases, Leaving};
pub use ledger::{Account, LedgerRefusal};
pub use lost::LostDelivery;
pub use query::{DeliveryCursor, DeliveryPage, DeliveryQuery};
pub use retention::{Removed, RetentionCursor};
pub use unreadable::{StoredDelivery, UnreadableDelivery};
pub use waiting::{Waiting, WaitingCursor};

use std::collections::BTreeSet;

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use waymark_domain::{delivery::DeliveryId, partition::Partition};

use crate::{
    Error,
    rows::{StoredNumber, StoredText},
    schema::dispatch_leases,
    tx::{Tx, on_conn},
};

/// Locks the leases of partitions, in ascending order, and says who holds each.
async fn lock(
    tx: &mut Tx,
    partitions: &BTreeSet<Partition>,
) -> Result<Vec<(i32, Option<StoredText>)>, Error> {
    let numbers: Vec<_> = partitions.iter().map(|p| p.number()).collect();
    let leases = dispatch_leases::table
        .filter(dispatch_leases::partition.eq_any(numbers))
        .order(dispatch_leases::partition);
    match tx {
        Tx::Postgres(connection) => {
            let connection: &mut AsyncPgConnection = connection;
            Ok(leases.for_update().load(connection).await?)
        }
        // BEGIN IMMEDIATE has locked the file.
        Tx::Sqlite(_) => Ok(on_conn!(tx, |c| leases.load(c).await)?),
    }
}

/// Locks the leases of partitions and says which of them a process carries.
async fn owned(
    tx: &mut Tx,
    me: &DispatcherId,
    partitions: &BTreeSet<Partition>,
) -> Result<BTreeSet<i32>, Error> {
    let leases = lock(tx, partitions).await?.into_iter();
    let is_mine = |owner: &StoredText| owner.utf8() == Some(me.as_str());
    let mine = leases.filter(|(_, owner)| owner.as_ref().is_some_and(is_mine));
    Ok(mine.map(|(number, _)| number).collect())
}

/// The key of a delivery's row: partition, offset and number.
type RowKey = (i32, i64, StoredNumber);

fn key(id: DeliveryId) -> RowKey {
    let position = id.position;
    (
        position.partition.number(),
        position.offset,
        id.number.into(),
    )
}
