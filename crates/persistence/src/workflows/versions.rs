//! Versions of workflows: each change saves the parts, a version, and a row of the catalog.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use waymark_domain::{
    actor::Actor,
    value::{Timestamp, WorkflowCode},
    workflow::{
        Difference, Record,
        document::{self, Format},
    },
};

use super::save::Saving;
use crate::{
    Error, Store,
    catalog::Edition,
    rows::{Reading, StoredText, json},
    schema::{catalog, workflow_versions},
    statement::limit as sql_limit,
    tx::{Tx, on_conn},
};

/// How many bytes of changes are kept of a version. They are to be read: the documents of the
/// versions tell all.
const CHANGES_BYTES_MAX: usize = 1024 * 1024;

/// How many versions are read at once, and how many bytes of changes a page has.
const VERSIONS_AT_ONCE: usize = 16;
const VERSIONS_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A page of versions of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionPage {
    /// The versions, newest first.
    pub versions: Vec<WorkflowVersion>,
    /// Whether older ones follow.
    pub has_more: bool,
}

/// One version of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowVersion {
    /// Its number, from 1.
    pub version: i64,
    /// Who made it.
    pub actor: Actor,
    /// When.
    pub create_time: Timestamp,
    /// What it changed, with values that are cut where they are long.
    pub changes: Vec<Difference>,
    /// Whether it changed more than was kept.
    pub truncated: bool,
}

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
    version: Option<NewVersionRow>,
    now: Timestamp,
}

#[derive(Debug, diesel::Insertable)]
#[diesel(table_name = workflow_versions)]
struct NewVersionRow {
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
        (workflow, actor): (&WorkflowCode, &Actor),
        (saving, after): (Option<Saving>, Option<&Record>),
        changes: &[Difference],
        now: Timestamp,
    ) -> Result<Option<Self>, Error> {
        let Some(saving) = saving else {
            return Ok(None);
        };
        let version = after.map(|record| NewVersionRow::new(actor, record, changes, now));
        Ok(Some(Self {
            workflow: workflow.clone(),
            saving,
            version: version.transpose()?,
            now,
        }))
    }

    pub(super) fn begins_or_ends(&self) -> bool {
        self.saving.begins_or_ends()
    }

    /// Saves the change, and gives it the edition of the catalog that follows this one.
    ///
    /// # Errors
    /// Returns what the database refuses.
    pub(super) async fn write(&self, tx: &mut Tx, newest: Edition) -> Result<Edition, Error> {
        let Some(number) = newest.version.checked_add(1) else {
            let reading = Reading::of("catalog", &newest.version);
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

impl NewVersionRow {
    fn new(
        actor: &Actor,
        record: &Record,
        changes: &[Difference],
        now: Timestamp,
    ) -> Result<Self, Error> {
        Ok(Self {
            workflow: record.workflow.code.to_string(),
            version: record.stamp.version,
            actor: json(actor)?,
            create_time: now.micros(),
            changes: kept(changes)?,
            document: document::export(&record.workflow, Format::Yaml)
                .map_err(Error::unwritable)?,
        })
    }
}

impl Store {
    /// Lists versions of a workflow, newest first: at most `limit`, those below `before`. A page
    /// ends soon behind 4 MiB of changes as they are stored.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn workflow_versions(
        &self,
        code: &WorkflowCode,
        before: Option<i64>,
        limit: usize,
    ) -> Result<VersionPage, Error> {
        let limit = limit.max(1);
        let mut page = VersionPage {
            versions: Vec::new(),
            has_more: true,
        };
        let (mut before, mut bytes) = (before.unwrap_or(i64::MAX), 0);
        while page.has_more && page.versions.len() < limit && bytes < VERSIONS_BYTES_MAX {
            let part = VERSIONS_AT_ONCE.min(limit - page.versions.len());
            // One more, to learn whether there is more.
            let mut rows = self.version_rows(code, before, part + 1).await?;
            page.has_more = rows.len() > part;
            rows.truncate(part);
            for row in rows {
                before = row.0;
                bytes += row.3.len();
                page.versions.push(read_version(code, row)?);
            }
        }
        Ok(page)
    }

    async fn version_rows(
        &self,
        code: &WorkflowCode,
        before: i64,
        limit: usize,
    ) -> Result<Vec<VersionRow>, Error> {
        let rows = self.database().read(async |tx| {
            let rows = workflow_versions::table
                .filter(workflow_versions::workflow.eq(code.as_str()))
                .filter(workflow_versions::version.lt(before))
                .order(workflow_versions::version.desc())
                .limit(sql_limit(limit))
                .select((
                    workflow_versions::version,
                    workflow_versions::actor,
                    workflow_versions::create_time,
                    workflow_versions::changes,
                ));
            Ok(on_conn!(tx, |c| rows.load::<VersionRow>(c).await)?)
        });
        rows.await
    }

    /// Finds a version of a workflow as a YAML document.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn workflow_document(
        &self,
        code: &WorkflowCode,
        version: i64,
    ) -> Result<Option<String>, Error> {
        let document = self.database().read(async |tx| {
            let document = workflow_versions::table
                .find((code.as_str(), version))
                .select(workflow_versions::document);
            Ok(on_conn!(tx, |c| document.first::<StoredText>(c).await).optional()?)
        });
        let document = document.await?;
        let row = format!("{code}/{version}");
        let reading = Reading::of("workflow_versions", &row);
        let document = reading.optional_plain("document", document.as_ref())?;
        Ok(document.map(str::to_owned))
    }
}

/// The number, actor, time and changes of a version.
type VersionRow = (i64, StoredText, i64, StoredText);

fn read_version(
    code: &WorkflowCode,
    (version, actor, create_time, changes): VersionRow,
) -> Result<WorkflowVersion, Error> {
    let row = format!("{code}/{version}");
    let reading = Reading::of("workflow_versions", &row);
    let (changes, truncated) = read_kept(&reading, &changes)?;
    Ok(WorkflowVersion {
        version,
        actor: reading.json("actor", &actor)?,
        create_time: Timestamp::from_micros(create_time),
        changes,
        truncated,
    })
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
        let reading = Reading::of("workflow_versions", &"order/1");
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
