//! Templates of mails: their files, and rendering within bounds. Their language is the part of
//! Jinja that cannot grow, as for texts of actions; docs/mails.md explains it to merchants.

use std::{
    collections::BTreeSet,
    error::Error,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use minijinja::{
    AutoEscape, Environment, ErrorKind, Output, State, Value, escape_formatter,
    syntax::SyntaxConfig,
};
use waymark_domain::{
    template::{self, Failure, Language, Problem},
    value::nearest,
};

use super::mailbox::one_line;

/// The longest subject, in characters.
const SUBJECT_CHARS_MAX: usize = 255;
/// The largest file of a template, and the most that a part renders to.
const PART_BYTES_MAX: usize = Language::Mail.bytes_max();
/// The largest size of the files of one mail together.
const FILES_BYTES_MAX: usize = 4 * PART_BYTES_MAX;
/// The most files that are read to list the templates.
const LISTED_MAX: usize = 10_000;
/// The most templates that are named where one is missing.
const SHOWN_MAX: usize = 8;
/// The most tokens in the files of one mail together: each costs memory.
const FILES_TOKENS_MAX: usize = 20_000;

const SUBJECT: &str = ".subject.txt";
const TEXT: &str = ".txt";
const HTML: &str = ".html";

macro_rules! embedded {
    ($($file:literal),* $(,)?) => {
        &[$(($file, include_str!(concat!("../../templates/", $file)))),*]
    };
}

const EMBEDDED: &[(&str, &str)] = embedded![
    "layout.html",
    "new_order.html",
    "new_order.subject.txt",
    "new_order.txt",
    "new_order_guest.html",
    "new_order_guest.subject.txt",
    "new_order_guest.txt",
    "order_lines.html",
    "order_lines.txt",
    "order_update.html",
    "order_update.subject.txt",
    "order_update.txt",
    "order_update_guest.html",
    "order_update_guest.subject.txt",
    "order_update_guest.txt",
];

/// The shop's own templates, and behind them the embedded ones.
///
/// A file is looked for as `<directory>/<store view>/<file>`, then as `<directory>/<file>`, then
/// among the embedded ones; it is read anew for each mail, so a change counts at once. The files
/// are the operator's own, and yet none can take more than its bounds.
#[derive(Debug, Clone)]
pub struct Templates {
    directory: Option<Directory>,
}

/// A directory of templates, and whether it was missing at the last check.
#[derive(Debug, Clone)]
struct Directory {
    path: PathBuf,
    is_missing: Arc<AtomicBool>,
}

/// The parts of a mail; at least one of `text` and `html` is there.
#[derive(Debug)]
pub(super) struct Rendered {
    /// One line of 1 to 255 characters.
    pub(super) subject: String,
    pub(super) text: Option<String>,
    pub(super) html: Option<String>,
}

/// The reason why a template gives no mail.
#[derive(Debug, thiserror::Error)]
pub(super) enum TemplateError {
    #[error("`{name}` is no name of a template: a letter a-z, then a-z, 0-9 or _")]
    Name { name: String },
    #[error("`{store_view}` is no name of a store view")]
    StoreView { store_view: String },
    #[error("there is no template {name}; there are {known}")]
    Missing { name: String, known: String },
    #[error("the template `{name}` has neither a text nor an html part")]
    NoBody { name: String },
    #[error("the template `{name}` has no subject")]
    NoSubject { name: String },
    #[error("the template {file} cannot be read")]
    Unreadable { file: String, source: io::Error },
    #[error("the template {file} is larger, or renders to more, than {PART_BYTES_MAX} bytes")]
    TooLarge { file: String },
    #[error("templates cannot be read at all")]
    Setup(#[from] minijinja::Error),
    #[error("the template {file}, line {line}: {problem}")]
    Broken {
        file: String,
        line: usize,
        problem: String,
    },
}

impl Templates {
    /// The embedded templates alone.
    pub fn embedded() -> Self {
        Self { directory: None }
    }

    /// The templates in `directory`, and the embedded ones for what it lacks.
    pub fn in_directory(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: Some(Directory {
                path: directory.into(),
                is_missing: Arc::default(),
            }),
        }
    }

    /// The names of all templates that have a subject and a body, be it for one store view alone;
    /// none where that cannot be found out, or the directory has too many files. Reads the
    /// directory, so it belongs on a blocking thread.
    pub fn names(&self) -> Option<BTreeSet<String>> {
        let mut files: Vec<String> = EMBEDDED
            .iter()
            .map(|(file, _)| (*file).to_owned())
            .collect();
        if let Some(directory) = &self.directory {
            let mut left = LISTED_MAX;
            for entry in entries(&directory.path, &mut left)? {
                if entry.path().is_dir() {
                    let of_store_view = entries(&entry.path(), &mut left)?;
                    files.extend(of_store_view.iter().filter_map(file_name));
                } else {
                    files.extend(file_name(&entry));
                }
            }
        }
        let with = |endings: &[&str]| -> BTreeSet<String> {
            let names = files.iter().filter_map(|file| {
                let mut names = endings.iter().filter_map(|end| file.strip_suffix(end));
                names.find(|name| checked_name(name).is_ok())
            });
            names.map(str::to_owned).collect()
        };
        let (subjects, bodies) = (with(&[SUBJECT]), with(&[TEXT, HTML]));
        Some(subjects.intersection(&bodies).cloned().collect())
    }

    /// The problem of a name that no template has; none where one has it, or that cannot be found
    /// out. Reads the directory, so it belongs on a blocking thread.
    pub fn problem(&self, name: &str) -> Option<String> {
        Some(self.missing(name)?.to_string())
    }

    /// The refusal for a name that no template has, with some that have one, the nearest first.
    fn missing(&self, name: &str) -> Option<TemplateError> {
        let known = self.names()?;
        if known.contains(name) {
            return None;
        }
        let near = nearest(name, known.iter().map(String::as_str));
        let others = known.iter().map(String::as_str);
        let others = others.filter(|other| near != Some(*other));
        let mut shown: Vec<&str> = near.into_iter().chain(others).collect();
        if shown.len() > SHOWN_MAX {
            shown.truncate(SHOWN_MAX);
            shown.push("...");
        }
        Some(TemplateError::Missing {
            name: name.to_owned(),
            known: shown.join(", "),
        })
    }

    /// Renders the parts of `name` for `store_view` (empty = none). Reads files and
    /// computes for some milliseconds, so it belongs on a blocking thread.
    pub(super) fn render(
        &self,
        name: &str,
        store_view: &str,
        context: &Value,
    ) -> Result<Rendered, TemplateError> {
        let name = checked_name(name)?;
        if let Some(directory) = &self.directory {
            directory.log_change();
        }
        let directory = self.directory.as_ref();
        let directory = directory.map(|directory| directory.path.clone());
        let search = Search::new(directory, store_view)?;
        let environment = search.environment()?;
        let context = template::sealed(context);
        let part = |ending| search.part(&environment, &format!("{name}{ending}"), &context);
        let (text, html) = (part(TEXT)?, part(HTML)?);
        if text.is_none() && html.is_none() {
            let mut files = [SUBJECT, TEXT, HTML]
                .map(|end| format!("{name}{end}"))
                .into_iter();
            let is_there = files.any(|file| !matches!(search.find(&file), Ok(None)));
            if let Some(missing) = self.missing(name).filter(|_| !is_there) {
                return Err(missing);
            }
            return Err(TemplateError::NoBody {
                name: name.to_owned(),
            });
        }
        let subject = part(SUBJECT)?.map(|subject| one_line(&subject, SUBJECT_CHARS_MAX));
        let subject = subject.ok_or_else(|| TemplateError::NoSubject {
            name: name.to_owned(),
        })?;
        Ok(Rendered {
            subject,
            text,
            html,
        })
    }
}

impl Directory {
    /// Logs once that the directory is missing, and that it is there again.
    fn log_change(&self) {
        let path = self.path.display();
        match self.change() {
            Some(true) => tracing::warn!(
                mail.templates = %path,
                "mail template directory missing: built-in templates are used"
            ),
            Some(false) => {
                tracing::info!(mail.templates = %path, "mail template directory available again");
            }
            None => {}
        }
    }

    /// Whether it is missing, where that has changed since the last check.
    fn change(&self) -> Option<bool> {
        let is_missing = !self.path.is_dir();
        let was_missing = self.is_missing.swap(is_missing, Ordering::Relaxed);
        (is_missing != was_missing).then_some(is_missing)
    }
}

fn checked_name(name: &str) -> Result<&str, TemplateError> {
    let refused = || TemplateError::Name {
        name: name.to_owned(),
    };
    let rest = name.strip_prefix(|first: char| first.is_ascii_lowercase());
    let rest = rest.ok_or_else(refused)?;
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if rest.bytes().all(allowed) {
        Ok(name)
    } else {
        Err(refused())
    }
}

/// The places of the files of one mail.
#[derive(Debug, Clone)]
struct Search {
    directory: Option<PathBuf>,
    store_view: String,
}

/// The size of what was loaded for one mail so far.
#[derive(Default)]
struct Loaded {
    bytes: usize,
    tokens: usize,
}

/// The error of a file whose template is not within the language of mails.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Refused {
    shown: String,
    line: usize,
    message: String,
}

