//! Maps and lists in a document, whose entries are counted while they are read. A map keeps its order and refuses a key
//! that comes twice.

use std::{borrow::Borrow, collections::BTreeSet, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
    ser::SerializeMap,
};
use serde_saphyr::FlowSeq;

use super::budget;

/// A list doubles when it is full, and is there twice while it moves: three times its entries, of which two are given
/// back when it is complete.
const GROWTH: usize = 2;
/// What a tree of keys takes for each: leaves may be half empty.
const TREE: usize = 3;
/// What the reader of YAML keeps of each key of a map, to find one that comes twice; the table may be half empty, and is
/// there twice while it moves.
const YAML_KEY_BYTES: usize = 224;

/// A map. Its parts are boxed, so that growing moves only pointers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Keyed<K, V>(Vec<(K, Box<V>)>);

/// A short list, written on one line in YAML.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Codes<T>(pub(super) Vec<T>);

/// What a map has many of.
pub(super) trait Part {
    /// What it takes on the heap, besides its texts, its fields and the maps and lists in it, which are counted where
    /// they are read.
    fn heap_bytes(&self) -> usize {
        0
    }
}

/// What a list has many of.
pub(super) trait Item {
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
    K: Deserialize<'de> + Ord + Clone + fmt::Display + Borrow<str>,
    V: Deserialize<'de> + Part,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

struct Entries<K, V>(PhantomData<(K, V)>);

impl<'de, K, V> Visitor<'de> for Entries<K, V>
where
    K: Deserialize<'de> + Ord + Clone + fmt::Display + Borrow<str>,
    V: Deserialize<'de> + Part,
{
    type Value = Keyed<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from codes to parts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let entry = size_of::<(K, Box<V>)>();
        let mut seen = BTreeSet::new();
        let mut entries = Vec::new();
        let mut passing = 0;
        while let Some(key) = map.next_key::<K>()? {
            let text: &str = key.borrow();
            let kept = entry + size_of::<V>() + budget::text_bytes(text.len());
            let open = GROWTH * entry + TREE * size_of::<K>() + text.len() + YAML_KEY_BYTES;
            budget::take(kept + open).map_err(A::Error::custom)?;
            passing += open;
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format_args!(
                    "{key} must not be given twice"
                )));
            }
            let part: Box<V> = Box::new(map.next_value()?);
            budget::take(part.heap_bytes()).map_err(A::Error::custom)?;
            entries.push((key, part));
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

impl<'de, T: Deserialize<'de> + Item> Deserialize<'de> for Codes<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Items(PhantomData))
    }
}

struct Items<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Item> Visitor<'de> for Items<T> {
    type Value = Codes<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let open = GROWTH * size_of::<T>();
        let mut items = Vec::new();
        while let Some(item) = list.next_element::<T>()? {
            let kept = size_of::<T>() + budget::text_bytes(item.as_text().len());
            budget::take(kept + open).map_err(A::Error::custom)?;
            items.push(item);
        }
        items.shrink_to_fit();
        budget::give_back(open * items.len());
        Ok(Codes(items))
    }
}
