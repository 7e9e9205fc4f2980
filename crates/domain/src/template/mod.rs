//! Texts with placeholders, such as `Order {{ order.id }} is {{ entry.to_status }}`, in a
//! part of the language of Jinja that cannot grow without bounds. They see what conditions
//! see, and may be filled in while a partition is locked. The templates of mails are held to
//! the same language, see [`check`] and [`render`].

mod check;
mod engine;
mod filters;
mod language;
mod outline;
mod sealed;

use std::{
    fmt,
    hash::{Hash, Hasher},
    panic::AssertUnwindSafe,
    str::FromStr,
    sync::{Arc, LazyLock, OnceLock},
};

use minijinja::{Environment, Value, syntax::SyntaxConfig};
use serde::{Deserialize, Deserializer, Serialize};

use self::sealed::{SealedList, SealedMap};
use crate::{guard::Uses, value::Invalid};

pub use check::check;
pub use engine::{Failure, Rendered, environment, problem, problem_among, render};
pub use filters::writable;
pub use language::{Language, Problem};
pub use sealed::sealed;

/// The longest template, in bytes.
const BYTES_MAX: usize = 4096;
/// The budget of the texts of one step together: instructions, and values that they see. It
/// is some tens of milliseconds.
const STEP_MAX: u64 = 200_000;
/// The name of a template within its engine.
const NAME: &str = "text";

/// No files, no escaping: the text goes into comments, attributes and subjects.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| environment(Language::Text));

/// A text with placeholders: 1 byte to 4 KiB, well-formed, naming only what there is.
///
/// One that was stored by an older version may be wrong by the rules of this one. It keeps
/// its text, says what is [wrong](Self::problem), and is never filled in.
#[derive(Clone, Serialize)]
#[serde(into = "String")]
pub struct Template {
    text: Arc<str>,
    checked: Arc<Result<CheckedTemplate, String>>,
}

/// A template that passed the check.
struct CheckedTemplate {
    uses: Uses,
    /// An engine that has compiled it; made when it is needed first, and not changed again,
    /// so that a panic elsewhere leaves it whole.
    engine: AssertUnwindSafe<OnceLock<Box<Compiled>>>,
}

/// An engine that has compiled a template.
type Compiled = Result<Environment<'static>, TemplateError>;

/// The error of a template that could not be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// The problem, in one line.
    pub message: String,
}

/// The work that the texts of a step may still take.
#[derive(Debug)]
pub struct TextBudget {
    left: u64,
}

impl Default for TextBudget {
    fn default() -> Self {
        Self { left: STEP_MAX }
    }
}

