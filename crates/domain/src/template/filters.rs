//! The filters. What one reads and what it makes is counted before it is made, so all
//! values that a rendering makes are bounded together.

#![expect(
    clippy::needless_pass_by_value,
    reason = "the engine hands the arguments of filters over by value"
)]

use std::borrow::Cow;

use minijinja::{
    Environment, Error, ErrorKind, State, Value, filters, tests,
    value::{ArgType, ValueKind},
};

use super::{
    language::{Language, TESTS},
    sealed::SealedList,
};

/// The most bytes that the filters of one rendering read and make.
pub(super) const HANDLED_BYTES_MAX: usize = 256 * 1024;
/// The cost of a call or a value beside its text, in bytes.
const VALUE_BYTES: usize = 32;
/// A text grows at most so many times when its case is changed.
const CASE_GROWTH: usize = 3;
/// A byte becomes at most so many when it is escaped.
const ESCAPE_GROWTH: usize = 6;
/// The most digits after the point.
const PRECISION_MAX: usize = 9;

/// The bytes that the filters of one rendering have read and made.
#[derive(Default)]
struct Handled(usize);

/// Counts what is about to be read and made.
fn count(state: &mut State<'_, '_>, bytes: usize) -> Result<(), Error> {
    let handled = state.get_or_insert_extension(Handled::default());
    handled.0 = handled.0.saturating_add(bytes).saturating_add(VALUE_BYTES);
    if handled.0 > HANDLED_BYTES_MAX {
        let message = format!("its filters handle more than {HANDLED_BYTES_MAX} bytes");
        return Err(wrong(message));
    }
    Ok(())
}

fn wrong(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

/// Adds the filters and tests of texts or mails.
pub(super) fn add(environment: &mut Environment<'static>, language: Language) {
    for (name, _) in language.filters() {
        match *name {
            "upper" => environment.add_filter("upper", upper),
            "lower" => environment.add_filter("lower", lower),
            "capitalize" => environment.add_filter("capitalize", capitalize),
            "title" => environment.add_filter("title", title),
            "trim" => environment.add_filter("trim", trim),
            "default" => environment.add_filter("default", default),
            "length" => environment.add_filter("length", length),
            "first" => environment.add_filter("first", filters::first),
            "last" => environment.add_filter("last", last),
            "join" => environment.add_filter("join", join),
            "lines" => environment.add_filter("lines", lines),
            "items" => environment.add_filter("items", items),
            "round" => environment.add_filter("round", round),
            "safe" => environment.add_filter("safe", safe),
            "urlencode" => environment.add_filter("urlencode", urlencode),
            _ => environment.add_filter(*name, escape),
        }
    }
    for test in TESTS {
        match *test {
            "defined" => environment.add_test("defined", tests::is_defined),
            "undefined" => environment.add_test("undefined", tests::is_undefined),
            "none" => environment.add_test("none", tests::is_none),
            "odd" => environment.add_test("odd", tests::is_odd),
            _ => environment.add_test(*test, tests::is_even),
        }
    }
}

/// The argument of a filter of texts: a text, a number, true, false or none. A list or map is
/// refused, whose text nobody bounds; what does not exist is refused by its name.
struct Word<'v>(Cow<'v, str>);

impl<'v> Word<'v> {
    fn of(value: &'v Value) -> Result<Self, Error> {
        if let Some(text) = value.as_str() {
            return Ok(Self(Cow::Borrowed(text)));
        }
        writable(value)?;
        Ok(Self(Cow::Owned(value.to_string())))
    }
}

impl<'a> ArgType<'a> for Word<'_> {
    type Output = Word<'a>;

    fn from_value(value: Option<&'a Value>) -> Result<Word<'a>, Error> {
        let value = value.ok_or_else(|| Error::from(ErrorKind::MissingArgument))?;
        Word::of(value)
    }

    fn from_state_and_value_mut(
        state: Option<&State<'_, '_>>,
        value: Option<&'a Value>,
    ) -> Result<(Word<'a>, usize), Error> {
        if value.is_some_and(Value::is_undefined) {
            let (text, taken) = Cow::<str>::from_state_and_value_mut(state, value)?;
            return Ok((Word(text), taken));
        }
        Ok((Self::from_value(value)?, 1))
    }
}

/// Refuses what cannot be written as a text: lists, maps and the like.
///
/// # Errors
/// Returns an error that names the kind of the value.
pub fn writable(value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Undefined
        | ValueKind::None
        | ValueKind::Bool
        | ValueKind::Number
        | ValueKind::String => Ok(()),
        ValueKind::Seq | ValueKind::Iterable => Err(wrong(
            "a list is no text; walk through it with for, or join it",
        )),
        ValueKind::Map => Err(wrong("a map is no text; name one of its fields")),
        other => Err(wrong(format!("a {other} is no text"))),
    }
}

