//! The parts of a document that serde asks its reader for: fields, entries, items and variants.

use std::{borrow::Cow, collections::BTreeSet};

use serde::de::{
    DeserializeSeed, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess, Visitor,
    value::StrDeserializer,
};

use super::reader::{ReadError, Reader};
use crate::value::{Invalid, StoreView, WorkflowCode, legal_code, nearest};

/// The names by which maps ask for their entries.
pub(super) const CODES: &str = "codes";
pub(super) const STORE_VIEWS: &str = "store views";
pub(super) const TEXTS: &str = "texts";

/// Names that other places have for a field, with what is said of it.
const OTHER_NAMES: &[(&str, &str, &str)] = &[
    ("name", "label", "label"),
    ("title", "label", "label"),
    ("to", "to_state", "to_state"),
    ("final", "terminal", "terminal"),
    ("guard", "entry_guard", "entry_guard"),
    ("guard", "condition", "condition"),
    ("condition", "guard", "guard"),
    ("attributes", "set_attributes", "set_attributes"),
    ("after", "trigger", "trigger: {after: …}"),
    ("at", "trigger", "trigger: {at: …}"),
    (
        "default_status",
        "statuses",
        "statuses, of which the first is the default",
    ),
    (
        "policy",
        "attempts",
        "attempts, backoff and timeout beside what is sent",
    ),
    (
        "url",
        "endpoint",
        "endpoint, the code of one that CreateEndpoint makes",
    ),
];

/// The sort of keys of a map.
#[derive(Debug, Clone, Copy)]
pub(super) enum Keys {
    Codes,
    StoreViews,
    Texts,
}

impl Keys {
    /// The keys of what has this name; none where it has fields.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            CODES => Some(Self::Codes),
            STORE_VIEWS => Some(Self::StoreViews),
            TEXTS => Some(Self::Texts),
            _ => None,
        }
    }

    fn check(self, key: &str) -> Result<(), Invalid> {
        match self {
            Self::Codes => WorkflowCode::new(key).map(|_| ()),
            Self::StoreViews => StoreView::new(key).map(|_| ()),
            Self::Texts => Ok(()),
        }
    }
}

/// A value that may be wrong.
pub(super) struct OneOrNone<'r, 'de>(pub(super) &'r mut Reader<'de>);

impl<'de> SeqAccess<'de> for OneOrNone<'_, 'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        Ok(self.0.guarded(seed))
    }
}

/// The fields of a part.
pub(super) struct FieldMap<'r, 'de> {
    reader: &'r mut Reader<'de>,
    known: &'static [&'static str],
    given: BTreeSet<&'static str>,
    path: usize,
}

impl<'r, 'de> FieldMap<'r, 'de> {
    pub(super) fn new(reader: &'r mut Reader<'de>, fields: &'static [&'static str]) -> Self {
        let path = reader.path.len();
        Self {
            reader,
            known: fields,
            given: BTreeSet::new(),
            path,
        }
    }

    /// Names the key that was probably meant by one that is not known, else those that there are.
    fn unknown(&mut self, key: &str) -> String {
        let other = OTHER_NAMES
            .iter()
            .find(|(name, field, _)| *name == key && self.known.contains(field));
        let other = other.map(|(_, field, meant)| (*field, *meant));
        let near = || nearest(key, self.known.iter().copied()).map(|field| (field, field));
        let Some((field, meant)) = other.or_else(near) else {
            return format!("is not known here: there are {}", self.known.join(", "));
        };
        self.reader.path.key(field);
        self.reader.lose();
        self.reader.path.back_to(self.path);
        format!("is not known here; did you mean {meant}?")
    }
}

impl<'de> MapAccess<'de> for FieldMap<'_, 'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        while let Some((key, place)) = self.reader.next_key() {
            let mut fields = self.known.iter().copied();
            let problem = match fields.find(|field| *field == key) {
                Some(field) if self.given.insert(field) => {
                    self.reader.path.key(field);
                    return seed.deserialize(text(field)).map(Some);
                }
                Some(_) => "must not be given twice".to_owned(),
                None => self.unknown(&key),
            };
            self.reader.path.key(&key);
            self.reader.note(place, &problem);
            self.reader.path.back_to(self.path);
            self.reader.skip();
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        self.reader.below(self.path, seed)
    }
}

/// The entries of a map.
pub(super) struct EntryMap<'r, 'de> {
    reader: &'r mut Reader<'de>,
    keys: Keys,
    given: BTreeSet<Cow<'de, str>>,
    path: usize,
}

impl<'r, 'de> EntryMap<'r, 'de> {
    pub(super) fn new(reader: &'r mut Reader<'de>, keys: Keys) -> Self {
        let path = reader.path.len();
        Self {
            reader,
            keys,
            given: BTreeSet::new(),
            path,
        }
    }
}

impl<'de> MapAccess<'de> for EntryMap<'_, 'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        while let Some((key, place)) = self.reader.next_key() {
            self.reader.path.key(&key);
            let problem = if self.given.contains(&key) {
                "must not be given twice".to_owned()
            } else if let Err(problem) = self.keys.check(&key) {
                // What stands there is read under the code that was probably meant.
                if let Some(code) = legal_code(&key).filter(|_| matches!(self.keys, Keys::Codes)) {
                    let problem = format!("{problem}; did you mean {code}?");
                    self.reader.note(place, &problem);
                    self.reader.path.back_to(self.path);
                    self.reader.path.key(&code);
                    return seed.deserialize(text(&code)).map(Some);
                }
                problem.to_string()
            } else {
                let read = seed.deserialize(text(&key)).map(Some);
                self.given.insert(key);
                return read;
            };
            self.reader.note(place, &problem);
            self.reader.lose();
            self.reader.path.back_to(self.path);
            self.reader.skip();
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        self.reader.below(self.path, seed)
    }
}

/// The items of a list.
pub(super) struct ItemList<'r, 'de> {
    pub(super) reader: &'r mut Reader<'de>,
    pub(super) count: usize,
}

impl<'de> SeqAccess<'de> for ItemList<'_, 'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        if self.reader.ends() {
            return Ok(None);
        }
        let path = self.reader.path.len();
        self.reader.path.index(self.count);
        self.count += 1;
        self.reader.below(path, seed).map(Some)
    }
}

/// One of several variants: a word, or a key with a value that a reader reads.
pub(super) struct Variant<'r, 'de> {
    pub(super) word: &'static str,
    pub(super) reader: Option<&'r mut Reader<'de>>,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = ReadError;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), ReadError> {
        Ok((seed.deserialize(text(self.word))?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        if self.reader.is_none() {
            return Ok(());
        }
        let problem = format!("must be {} alone, without a value", self.word);
        Err(ReadError::Problem(problem))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ReadError> {
        if let Some(reader) = self.reader {
            return reader.guarded(seed).ok_or(ReadError::Noted);
        }
        let word = self.word;
        let problem = format!("must say more: {word} has a value, as in {{{word}: …}}");
        Err(ReadError::Problem(problem))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, ReadError> {
        Err(not_in_the_layout())
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, ReadError> {
        Err(not_in_the_layout())
    }
}

/// Nothing in the layout has variants with several values.
fn not_in_the_layout() -> ReadError {
    ReadError::custom("must not be given")
}

fn text(key: &str) -> StrDeserializer<'_, ReadError> {
    StrDeserializer::new(key)
}
