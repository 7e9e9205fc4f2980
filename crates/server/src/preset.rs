//! The first start: an empty database gets a preset as its default workflow.

use waymark_domain::{
    actor::Actor,
    preset,
    value::WorkflowCode,
    workflow::{
        Refusal,
        document::{DocumentError, Mode, apply},
    },
};
use waymark_persistence::{ChangeError, ChangeMode, Changed, Error, Store, WorkflowChange};

/// Why the preset could not be loaded.
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

/// Stores the preset as workflow `code`, unless there is any workflow, and says whether it did. Of two replicas that start at once, the second
/// finds the workflow and leaves it as it is.
pub(crate) async fn load(
    store: &Store,
    name: &str,
    code: &WorkflowCode,
) -> Result<bool, PresetError> {
    if !store.workflows().await?.is_empty() {
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
    };
    let changed = store.change_workflow(
        &change,
        move |present, _| {
            let wanted = present.map_or(&workflow, |record| &record.workflow);
            Ok::<_, Refusal>((Some(wanted.clone()), ()))
        },
        |outcome| outcome,
        |_| Vec::new(),
    );
    let changed = changed
        .await
        .map_err(|error| PresetError::Change(Box::new(error)))?;
    let Changed::Done(outcome) = changed else {
        return Ok(false);
    };
    let is_loaded = !outcome.changes.is_empty();
    if is_loaded {
        tracing::info!(workflow.code = %code, preset.name = name, "the database was empty: loaded a preset");
    }
    Ok(is_loaded)
}
