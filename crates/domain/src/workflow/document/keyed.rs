//! Values, maps and lists in a document, which are counted while they are read. One that cannot be
//! read is noted by the reader and left out, and reading goes on behind it. A map keeps its order.

use std::{
    borrow::{Borrow, Cow},
    fmt,
    marker::PhantomData,
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
    ser::SerializeMap,
};
use serde_saphyr::FlowSeq;

use super::budget;
use crate::value::Label;

/// A list doubles when it is full, and is there twice while it moves: three times its entries, of
/// which two are given back when it is complete.
const GROWTH: usize = 2;
/// The texts that the tree takes for each key, in which the reader finds one that comes twice:
/// leaves may be half empty.
const TREE: usize = 3;

/// A map. Its parts are boxed, so that growing moves only pointers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Keyed<K, V>(Vec<(K, Box<V>)>);

/// A short list, written on one line in YAML.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Codes<T>(pub(super) Vec<T>);

/// A key of a map.
pub(super) trait Key: Borrow<str> {
    /// The name by which the map asks for them.
    const KEYS: &'static str;
}

/// A value of a map.
pub(super) trait MapValue: Sized {
    /// The bytes that it takes on the heap, besides its texts, its fields and the maps and lists in
    /// it, which are counted where they are read.
    fn heap_bytes(&self) -> usize {
        0
    }

    /// A stand-in for one that cannot be read, so that what names it finds it; none where nothing
    /// names it.
    fn stand_in() -> Option<Self> {
        None
    }
}

/// An item of a list.
pub(super) trait ListItem {
    /// Its text.
    fn as_text(&self) -> &str;
}

impl<K, V> Keyed<K, V> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, part)| (key, &**part))
    }
}

impl<K, V> Default for Keyed<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K, V> FromIterator<(K, V)> for Keyed<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let entries = entries.into_iter();
        Self(entries.map(|(key, part)| (key, Box::new(part))).collect())
    }
}

impl<K: Serialize, V: Serialize> Serialize for Keyed<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.iter() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de, K, V> Deserialize<'de> for Keyed<K, V>
where
    K: Deserialize<'de> + Key,
    V: Deserialize<'de> + MapValue,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct(K::KEYS, &[], EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<K, V>(PhantomData<(K, V)>);

impl<'de, K, V> Visitor<'de> for EntriesVisitor<K, V>
where
    K: Deserialize<'de> + Key,
    V: Deserialize<'de> + MapValue,
{
    type Value = Keyed<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of keys and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let entry = size_of::<(K, Box<V>)>();
        let mut entries = Vec::new();
        let mut passing = 0;
        while let Some(key) = map.next_key::<K>()? {
            let text: &str = key.borrow();
            let kept = entry + size_of::<V>() + budget::text_bytes(text.len());
            let open = GROWTH * entry + TREE * size_of::<Cow<'_, str>>() + text.len();
            budget::take(kept + open).map_err(A::Error::custom)?;
            passing += open;
            let Sound(part): Sound<V> = map.next_value()?;
            let Some(part) = part.or_else(V::stand_in) else {
                continue;
            };
            budget::take(part.heap_bytes()).map_err(A::Error::custom)?;
            entries.push((key, Box::new(part)));
        }
        entries.shrink_to_fit();
        budget::give_back(passing);
        Ok(Keyed(entries))
    }
}

impl<T: Serialize> Serialize for Codes<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        FlowSeq(&self.0).serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de> + ListItem> Deserialize<'de> for Codes<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ItemsVisitor(PhantomData))
    }
}

struct ItemsVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + ListItem> Visitor<'de> for ItemsVisitor<T> {
    type Value = Codes<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let open = GROWTH * size_of::<T>();
        let mut items = Vec::new();
        let mut passing = 0;
        while let Some(Sound(item)) = list.next_element::<Sound<T>>()? {
            let bytes = item.as_ref().map_or(0, |item| item.as_text().len());
            let kept = size_of::<T>() + budget::text_bytes(bytes);
            budget::take(kept + open).map_err(A::Error::custom)?;
            passing += open;
            items.extend(item);
        }
        items.shrink_to_fit();
        budget::give_back(passing);
        Ok(Codes(items))
    }
}

/// A value, or none where it was wrong and noted. Only [`super::reader::Reader`] gives it.
pub(super) struct Sound<T>(pub(super) Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Sound<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SoundVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for SoundVisitor<T> {
            type Value = Sound<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value, or none")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                list.next_element().map(Sound)
            }
        }

        deserializer.deserialize_tuple_struct("sound", 1, SoundVisitor(PhantomData))
    }
}

/// Reads a field that may be left out but not be null: a colour without quotes is a
/// comment in YAML, and must not pass for no colour. What is as large as a text counts as one.
pub(super) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    if size_of::<T>() >= size_of::<Label>() {
        budget::take(budget::text_bytes(1)).map_err(D::Error::custom)?;
    }
    Sound::deserialize(deserializer).map(|Sound(value)| value)
}

/// Reads a map that may be left out but not be null.
pub(super) fn entries<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Sound::deserialize(deserializer).map(|Sound(map)| map.unwrap_or_default())
}