/// A file that was found.
struct Found {
    /// The file as a problem names it.
    shown: String,
    source: String,
}

impl Search {
    fn new(directory: Option<PathBuf>, store_view: &str) -> Result<Self, TemplateError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let store_view = store_view.to_owned();
        if !store_view.bytes().all(allowed) {
            return Err(TemplateError::StoreView { store_view });
        }
        Ok(Self {
            directory,
            store_view,
        })
    }

    /// The file, where there is one. A name that no part of a template has finds none,
    /// so no name leads out of the directory.
    fn find(&self, file: &str) -> Result<Option<Found>, TemplateError> {
        let endings = [SUBJECT, TEXT, HTML];
        let mut names = endings.iter().filter_map(|end| file.strip_suffix(end));
        if !names.any(|name| checked_name(name).is_ok()) {
            return Ok(None);
        }
        if let Some(directory) = &self.directory {
            let own = [Path::new(&self.store_view).join(file), PathBuf::from(file)];
            for relative in own {
                let shown = relative.display().to_string();
                if let Some(source) = read(&directory.join(&relative), &shown)? {
                    return Ok(Some(Found { shown, source }));
                }
            }
        }
        let mut embedded = EMBEDDED.iter();
        Ok(embedded
            .find(|(name, _)| *name == file)
            .map(|(name, source)| Found {
                shown: format!("{name} (built in)"),
                source: (*source).to_owned(),
            }))
    }

    /// An engine that loads the files of this search. They are checked before, since it computes
    /// constants while it compiles.
    fn environment(&self) -> Result<Environment<'static>, TemplateError> {
        let mut environment = template::environment(Language::Mail);
        environment.set_auto_escape_callback(|file| {
            if file.ends_with(HTML) {
                AutoEscape::Html
            } else {
                AutoEscape::None
            }
        });
        environment.set_formatter(format);
        let mut syntax = SyntaxConfig::builder();
        syntax.trim_blocks(true).lstrip_blocks(true);
        let syntax = syntax.keep_trailing_newline(true).build()?;
        environment.set_syntax(syntax.clone());
        let (search, loaded) = (self.clone(), Mutex::new(Loaded::default()));
        environment.set_loader(move |file| {
            let problem =
                |error: &dyn Error| minijinja::Error::new(ErrorKind::BadInclude, error.to_string());
            let found = search.find(file).map_err(|e| problem(&e).with_source(e))?;
            let Some(found) = found else {
                return Ok(None);
            };
            let mut loaded = loaded.lock().unwrap_or_else(PoisonError::into_inner);
            loaded
                .take(&found, &syntax)
                .map_err(|e| problem(&e).with_source(e))?;
            Ok(Some(found.source))
        });
        Ok(environment)
    }

    /// The text that `file` renders to; none where there is no such file, or nothing but white space comes of it.
    fn part(
        &self,
        environment: &Environment<'static>,
        file: &str,
        context: &Value,
    ) -> Result<Option<String>, TemplateError> {
        let Some(found) = self.find(file)? else {
            return Ok(None);
        };
        let rendered = match environment.get_template(file) {
            Ok(template) => template::render(&template, context.clone(), Language::Mail),
            Err(error) => Err(Failure::Engine(error)),
        };
        let text = match rendered {
            Ok(rendered) => rendered.text,
            Err(Failure::TooLarge) => return Err(TemplateError::TooLarge { file: found.shown }),
            Err(Failure::Engine(error)) => return Err(self.broken(&found.shown, &error, context)),
        };
        Ok(Some(text).filter(|text| !text.trim().is_empty()))
    }

    /// Names the innermost file and line: of a template that includes another, the other is at fault.
    fn broken(&self, shown: &str, error: &minijinja::Error, context: &Value) -> TemplateError {
        let mut innermost = error;
        let mut source = error.source();
        while let Some(inner) = source {
            if let Some(refused) = inner.downcast_ref::<Refused>() {
                return TemplateError::Broken {
                    file: refused.shown.clone(),
                    line: refused.line,
                    problem: refused.message.clone(),
                };
            }
            innermost = inner.downcast_ref().unwrap_or(innermost);
            source = inner.source();
        }
        let file = innermost.name().or(error.name());
        let found = file.and_then(|file| self.find(file).ok().flatten());
        TemplateError::Broken {
            file: found.map_or_else(|| shown.to_owned(), |found| found.shown),
            line: innermost.line().or(error.line()).unwrap_or(1),
            problem: template::problem_among(innermost, Language::Mail, context).message,
        }
    }
}

