//! Documents of workflows, read from their source and checked.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use waymark_domain::{
    preset,
    value::WorkflowCode,
    workflow::{
        Severity, Workflow,
        document::{
            self, Checked, DOCUMENT_BYTES_MAX, Format, Mode, Proposal, Remark, UnknownStates,
        },
    },
};
use waymark_proto::{
    convert::workflow::remark_to_wire,
    v1::{ExportWorkflowRequest, WorkflowFormat, workflow_service_client::WorkflowServiceClient},
};

use super::findings::Text;
use crate::{
    arguments::{DocumentFormat, Server},
    connection,
    failure::Failure,
    source::Source,
};

/// The code of a document that names none, where no server says which it is for.
const CODE_DEFAULT: &str = "order";

/// The way in which a document is read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reading {
    /// The format; none to tell it by the name.
    pub(super) format: Option<DocumentFormat>,
    /// Whether the states of a `config.xml` are made that the workflow does not have.
    pub(super) create_states: bool,
}

/// A document as it is written.
pub(super) struct Document {
    /// The name that people know it by.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) format: DocumentFormat,
}

/// A document that was checked as a whole.
pub(super) struct Loaded {
    /// The name that people know it by.
    pub(super) name: String,
    pub(super) text: String,
    /// The workflow that it makes; none where it cannot be read or leaves something out.
    workflow: Option<Workflow>,
    pub(super) remarks: Vec<Remark>,
}

impl Source {
    /// Reads the workflow, whatever lint has to say about it; a document is merged into `base` where there is one.
    pub(super) async fn load(
        &self,
        reading: Reading,
        base: Option<&Workflow>,
        server: &Server,
    ) -> Result<Workflow, Failure> {
        let Loaded {
            name,
            text,
            workflow,
            remarks,
        } = self.check(reading, base, server).await?;
        workflow.ok_or_else(|| {
            let wrong = remarks.iter().filter(|r| r.severity() == Severity::Error);
            let wrong: Vec<_> = wrong.map(remark_to_wire).collect();
            let shown = Text::new(&name, &text).all(&wrong);
            Failure::Mistakes { name, shown }
        })
    }

    /// Checks the document as a whole, merged into `base` where there is one.
    pub(super) async fn check(
        &self,
        reading: Reading,
        base: Option<&Workflow>,
        server: &Server,
    ) -> Result<Loaded, Failure> {
        self.admits(reading)?;
        let document = self.read(reading.format, server).await?;
        checked(document, reading, base)
    }

    /// Refuses what only some documents are asked.
    pub(super) fn admits(&self, reading: Reading) -> Result<(), Failure> {
        if reading.create_states && !self.is_config_xml(reading.format) {
            return Err(Failure::NeedsConfigXml);
        }
        Ok(())
    }

    /// Reads the document as it is; of a workflow of a server its export.
    pub(super) async fn read(
        &self,
        format: Option<DocumentFormat>,
        server: &Server,
    ) -> Result<Document, Failure> {
        let path = match self {
            Self::Preset(name) => {
                return Ok(Document {
                    text: find_preset(name)?.document.to_owned(),
                    name: format!("preset:{name}"),
                    format: DocumentFormat::Yaml,
                });
            }
            Self::Stored { code, version } => {
                return Ok(Document {
                    text: export(server, code.clone(), *version, WorkflowFormat::Yaml).await?,
                    name: format!("workflow:{code}"),
                    format: DocumentFormat::Yaml,
                });
            }
            Self::Input => None,
            Self::File(path) => Some(path.as_path()),
        };
        if let Some(name) = path.and_then(meant_as_code) {
            return Err(Failure::NoSource { name });
        }
        let format = document_format(format, path);
        Ok(Document {
            text: read(path, format)?,
            name: shown(path).display().to_string(),
            format,
        })
    }

    fn is_config_xml(&self, format: Option<DocumentFormat>) -> bool {
        let path = match self {
            Self::Preset(_) | Self::Stored { .. } => return false,
            Self::Input => None,
            Self::File(path) => Some(path.as_path()),
        };
        document_format(format, path) == DocumentFormat::MagentoXml
    }
}

