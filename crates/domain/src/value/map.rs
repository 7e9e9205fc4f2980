//! Maps of text to text with a limit on their size.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Invalid, characters_at_most, formed, no_controls, no_controls_in_lines};

const KEY_CHARACTERS_MAX: usize = 128;
const BYTES_MAX: usize = 4096;

fn check(map: &BTreeMap<String, String>, entries_max: usize) -> Result<(), Invalid> {
    let (max, actual) = (entries_max, map.len());
    if actual > max {
        return Err(Invalid::TooMany { max, actual });
    }
    let actual = map.iter().map(|(key, value)| key.len() + value.len()).sum();
    if actual > BYTES_MAX {
        let max = BYTES_MAX;
        return Err(Invalid::TooLarge { max, actual });
    }
    for (key, value) in map {
        let characters = key.chars().count();
        formed(characters > 0, "a map without empty keys")?;
        characters_at_most(KEY_CHARACTERS_MAX, characters)?;
        let checked = no_controls(key).and_then(|()| no_controls_in_lines(value));
        checked.map_err(|problem| Invalid::Entry {
            key: key.replace(char::is_control, " "),
            problem: Box::new(problem),
        })?;
    }
    Ok(())
}

macro_rules! map {
    ($(#[$doc:meta])* $name:ident, $entries_max:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(BTreeMap<String, String>);

        impl $name {
            /// Checks a map against its limits.
            ///
            /// # Errors
            /// Returns [`Invalid`] when there are too many entries or bytes, an empty or
            /// too long key, or control characters.
            pub fn new(map: BTreeMap<String, String>) -> Result<Self, Invalid> {
                check(&map, $entries_max)?;
                Ok(Self(map))
            }

            /// The entries, sorted by key.
            pub fn as_map(&self) -> &BTreeMap<String, String> {
                &self.0
            }

            /// Whether there is no entry.
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }
        }
    };
}

map! {
    /// The notes of a shop on an order: at most 64 entries, 4 KiB of keys and values.
    Attributes, 64
}
map! {
    /// The notes of a caller on a step: at most 4 KiB of keys and values, and those that
    /// Waymark adds under keys that begin with `waymark.`.
    Metadata, usize::MAX
}

impl Attributes {
    /// Attributes that an entry brings; they were checked when it was decided.
    pub(crate) fn from_accepted(map: BTreeMap<String, String>) -> Self {
        Self(map)
    }
}

impl Metadata {
    /// Adds a note of Waymark's own; one key holds at most 1,024 characters.
    pub(crate) fn note(&mut self, key: &str, text: &str) {
        let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        let notes = self.0.entry(key.to_owned()).or_default();
        let before = notes.chars().count();
        if before > 0 && before < 1_000 {
            notes.push_str("; ");
        }
        notes.extend(plain.take(1_024_usize.saturating_sub(before + 2)));
    }
}
