//! The path of a part of a document, such as `states.new.operations[0]`.

use std::fmt::Write;

use crate::value::legal_code;

/// The most characters that are shown of a key: codes have fewer.
const KEY_CHARACTERS_MAX: usize = 64;

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
