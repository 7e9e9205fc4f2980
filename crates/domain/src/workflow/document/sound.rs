//! The values of a document that are right, beside those that are wrong: one that cannot be read is
//! noted by the reader and left out, and reading goes on behind it.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};

use super::{budget, reader::SOUND};
use crate::value::Label;

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

        deserializer.deserialize_tuple_struct(SOUND, 1, SoundVisitor(PhantomData))
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
