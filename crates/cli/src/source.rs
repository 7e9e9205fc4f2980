//! The source of a workflow, as the command line names it.

use std::{path::PathBuf, str::FromStr};

/// The source of a workflow.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_known_by_its_prefix() {
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
}
