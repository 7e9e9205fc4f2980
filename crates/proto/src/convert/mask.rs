//! Update masks: which fields of a resource an update is about.

use std::collections::BTreeSet;

use prost_types::FieldMask;

use super::violations::Path;
use crate::invalid::{MaskProblem, Problem, quoted};

/// The path that stands for every field that can be changed.
const EVERYTHING: &str = "*";
/// The most paths that a mask may have.
const PATHS_MAX: usize = 1_000;

/// The paths of a resource.
pub(crate) struct Paths {
    /// Those that an update may name.
    pub(crate) updatable: &'static [&'static str],
    /// Maps of which an update may name single keys, as `attributes.colour`.
    pub(crate) maps: &'static [&'static str],
    /// Those that it may not, with the reason.
    pub(crate) fixed: &'static [(&'static str, MaskProblem)],
}

/// The fields that an update is about.
pub(crate) enum Mask {
    /// Every field that is set.
    Set,
    /// These, set or not.
    Named(BTreeSet<String>),
}

impl Mask {
    /// Reads the mask of the request at a path, and notes what it must not name. An unset or empty one means what is set.
    pub(crate) fn read(at: Path<'_>, mask: Option<FieldMask>, paths: &Paths) -> Self {
        let named = mask.map(|FieldMask { paths }| paths).unwrap_or_default();
        if named.is_empty() {
            return Self::Set;
        }
        if named == [EVERYTHING] {
            return Self::Named(paths.updatable.iter().map(ToString::to_string).collect());
        }
        let at = at.field("update_mask");
        if at.count(named.len(), PATHS_MAX).is_err() {
            return Self::Named(BTreeSet::new());
        }
        for path in &named {
            if let Some(problem) = paths.refusal(path) {
                let path = quoted(path);
                at.note(Problem::Mask { path, problem });
            }
        }
        Self::Named(named.into_iter().collect())
    }

    /// The value, if the update is about it: named, or set where nothing is named.
    pub(crate) fn take<T: Default + PartialEq>(&self, path: &str, value: T) -> Option<T> {
        let is_taken = match self {
            Self::Set => value != T::default(),
            Self::Named(paths) => paths.contains(path),
        };
        is_taken.then_some(value)
    }

    /// The value, if the update is about it or names the whole that it is part of.
    pub(crate) fn take_part<T: Default + PartialEq>(
        &self,
        whole: &str,
        path: &str,
        value: T,
    ) -> Option<T> {
        if self.names(whole) {
            return Some(value);
        }
        self.take(path, value)
    }

    /// Whether the update names this path.
    pub(crate) fn names(&self, path: &str) -> bool {
        matches!(self, Self::Named(paths) if paths.contains(path))
    }

    /// The keys of a map that the update names one by one.
    pub(crate) fn keys<'a>(&'a self, map: &'a str) -> impl Iterator<Item = &'a str> {
        let paths = match self {
            Self::Set => None,
            Self::Named(paths) => Some(paths),
        };
        paths
            .into_iter()
            .flatten()
            .filter_map(move |path| key_of(path, map))
    }
}

impl Paths {
    fn refusal(&self, path: &str) -> Option<MaskProblem> {
        let is_key = |map: &&str| key_of(path, map).is_some();
        if self.updatable.contains(&path) || self.maps.iter().any(is_key) {
            return None;
        }
        if path == EVERYTHING {
            return Some(MaskProblem::NotAlone);
        }
        let fixed = self.fixed.iter().find(|(name, _)| *name == path);
        let unknown = || match self.spelled(path) {
            Some(name) => MaskProblem::Spelled(name),
            None => MaskProblem::Unknown,
        };
        Some(fixed.map_or_else(unknown, |(_, problem)| *problem))
    }

    /// The path that is meant by one in `lowerCamelCase`; of a key of a map, the map.
    fn spelled(&self, path: &str) -> Option<&'static str> {
        let fixed = self.fixed.iter().map(|(name, _)| *name);
        let mut names = self.updatable.iter().copied().chain(fixed);
        let is_spelled = |name: &&'static str| {
            let camel = lower_camel(name);
            let is_key = self.maps.contains(name) && key_of(path, &camel).is_some();
            camel == path || is_key
        };
        names.find(is_spelled)
    }
}

/// A name as JSON masks have it.
fn lower_camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut is_first = false;
    for letter in name.chars() {
        if letter == '_' {
            is_first = true;
        } else if std::mem::take(&mut is_first) {
            camel.push(letter.to_ascii_uppercase());
        } else {
            camel.push(letter);
        }
    }
    camel
}

fn key_of<'a>(path: &'a str, map: &str) -> Option<&'a str> {
    let key = path.strip_prefix(map)?.strip_prefix('.')?;
    (!key.is_empty()).then_some(key)
}
