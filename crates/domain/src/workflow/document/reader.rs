//! Reading a document as a whole: what is wrong is noted with its place, in words of its reader, and reading goes on
//! behind it. The layout is the schema: serde asks for what it needs, and is given what is right.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer, Error as _, Visitor};

use super::{
    access::{Entries, Fields, Items, Keys, OneOrNone, Pair, Word},
    budget,
    events::{Event, Piece, Scalar, Source, Stop},
    parse::TEXT_BYTES_MAX,
    path::Path,
    remark::{Place, REMARKS_MAX, Remark},
};
use crate::{
    value::{CODE, legal_code, nearest},
    workflow::{Policy, lint::CASCADE_MAX},
};

/// The name by which [`super::sound::Sound`] asks for a value that may be wrong.
pub(super) const SOUND: &str = "sound";
/// The name by which a part asks for the text that may stand for it, else for its fields.
pub(super) const TEXT_OR_FIELDS: &str = "text or fields";

/// How deep a document may be nested; the layout needs eight levels.
const DEPTH_MAX: usize = 24;
/// How long a text may be that a message repeats.
const QUOTED_BYTES_MAX: usize = 40;

/// What null is answered with.
pub(super) const EMPTY: &str = "must not be empty: leave the key out";

/// What null is answered with as an entry of a list.
const ENTRY_EMPTY: &str = "must be a code, or what else the list has, and not empty";

/// A document that is being read.
pub(super) struct Reader<'de> {
    text: &'de str,
    source: Source<'de>,
    /// What comes next, where it was looked at.
    next: Option<Piece<'de>>,
    /// Where reading is.
    here: Place,
    /// How many parts were taken, and how many maps and lists are open.
    taken: usize,
    depth: usize,
    pub(super) path: Path,
    /// The scalar that was taken last.
    last: Option<&'de str>,
    remarks: Vec<Remark>,
    /// The paths of what could not be read, and of what was probably meant by keys that are not known.
    lost: Vec<String>,
    /// Whether reading ended before the document did.
    is_over: bool,
    /// Whether there is more that is wrong than is told.
    has_more: bool,
    /// How many remarks there were when a value was told last.
    told_of_value: usize,
}

/// What was wrong with a document.
pub(super) struct Told {
    pub(super) remarks: Vec<Remark>,
    pub(super) lost: Vec<String>,
    pub(super) is_over: bool,
    pub(super) has_more: bool,
}

/// Why a value is not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// What is wrong with it was noted.
    #[error("it was noted")]
    Noted,
    /// It is to be noted.
    #[error("{0}")]
    Problem(String),
}

impl serde::de::Error for Failure {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Problem(message.to_string())
    }
}

impl<'de> Reader<'de> {
    pub(super) fn new(text: &'de str, source: Source<'de>) -> Self {
        Self {
            text,
            source,
            next: None,
            here: Place { line: 1, column: 1 },
            taken: 0,
            depth: 0,
            path: Path::default(),
            last: None,
            remarks: Vec::new(),
            lost: Vec::new(),
            is_over: false,
            has_more: false,
            told_of_value: 0,
        }
    }

    /// Reads to the end, whatever was read already.
    pub(super) fn finish(mut self) -> Told {
        while self.take().is_some() {}
        Told {
            remarks: self.remarks,
            lost: self.lost,
            is_over: self.is_over,
            has_more: self.has_more,
        }
    }

    /// Whether there is nothing but null to come.
    pub(super) fn is_blank(&mut self) -> bool {
        match self.peek() {
            Some(piece) => matches!(&piece.event, Event::Scalar(scalar) if scalar.is_null()),
            None => !self.is_over,
        }
    }

