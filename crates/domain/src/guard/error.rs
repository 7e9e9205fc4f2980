//! Why an expression cannot be used, and why it could not be evaluated.

use cel::{ParseErrors, Value};

use crate::value::Invalid;

/// Why an expression cannot be a guard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    /// It is too long, or not a text.
    #[error("{0}")]
    Text(#[from] Invalid),
    /// It is not CEL.
    #[error("is not a CEL expression: {message}")]
    Syntax {
        /// The message of the parser.
        message: String,
    },
    /// It names something that does not exist.
    #[error("knows no {name}; {}", advice(*meant, hint))]
    Unknown {
        /// The name.
        name: String,
        /// The name that was probably meant.
        meant: Option<&'static str>,
        /// The names that there are.
        hint: &'static str,
    },
    /// It uses a part of CEL that guards may not use.
    #[error("{0}")]
    NotAllowed(&'static str),
    /// It might take too long.
    #[error("might take {cost} steps on an order of 500 lines, at most {max} are allowed")]
    TooCostly {
        /// Steps in the worst case.
        cost: u64,
        /// The limit.
        max: u64,
    },
    /// It mixes types, or does not answer what is asked: yes or no, or an instant.
    #[error("{message}")]
    Type {
        /// The message of the evaluator.
        message: String,
    },
}

impl GuardError {
    /// Whether the expression does not compile, rather than being longer, costlier or richer than
    /// is allowed.
    pub fn is_uncompilable(&self) -> bool {
        match self {
            Self::Syntax { .. } | Self::Unknown { .. } | Self::Type { .. } => true,
            Self::Text(_) | Self::NotAllowed(_) | Self::TooCostly { .. } => false,
        }
    }
}

/// Why a guard could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvaluationError {
    /// The message of the evaluator.
    pub message: String,
}

impl EvaluationError {
    /// Whether an attribute, or a piece of metadata, is not there.
    pub(crate) fn is_of_missing_key(&self) -> bool {
        self.message.starts_with("No such key")
    }
}

/// The answer of a guard that is no answer to its question.
pub(crate) const NOT_BOOL: &str = "must answer true or false";
/// The answer of a date that is no instant.
pub(crate) const NOT_INSTANT: &str = "must answer a timestamp";

/// Says what an expression must answer, and of which type its answer is.
pub(crate) fn wrong_type(wanted: &str, value: &Value) -> String {
    format!("{wanted}, its answer is of type {}", value.type_of())
}

fn advice(meant: Option<&str>, hint: &str) -> String {
    match meant {
        Some(meant) => format!("did you mean {meant}?"),
        None => hint.to_owned(),
    }
}

/// The first error of the parser. It reports its own limit of nesting as a fault of its
/// insides, in words that are not for readers.
pub(super) fn syntax(errors: &ParseErrors, text: &str) -> GuardError {
    let Some(error) = errors.errors.first() else {
        return GuardError::Syntax {
            message: String::from("it cannot be parsed"),
        };
    };
    if error.msg.contains("Recursion limit") {
        return GuardError::NotAllowed("must not be nested that deeply");
    }
    let (line, column) = error.pos;
    let message = error.msg.trim_start_matches("Syntax error: ");
    GuardError::Syntax {
        message: format!(
            "line {line}, column {column}: {}{}",
            first_line(message),
            slip(text)
        ),
    }
}

/// The advice for a text that cannot be parsed and is written as in another language.
fn slip(text: &str) -> String {
    let code = outside_quotes(text);
    let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.');
    let signs: Vec<&str> = code.split(|c: char| !"=!<>".contains(c)).collect();
    let found = if signs.contains(&"=") {
        Some(("=", "=="))
    } else if signs.contains(&"===") {
        Some(("===", "=="))
    } else if signs.contains(&"<>") {
        Some(("<>", "!="))
    } else {
        let known = [("and", "&&"), ("or", "||"), ("not", "!")];
        words.find_map(|word| {
            let mut pairs = known.into_iter();
            pairs.find(|(written, _)| word.eq_ignore_ascii_case(written))
        })
    };
    found.map_or_else(String::new, |(written, right)| {
        format!("; {written} is written {right}")
    })
}

fn outside_quotes(text: &str) -> String {
    let mut quote = None;
    let mut code = String::new();
    for letter in text.chars() {
        match (quote, letter) {
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            (Some(_), _) => {}
            (None, _) => code.push(letter),
        }
    }
    code
}

/// The first line of a message, which says enough.
pub(crate) fn first_line(text: &str) -> String {
    text.lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(300)
        .collect()
}
