//! The editions of the catalog: which change of a workflow is the newest, and what was changed
//! since another.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use waymark_domain::value::WorkflowCode;

use crate::{
    Error,
    rows::{Reading, StoredText},
    schema::catalog,
    tx::{Tx, on_conn},
};

/// Behind more changes than these, everything is read anew.
const CHANGES_MAX: i64 = 1_000;

/// The newest change of any workflow: its number, and the id that only it has. Another id under
/// the same number is of another past, as after a failover to a standby that lacked a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Edition {
    /// Counts changes from 1; 0 before the first.
    pub(crate) version: i64,
    pub(crate) change_id: [u8; 16],
}

/// The version and the id of a change.
pub(crate) type EditionRow = (i64, Vec<u8>);

impl Edition {
    /// Reads the row of the newest change; none before the first.
    pub(crate) fn read(row: Option<EditionRow>) -> Result<Self, Error> {
        let Some((version, id)) = row else {
            return Ok(Self::default());
        };
        let reading = Reading::of("catalog", &version);
        let change_id: [u8; 16] = id
            .try_into()
            .map_err(|_| reading.corrupt("change_id", "it does not have 16 bytes"))?;
        Ok(Self { version, change_id })
    }
}

/// The query for the newest change of the catalog; no row before the first.
#[diesel::dsl::auto_type(no_type_alias)]
pub(crate) fn newest() -> _ {
    catalog::table
        .select((catalog::version, catalog::change_id))
        .order(catalog::version.desc())
}

pub(crate) async fn edition(tx: &mut Tx) -> Result<Edition, Error> {
    let row = on_conn!(tx, |c| newest().first::<EditionRow>(c).await).optional()?;
    Edition::read(row)
}

/// The changes of the catalog since an edition.
pub(crate) enum Since {
    /// These workflows were changed, each named as often as that happened.
    Changed(Vec<WorkflowCode>),
    /// The edition is not in the past of this database, or too long ago.
    Foreign,
}

pub(crate) async fn since(tx: &mut Tx, edition: Edition) -> Result<Since, Error> {
    let rows = catalog::table
        .filter(catalog::version.ge(edition.version))
        .order(catalog::version)
        .limit(CHANGES_MAX)
        .select((catalog::version, catalog::change_id, catalog::workflow));
    let rows: Vec<(i64, Vec<u8>, StoredText)> = on_conn!(tx, |c| rows.load(c).await)?;
    if i64::try_from(rows.len()).is_ok_and(|found| found >= CHANGES_MAX) {
        return Ok(Since::Foreign);
    }
    let mut changed = Vec::with_capacity(rows.len());
    // Before the first change there is no row to hold the edition against.
    let mut is_ours = edition.version == 0;
    for (version, id, workflow) in rows {
        if version == edition.version {
            is_ours = id.as_slice() == edition.change_id;
            continue;
        }
        // What is none of a workflow is the code of none that can be kept.
        changed.extend(workflow.lossy().parse::<WorkflowCode>());
    }
    Ok(if is_ours {
        Since::Changed(changed)
    } else {
        Since::Foreign
    })
}
