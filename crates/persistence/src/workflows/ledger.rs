//! What a change of a workflow leaves behind: the saved parts, a version, and a row
//! of the catalog.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use uuid::Uuid;
use waymark_domain::{
    value::Timestamp,
    workflow::{
        Difference, Record,
        document::{self, Format},
    },
};

use super::{WorkflowChange, save as parts};
use crate::{
    Error, catalog as cache,
    rows::json,
    schema::{catalog, workflow_versions},
    tx::{Tx, on_conn},
};

/// The version of the catalog that a transaction wrote, and the id that only it wrote there.
pub(super) type Proof = (i64, [u8; 16]);

/// Says whether the transaction that has this proof was committed.
pub(super) async fn is_saved(tx: &mut Tx, (version, id): Proof) -> Result<bool, Error> {
    let found = catalog::table.find(version).select(catalog::change_id);
    let found: Option<Vec<u8>> = on_conn!(tx, |c| found.first(c).await).optional()?;
    Ok(found.is_some_and(|found| found.as_slice() == id))
}

/// Saves a change, before and after, and gives it the next version of the catalog.
pub(super) async fn save(
    tx: &mut Tx,
    change: &WorkflowChange,
    records: (Option<&Record>, Option<&Record>),
    changes: &[Difference],
    now: Timestamp,
) -> Result<Proof, Error> {
    match records {
        (None, None) => {}
        (None, Some(after)) => parts::insert(tx, after).await?,
        (Some(before), Some(after)) => parts::update(tx, before, after).await?,
        (Some(_), None) => parts::delete(tx, &change.workflow).await?,
    }
    if let (_, Some(after)) = records {
        version(tx, change, after, changes, now).await?;
    }
    let proof = (cache::version(tx).await? + 1, Uuid::new_v4().into_bytes());
    let row = (
        catalog::version.eq(proof.0),
        catalog::change_id.eq(proof.1.to_vec()),
        catalog::workflow.eq(change.workflow.as_str()),
        catalog::create_time.eq(now.micros()),
    );
    let insert = diesel::insert_into(catalog::table).values(row);
    on_conn!(tx, |c| insert.execute(c).await)?;
    Ok(proof)
}

async fn version(
    tx: &mut Tx,
    change: &WorkflowChange,
    record: &Record,
    changes: &[Difference],
    now: Timestamp,
) -> Result<(), Error> {
    let unwritable = |source| Error::Database {
        source: diesel::result::Error::SerializationError(Box::new(source)),
    };
    let document = document::export(&record.workflow, Format::Yaml).map_err(unwritable)?;
    let row = (
        workflow_versions::workflow.eq(change.workflow.as_str()),
        workflow_versions::version.eq(record.stamp.version),
        workflow_versions::actor.eq(json(&change.actor)?),
        workflow_versions::create_time.eq(now.micros()),
        workflow_versions::changes.eq(json(&changes)?),
        workflow_versions::document.eq(document),
    );
    let insert = diesel::insert_into(workflow_versions::table).values(row);
    on_conn!(tx, |c| insert.execute(c).await)?;
    Ok(())
}