    fn peek(&mut self) -> Option<&Piece<'de>> {
        if self.next.is_none() {
            self.next = self.fetch();
        }
        self.next.as_ref()
    }

    fn fetch(&mut self) -> Option<Piece<'de>> {
        if self.is_over {
            return None;
        }
        match self.source.read() {
            Ok(piece) => piece,
            Err(Stop { place, message }) => {
                self.stop(place, &message);
                None
            }
        }
    }

    pub(super) fn take(&mut self) -> Option<Piece<'de>> {
        let piece = match self.next.take() {
            Some(piece) => piece,
            None => self.fetch()?,
        };
        self.here = piece.place;
        self.taken += 1;
        match piece.event {
            Event::Map | Event::List if self.depth == DEPTH_MAX => {
                self.stop(piece.place, "is nested too deeply");
                return None;
            }
            Event::Map | Event::List => self.depth += 1,
            Event::End => self.depth = self.depth.saturating_sub(1),
            Event::Scalar(_) | Event::Alias => {}
        }
        if let Some(fault) = piece.fault {
            self.note(piece.place, fault);
        }
        Some(piece)
    }

    /// Passes over a value.
    pub(super) fn skip(&mut self) {
        let depth = self.depth;
        if self.take().is_some() {
            self.close(depth);
        }
    }

    /// Goes on to where so many maps and lists are open.
    fn close(&mut self, depth: usize) {
        while self.depth > depth && self.take().is_some() {}
    }

    /// Takes the next key and the place where it stands; none at the end of the map. What cannot be a key is noted and
    /// passed over, with its value.
    pub(super) fn next_key(&mut self) -> Option<(Cow<'de, str>, Place)> {
        loop {
            let depth = self.depth;
            let piece = self.take()?;
            let problem = match piece.event {
                Event::End => return None,
                Event::Scalar(Scalar { text, .. }) if text.len() <= TEXT_BYTES_MAX => {
                    return Some((text, piece.place));
                }
                Event::Scalar(_) => too_long(),
                Event::Map | Event::List => "a key must be a text".to_owned(),
                // Noted as it was taken.
                Event::Alias => String::new(),
            };
            if !problem.is_empty() {
                self.note(piece.place, &problem);
            }
            self.close(depth);
            self.skip();
        }
    }

    /// Whether the list or map that is open ends here; if so, its end is taken.
    pub(super) fn ends(&mut self) -> bool {
        match self.peek() {
            None => true,
            Some(piece) => {
                let ends = matches!(piece.event, Event::End);
                if ends {
                    self.take();
                }
                ends
            }
        }
    }

    /// Notes what is wrong at a place. After many notes reading ends.
    pub(super) fn note(&mut self, place: Place, message: &str) {
        if self.is_over {
            return;
        }
        if self.remarks.len() == REMARKS_MAX {
            self.has_more = true;
            self.end();
            return;
        }
        let remark = Remark::unreadable(Some(place), self.path.as_str(), message);
        self.remarks.push(remark);
    }

    /// Remembers that what stands here, or should, was not read.
    pub(super) fn lose(&mut self) {
        self.lost.push(self.path.as_str().to_owned());
    }

    fn stop(&mut self, place: Place, message: &str) {
        // A value that the break has made longer than it was meant to be is not wrong by itself.
        let is_of_value = self.told_of_value == self.remarks.len();
        let place_of_last = self.remarks.last().and_then(|remark| remark.place);
        if is_of_value && place_of_last == Some(self.here) {
            self.remarks.pop();
        }
        self.note(place, message);
        self.end();
    }

    fn end(&mut self) {
        self.is_over = true;
        self.next = None;
    }

    /// Reads a value; what is wrong with it is noted, and reading goes on behind it.
    pub(super) fn guarded<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Option<T::Value> {
        let begin = self.peek()?.place;
        let (depth, taken, path) = (self.depth, self.taken, self.path.len());
        self.last = None;
        let read = seed.deserialize(&mut *self);
        self.path.back_to(path);
        let value = read.map_err(|failure| self.fail(begin, failure)).ok();
        if self.taken == taken {
            self.skip();
        } else {
            self.close(depth);
        }
        value
    }

    /// Notes why the value that begins at a place was not read.
    fn fail(&mut self, begin: Place, failure: Failure) {
        self.lose();
        if let Failure::Problem(message) = failure {
            let message = self.advised(message);
            // What is too dense is told where reading it ended.
            let place = if budget::is_spent() { self.here } else { begin };
            self.note(place, &message);
            self.told_of_value = self.remarks.len();
        }
        if budget::is_spent() {
            self.end();
        }
    }

    /// Adds the code that was probably meant.
    fn advised(&self, message: String) -> String {
        let meant = self.last.filter(|_| message.contains(CODE));
        match meant.and_then(legal_code) {
            Some(code) => format!("{message}; did you mean {code}?"),
            None => message,
        }
    }

    /// Takes a scalar that is not null; `wanted` is what it must be.
    fn scalar(&mut self, wanted: &str) -> Result<Scalar<'de>, Failure> {
        let piece = self.take().ok_or(Failure::Noted)?;
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
            Event::Alias | Event::End => return Err(Failure::Noted),
        };
        Err(Failure::Problem(problem))
    }

    /// What null is answered with where it stands: it may be that a colour has become a comment.
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
    ) -> Result<T, Failure> {
        let scalar = self.scalar(wanted)?;
        if !scalar.may_be_literal() {
            return Err(Failure::Problem(format!("{wanted}, without quotes")));
        }
        read(scalar.text.trim()).ok_or_else(|| Failure::Problem(wanted.to_owned()))
    }

    /// Takes the beginning of a map, of which these are the fields, if it has any.
    fn map(&mut self, fields: &[&str]) -> Result<(), Failure> {
        let piece = self.take().ok_or(Failure::Noted)?;
        Err(Failure::Problem(match piece.event {
            Event::Map => return Ok(()),
            Event::Scalar(scalar) if scalar.is_null() => self.empty(piece.place),
            Event::Scalar(_) => not_a_map("text", fields),
            Event::List => not_a_map("list", fields),
            Event::Alias | Event::End => return Err(Failure::Noted),
        }))
    }

    /// Takes the beginning of a list.
    fn list(&mut self) -> Result<(), Failure> {
        let piece = self.take().ok_or(Failure::Noted)?;
        Err(Failure::Problem(match piece.event {
            Event::List => return Ok(()),
            Event::Scalar(scalar) if scalar.is_null() => self.empty(piece.place),
            Event::Scalar(scalar) if scalar.text.len() <= QUOTED_BYTES_MAX => {
                format!("must be a list, such as [{}]", scalar.text)
            }
            Event::Scalar(_) => "must be a list, such as [a, b]".to_owned(),
            Event::Map => "must be a list, not a map".to_owned(),
            Event::Alias | Event::End => return Err(Failure::Noted),
        }))
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Failure;

    /// Nothing in the layout takes whatever comes, but for what is passed over.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.skip();
        visitor.visit_unit()
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let scalar = self.scalar("must be a text")?;
        if !scalar.may_be_text() {
            let problem = format!("must be a text, such as \"{}\"", scalar.text);
            return Err(Failure::Problem(problem));
        }
        match scalar.text {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let read = self.literal("must be true or false", |text| match text {
            "true" | "True" | "TRUE" => Some(true),
            "false" | "False" | "FALSE" => Some(false),
            _ => None,
        });
        visitor.visit_bool(read?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let (least, most) = match self.path.as_str().rsplit('.').next() {
            Some("max_cascade") => (1, CASCADE_MAX),
            Some("attempts") => (1, Policy::ATTEMPTS_MAX),
            Some(_) | None => (0, u32::MAX),
        };
        let wanted = format!("must be a whole number from {least} to {most}");
        visitor.visit_u32(self.literal(&wanted, |text| text.parse().ok())?)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let wanted = format!("must be a whole number from {} to {}", i32::MIN, i32::MAX);
        visitor.visit_i32(self.literal(&wanted, |text| text.parse().ok())?)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.list()?;
        visitor.visit_seq(Items::new(self))
    }

    /// Asks for a value that may be wrong.
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_seq(OneOrNone(self))
    }

    /// Asks for the fields of a part, or for a map of parts, whose name says what its keys are.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let is_scalar = |piece: &Piece<'_>| match &piece.event {
            Event::Scalar(scalar) => !scalar.is_null(),
            Event::Map | Event::List | Event::End | Event::Alias => false,
        };
        if name == TEXT_OR_FIELDS && self.peek().is_some_and(is_scalar) {
            return self.deserialize_str(visitor);
        }
        self.map(fields)?;
        match Keys::named(name) {
            Some(keys) => visitor.visit_map(Entries::new(self, keys)),
            None => visitor.visit_map(Fields::new(self, fields)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let known = |text: &str| variants.iter().copied().find(|word| *word == text);
        let is_map = |piece: &Piece<'_>| matches!(piece.event, Event::Map);
        if !self.peek().is_some_and(is_map) {
            let wanted = one_of(variants);
            let scalar = self.scalar(&wanted)?;
            let unknown = || Failure::Problem(meant(&wanted, &scalar.text, variants));
            let word = known(&scalar.text).ok_or_else(unknown)?;
            return visitor.visit_enum(Word(word));
        }
        self.map(&[])?;
        let Some((key, place)) = self.next_key() else {
            return Err(Failure::custom(one_of(variants)));
        };
        let Some(word) = known(&key) else {
            self.note(place, &meant(&one_of(variants), &key, variants));
            return Err(Failure::Noted);
        };
        let path = self.path.len();
        self.path.key(word);
        let read = visitor.visit_enum(Pair::new(self, word))?;
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

/// Says that something else stands where a map is wanted, with the first field that says what the part is.
fn not_a_map(found: &str, fields: &[&str]) -> String {
    let wanted = "must be a map of keys and values, not a";
    match fields.iter().find(|field| **field != "description") {
        Some(field) => format!("{wanted} {found}, as in {{{field}: …}}"),
        None => format!("{wanted} {found}"),
    }
}

fn too_long() -> String {
    format!("a text has more than {TEXT_BYTES_MAX} bytes")
}

/// Says which words there are.
fn one_of(words: &[&str]) -> String {
    match words {
        [] => "must be left out".to_owned(),
        [word] => format!("must be {word}"),
        [before @ .., last] => format!("must be {} or {last}", before.join(", ")),
    }
}

/// Says what is wanted, and the word of these that was probably meant.
fn meant(wanted: &str, word: &str, words: &[&'static str]) -> String {
    match nearest(word, words.iter().copied()) {
        Some(word) => format!("{wanted}; did you mean {word}?"),
        None => wanted.to_owned(),
    }
}
