//! The first start: an empty database gets a preset as its default workflow.

use waymark_domain::{
    actor::Actor,
    preset,
    value::WorkflowCode,
    workflow::{
        Refusal, Workflow,
        document::{DocumentError, Mode, apply},
    },
};
use waymark_persistence::{
    ChangeError, ChangeMode, CommitError, Counting, DatabaseUrl, EditStart, Error, Extent, Saved,
    Store, WorkflowChange,
};

/// The error of a preset that could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum PresetError {
    /// There is no preset with this name.
    #[error("there is no preset {name}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The document of the preset cannot be read.
    #[error("the document of the preset cannot be read")]
    Document(#[from] DocumentError),
    /// The workflow was refused.
    #[error("the workflow of the preset was refused")]
    Refused(#[from] Refusal),
    /// The database did not take it.
    #[error("the preset could not be stored")]
    Change(#[source] Box<ChangeError<Refusal>>),
    /// The database could not be asked.
    #[error("the workflows cannot be read")]
    Store(#[from] Error),
}

impl PresetError {
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::Change(error) => matches!(
                **error,
                ChangeError::Failed(
                    CommitError::Unavailable
                        | CommitError::Overloaded
                        | CommitError::StorageFull
                        | CommitError::StorageReadOnly
                )
            ),
            Self::Unknown { .. } | Self::Document(_) | Self::Refused(_) => false,
        }
    }

    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Store(error) => matches!(error, Error::Damaged { .. }),
            Self::Change(error) => {
                matches!(**error, ChangeError::Failed(CommitError::StorageDamaged))
            }
            Self::Unknown { .. } | Self::Document(_) | Self::Refused(_) => false,
        }
    }
}

/// Stores the preset as workflow `code`, unless there is any workflow, and says whether it did. Of two replicas that start at once, the second
/// finds the workflow and leaves it as it is.
pub(crate) async fn load(
    store: &Store,
    name: &str,
    code: &WorkflowCode,
) -> Result<bool, PresetError> {
    // Those that cannot be read count as well.
    if store.has_workflows().await? {
        return Ok(false);
    }
    let preset = preset::find(name).ok_or_else(|| PresetError::Unknown {
        name: name.to_owned(),
    })?;
    let workflow = apply(None, &preset.parse()?, Mode::Replace, Some(code))?;
    let change = WorkflowChange {
        workflow: code.clone(),
        request: None,
        actor: Actor::system(),
        mode: ChangeMode::Apply,
        counting: Counting::Nothing,
        extent: Extent::Part,
    };
    let is_loaded = save(store, &change, workflow)
        .await
        .map_err(|error| PresetError::Change(Box::new(error)))?;
    if is_loaded {
        tracing::info!(workflow.code = %code, preset.name = name, "preset loaded into the empty database");
    }
    Ok(is_loaded)
}

/// Saves a workflow unless it is there, and says whether it did.
async fn save(
    store: &Store,
    change: &WorkflowChange,
    workflow: Workflow,
) -> Result<bool, ChangeError<Refusal>> {
    let mut edit = store.edit_workflow(change).await?;
    while let EditStart::Loaded(snapshot) = edit.load().await? {
        if snapshot.record().is_some() {
            return Ok(false);
        }
        let draft = edit.prepare(snapshot, Some(workflow.clone())).await?;
        match edit.save(&draft, &[]).await? {
            Saved::Done => return Ok(true),
            Saved::Replayed(_) => return Ok(false),
            Saved::Stale => {}
        }
    }
    Ok(false)
}

/// Logs that there was no database and one was made, with the preset that it has.
pub(crate) fn log_created(url: &DatabaseUrl, preset: &str) {
    tracing::warn!(
        database.url = %url,
        preset.name = preset,
        "database created: there was none at this place; create_database=false prevents that"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StartError;

    #[test]
    fn a_start_without_room_for_the_preset_may_succeed_later() {
        let start = |error| StartError::from(PresetError::Change(Box::new(error)));
        for error in [
            CommitError::StorageFull,
            CommitError::StorageReadOnly,
            CommitError::Unavailable,
        ] {
            let error = start(ChangeError::Failed(error));
            assert!(error.is_transient() && !error.is_damage(), "{error:?}");
        }
        let damaged = start(ChangeError::Failed(CommitError::StorageDamaged));
        assert!(damaged.is_damage() && !damaged.is_transient());
        assert!(!start(ChangeError::RequestIdReused).is_transient());
    }
}
