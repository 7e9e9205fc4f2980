//! Texts with placeholders, such as `Order {{ order.id }} is {{ entry.to_status }}`, in the
//! language of Jinja. They see what conditions see, and are bounded as conditions are: they
//! may be filled in while a partition is locked.

use std::{
    collections::BTreeMap,
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
    sync::{Arc, LazyLock},
};

use minijinja::{Environment, UndefinedBehavior};
use serde::{Deserialize, Serialize};

use crate::{
    guard::{Facts, Uses, bind},
    value::Invalid,
};

/// The longest template, in bytes.
const BYTES_MAX: usize = 4096;
/// How many instructions filling in may take: far less than a millisecond.
const FUEL: u64 = 20_000;

/// No files, no includes, no escaping: the text goes into comments, attributes and subjects.
/// What is not there is an error, unless a template asks whether it is.
static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment
});

/// The tags that may be used: there is nothing to include or to extend.
const TAGS: [&str; 9] = [
    "if", "elif", "else", "endif", "for", "endfor", "set", "with", "endwith",
];

/// The words that begin the tags of a template.
fn tags(text: &str) -> impl Iterator<Item = &str> {
    text.split("{%").skip(1).map(|rest| {
        let rest = rest.trim_start_matches(['-', '+']).trim_start();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        rest.get(..end.unwrap_or(rest.len())).unwrap_or(rest)
    })
}

/// A text with placeholders: 1 byte to 4 KiB, well-formed, naming only what there is.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template {
    text: Arc<str>,
    uses: Arc<Uses>,
}

/// Why a template could not be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// What went wrong, in one line.
    pub message: String,
}

impl Template {
    /// Checks a template: that it is well-formed, and that every placeholder names a field
    /// of `order`, `actor`, `request` or `entry`, or `now`.
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
        let wrong = |problem: String| Invalid::Template { problem };
        if let Some(tag) = tags(text).find(|tag| !TAGS.contains(tag)) {
            return Err(wrong(format!(
                "it uses {tag}; there are {}",
                TAGS.join(", ")
            )));
        }
        let parsed = ENVIRONMENT
            .template_from_str(text)
            .map_err(|error| wrong(one_line(&error)))?;
        let mut uses = Uses::default();
        for path in parsed.undeclared_variables(true) {
            uses.add_path(&path)
                .map_err(|error| wrong(format!("it {error}")))?;
        }
        Ok(Self {
            text: Arc::from(text),
            uses: Arc::new(uses),
        })
    }

    /// The template as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Fills in the placeholders.
    ///
    /// # Errors
    /// Returns [`TemplateError`] for what these facts do not have, such as an attribute of
    /// another order, and for a template that takes too long.
    pub fn fill_in(&self, facts: &Facts<'_>) -> Result<String, TemplateError> {
        let variables = bind(facts, &self.uses).into_iter();
        let variables: BTreeMap<_, _> = variables
            .map(|(name, value)| (name, plain(&value)))
            .collect();
        ENVIRONMENT
            .render_str(&self.text, variables)
            .map_err(|error| TemplateError {
                message: one_line(&error),
            })
    }
}

/// The same value for a template; an instant becomes its text.
fn plain(value: &cel::Value) -> minijinja::Value {
    match value {
        cel::Value::List(items) => items.iter().map(plain).collect(),
        cel::Value::Map(map) => {
            let entries = map.map.iter();
            let entries = entries.map(|(key, value)| (key.to_string(), plain(value)));
            entries.collect::<BTreeMap<_, _>>().into()
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

/// What is wrong and in which line, without the name that nobody gave the template.
fn one_line(error: &minijinja::Error) -> String {
    let what = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    let text = match error.line() {
        Some(line) if line > 1 => format!("{what} (line {line})"),
        Some(_) | None => what,
    };
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(300)
        .collect()
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

impl TryFrom<String> for Template {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Self::new(&text)
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.text.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        actor::Actor,
        value::{Comment, Metadata, Timestamp},
        workflow::sample,
    };

    fn filled(text: &str) -> Result<String, TemplateError> {
        let (graph, order) = sample::graph_and_order();
        Template::new(text).unwrap().fill_in(&Facts {
            workflow: graph.workflow(),
            order: &order,
            actor: &Actor::system(),
            comment: &Comment::new("please").unwrap(),
            metadata: &Metadata::default(),
            now: Timestamp::from_micros(86_400_000_000),
            entry: None,
        })
    }

    #[test]
    fn fills_in_what_there_is() {
        for (text, expected) in [
            ("plain", "plain"),
            ("{{ order.state }} by {{ actor.kind }}", "new by system"),
            ("{{ request.comment | upper }}", "PLEASE"),
            ("{{ order.lines | length }}", "2"),
            ("{% for l in order.lines %}{{ l.id }};{% endfor %}", "1;2;"),
            (
                "{% if order.attributes.carrier %}x{% else %}none{% endif %}",
                "none",
            ),
            ("{{ now }}", "1970-01-02T00:00:00Z"),
            ("<{{ order.status_label }}>", "<pending>"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_there() {
        for bad in [
            "",
            "{{",
            "{{ order }}",
            "{{ order.nothing }}",
            "{{ nothing }}",
            "{% for x in order %}{% endfor %}",
            "{% include 'x' %}",
            "{%- macro a() %}{% endmacro %}",
            &"x".repeat(5_000),
        ] {
            assert!(Template::new(bad).is_err(), "{bad}");
        }
        assert!(filled("{{ order.attributes.carrier }}").is_err());
    }
}
