//! Workflows that come with Waymark, each a document that reads as an example.

use crate::workflow::{
    Refusal, Workflow,
    document::{Document, DocumentError, Format, Mode, apply, parse},
};

/// A workflow that comes with Waymark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Its name, which is also the code of its workflow.
    pub name: &'static str,
    /// Its description, in one line.
    pub summary: &'static str,
    /// The document, in YAML.
    pub document: &'static str,
}

/// Why a preset cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PresetError {
    /// Its document cannot be read.
    #[error("the document of a preset cannot be read")]
    Document(#[from] DocumentError),
    /// Its workflow is refused.
    #[error("the workflow of a preset is refused")]
    Refused(#[from] Refusal),
}

const PRESETS: &[Preset] = &[
    Preset {
        name: "magento",
        summary: "states, statuses and automatic steps as Magento's documentation describes them",
        document: include_str!("../presets/magento.yaml"),
    },
    Preset {
        name: "magento_2_4",
        summary: "the same as the code of Magento 2.4 has it",
        document: include_str!("../presets/magento_2_4.yaml"),
    },
    Preset {
        name: "modmore",
        summary: "modmore Commerce: statuses move by declared changes alone",
        document: include_str!("../presets/modmore.yaml"),
    },
];

/// All presets.
pub fn all() -> impl Iterator<Item = &'static Preset> {
    PRESETS.iter()
}

/// The preset with this name.
pub fn find(name: &str) -> Option<&'static Preset> {
    all().find(|preset| preset.name == name)
}

impl Preset {
    /// The document, ready to be applied under any code.
    ///
    /// # Errors
    /// Returns [`DocumentError`] where the document cannot be read; tests see to it that
    /// all can.
    pub fn parse(&self) -> Result<Document, DocumentError> {
        parse(self.document, Format::Yaml)
    }

    /// The workflow under the preset's own code.
    ///
    /// # Errors
    /// Returns [`PresetError`] where the document cannot be read or is refused; tests see
    /// to it that none is.
    pub fn workflow(&self) -> Result<Workflow, PresetError> {
        Ok(apply(None, &self.parse()?, Mode::Replace, None)?)
    }
}

#[cfg(test)]
mod field_tests;
#[cfg(test)]
mod tests;
