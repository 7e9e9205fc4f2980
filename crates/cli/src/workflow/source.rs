//! Where a workflow comes from: a file, the standard input, a preset, or a server.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    str::FromStr,
};

use waymark_domain::{
    preset,
    value::WorkflowCode,
    workflow::{
        Workflow,
        document::{self, DOCUMENT_BYTES_MAX, Format, Mode},
    },
};
use waymark_proto::v1::{
    ExportWorkflowRequest, WorkflowFormat, workflow_service_client::WorkflowServiceClient,
};

use crate::{
    arguments::{DocumentFormat, Server},
    connection,
    failure::Failure,
};

/// The code of a document that names none, where no server says which it is for.
const CODE_DEFAULT: &str = "order";

/// Where a workflow comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The standard input.
    Input,
    /// A file.
    File(PathBuf),
    /// A preset.
    Preset(String),
    /// A workflow of a server; version 0 is the present one, an empty code the server's default.
    Stored { code: String, version: i64 },
}

impl FromStr for Source {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "-" {
            return Ok(Self::Input);
        }
        if let Some(name) = text.strip_prefix("preset:") {
            return Ok(Self::Preset(name.to_owned()));
        }
        let Some(stored) = text.strip_prefix("workflow:") else {
            return Ok(Self::File(PathBuf::from(text)));
        };
        let (code, version) = match stored.split_once('@') {
            Some((code, version)) => (code, version.parse().ok().filter(|version| *version > 0)),
            None => (stored, Some(0)),
        };
        let version = version.ok_or("a version is a number from 1, as in workflow:order@3")?;
        Ok(Self::Stored {
            code: code.to_owned(),
            version,
        })
    }
}

impl Source {
    /// Reads the workflow, whatever lint has to say about it; a document is merged into `base` where there is one.
    pub(crate) async fn load(
        &self,
        format: Option<DocumentFormat>,
        base: Option<&Workflow>,
        server: &Server,
    ) -> Result<Workflow, Failure> {
        let (name, text, format) = match self {
            Self::Preset(name) => return Ok(find_preset(name)?.workflow()?),
            Self::Stored { code, version } => {
                let text = export(server, code.clone(), *version, WorkflowFormat::Yaml).await?;
                (format!("workflow {code}"), text, Format::Yaml)
            }
            Self::Input => (
                "the standard input".to_owned(),
                read(None)?,
                domain_format(format, None),
            ),
            Self::File(path) => (
                path.display().to_string(),
                read(Some(path))?,
                domain_format(format, Some(path)),
            ),
        };
        workflow(&name, &text, format, base)
    }
}

fn workflow(
    name: &str,
    text: &str,
    format: Format,
    base: Option<&Workflow>,
) -> Result<Workflow, Failure> {
    let document = document::parse(text, format).map_err(|source| Failure::Document {
        name: name.to_owned(),
        source,
    })?;
    let fallback = WorkflowCode::new(CODE_DEFAULT).map_err(Failure::WorkflowCode)?;
    let code = document
        .workflow()
        .or(base.map(|base| &base.code))
        .unwrap_or(&fallback);
    let mode = if base.is_some() {
        Mode::Merge
    } else {
        Mode::Replace
    };
    document::draft(base, &document, mode, Some(code)).map_err(|source| Failure::Workflow {
        name: name.to_owned(),
        source,
    })
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

/// Reads a document, and not much more than a document may have; none for the standard input.
pub(super) fn read(path: Option<&Path>) -> Result<String, Failure> {
    let limit = u64::try_from(DOCUMENT_BYTES_MAX)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut text = String::new();
    let done = match path {
        Some(path) => {
            fs::File::open(path).and_then(|file| file.take(limit).read_to_string(&mut text))
        }
        None => io::stdin().lock().take(limit).read_to_string(&mut text),
    };
    let path = path.map_or_else(|| PathBuf::from("the standard input"), Path::to_owned);
    done.map(|_| text)
        .map_err(|source| Failure::Read { path, source })
}

/// What was asked for, else what the ending of the name says, else YAML.
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

fn domain_format(asked: Option<DocumentFormat>, path: Option<&Path>) -> Format {
    match document_format(asked, path) {
        DocumentFormat::Yaml => Format::Yaml,
        DocumentFormat::Json => Format::Json,
        DocumentFormat::MagentoXml => Format::MagentoConfigXml,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_told_by_its_prefix() {
        let stored = |code: &str, version| {
            Ok(Source::Stored {
                code: code.to_owned(),
                version,
            })
        };
        assert_eq!("-".parse(), Ok(Source::Input));
        assert_eq!("a/b.yaml".parse(), Ok(Source::File("a/b.yaml".into())));
        assert_eq!(
            "preset:magento".parse(),
            Ok(Source::Preset("magento".to_owned()))
        );
        assert_eq!("workflow:order".parse(), stored("order", 0));
        assert_eq!("workflow:order@3".parse(), stored("order", 3));
        assert_eq!("workflow:".parse(), stored("", 0));
        for text in [
            "workflow:order@",
            "workflow:order@0",
            "workflow:order@-1",
            "workflow:order@x",
        ] {
            assert!(text.parse::<Source>().is_err(), "{text}");
        }
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
