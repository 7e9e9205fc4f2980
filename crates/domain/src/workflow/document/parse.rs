//! Reading documents, with bounds: nothing that a document says makes Waymark use more
//! than eight times its size and 1 MiB.

use std::{collections::BTreeSet, marker::PhantomData};

use super::{
    action, budget,
    format::{BYTE_ORDER_MARK, DOCUMENT_BYTES_MAX, Format, UnknownStates},
    forms::TriggerPart,
    json::Json,
    layout::WorkflowPart,
    locate::locate,
    magento,
    reader::{Reader, Source},
    remark::{DocumentError, Place, REMARKS_MAX, Remark},
    yaml::Yaml,
};
use crate::{
    value::WorkflowCode,
    workflow::{Finding, Rule, Subject},
};

/// The most control characters that are named.
const CONTROLS_MAX: usize = 10;

/// The bytes that the parts of a YAML or JSON document may take for each of its own, besides its
/// text and the texts in it.
const PART_BYTES_PER_BYTE: usize = 6;
/// The bytes that the tree of an XML document may take for each of its own; a text that is not cut
/// is there up to four times.
const XML_BYTES_PER_BYTE: usize = 3;

/// A document that was read and is well-formed.
#[derive(Debug, Clone, PartialEq)]
pub struct Document(pub(super) Content);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Workflow {
        part: Box<WorkflowPart>,
        /// The findings about the document itself.
        findings: Vec<Finding>,
    },
    MagentoConfig(magento::Config),
}

impl Document {
    /// The code of the workflow, where the document names one.
    pub fn workflow(&self) -> Option<&WorkflowCode> {
        match &self.0 {
            Content::Workflow { part, .. } => part.workflow.as_ref(),
            Content::MagentoConfig(_) => None,
        }
    }

    /// Decides the fate of states of a `config.xml` that the workflow does not have. Other
    /// documents say by themselves what their states are.
    #[must_use]
    pub fn with_unknown_states(mut self, unknown_states: UnknownStates) -> Self {
        match &mut self.0 {
            Content::Workflow { .. } => {}
            Content::MagentoConfig(config) => config.unknown_states = unknown_states,
        }
        self
    }

    /// The findings about the document itself, whatever workflow it is applied to: months where
    /// minutes may be meant, elements of a `config.xml` that are not known, and which of several
    /// defaults is taken.
    pub fn findings(&self) -> &[Finding] {
        match &self.0 {
            Content::Workflow { findings, .. } => findings,
            Content::MagentoConfig(config) => &config.findings,
        }
    }
}

/// A document as far as it can be read.
pub(super) struct ReadDocument {
    /// The document without its mistakes.
    pub(super) document: Document,
    /// Its mistakes, in its order.
    pub(super) remarks: Vec<Remark>,
    /// The paths of what is there and cannot be read, or was probably meant by a key that is not
    /// known.
    pub(super) lost: Vec<String>,
    /// Whether reading came to the end.
    pub(super) is_whole: bool,
    /// Whether there is more that is wrong than is told.
    pub(super) has_more: bool,
}

impl ReadDocument {
    /// A document that cannot be read at all.
    fn none(format: Format, remarks: Vec<Remark>) -> Self {
        let content = match format {
            Format::Yaml | Format::Json => Content::Workflow {
                part: Box::default(),
                findings: Vec::new(),
            },
            Format::MagentoConfigXml => Content::MagentoConfig(magento::Config::default()),
        };
        Self::new(content, remarks, false)
    }

    fn new(content: Content, remarks: Vec<Remark>, is_whole: bool) -> Self {
        Self {
            document: Document(content),
            remarks,
            lost: Vec::new(),
            is_whole,
            has_more: false,
        }
    }
}

/// Reads a document. A byte-order mark before it is passed over.
///
/// # Errors
/// Returns [`DocumentError`] for a document over [`DOCUMENT_BYTES_MAX`], text that is not
/// well-formed, unknown keys, values that break a rule, and so many short entries that they take
/// far more memory than bytes: all that can be told at once, up to a hundred mistakes.
pub fn parse(text: &str, format: Format) -> Result<Document, DocumentError> {
    let ReadDocument {
        document, remarks, ..
    } = read(text, format);
    if remarks.is_empty() {
        return Ok(document);
    }
    let workflow = document.workflow().cloned();
    Err(DocumentError::Unreadable { remarks, workflow })
}

