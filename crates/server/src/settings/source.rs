//! Where settings come from, and what is said about one that cannot be.

use std::{collections::HashMap, fmt, path::PathBuf};

use config::{Config, ConfigError, Environment, File, FileFormat, Map, Source, Value, ValueKind};
use waymark_domain::value::{Invalid, nearest};

use super::key::{KEYS, variable};
use crate::fault;

/// Variables that begin as settings do and are none: the first two belong to the command line.
const RESERVED: [&str; 2] = ["WAYMARK_CONFIG", "WAYMARK_SERVER"];
/// What Kubernetes puts into the environment when a service has the name `waymark`.
const FOREIGN_PREFIXES: [&str; 2] = ["WAYMARK_SERVICE_", "WAYMARK_PORT"];

/// Where settings come from, apart from their defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A TOML file of keys.
    pub file: Option<PathBuf>,
    /// Environment variables, with their prefix `WAYMARK_`.
    pub environment: HashMap<String, String>,
    /// Keys and values of flags.
    pub flags: Vec<(String, String)>,
}

impl Sources {
    /// The environment of this process, with a file and flags of the command line.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<(String, String)>) -> Self {
        let environment = std::env::vars_os()
            .map(|(name, value)| {
                (
                    name.to_string_lossy().into_owned(),
                    value.to_string_lossy().into_owned(),
                )
            })
            .filter(|(name, _)| name.starts_with("WAYMARK_"))
            .filter(|(name, _)| !RESERVED.contains(&name.as_str()))
            .filter(|(name, _)| !is_of_tests(name))
            .filter(|(name, _)| {
                !FOREIGN_PREFIXES
                    .iter()
                    .any(|prefix| name.starts_with(prefix))
            })
            .collect();
        Self {
            file,
            environment,
            flags,
        }
    }
}

/// Whether a variable is for the faults that tests ask for; one of no meaning where there are none.
fn is_of_tests(name: &str) -> bool {
    cfg!(feature = "test-access") && name == fault::DIRECTORY
}

/// Why the settings were refused.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read, or is not TOML.
    #[error("the settings file {} cannot be read", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<ConfigError>,
    },
    /// The sources could not be put together.
    #[error("the settings cannot be read")]
    Sources(#[source] Box<ConfigError>),
    /// Some are wrong: all that are, at least one.
    #[error("{}", listed(.0))]
    Wrong(Vec<Wrong>),
}

fn listed(wrong: &[Wrong]) -> String {
    if let [wrong] = wrong {
        return wrong.to_string();
    }
    let lines: Vec<String> = wrong.iter().map(|wrong| format!("\n  {wrong}")).collect();
    format!("{} settings are wrong:{}", lines.len(), lines.concat())
}

/// The key that was probably meant.
fn meant(key: &str) -> String {
    let near = nearest(key, KEYS.iter().map(|key| key.name));
    near.map_or_else(String::new, |near| format!("did you mean {near}? "))
}

/// A setting that is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// There is no such key.
    #[error(
        "unknown setting {key}, from {origin}; {}`waymark serve --help` lists the settings",
        meant(key)
    )]
    Unknown {
        /// The key.
        key: String,
        /// Where it came from.
        origin: Origin,
    },
    /// The value is not valid.
    #[error("setting {key}, from {origin}, {problem}")]
    Invalid {
        /// The key.
        key: &'static str,
        /// Where the value came from.
        origin: Origin,
        /// What is wrong with it.
        problem: Problem,
    },
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The defaults.
    Default,
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// A flag, or `--set`.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the defaults"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag => f.write_str("a flag"),
        }
    }
}

/// What is wrong with a value; the text completes "setting x …". The value itself is not repeated: it may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It is of another form.
    #[error("must be {0}")]
    Expected(&'static str),
    /// It breaks a rule of its type.
    #[error("{0}")]
    Value(Invalid),
    /// It is no number in the allowed range.
    #[error("must be a whole number from {min} to {max}")]
    OutOfRange {
        /// The smallest allowed value.
        min: u64,
        /// The largest allowed value.
        max: u64,
    },
    /// What it says cannot be used.
    #[error("is refused: {0}")]
    Refused(Box<dyn std::error::Error + Send + Sync>),
    /// It names a file that cannot be read.
    #[error("names a file that cannot be read: {0}")]
    File(std::io::Error),
    /// It names a directory that is not there, or cannot be looked at.
    #[error("names a directory that cannot be used: {}: {error}", path.display())]
    Directory {
        /// Its path.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// One of a list is no origin of pages.
    #[error(
        "must be origins such as https://shop.example, separated by commas, each by name without a path; number {number} is none"
    )]
    Origin {
        /// Its place in the list, from 1.
        number: usize,
    },
    /// It names no database.
    #[error("is refused: {0}")]
    Database(Box<waymark_persistence::Error>),
    /// The address can be reached from other machines.
    #[error(
        "must be a loopback address such as 127.0.0.1, since there is no authentication yet; `--insecure` allows any"
    )]
    NotLoopback,
    /// SQLite has one writer.
    #[error("must be 1 on SQLite")]
    OneWriter,
    /// The committers would take all connections.
    #[error("must be more than the number of committers, which is {committers}")]
    TooFewConnections {
        /// How many committers there are.
        committers: usize,
    },
}