impl Template {
    /// Checks a template: that it is well-formed and within the language of texts, and that
    /// every placeholder names a field of `order`, `actor`, `request` or `entry`, or `now`.
    ///
    /// # Errors
    /// Returns [`Invalid`] for an empty, too large or wrong text.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        if text.trim().is_empty() {
            return Err(Invalid::Empty);
        }
        if text.len() > BYTES_MAX {
            return Err(Invalid::TooLarge {
                max: BYTES_MAX,
                actual: text.len(),
            });
        }
        let uses = uses(text).map_err(|problem| Invalid::Template { problem })?;
        Ok(Self {
            text: Arc::from(text),
            checked: Arc::new(Ok(CheckedTemplate {
                uses,
                engine: AssertUnwindSafe(OnceLock::new()),
            })),
        })
    }

    /// A template as it was stored, right or wrong.
    fn stored(text: &str) -> Self {
        Self::new(text).unwrap_or_else(|invalid| Self {
            text: Arc::from(text),
            checked: Arc::new(Err(match invalid {
                Invalid::Template { problem } => problem,
                other => format!("it {other}"),
            })),
        })
    }

    /// The template as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The bytes that it takes on the heap besides its text, before it is compiled.
    pub(crate) fn heap_bytes(&self) -> usize {
        let counts = 2 * size_of::<usize>();
        let checked = match self.checked.as_ref() {
            Ok(checked) => checked.uses.heap_bytes(),
            Err(problem) => problem.len(),
        };
        counts + size_of::<Result<CheckedTemplate, String>>() + checked
    }

    /// The mistake in one that was stored by an older version, such as `it uses the filter
    /// replace; there are upper, lower`; none where nothing is.
    pub fn problem(&self) -> Option<&str> {
        self.checked.as_ref().as_ref().err().map(String::as_str)
    }

    /// Fills in the placeholders with the values of what the template names.
    ///
    /// # Errors
    /// Returns [`TemplateError`] for what is not there, for a template that takes too long, comes
    /// to too much or is [wrong](Self::problem), and when the step has no budget left.
    pub(crate) fn fill_in_with(
        &self,
        values: impl FnOnce(&Uses) -> Vec<(&'static str, cel::Value)>,
        budget: &mut TextBudget,
    ) -> Result<String, TemplateError> {
        let error = |message: String| TemplateError { message };
        let checked = self.checked.as_ref().as_ref();
        let checked = checked.map_err(|problem| error(problem.clone()))?;
        if budget.left == 0 {
            let message = "the texts of this step take too long together";
            return Err(error(message.to_owned()));
        }
        let engine = || Box::new(compile(&self.text));
        let engine: &Compiled = checked.engine.get_or_init(engine);
        let engine = engine.as_ref().map_err(TemplateError::clone)?;
        let mut seen = 0;
        let variables = values(&checked.uses).into_iter();
        let variables = variables.map(|(name, value)| (Arc::from(name), plain(&value, &mut seen)));
        let variables = SealedMap(variables.collect());
        let template = engine.get_template(NAME).map_err(|e| wrong(&e))?;
        let rendered = render(&template, variables.into(), Language::Text);
        let most = Language::Text.instructions_max();
        let instructions = rendered.as_ref().map_or(most, |it| it.instructions);
        budget.left = budget.left.saturating_sub(instructions + seen);
        match rendered {
            Ok(rendered) => Ok(rendered.text),
            Err(Failure::Engine(problem)) => Err(wrong(&problem)),
            Err(Failure::TooLarge) => {
                let max = Language::Text.bytes_max();
                Err(error(format!("it comes to more than {max} bytes")))
            }
        }
    }
}

/// Checks a template and says what it names.
fn uses(text: &str) -> Result<Uses, String> {
    check(text, &SyntaxConfig::default(), Language::Text).map_err(|p| p.to_string())?;
    let parsed = ENVIRONMENT.template_from_str(text);
    let parsed = parsed.map_err(|error| wrong(&error).message)?;
    let mut uses = Uses::default();
    for path in parsed.undeclared_variables(true) {
        let added = uses.add_path(&path);
        added.map_err(|error| format!("it {error}"))?;
    }
    Ok(uses)
}

/// An engine of its own, which keeps what it compiles.
fn compile(text: &str) -> Compiled {
    let mut engine = ENVIRONMENT.clone();
    let added = engine.add_template_owned(NAME, text.to_owned());
    added.map_err(|error| wrong(&error))?;
    Ok(engine)
}

fn wrong(error: &minijinja::Error) -> TemplateError {
    TemplateError {
        message: problem(error, Language::Text).to_string(),
    }
}

/// The same value for a template; an instant becomes its text. Counts the values.
fn plain(value: &cel::Value, seen: &mut u64) -> Value {
    *seen += 1;
    match value {
        cel::Value::List(items) => {
            SealedList(items.iter().map(|v| plain(v, seen)).collect()).into()
        }
        cel::Value::Map(map) => {
            let entries = map.map.iter();
            let entries = entries.map(|(key, v)| (Arc::from(key.to_string()), plain(v, seen)));
            SealedMap(entries.collect()).into()
        }
        cel::Value::Int(number) => (*number).into(),
        cel::Value::UInt(number) => (*number).into(),
        cel::Value::Float(number) => (*number).into(),
        cel::Value::String(text) => text.as_str().into(),
        cel::Value::Bool(is) => (*is).into(),
        cel::Value::Timestamp(instant) => instant
            .to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
            .into(),
        // No fact is of another type.
        _ => ().into(),
    }
}

/// A stored template is read whether it is right or wrong, so that no rule of a later version makes
/// a workflow unreadable. What a caller sends goes through [`Template::new`].
impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self::stored(&text))
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Template {}

impl Hash for Template {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

impl FromStr for Template {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::new(text)
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.text.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests;
