//! Versions of workflows: each change saves the parts, a version, and a row of the catalog.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use waymark_domain::{
    value::{Timestamp, WorkflowCode},
    workflow::{
        Difference, Record,
        document::{self, Format},
    },
};

use super::{WorkflowChange, save::Saving};
use crate::{
    Error,
    catalog::Edition,
    rows::{Reading, StoredText, json},
    schema::{catalog, workflow_versions},
    tx::{Tx, on_conn},
};

/// How many bytes of changes are kept of a version. They are to be read: the documents of the
/// versions tell all.
const CHANGES_BYTES_MAX: usize = 1024 * 1024;

/// Says whether the transaction that wrote this edition was committed: only it had the id.
pub(super) async fn is_saved(tx: &mut Tx, edition: Edition) -> Result<bool, Error> {
    let found = catalog::table
        .find(edition.version)
        .select(catalog::change_id);
    let found: Option<Vec<u8>> = on_conn!(tx, |c| found.first(c).await).optional()?;
    Ok(found.is_some_and(|found| found.as_slice() == edition.change_id))
}

/// Everything that a change writes, but for its place in the catalog.
#[derive(Debug)]
pub(super) struct Page {
    workflow: WorkflowCode,
    saving: Saving,
    version: Option<VersionRow>,
    now: Timestamp,
}

#[derive(Debug, diesel::Insertable)]
#[diesel(table_name = workflow_versions)]
struct VersionRow {
    workflow: String,
    version: i64,
    actor: String,
    create_time: i64,
    changes: String,
    document: String,
}

impl Page {
    /// What is saved to make this record of the workflow; none where nothing is.
    ///
    /// # Errors
    /// Returns [`Error`] when something cannot be written down.
    pub(super) fn new(
        change: &WorkflowChange,
        (saving, after): (Option<Saving>, Option<&Record>),
        changes: &[Difference],
        now: Timestamp,
    ) -> Result<Option<Self>, Error> {
        let Some(saving) = saving else {
            return Ok(None);
        };
        let version = after.map(|record| VersionRow::new(change, record, changes, now));
        Ok(Some(Self {
            workflow: change.workflow.clone(),
            saving,
            version: version.transpose()?,
            now,
        }))
    }

    /// Whether the workflow begins or ends with it.
    pub(super) fn begins_or_ends(&self) -> bool {
        self.saving.begins_or_ends()
    }

    /// Saves the change, and gives it the edition of the catalog that follows this one.
    ///
    /// # Errors
    /// Returns what the database refuses.
    pub(super) async fn write(&self, tx: &mut Tx, newest: Edition) -> Result<Edition, Error> {
        let Some(number) = newest.version.checked_add(1) else {
            let reading = Reading {
                table: "catalog",
                row: &newest.version,
            };
            return Err(reading.corrupt("version", "no number follows it"));
        };
        self.saving.write(tx).await?;
        if let Some(version) = &self.version {
            let insert = diesel::insert_into(workflow_versions::table).values(version);
            on_conn!(tx, |c| insert.execute(c).await)?;
        }
        let edition = Edition {
            version: number,
            change_id: Uuid::new_v4().into_bytes(),
        };
        let row = (
            catalog::version.eq(edition.version),
            catalog::change_id.eq(edition.change_id.to_vec()),
            catalog::workflow.eq(self.workflow.as_str()),
            catalog::create_time.eq(self.now.micros()),
        );
        let insert = diesel::insert_into(catalog::table).values(row);
        on_conn!(tx, |c| insert.execute(c).await)?;
        Ok(edition)
    }
}

impl VersionRow {
    fn new(
        change: &WorkflowChange,
        record: &Record,
        changes: &[Difference],
        now: Timestamp,
    ) -> Result<Self, Error> {
        let unwritable = |source| Error::Database {
            source: diesel::result::Error::SerializationError(Box::new(source)),
        };
        Ok(Self {
            workflow: change.workflow.to_string(),
            version: record.stamp.version,
            actor: json(&change.actor)?,
            create_time: now.micros(),
            changes: kept(changes)?,
            document: document::export(&record.workflow, Format::Yaml).map_err(unwritable)?,
        })
    }
}

/// What is kept of changes that are too many to be kept all.
#[derive(Debug, Serialize, Deserialize)]
struct First<C> {
    first: C,
}

/// Writes changes: as a list, or the first ones where they are too many.
fn kept(changes: &[Difference]) -> Result<String, Error> {
    let mut bytes = 0;
    for (index, change) in changes.iter().enumerate() {
        bytes += json(change)?.len() + 1;
        if bytes > CHANGES_BYTES_MAX {
            let first = changes.get(..index).unwrap_or_default();
            return json(&First { first });
        }
    }
    json(&changes)
}

/// Reads changes, and whether there were more.
pub(super) fn read_kept(
    reading: &Reading<'_>,
    changes: &StoredText,
) -> Result<(Vec<Difference>, bool), Error> {
    if changes.lossy().starts_with('[') {
        return Ok((reading.json("changes", changes)?, false));
    }
    let First { first } = reading.json("changes", changes)?;
    Ok((first, true))
}

#[cfg(test)]
mod tests {
    use waymark_domain::workflow::{DifferenceKind, Subject};

    use super::*;

    fn change(text: &str) -> Difference {
        Difference {
            kind: DifferenceKind::Added,
            subject: Subject::Workflow,
            before: String::new(),
            after: text.to_owned(),
        }
    }

    #[test]
    fn changes_are_kept_up_to_a_size() {
        let reading = Reading {
            table: "workflow_versions",
            row: &"order/1",
        };
        let few = vec![change("label: Order"); 3];
        let text = kept(&few).unwrap();
        assert_eq!(read_kept(&reading, &text.into()).unwrap(), (few, false));
        let many = vec![change(&"x".repeat(1_000)); 2_000];
        let text = kept(&many).unwrap();
        assert!(text.len() <= CHANGES_BYTES_MAX + 20);
        let (first, has_more) = read_kept(&reading, &text.into()).unwrap();
        assert!(has_more && first.len() > 900 && first == many[..first.len()]);
    }
}