/// The value of each key, with where it came from, and what was found to be wrong while they are read.
pub(super) struct Values {
    values: HashMap<&'static str, (Result<String, Noted>, Origin)>,
    wrong: Vec<Wrong>,
}

/// That a setting was noted as wrong, in place of its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noted(());

impl Values {
    /// Reads settings with `read`, which notes what is wrong.
    pub(super) fn read<T>(
        sources: &Sources,
        read: impl FnOnce(&mut Self) -> Result<T, Noted>,
    ) -> Result<T, SettingsError> {
        let mut values = Self::collect(sources)?;
        match read(&mut values) {
            Ok(settings) if values.wrong.is_empty() => Ok(settings),
            Ok(_) | Err(Noted(())) => Err(SettingsError::Wrong(values.wrong)),
        }
    }

    fn collect(sources: &Sources) -> Result<Self, SettingsError> {
        let mut collected: Vec<_> = merge(sources)?.into_iter().collect();
        collected.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut values = Self {
            values: HashMap::new(),
            wrong: Vec::new(),
        };
        for (name, value) in collected {
            let origin = origin(&name, &value, sources);
            let Some(key) = KEYS.iter().find(|key| key.name == name) else {
                values.wrong.push(Wrong::Unknown { key: name, origin });
                continue;
            };
            let text = value.into_string().map_err(|_| {
                values.wrong.push(Wrong::Invalid {
                    key: key.name,
                    origin: origin.clone(),
                    problem: Problem::Expected("one value, not a table or a list"),
                });
                Noted(())
            });
            values.values.insert(key.name, (text, origin));
        }
        Ok(values)
    }

    /// Reads the value of a key.
    pub(super) fn take<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, Problem>,
    ) -> Result<T, Noted> {
        let parsed = match self.values.get(key) {
            Some((Ok(text), _)) => parse(text),
            Some((Err(noted), _)) => return Err(*noted),
            None => parse(""),
        };
        parsed.map_err(|problem| self.note(key, problem))
    }

    /// Notes what is wrong with the value of a key.
    pub(super) fn note(&mut self, key: &'static str, problem: Problem) -> Noted {
        let origin = self
            .values
            .get(key)
            .map_or(Origin::Default, |(_, origin)| origin.clone());
        self.wrong.push(Wrong::Invalid {
            key,
            origin,
            problem,
        });
        Noted(())
    }
}

fn merge(sources: &Sources) -> Result<Map<String, Value>, SettingsError> {
    let refused = |error: ConfigError| SettingsError::Sources(Box::new(error));
    let mut builder = Config::builder();
    for key in KEYS {
        builder = builder
            .set_default(key.name, key.default)
            .map_err(refused)?;
    }
    if let Some(path) = &sources.file {
        let file = File::from(path.as_path()).format(FileFormat::Toml);
        // Read alone first, so that an error is known to be the file's.
        let unreadable = |error| SettingsError::File {
            path: path.clone(),
            source: Box::new(error),
        };
        file.collect().map_err(unreadable)?;
        builder = builder.add_source(file);
    }
    let environment = Environment::with_prefix("WAYMARK").ignore_empty(true);
    builder = builder.add_source(environment.source(Some(sources.environment.clone())));
    let mut merged = builder
        .build()
        .and_then(|config| config.collect())
        .map_err(refused)?;
    for (key, value) in &sources.flags {
        merged.insert(key.clone(), Value::new(None, value.as_str()));
    }
    Ok(merged)
}

fn origin(name: &str, value: &Value, sources: &Sources) -> Origin {
    if sources.flags.iter().any(|(key, _)| key == name) {
        return Origin::Flag;
    }
    match (value.origin(), &sources.file) {
        // A table has no origin of its own, and only a file can have one.
        (None, Some(path)) if matches!(value.kind, ValueKind::Table(_)) => {
            Origin::File(path.clone())
        }
        (None, _) => Origin::Default,
        // `config` names the environment so, and a file by its path.
        (Some("the environment"), _) | (Some(_), None) => Origin::Variable(variable(name)),
        (Some(_), Some(path)) => Origin::File(path.clone()),
    }
}
