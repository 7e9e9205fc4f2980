//! Reading documents, with bounds: nothing that a document says makes Waymark use more
//! than a small multiple of its size.

use std::fmt::Display;

use serde::Deserialize;
use serde_saphyr::{Error, budget::BudgetBreach};

use super::{Content, DOCUMENT_BYTES_MAX, Document, Format, action, layout::WorkflowPart, magento};

/// How deep a document may be nested; the layout needs eight levels.
const DEPTH_MAX: usize = 24;

/// Why a document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is too large.
    #[error("the document has {actual} bytes, at most {max} are allowed")]
    TooLarge {
        /// The limit, in bytes.
        max: usize,
        /// What was given, in bytes.
        actual: usize,
    },
    /// It is not well-formed, has an unknown key, or a value that breaks a rule.
    #[error("line {line}, column {column}{}: {problem}", at(.path))]
    Text {
        /// The line, from 1; 0 where the parser knows none.
        line: u64,
        /// The column, from 1; 0 where the parser knows none.
        column: u64,
        /// The place in the document, such as `states.new.operations[0]`; empty for its top.
        path: String,
        /// What the parser says.
        problem: String,
    },
    /// An action does not say what is to be done, or something that does not belong to it.
    #[error("{path} {problem}")]
    Action {
        /// The place in the document, such as `transitions.ship.actions.tell_erp`.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A workflow cannot be written in this format.
    #[error("a workflow can be exported as YAML or JSON only")]
    NoExport,
    /// The workflow cannot be written as a document.
    #[error("the workflow cannot be written as a document: {problem}")]
    NotWritten {
        /// What the writer says.
        problem: String,
    },
}

fn at(path: &str) -> String {
    if path.is_empty() {
        String::new()
    } else {
        format!(", {path}")
    }
}

impl DocumentError {
    pub(super) fn text(line: u64, column: u64, path: &str, problem: &dyn Display) -> Self {
        let path = if path == "." {
            ""
        } else {
            path.trim_end_matches(".?")
        };
        let problem: String = problem.to_string().chars().take(500).collect();
        Self::Text {
            line,
            column,
            path: path.to_owned(),
            problem,
        }
    }
}

/// Reads a document.
///
/// # Errors
/// Returns [`DocumentError`] for a document over [`DOCUMENT_BYTES_MAX`], text that is not
/// well-formed, unknown keys and values that break a rule.
pub fn parse(text: &str, format: Format) -> Result<Document, DocumentError> {
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(DocumentError::TooLarge {
            max: DOCUMENT_BYTES_MAX,
            actual: text.len(),
        });
    }
    let part = match format {
        Format::Yaml => yaml(text)?,
        Format::Json => json(text)?,
        Format::MagentoConfigXml => {
            return magento::parse(text).map(|config| Document(Content::MagentoConfig(config)));
        }
    };
    if part == WorkflowPart::default() {
        return Err(DocumentError::text(1, 1, "", &"the document says nothing"));
    }
    action::check(&part)?;
    Ok(Document(Content::Workflow(Box::new(part))))
}

fn json(text: &str) -> Result<WorkflowPart, DocumentError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let part = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| json_error(error.inner(), &error.path().to_string()))?;
    deserializer.end().map_err(|error| json_error(&error, ""))?;
    Ok(part)
}

fn json_error(error: &serde_json::Error, path: &str) -> DocumentError {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let problem = text
        .strip_suffix(&format!(" at line {line} column {column}"))
        .unwrap_or(&text);
    let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    DocumentError::text(wide(line), wide(column), path, &problem)
}

fn yaml(text: &str) -> Result<WorkflowPart, DocumentError> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            max_documents: 1,
            max_aliases: 0,
            max_anchors: 0,
        },
        merge_keys: serde_saphyr::options::MergeKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    };
    let mut path = String::new();
    let read =
        serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
            let mut track = serde_path_to_error::Track::new();
            let tracked = serde_path_to_error::Deserializer::new(deserializer, &mut track);
            let part = WorkflowPart::deserialize(tracked);
            if part.is_err() {
                path = track.path().to_string();
            }
            part
        });
    read.map_err(|error| yaml_error(&error, &path))
}

fn yaml_error(error: &Error, path: &str) -> DocumentError {
    let location = error.location();
    let (line, column) = location.map_or((0, 0), |location| (location.line(), location.column()));
    let text = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
    let text = text
        .strip_suffix(&format!(" at line {line}, column {column}"))
        .unwrap_or(&text);
    let problem = match error.without_snippet() {
        Error::Budget {
            breach: BudgetBreach::Anchors { .. } | BudgetBreach::Aliases { .. },
            ..
        } => "anchors and aliases are not allowed",
        Error::Budget {
            breach: BudgetBreach::Documents { .. },
            ..
        } => "only one document is allowed",
        Error::Budget {
            breach: BudgetBreach::Depth { .. },
            ..
        } => "is nested too deeply",
        _ => text,
    };
    DocumentError::text(line, column, path, &problem)
}
