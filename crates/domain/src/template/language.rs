//! The language of templates: that of Jinja without all that multiplies. Everything
//! that is not listed here or allowed by `check` is refused by name before the engine
//! compiles a template, since the engine computes constants while it compiles.

use std::fmt;

/// The longest text of a problem; it may name what a template says.
const MESSAGE_CHARS_MAX: usize = 400;
/// The most tokens of one tag or placeholder. It bounds how deep an expression is
/// nested, which the engine's parser does not for all of them.
pub(super) const TAG_TOKENS_MAX: usize = 128;
/// The deepest nesting of brackets.
pub(super) const BRACKETS_MAX: usize = 16;
/// The deepest nesting of tags; an `elif` is nested in its `if`.
pub(super) const NESTING_MAX: usize = 32;
/// The largest number in `[…]`: lists have at most 500 elements.
pub(super) const INDEX_MAX: usize = 499;

/// The sort of templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Texts of actions: a few tags and filters.
    Text,
    /// Mails: the same, and other files besides.
    Mail,
}

/// The filters of texts, and behind them those of mails alone, each with the most arguments that
/// it takes.
const FILTERS: &[(&str, usize)] = &[
    ("upper", 0),
    ("lower", 0),
    ("capitalize", 0),
    ("title", 0),
    ("trim", 0),
    ("default", 2),
    ("length", 0),
    ("first", 0),
    ("last", 0),
    ("join", 1),
    ("lines", 0),
    ("items", 0),
    ("round", 1),
    ("escape", 0),
    ("e", 0),
    ("safe", 0),
    ("urlencode", 0),
];
const FILTERS_OF_TEXTS: usize = 13;

/// The tags of texts, and behind them those of mails alone.
const TAGS: &[&str] = &[
    "if", "elif", "else", "endif", "for", "endfor", "set", "extends", "block", "endblock",
    "include",
];
const TAGS_OF_TEXTS: usize = 7;

/// The tests behind `is`.
pub(super) const TESTS: &[&str] = &["defined", "undefined", "none", "odd", "even"];

impl Language {
    /// The templates of this language, in the plural.
    pub(super) fn of(self) -> &'static str {
        match self {
            Self::Text => "texts",
            Self::Mail => "mails",
        }
    }

    pub(super) fn tags(self) -> &'static [&'static str] {
        let count = match self {
            Self::Text => TAGS_OF_TEXTS,
            Self::Mail => TAGS.len(),
        };
        TAGS.get(..count).unwrap_or(TAGS)
    }

    pub(super) fn filters(self) -> &'static [(&'static str, usize)] {
        let count = match self {
            Self::Text => FILTERS_OF_TEXTS,
            Self::Mail => FILTERS.len(),
        };
        FILTERS.get(..count).unwrap_or(FILTERS)
    }

    /// The most tokens of a template; each costs memory when it is compiled.
    pub(super) fn tokens_max(self) -> usize {
        match self {
            Self::Text => 4_096,
            Self::Mail => 10_000,
        }
    }

    /// The most instructions of a rendering.
    pub const fn instructions_max(self) -> u64 {
        match self {
            Self::Text => 20_000,
            Self::Mail => 100_000,
        }
    }

    /// The most bytes of a rendering.
    pub const fn bytes_max(self) -> usize {
        match self {
            Self::Text => 16 * 1024,
            Self::Mail => 256 * 1024,
        }
    }
}

/// A mistake in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its line, counted from 1.
    pub line: usize,
    /// The mistake in one line, such as `it uses the filter replace; there are upper, lower`.
    pub message: String,
}

impl Problem {
    pub(super) fn new(line: impl Into<usize>, message: impl AsRef<str>) -> Self {
        let message = message.as_ref().chars().take(MESSAGE_CHARS_MAX);
        Self {
            line: line.into(),
            message: message
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect(),
        }
    }

    /// For a word that there is not, with those that there are.
    pub(super) fn unknown<'w>(
        line: impl Into<usize>,
        sort: &str,
        name: &str,
        words: impl IntoIterator<Item = &'w str>,
    ) -> Self {
        let words: Vec<_> = words.into_iter().collect();
        let name: String = name.chars().take(40).collect();
        let words = words.join(", ");
        Self::new(line, format!("it uses {sort} {name}; there are {words}"))
    }
}

impl From<&minijinja::Error> for Problem {
    fn from(error: &minijinja::Error) -> Self {
        let what = match error.detail() {
            Some(detail) => format!("{}: {detail}", error.kind()),
            None => error.kind().to_string(),
        };
        Self::new(error.line().unwrap_or(1), what)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.line > 1 {
            write!(f, " (line {})", self.line)?;
        }
        Ok(())
    }
}
