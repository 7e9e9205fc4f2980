//! The sources of settings: a TOML file, the environment and flags.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::PathBuf,
};

use config::{File, FileFormat, Source};

use super::error::SettingsError;
use crate::fault;

const PREFIX: &str = "WAYMARK_";
/// Variables that begin as settings do and are none: the first two belong to the command line.
const RESERVED: [&str; 2] = ["WAYMARK_CONFIG", "WAYMARK_SERVER"];
/// Beginnings of the variables that Kubernetes puts into the environment when a service has the name `waymark`.
const FOREIGN_PREFIXES: [&str; 2] = ["WAYMARK_SERVICE_", "WAYMARK_PORT"];

/// The sources of settings, apart from their defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A TOML file of keys.
    pub file: Option<PathBuf>,
    /// Environment variables, with their prefix `WAYMARK_`. An empty one is none.
    pub environment: HashMap<String, String>,
    /// Keys and values of flags.
    pub flags: Vec<(String, String)>,
}

/// The source of a value.
#[derive(Debug, Clone)]
pub(super) enum Provenance {
    Default,
    File(PathBuf),
    Variable(String),
    Flag,
}

/// A value: its text, none for a table or a list, and where it comes from.
pub(super) type Sourced = (Option<String>, Provenance);

impl Sources {
    /// The environment of this process, with a file and flags of the command line.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<(String, String)>) -> Self {
        let environment = std::env::vars_os().map(|(name, value)| {
            (
                name.to_string_lossy().into_owned(),
                value.to_string_lossy().into_owned(),
            )
        });
        Self {
            file,
            environment: environment.filter(|(name, _)| is_setting(name)).collect(),
            flags,
        }
    }

    /// The values by name: flags beat the environment, and that beats the file.
    pub(super) fn values(&self) -> Result<BTreeMap<String, Sourced>, SettingsError> {
        let mut values = BTreeMap::new();
        if let Some(path) = &self.file {
            let file = File::from(path.as_path()).format(FileFormat::Toml);
            let file = file.collect().map_err(|error| SettingsError::File {
                path: path.clone(),
                source: Box::new(error),
            })?;
            for (name, value) in file {
                let value = value.into_string().ok();
                values.insert(name, (value, Provenance::File(path.clone())));
            }
        }
        for (variable, value) in &self.environment {
            if let Some(name) = variable.strip_prefix(PREFIX)
                && !value.is_empty()
            {
                let origin = Provenance::Variable(variable.clone());
                let name = name.to_ascii_lowercase();
                values.insert(name, (Some(value.clone()), origin));
            }
        }
        for (name, value) in &self.flags {
            values.insert(name.clone(), (Some(value.clone()), Provenance::Flag));
        }
        Ok(values)
    }
}

impl Provenance {
    /// A setting as it is written in this source.
    pub(super) fn line(&self, key: &str, value: &str) -> String {
        match self {
            Self::Default | Self::File(_) => format!("{key} = \"{value}\""),
            Self::Variable(_) => format!("{PREFIX}{}={value}", key.to_ascii_uppercase()),
            Self::Flag => format!("--set {key}={value}"),
        }
    }
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the defaults"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag => f.write_str("a flag"),
        }
    }
}

fn is_setting(variable: &str) -> bool {
    let is_foreign = |prefix: &&str| variable.starts_with(*prefix);
    // One for the faults that tests ask for, which other programs do not know.
    let is_of_tests = cfg!(feature = "test-access") && variable == fault::DIRECTORY;
    variable.starts_with(PREFIX)
        && !RESERVED.contains(&variable)
        && !FOREIGN_PREFIXES.iter().any(is_foreign)
        && !is_of_tests
}