fn upper(state: &mut State<'_, '_>, text: Word<'_>) -> Result<String, Error> {
    count(state, text.0.len() * (1 + CASE_GROWTH))?;
    Ok(text.0.to_uppercase())
}

fn lower(state: &mut State<'_, '_>, text: Word<'_>) -> Result<String, Error> {
    count(state, text.0.len() * (1 + CASE_GROWTH))?;
    Ok(text.0.to_lowercase())
}

fn capitalize(state: &mut State<'_, '_>, text: Word<'_>) -> Result<String, Error> {
    count(state, text.0.len() * (1 + CASE_GROWTH))?;
    let mut rest = text.0.chars();
    let first = rest.next().into_iter().flat_map(char::to_uppercase);
    Ok(first.collect::<String>() + &rest.as_str().to_lowercase())
}

fn title(state: &mut State<'_, '_>, text: Word<'_>) -> Result<String, Error> {
    count(state, text.0.len() * (1 + CASE_GROWTH))?;
    Ok(filters::title(text.0))
}

fn trim(state: &mut State<'_, '_>, text: Word<'_>) -> Result<String, Error> {
    count(state, text.0.len() * 2)?;
    Ok(text.0.trim().to_owned())
}

fn default(value: &Value, other: Option<Value>, lax: Option<Value>) -> Value {
    let is_lax = lax.is_some_and(|lax| lax.is_true());
    if value.is_undefined() || is_lax && !value.is_true() {
        return other.unwrap_or_else(|| Value::from(""));
    }
    value.clone()
}

fn length(state: &mut State<'_, '_>, value: &Value) -> Result<usize, Error> {
    count(state, value.as_str().map_or(0, str::len))?;
    filters::length(value)
}

fn last(value: &Value) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        let last = text.chars().next_back();
        return Ok(last.map_or(Value::UNDEFINED, Value::from));
    }
    match (value.kind(), value.len()) {
        (ValueKind::Seq, Some(0)) => Ok(Value::UNDEFINED),
        (ValueKind::Seq, Some(length)) => value.get_item_by_index(length - 1),
        _ => Err(wrong("only a list or a text has a last element")),
    }
}

fn join(
    state: &mut State<'_, '_>,
    list: &Value,
    joiner: Option<Word<'_>>,
) -> Result<String, Error> {
    if list.as_object().is_none() {
        return Err(wrong("only a list can be joined"));
    }
    let joiner = joiner.unwrap_or(Word(Cow::Borrowed("")));
    let mut text = String::new();
    for (index, element) in list.try_iter()?.enumerate() {
        let element = Word::of(&element)?;
        count(state, 2 * (element.0.len() + joiner.0.len()))?;
        if index > 0 {
            text.push_str(&joiner.0);
        }
        text.push_str(&element.0);
    }
    Ok(text)
}

fn lines(state: &mut State<'_, '_>, text: Word<'_>) -> Result<Value, Error> {
    let mut lines = Vec::new();
    for line in text.0.lines() {
        count(state, 2 * line.len())?;
        lines.push(Value::from(line));
    }
    Ok(SealedList(lines).into())
}

/// The pairs of names and values of a map.
fn items(state: &mut State<'_, '_>, map: &Value) -> Result<Value, Error> {
    if map.kind() != ValueKind::Map {
        return Err(wrong("only a map has items"));
    }
    let mut pairs = Vec::new();
    for name in map.try_iter()? {
        count(state, 4 * VALUE_BYTES)?;
        let value = map.get_item(&name)?;
        pairs.push(SealedList(vec![name, value]).into());
    }
    Ok(SealedList(pairs).into())
}

fn round(number: &Value, precision: Option<usize>) -> Result<Value, Error> {
    if number.is_integer() {
        return Ok(number.clone());
    }
    let exact = f64::try_from(number.clone()).map_err(|_| wrong("only a number can be rounded"))?;
    let precision = precision.unwrap_or(0).min(PRECISION_MAX);
    let scale = 10_f64.powi(i32::try_from(precision).unwrap_or(0));
    Ok(Value::from((exact * scale).round() / scale))
}

fn escape(state: &mut State<'_, '_>, value: &Value) -> Result<Value, Error> {
    writable(value)?;
    let bytes = value.as_str().map_or(0, str::len);
    count(state, bytes * (1 + ESCAPE_GROWTH))?;
    filters::escape(state, value)
}

fn safe(state: &mut State<'_, '_>, text: Word<'_>) -> Result<Value, Error> {
    count(state, text.0.len() * 2)?;
    Ok(Value::from_safe_string(text.0.into_owned()))
}

fn urlencode(state: &mut State<'_, '_>, text: Word<'_>) -> Result<String, Error> {
    count(state, text.0.len() * (1 + CASE_GROWTH))?;
    filters::urlencode(&Value::from(text.0.as_ref()))
}
