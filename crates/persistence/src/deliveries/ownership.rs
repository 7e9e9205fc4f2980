//! Owners of partitions: whoever changes deliveries locks the lease of their partition first.

use std::{collections::BTreeSet, fmt};

use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;
use waymark_domain::partition::Partition;

use crate::{
    Error,
    rows::StoredText,
    schema::dispatch_leases,
    tx::{Tx, on_conn},
};

/// The name of a process that sends deliveries, new at every start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DispatcherId(pub(super) String);

impl DispatcherId {
    /// A name that no other process has.
    pub fn random() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DispatcherId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Locks the leases of partitions, in ascending order, and lists their owners.
pub(super) async fn lock(
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

/// Locks the leases of partitions and says which of them a process owns.
pub(super) async fn owned(
    tx: &mut Tx,
    me: &DispatcherId,
    partitions: &BTreeSet<Partition>,
) -> Result<BTreeSet<i32>, Error> {
    let leases = lock(tx, partitions).await?.into_iter();
    let is_mine = |owner: &StoredText| owner.utf8() == Some(me.as_str());
    let mine = leases.filter(|(_, owner)| owner.as_ref().is_some_and(is_mine));
    Ok(mine.map(|(number, _)| number).collect())
}