impl Loaded {
    /// Checks a file before it is compiled.
    fn take(&mut self, found: &Found, syntax: &SyntaxConfig) -> Result<(), Refused> {
        let refused = |problem: Problem| Refused {
            shown: found.shown.clone(),
            line: problem.line,
            message: problem.message,
        };
        let tokens = template::check(&found.source, syntax, Language::Mail).map_err(refused)?;
        self.bytes += found.source.len();
        self.tokens += tokens;
        if self.bytes > FILES_BYTES_MAX || self.tokens > FILES_TOKENS_MAX {
            return Err(refused(Problem {
                line: 1,
                message: format!(
                    "with it, the files of this mail have more than {FILES_BYTES_MAX} bytes or \
                     {FILES_TOKENS_MAX} names, signs and pieces of text"
                ),
            }));
        }
        Ok(())
    }
}

/// The entries of a directory; none where it cannot be read or has more than are `left`. A
/// directory that is not there has no entries.
fn entries(directory: &Path, left: &mut usize) -> Option<Vec<fs::DirEntry>> {
    let found = match fs::read_dir(directory) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(Vec::new()),
        Err(_) => return None,
    };
    let found: Vec<_> = found.take(*left + 1).collect::<Result<_, _>>().ok()?;
    *left = left.checked_sub(found.len())?;
    Some(found)
}

