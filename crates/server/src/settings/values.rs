//! The values of the settings, read concern by concern, and all that is wrong with them.

use std::{collections::HashMap, fmt::Display, fs, path::Path, time::Duration};

use serde::de::value::MapDeserializer;
use waymark_domain::value::nearest;

use super::{
    error::{Problem, SettingsError, Wrong},
    key::{Concern, Form, Key, Written},
    sources::{Provenance, Sources},
};

/// The value of each key that has one, with where it came from, and what is wrong so far.
pub(super) struct Values {
    keys: Vec<&'static Key>,
    given: HashMap<&'static str, (String, Provenance)>,
    wrong: Vec<Wrong>,
}

/// That something was noted as wrong, in place of settings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noted;

impl Values {
    pub(super) fn of(
        keys: impl Iterator<Item = &'static Key>,
        sources: &Sources,
    ) -> Result<Self, SettingsError> {
        let mut values = Self {
            keys: keys.collect(),
            given: HashMap::new(),
            wrong: Vec::new(),
        };
        for (name, (text, origin)) in sources.values()? {
            if let Some(key) = values.key(&name) {
                let is_one = text.is_some();
                let text = text.unwrap_or_default();
                values.given.insert(key.name, (text, origin));
                if !is_one {
                    values.note(key.name, &[], "must be one value, not a table or a list");
                }
            } else {
                let hint = values.hint(&name, text.as_deref(), &origin);
                let text = format!("unknown setting {name}, from {origin}; {hint}");
                values.wrong.push(Wrong { key: name, text });
            }
        }
        Ok(values)
    }

    fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().copied().find(|key| key.name == name)
    }

    /// Which key was probably meant. Durations were numbers of milliseconds once, under names that
    /// said so.
    fn hint(&self, name: &str, text: Option<&str>, origin: &Provenance) -> String {
        let key = name.strip_suffix("_ms").and_then(|name| self.key(name));
        if let Some(key) = key.filter(|key| matches!(key.form, Form::Span(_))) {
            let number = text.and_then(|text| text.parse::<u64>().ok());
            let value = number.map_or_else(|| key.default.to_owned(), span);
            let line = origin.line(key.name, &value);
            return format!("{name} is {} now: write {line}", key.name);
        }
        let near = nearest(name, self.keys.iter().map(|key| key.name));
        let meant = near.map_or_else(String::new, |near| format!("did you mean {near}? "));
        format!("{meant}`waymark serve --help` lists the settings")
    }

    /// Reads the settings of a concern. A value that is wrong is noted and the default takes its
    /// place, so that what else is wrong is found as well.
    pub(super) fn read<C: Concern>(&mut self) -> Result<C, Noted> {
        for _ in 0..=C::KEYS.len() {
            let mut last = "";
            let written = C::KEYS.iter().map(|key| {
                last = key.name;
                let given = self.given.get(key.name);
                let text = given.map_or(key.default, |(text, _)| text.as_str());
                let form = key.form;
                (key.name, Written { text, form })
            });
            match C::deserialize(MapDeserializer::<_, Problem>::new(written)) {
                Ok(settings) => return Ok(settings),
                Err(problem) => self.note(last, &[], problem),
            };
        }
        Err(Noted)
    }

    /// Notes what is wrong with the value of a key, in words that complete "setting x …", unless
    /// that or another one that it has to go with is known to be wrong.
    pub(super) fn note(
        &mut self,
        key: &'static str,
        others: &[&str],
        problem: impl Display,
    ) -> Noted {
        let is_known = |wrong: &Wrong| wrong.key == key || others.contains(&wrong.key.as_str());
        if !self.wrong.iter().any(is_known) {
            let given = self.given.remove(key);
            let origin = given.map_or(Provenance::Default, |(_, origin)| origin);
            let text = format!("setting {key}, from {origin}, {problem}");
            let key = key.to_owned();
            self.wrong.push(Wrong { key, text });
        }
        Noted
    }

    /// Changes what is set up so far; where that is refused, notes it and leaves all as it was.
    pub(super) fn change<T: Clone, E: Display>(
        &mut self,
        key: &'static str,
        before: T,
        change: impl FnOnce(T) -> Result<T, E>,
    ) -> T {
        change(before.clone()).unwrap_or_else(|error| {
            self.note(key, &[], format_args!("is refused: {error}"));
            before
        })
    }

    /// The content of a file that a key names, if it does.
    pub(super) fn file(&mut self, key: &'static str, path: Option<&Path>) -> Option<String> {
        let content = fs::read_to_string(path?).map_err(|error| {
            self.note(
                key,
                &[],
                format_args!("names a file that cannot be read: {error}"),
            )
        });
        content.ok()
    }

    /// The settings, or all that is wrong: what is unknown, then the rest in the order of the keys.
    pub(super) fn end<T>(mut self, settings: Result<T, Noted>) -> Result<T, SettingsError> {
        if let Ok(settings) = settings
            && self.wrong.is_empty()
        {
            return Ok(settings);
        }
        let place = |wrong: &Wrong| self.keys.iter().position(|key| key.name == wrong.key);
        self.wrong.sort_by_key(place);
        Err(SettingsError::Wrong(self.wrong))
    }
}

fn span(milliseconds: u64) -> String {
    if !milliseconds.is_multiple_of(1000) {
        return format!("{milliseconds}ms");
    }
    let span = humantime::format_duration(Duration::from_secs(milliseconds / 1000));
    span.to_string().replace(' ', "")
}