/// Checks what a document makes, on top of another workflow where there is one.
fn checked(
    document: Document,
    reading: Reading,
    base: Option<&Workflow>,
) -> Result<Loaded, Failure> {
    let Document { name, text, format } = document;
    let fallback = WorkflowCode::new(CODE_DEFAULT).map_err(Failure::WorkflowCode)?;
    let proposal = Proposal {
        text: &text,
        format: domain_format(format),
        mode: if base.is_some() {
            Mode::Merge
        } else {
            Mode::Replace
        },
        unknown_states: if reading.create_states {
            UnknownStates::Create
        } else {
            UnknownStates::Refuse
        },
        base,
        code: base.map(|base| &base.code),
        fallback: Some(&fallback),
    };
    match document::check(&proposal) {
        Ok(Checked { workflow, remarks }) => Ok(Loaded {
            name,
            text,
            workflow,
            remarks,
        }),
        Err(source) => Err(Failure::Workflow { name, source }),
    }
}

/// Asks a server for a workflow as a document.
pub(super) async fn export(
    server: &Server,
    workflow: String,
    version: i64,
    format: WorkflowFormat,
) -> Result<String, Failure> {
    let mut client = WorkflowServiceClient::new(connection::connect(server).await?);
    let request = ExportWorkflowRequest {
        workflow,
        format: format.into(),
        version,
    };
    Ok(client.export_workflow(request).await?.into_inner().document)
}

fn find_preset(name: &str) -> Result<&'static preset::Preset, Failure> {
    preset::find(name).ok_or_else(|| Failure::UnknownPreset {
        name: name.to_owned(),
    })
}

/// The name of a file that is not there, where it is one that a workflow may have.
fn meant_as_code(path: &Path) -> Option<String> {
    let name = path.to_str()?;
    let is_code = WorkflowCode::new(name).is_ok() && !path.exists();
    is_code.then(|| name.to_owned())
}

/// Reads a document, and not much more than a document may have; none for the standard input.
pub(super) fn read(path: Option<&Path>, format: DocumentFormat) -> Result<String, Failure> {
    let limit = u64::try_from(DOCUMENT_BYTES_MAX + 1).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let done = match path {
        Some(path) => {
            fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
        }
        None => io::stdin().lock().take(limit).read_to_end(&mut bytes),
    };
    let path = shown(path);
    done.map_err(|source| Failure::Read {
        path: path.to_owned(),
        source,
    })?;
    document::decode(bytes, domain_format(format)).map_err(|source| Failure::Document {
        name: path.display().to_string(),
        source,
    })
}

/// The name that people know the place of a document by.
pub(super) fn shown(path: Option<&Path>) -> &Path {
    path.unwrap_or(Path::new("the standard input"))
}

/// The format that was asked for, else that of the ending of the name, else YAML.
pub(super) fn document_format(
    asked: Option<DocumentFormat>,
    path: Option<&Path>,
) -> DocumentFormat {
    let ending = path
        .and_then(Path::extension)
        .map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    asked.unwrap_or(match ending.as_deref() {
        Some("json") => DocumentFormat::Json,
        Some("xml") => DocumentFormat::MagentoXml,
        _ => DocumentFormat::Yaml,
    })
}

/// The format as it goes over the wire.
pub(super) fn wire_format(format: DocumentFormat) -> WorkflowFormat {
    domain_format(format).into()
}

fn domain_format(format: DocumentFormat) -> Format {
    match format {
        DocumentFormat::Yaml => Format::Yaml,
        DocumentFormat::Json => Format::Json,
        DocumentFormat::MagentoXml => Format::MagentoConfigXml,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_of_another_workflow_is_found() {
        let base = find_preset("magento").unwrap().workflow().unwrap();
        let is_of_another = |text: &str| {
            let document = Document {
                name: "a".to_owned(),
                text: text.to_owned(),
                format: DocumentFormat::Yaml,
            };
            let loaded = checked(document, Reading::default(), Some(&base));
            let remarks = loaded.unwrap().remarks;
            let mut rules = remarks.iter().map(|remark| remark.finding.rule.code());
            rules.any(|rule| rule == "other_workflow")
        };
        assert!(is_of_another("workflow: shop\nlabel: Shop"));
        assert!(!is_of_another("label: Shop"));
    }

    #[test]
    fn the_ending_says_the_format_unless_asked_otherwise() {
        let of = |asked, name: &str| document_format(asked, Some(Path::new(name)));
        assert_eq!(of(None, "a.yaml"), DocumentFormat::Yaml);
        assert_eq!(of(None, "a.JSON"), DocumentFormat::Json);
        assert_eq!(of(None, "config.xml"), DocumentFormat::MagentoXml);
        assert_eq!(of(None, "a"), DocumentFormat::Yaml);
        assert_eq!(
            of(Some(DocumentFormat::Json), "config.xml"),
            DocumentFormat::Json
        );
    }
}