fn file_name(entry: &fs::DirEntry) -> Option<String> {
    entry.file_name().into_string().ok()
}

fn read(path: &Path, shown: &str) -> Result<Option<String>, TemplateError> {
    let unreadable = |source| TemplateError::Unreadable {
        file: shown.to_owned(),
        source,
    };
    // Anything else may have no end, or none who writes to it.
    match fs::metadata(path) {
        Ok(entry) if entry.is_file() => {}
        Ok(_) => return Err(unreadable(io::Error::other("it is not a file"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    }
    let file = File::open(path).map_err(unreadable)?;
    let mut source = String::new();
    let bytes_max = PART_BYTES_MAX as u64 + 1;
    let length = file.take(bytes_max).read_to_string(&mut source);
    if length.map_err(unreadable)? > PART_BYTES_MAX {
        let file = shown.to_owned();
        return Err(TemplateError::TooLarge { file });
    }
    Ok(Some(source))
}

/// Writes a value as the engine does, but leaves slashes in html as they are: an address of the form
/// `https:&#x2f;&#x2f;` is harmless, and yet filters of mails distrust it.
fn format(out: &mut Output, state: &mut State, value: &Value) -> Result<(), minijinja::Error> {
    template::writable(value)?;
    let is_html = matches!(state.auto_escape(), AutoEscape::Html);
    let Some(text) = value.as_str().filter(|_| is_html && !value.is_safe()) else {
        return escape_formatter(out, state, value);
    };
    for (number, piece) in text.split('/').enumerate() {
        if number > 0 {
            out.write_str("/")?;
        }
        escape_formatter(out, state, &Value::from(piece))?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
