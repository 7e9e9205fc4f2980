//! The engine, with the limits of one rendering set: instructions, what filters handle, and
//! the bytes that come of it.
//!
//! Nothing that passed `check` costs more than some tens of nanoseconds for an instruction,
//! some hundred for a file that is included, and a nanosecond for each byte that is copied.
//! So a text takes at most some milliseconds and well below a megabyte beside what it sees,
//! a part of a mail some tens of milliseconds and a megabyte; `tests/it/templates.rs`
//! measures it.

use std::io;

use minijinja::{
    AutoEscape, Environment, ErrorKind, Template, UndefinedBehavior, Value, escape_formatter,
    value::ValueKind,
};

use super::{
    filters::{self, writable},
    language::{Language, Problem},
};
use crate::value::nearest;

/// The deepest nesting of tags, blocks and files; an included file counts ten.
const RECURSION_MAX: usize = 100;

/// An engine with the filters and the limits of a language, and no templates.
///
/// What is not there is an error and named, unless a template asks whether it is.
pub fn environment(language: Language) -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    // So that errors name what is not there.
    environment.set_debug(true);
    environment.set_fuel(Some(language.instructions_max()));
    environment.set_recursion_limit(RECURSION_MAX);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(|out, state, value| {
        writable(value)?;
        escape_formatter(out, state, value)
    });
    filters::add(&mut environment, language);
    environment
}

/// The result of a rendering.
#[derive(Debug)]
pub struct Rendered {
    /// The text.
    pub text: String,
    /// The instructions that it took.
    pub instructions: u64,
}

/// The reason why a rendering gave nothing.
#[derive(Debug)]
pub enum Failure {
    /// It comes to more bytes than the language allows.
    TooLarge,
    /// The engine gave it up.
    Engine(minijinja::Error),
}

/// Renders a template that passed the check and belongs to an [`environment`], on values
/// that are [`sealed`](super::sealed).
///
/// # Errors
/// Returns [`Failure`] for what is not there, and for a limit that was reached.
pub fn render(
    template: &Template<'_, '_>,
    values: Value,
    language: Language,
) -> Result<Rendered, Failure> {
    let mut page = BoundedText {
        bytes: Vec::new(),
        bytes_max: language.bytes_max(),
        is_full: false,
    };
    let captured = template.render_captured_to(values, &mut page);
    let instructions = captured.map(|it| it.state().fuel_levels().map_or(0, |(used, _)| used));
    if page.is_full {
        return Err(Failure::TooLarge);
    }
    Ok(Rendered {
        instructions: instructions.map_err(Failure::Engine)?,
        text: String::from_utf8_lossy(&page.bytes).into_owned(),
    })
}

/// An error of the engine, in words for those who wrote the template.
pub fn problem(error: &minijinja::Error, language: Language) -> Problem {
    problem_among(error, language, &Value::UNDEFINED)
}

/// An error as [`problem`] says it, with the name among these values that was probably meant.
pub fn problem_among(error: &minijinja::Error, language: Language, values: &Value) -> Problem {
    let line = error.line().unwrap_or(1);
    match (error.kind(), error.detail()) {
        (ErrorKind::OutOfFuel, _) => {
            let max = language.instructions_max();
            Problem::new(line, format!("it takes more than {max} instructions"))
        }
        (ErrorKind::InvalidOperation, Some(detail)) => Problem::new(line, detail),
        (ErrorKind::UndefinedError, detail) => {
            let what = missing(detail.unwrap_or_default()).or_else(|| {
                let written = error.template_source()?.get(error.range()?)?;
                Some(format!("there is no value for {written}"))
            });
            let what = what.unwrap_or_else(|| "a value is missing".to_owned());
            let near = detail.and_then(|detail| meant(detail, values));
            let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
            let help = "`default('')` gives a text for what is missing";
            Problem::new(line, format!("{what}{near}; {help}"))
        }
        _ => Problem::from(error),
    }
}

/// Names what is not there, of which the engine says such as `` `order.attributes.box` is undefined
/// (from line 1) ``; none where it does not know what that is called.
fn missing(detail: &str) -> Option<String> {
    let (path, rest) = detail.strip_prefix('`')?.split_once('`')?;
    let place = rest.strip_prefix(" is undefined").unwrap_or(rest);
    // What it cannot name, it writes like this.
    if path.contains("(...)") || path.contains("[...]") {
        return None;
    }
    let is_name = |name: &str| name.chars().all(|c| c.is_alphanumeric() || c == '_');
    Some(match path.rsplit_once('.') {
        Some((parent, name)) if is_name(name) => format!("{parent} has no {name}{place}"),
        Some(_) | None => format!("there is no {path}{place}"),
    })
}

/// The name beside one that is not there, which was probably meant.
fn meant(detail: &str, values: &Value) -> Option<String> {
    let (path, _) = detail.strip_prefix('`')?.split_once('`')?;
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    let mut value = values.clone();
    for step in parent.split('.').filter(|step| !step.is_empty()) {
        value = value.get_attr(step).ok()?;
    }
    if value.kind() != ValueKind::Map {
        return None;
    }
    let names = value.try_iter().ok()?;
    let names = names.filter_map(|name| name.as_str().map(str::to_owned));
    let names: Vec<String> = names.collect();
    nearest(name, names.iter().map(String::as_str)).map(str::to_owned)
}

/// The text that a template writes, up to its limit.
struct BoundedText {
    bytes: Vec<u8>,
    bytes_max: usize,
    is_full: bool,
}

impl io::Write for &mut BoundedText {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + more.len() > self.bytes_max {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
