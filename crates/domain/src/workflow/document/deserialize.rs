//! The answers of the reader to what serde asks of it: scalars, maps, lists and variants.

use std::borrow::Cow;

use serde::de::{Deserializer, Error as _, Visitor};

use super::{
    access::{EntryMap, FieldMap, ItemList, Keys, OneOrNone, Variant},
    events::{Event, Piece, Scalar},
    format::TEXT_BYTES_MAX,
    reader::{ReadError, Reader, TEXT_OR_FIELDS, too_long},
    remark::Place,
};
use crate::{
    value::nearest,
    workflow::{Policy, lint::CASCADE_MAX},
};

/// The longest text that a message repeats.
const QUOTED_BYTES_MAX: usize = 40;

/// The answer to null.
pub(super) const EMPTY: &str = "must not be empty: leave the key out";

/// The answer to null as an entry of a list.
const ENTRY_EMPTY: &str = "must be a code, or what else the list has, and not empty";

impl<'de> Reader<'de> {
    /// Takes a scalar that is not null; `wanted` is what it must be.
    fn scalar(&mut self, wanted: &str) -> Result<Scalar<'de>, ReadError> {
        let piece = self.take().ok_or(ReadError::Noted)?;
        let problem = match piece.event {
            Event::Scalar(scalar) if scalar.text.len() > TEXT_BYTES_MAX => too_long(),
            Event::Scalar(scalar) if scalar.is_null() => self.empty(piece.place),
            Event::Scalar(scalar) => {
                self.last = match &scalar.text {
                    Cow::Borrowed(text) => Some(*text),
                    Cow::Owned(_) => None,
                };
                return Ok(scalar);
            }
            Event::Map => format!("{wanted}, not a map"),
            Event::List => format!("{wanted}, not a list"),
            Event::Alias | Event::End => return Err(ReadError::Noted),
        };
        Err(ReadError::Problem(problem))
    }

    /// The answer to null where it stands: it may be that a colour has become a comment.
    fn empty(&self, place: Place) -> String {
        if self.path.as_str().ends_with(']') {
            return ENTRY_EMPTY.to_owned();
        }
        let before = |number: u64| usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        let mut lines = self.text.lines().skip(before(place.line));
        let rest = lines.next().unwrap_or_default().chars();
        let mut rest = rest
            .skip(before(place.column))
            .skip_while(|c| ": ".contains(*c));
        if rest.next() == Some('#') {
            format!("{EMPTY}, or put what begins with # into quotes")
        } else {
            EMPTY.to_owned()
        }
    }

    /// Takes a number, `true` or `false`.
    fn literal<T>(
        &mut self,
        wanted: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, ReadError> {
        let scalar = self.scalar(wanted)?;
        if !scalar.may_be_literal() {
            return Err(ReadError::Problem(format!("{wanted}, without quotes")));
        }
        read(scalar.text.trim()).ok_or_else(|| ReadError::Problem(wanted.to_owned()))
    }

    /// Takes the beginning of a map, of which these are the fields, if it has any.
    fn map(&mut self, fields: &[&str]) -> Result<(), ReadError> {
        let piece = self.take().ok_or(ReadError::Noted)?;
        Err(ReadError::Problem(match piece.event {
            Event::Map => return Ok(()),
            Event::Scalar(scalar) if scalar.is_null() => self.empty(piece.place),
            Event::Scalar(_) => not_a_map("text", fields),
            Event::List => not_a_map("list", fields),
            Event::Alias | Event::End => return Err(ReadError::Noted),
        }))
    }

    /// Takes the beginning of a list.
    fn list(&mut self) -> Result<(), ReadError> {
        let piece = self.take().ok_or(ReadError::Noted)?;
        Err(ReadError::Problem(match piece.event {
            Event::List => return Ok(()),
            Event::Scalar(scalar) if scalar.is_null() => self.empty(piece.place),
            Event::Scalar(scalar) if scalar.text.len() <= QUOTED_BYTES_MAX => {
                format!("must be a list, such as [{}]", scalar.text)
            }
            Event::Scalar(_) => "must be a list, such as [a, b]".to_owned(),
            Event::Map => "must be a list, not a map".to_owned(),
            Event::Alias | Event::End => return Err(ReadError::Noted),
        }))
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = ReadError;

    /// Nothing in the layout takes whatever comes, but for what is passed over.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.skip();
        visitor.visit_unit()
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let scalar = self.scalar("must be a text")?;
        if !scalar.may_be_text() {
            let problem = format!("must be a text, such as \"{}\"", scalar.text);
            return Err(ReadError::Problem(problem));
        }
        match scalar.text {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let read = self.literal("must be true or false", |text| match text {
            "true" | "True" | "TRUE" => Some(true),
            "false" | "False" | "FALSE" => Some(false),
            _ => None,
        });
        visitor.visit_bool(read?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let (least, most) = match self.path.as_str().rsplit('.').next() {
            Some("max_cascade") => (1, CASCADE_MAX),
            Some("attempts") => (1, Policy::ATTEMPTS_MAX),
            Some(_) | None => (0, u32::MAX),
        };
        let wanted = format!("must be a whole number from {least} to {most}");
        visitor.visit_u32(self.literal(&wanted, |text| text.parse().ok())?)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let wanted = format!("must be a whole number from {} to {}", i32::MIN, i32::MAX);
        visitor.visit_i32(self.literal(&wanted, |text| text.parse().ok())?)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.list()?;
        visitor.visit_seq(ItemList {
            reader: self,
            count: 0,
        })
    }

    /// Asks for a value that may be wrong.
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_seq(OneOrNone(self))
    }

    /// Asks for the fields of a part, or for a map of parts, whose name says what its keys are.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let is_scalar = |piece: &Piece<'_>| match &piece.event {
            Event::Scalar(scalar) => !scalar.is_null(),
            Event::Map | Event::List | Event::End | Event::Alias => false,
        };
        if name == TEXT_OR_FIELDS && self.peek().is_some_and(is_scalar) {
            return self.deserialize_str(visitor);
        }
        self.map(fields)?;
        match Keys::named(name) {
            Some(keys) => visitor.visit_map(EntryMap::new(self, keys)),
            None => visitor.visit_map(FieldMap::new(self, fields)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let known = |text: &str| variants.iter().copied().find(|word| *word == text);
        let is_map = |piece: &Piece<'_>| matches!(piece.event, Event::Map);
        if !self.peek().is_some_and(is_map) {
            let wanted = one_of(variants);
            let scalar = self.scalar(&wanted)?;
            let unknown = || ReadError::Problem(meant(&wanted, &scalar.text, variants));
            let word = known(&scalar.text).ok_or_else(unknown)?;
            return visitor.visit_enum(Variant { word, reader: None });
        }
        self.map(&[])?;
        let Some((key, place)) = self.next_key() else {
            return Err(ReadError::custom(one_of(variants)));
        };
        let Some(word) = known(&key) else {
            self.note(place, &meant(&one_of(variants), &key, variants));
            return Err(ReadError::Noted);
        };
        let path = self.path.len();
        self.path.key(word);
        let read = visitor.visit_enum(Variant {
            word,
            reader: Some(&mut *self),
        })?;
        self.path.back_to(path);
        if let Some((_, place)) = self.next_key() {
            self.note(place, &format!("must say one thing only: {word}, or this"));
        }
        Ok(read)
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i64 i128 u8 u16 u64 u128 f32 f64 char bytes byte_buf option unit unit_struct
        newtype_struct tuple map identifier
    }
}

/// The problem that something else stands where a map is wanted, with the first field that says
/// what the part is.
fn not_a_map(found: &str, fields: &[&str]) -> String {
    let wanted = "must be a map of keys and values, not a";
    match fields.iter().find(|field| **field != "description") {
        Some(field) => format!("{wanted} {found}, as in {{{field}: …}}"),
        None => format!("{wanted} {found}"),
    }
}

/// The problem that a word must be one of these.
fn one_of(words: &[&str]) -> String {
    match words {
        [] => "must be left out".to_owned(),
        [word] => format!("must be {word}"),
        [before @ .., last] => format!("must be {} or {last}", before.join(", ")),
    }
}

/// A problem, with the word of these that was probably meant.
fn meant(wanted: &str, word: &str, words: &[&'static str]) -> String {
    match nearest(word, words.iter().copied()) {
        Some(word) => format!("{wanted}; did you mean {word}?"),
        None => wanted.to_owned(),
    }
}
