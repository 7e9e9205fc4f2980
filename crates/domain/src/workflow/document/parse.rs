//! Reading documents, with bounds: nothing that a document says makes Waymark use more
//! than eight times its size and 1 MiB.

use std::fmt::Display;

use super::{
    Content, DOCUMENT_BYTES_MAX, Document, Format, action, budget, layout::WorkflowPart, magento,
    yaml::yaml,
};

/// How long a text may be, as it is written: longer than any value, even where each character is escaped. Readers copy
/// what they read, a key into their errors too.
pub(super) const TEXT_BYTES_MAX: usize = 32 * 1024;

/// What some editors put before a text in UTF-8.
pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';

/// What the parts of a YAML or JSON document may take for each of its bytes, besides its text and the texts in it.
const PART_BYTES_PER_BYTE: usize = 6;
/// What the tree of an XML document may take for each of its bytes; a text that is not cut is there up to four times.
const XML_BYTES_PER_BYTE: usize = 3;

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
        let cut = |text: &str| text.chars().take(500).collect();
        Self::Text {
            line,
            column,
            path: cut(path),
            problem: cut(&problem.to_string()),
        }
    }
}

/// Refuses control characters that no format takes, but for line breaks and tabs.
fn no_controls(text: &str) -> Result<(), DocumentError> {
    let is_wrong = |c: char| c < ' ' && !matches!(c, '\n' | '\r' | '\t');
    for (line, text) in (1..).zip(text.split('\n')) {
        if let Some((column, wrong)) = (1..).zip(text.chars()).find(|(_, c)| is_wrong(*c)) {
            let code = u32::from(wrong);
            let problem = format!("U+{code:04X} is a control character, which is refused");
            return Err(DocumentError::text(line, column, "", &problem));
        }
    }
    Ok(())
}

/// Reads a document. A byte-order mark before it is passed over.
///
/// # Errors
/// Returns [`DocumentError`] for a document over [`DOCUMENT_BYTES_MAX`], text that is not
/// well-formed, unknown keys, values that break a rule, and so many short entries that they take
/// far more memory than bytes.
pub fn parse(text: &str, format: Format) -> Result<Document, DocumentError> {
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(DocumentError::TooLarge {
            max: DOCUMENT_BYTES_MAX,
            actual: text.len(),
        });
    }
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    no_controls(text)?;
    let within = |per_byte, read: fn(&str) -> Result<WorkflowPart, DocumentError>| {
        budget::within(text.len(), per_byte, || read(text))
    };
    let part = match format {
        Format::Yaml => within(PART_BYTES_PER_BYTE, yaml)?,
        Format::Json => within(PART_BYTES_PER_BYTE, json)?,
        Format::MagentoConfigXml => {
            let read = || magento::parse(text);
            let config = budget::within(text.len(), XML_BYTES_PER_BYTE, read)?;
            return Ok(Document(Content::MagentoConfig(config)));
        }
    };
    if part == WorkflowPart::default() {
        return Err(DocumentError::text(1, 1, "", &"the document says nothing"));
    }
    action::check(&part)?;
    Ok(Document(Content::Workflow(Box::new(part))))
}

fn json(text: &str) -> Result<WorkflowPart, DocumentError> {
    if let Some(begin) = long_text(text) {
        let problem = format!("a text has more than {TEXT_BYTES_MAX} bytes");
        return Err(refused_at(text, begin, &problem));
    }
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
    DocumentError::text(wide(line), wide(column), path, &problem)
}

/// Where a text of a JSON document begins that is too long.
fn long_text(document: &str) -> Option<usize> {
    let mut begin = None;
    let mut is_escaped = false;
    for (index, byte) in document.bytes().enumerate() {
        match (begin, byte) {
            (None, b'"') => begin = Some(index),
            (Some(first), _) if index - first > TEXT_BYTES_MAX => return begin,
            (Some(_), _) if is_escaped => is_escaped = false,
            (Some(_), b'\\') => is_escaped = true,
            (Some(_), b'"') => begin = None,
            (None | Some(_), _) => {}
        }
    }
    None
}

/// Refuses what stands at a byte of a document.
pub(super) fn refused_at(document: &str, index: usize, problem: &dyn Display) -> DocumentError {
    let before = document.get(..index).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    let lines = before.matches('\n').count();
    DocumentError::text(wide(lines + 1), wide(line.chars().count() + 1), "", problem)
}

pub(super) fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