/// Reads what is right in a document, and says what is wrong.
pub(super) fn read(text: &str, format: Format) -> ReadDocument {
    if text.len() > DOCUMENT_BYTES_MAX {
        return ReadDocument::none(format, vec![Remark::too_large(text.len())]);
    }
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let refused = control(text);
    if refused.is_empty() {
        return read_plain(text, format);
    }
    match format {
        // What else is wrong is told as well, as if they were letters.
        Format::Yaml | Format::Json => {
            let plain = text.replace(is_control, "_");
            let mut reading = read_plain(&plain, format);
            let line = |remark: &Remark| remark.place.map(|place| place.line);
            let lines: BTreeSet<_> = refused.iter().map(line).collect();
            let remarks = &mut reading.remarks;
            remarks.retain(|remark| !lines.contains(&line(remark)));
            remarks.extend(refused);
            remarks.sort_by_key(|remark| remark.place);
            reading
        }
        Format::MagentoConfigXml => ReadDocument::none(format, refused),
    }
}

/// Reads a document without control characters.
fn read_plain(text: &str, format: Format) -> ReadDocument {
    match format {
        Format::Yaml => match Yaml::new(text) {
            Ok(yaml) => parts(text, format, Source::Yaml(Box::new(yaml))),
            Err(stop) => {
                let remark = Remark::unreadable(Some(stop.place), "", &stop.message);
                ReadDocument::none(format, vec![remark])
            }
        },
        Format::Json => parts(text, format, Source::Json(Json::new(text))),
        Format::MagentoConfigXml => {
            match budget::within(text.len(), XML_BYTES_PER_BYTE, || magento::parse(text)) {
                Ok(config) => ReadDocument::new(Content::MagentoConfig(config), Vec::new(), true),
                Err(remark) => ReadDocument::none(format, vec![remark]),
            }
        }
    }
}

/// Whether no format takes a character: line breaks and tabs are taken.
fn is_control(c: char) -> bool {
    c < ' ' && !matches!(c, '\n' | '\r' | '\t')
}

/// The first control characters that no format takes.
fn control(text: &str) -> Vec<Remark> {
    let found = text.char_indices().filter(|(_, c)| is_control(*c));
    let remarks = found.take(CONTROLS_MAX).map(|(index, wrong)| {
        let code = u32::from(wrong);
        let problem = format!("U+{code:04X} is a control character, which is refused");
        Remark::at_byte(text, index, &problem)
    });
    remarks.collect()
}

/// Reads the parts of a YAML or JSON document.
fn parts(text: &str, format: Format, source: Source<'_>) -> ReadDocument {
    budget::within(text.len(), PART_BYTES_PER_BYTE, || {
        let mut reader = Reader::new(text, source);
        let is_blank = reader.is_blank();
        let part = (!is_blank).then(|| reader.guarded(PhantomData::<WorkflowPart>));
        let part = part.flatten().unwrap_or_default();
        let mut told = reader.finish();
        if told.remarks.is_empty() && part == WorkflowPart::default() {
            let begin = Place { line: 1, column: 1 };
            let remark = Remark::unreadable(Some(begin), "", "the document says nothing");
            told.remarks.push(remark);
            // So nothing in particular is missing.
            told.lost.push(String::new());
        }
        let wrong = action::check(&part).into_iter();
        let wrong = wrong.map(|(path, problem)| Remark::unreadable(None, &path, &problem));
        let mut wrong: Vec<_> = wrong.collect();
        locate(text, format, &mut wrong);
        told.remarks.append(&mut wrong);
        told.remarks.sort_by_key(|remark| remark.place);
        let findings = in_months(&part).take(REMARKS_MAX).collect();
        let part = Box::new(part);
        ReadDocument {
            document: Document(Content::Workflow { part, findings }),
            remarks: told.remarks,
            lost: told.lost,
            is_whole: !told.is_over,
            has_more: told.has_more,
        }
    })
}

/// Findings about timers that wait for months: `M` is a month, and `m` a minute.
fn in_months(part: &WorkflowPart) -> impl Iterator<Item = Finding> {
    part.transitions
        .iter()
        .filter_map(|(code, transition)| match &transition.trigger {
            Some(TriggerPart::After(after)) if after.in_months => {
                let period = after.period;
                let message = format!(
                    "starts after {period}: M is a month of 30.44 days, and a minute is written 1m"
                );
                let subject = Subject::Transition(code.clone());
                Some(Finding::new(Rule::Months, subject, message))
            }
            Some(
                TriggerPart::After(_)
                | TriggerPart::Manual
                | TriggerPart::Automatic
                | TriggerPart::OnOperations(_)
                | TriggerPart::At(_),
            )
            | None => None,
        })
}
