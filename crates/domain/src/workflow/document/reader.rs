//! Reading a document as a whole: mistakes are noted with their places, and reading goes on behind
//! them. The layout is the schema: serde asks for what it needs, and is given what is right.

use std::{borrow::Cow, fmt::Write};

use serde::de::DeserializeSeed;

use super::{
    budget,
    events::{Event, Piece, Scalar, Stop},
    format::TEXT_BYTES_MAX,
    json::Json,
    remark::{Place, REMARKS_MAX, Remark},
    yaml::Yaml,
};
use crate::value::{CODE, legal_code};

/// The name by which a part asks for the text that may stand for it, else for its fields.
pub(super) const TEXT_OR_FIELDS: &str = "text or fields";

/// The most characters that are shown of a key: codes have fewer.
const KEY_CHARACTERS_MAX: usize = 64;
/// The deepest nesting of a document; the layout needs eight levels.
const DEPTH_MAX: usize = 24;

/// The parts of a document, one after the other.
pub(super) enum Source<'t> {
    Yaml(Box<Yaml<'t>>),
    Json(Json<'t>),
}

impl<'t> Source<'t> {
    /// Reads the next part; none at the end.
    pub(super) fn read(&mut self) -> Result<Option<Piece<'t>>, Stop> {
        match self {
            Self::Yaml(yaml) => yaml.read(),
            Self::Json(json) => json.read(),
        }
    }
}

/// The keys and numbers around what is being read.
#[derive(Debug, Default)]
pub(super) struct Path(String);

impl Path {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Goes down to a key, as it would be written if it has to be a code.
    pub(super) fn enter(&mut self, key: &str) {
        match legal_code(key) {
            Some(code) => self.key(&code),
            None => self.key(key),
        }
    }

    /// Goes down to a key, as it is written.
    pub(super) fn key(&mut self, key: &str) {
        if !self.0.is_empty() {
            self.0.push('.');
        }
        self.0.extend(key.chars().take(KEY_CHARACTERS_MAX));
    }

    /// Goes down to an entry of a list, counted from 0.
    pub(super) fn index(&mut self, index: usize) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "[{index}]");
    }

    /// Goes back up to where it was so long.
    pub(super) fn back_to(&mut self, length: usize) {
        self.0.truncate(length);
    }
}

/// A document that is being read.
pub(super) struct Reader<'de> {
    pub(super) text: &'de str,
    source: Source<'de>,
    /// The next event, where it was looked at.
    next: Option<Piece<'de>>,
    /// The present place.
    here: Place,
    /// The number of events that were taken, and of maps and lists that are open.
    taken: usize,
    depth: usize,
    pub(super) path: Path,
    /// The scalar that was taken last.
    pub(super) last: Option<&'de str>,
    remarks: Vec<Remark>,
    /// The paths of what could not be read, and of what was probably meant by keys that are not
    /// known.
    lost: Vec<String>,
    /// Whether reading ended before the document did.
    is_over: bool,
    /// Whether there is more that is wrong than is told.
    has_more: bool,
    /// The number of remarks when a value was told last.
    told_of_value: usize,
}

/// The mistakes of a document.
pub(super) struct Mistakes {
    pub(super) remarks: Vec<Remark>,
    pub(super) lost: Vec<String>,
    pub(super) is_over: bool,
    pub(super) has_more: bool,
}

/// The reason why a value is not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// A mistake that was noted.
    #[error("it was noted")]
    Noted,
    /// A mistake that is to be noted.
    #[error("{0}")]
    Problem(String),
}

impl serde::de::Error for ReadError {
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
    pub(super) fn finish(mut self) -> Mistakes {
        while self.take().is_some() {}
        Mistakes {
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

    pub(super) fn peek(&mut self) -> Option<&Piece<'de>> {
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

    /// Takes the next key and the place where it stands; none at the end of the map. What cannot be
    /// a key is noted and passed over, with its value.
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
        let read = self.below(path, seed);
        let value = read.map_err(|failure| self.fail(begin, failure)).ok();
        if self.taken == taken {
            self.skip();
        } else {
            self.close(depth);
        }
        value
    }

    /// Reads a value and goes back up to where the path was so long.
    pub(super) fn below<T: DeserializeSeed<'de>>(
        &mut self,
        path: usize,
        seed: T,
    ) -> Result<T::Value, ReadError> {
        let read = seed.deserialize(&mut *self);
        self.path.back_to(path);
        read
    }

    /// Notes why the value that begins at a place was not read.
    fn fail(&mut self, begin: Place, failure: ReadError) {
        self.lose();
        if let ReadError::Problem(message) = failure {
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
}

pub(super) fn too_long() -> String {
    format!("a text has more than {TEXT_BYTES_MAX} bytes")
}
