//! The differences of two workflows, part by part, in words that a person reads.

mod cut;
mod fields;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Subject, Workflow};
use fields::{Fields, parts};

/// The word for a field that says nothing.
const UNSET: &str = "none";

/// Whether a part came, changed or went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// It exists only after.
    Added,
    /// It exists before and after, but differs.
    Changed,
    /// It exists only before.
    Removed,
}

/// One part that differs between two workflows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Whether it came, changed or went.
    pub kind: DifferenceKind,
    /// The part.
    pub subject: Subject,
    /// Its fields before, as `field: value` separated by `; `: those that differ, or
    /// all that are set of a part that went. Empty for a part that came. A line break is written
    /// `\n`; values are quoted where both sides would read the same without.
    pub before: String,
    /// Its fields after, likewise. Empty for a part that went.
    pub after: String,
}

/// Finds the differences, with whole values: the workflow's own fields first, then its parts by
/// sort and code. Each action is a part of its own. The order of lists does not matter.
pub fn diff(before: &Workflow, after: &Workflow) -> Vec<Difference> {
    compare_all(before, after, ValueLength::Whole)
}

/// Finds the differences as [`diff`] does, in values that can be kept: of long ones, the place
/// where they differ with a little around it, and the beginning of those that came or went. What
/// differs is told apart all the same.
pub fn diff_shortened(before: &Workflow, after: &Workflow) -> Vec<Difference> {
    compare_all(before, after, ValueLength::Short)
}

/// The length of the values that are shown.
#[derive(Debug, Clone, Copy)]
enum ValueLength {
    Whole,
    Short,
}

fn compare_all(before: &Workflow, after: &Workflow, length: ValueLength) -> Vec<Difference> {
    let (before, after) = (parts(before), parts(after));
    let subjects: BTreeSet<&Subject> = before.keys().chain(after.keys()).collect();
    let compare = |it: &Subject| compare(it, before.get(it), after.get(it), length);
    subjects.into_iter().filter_map(compare).collect()
}

fn compare(
    subject: &Subject,
    before: Option<&Fields>,
    after: Option<&Fields>,
    length: ValueLength,
) -> Option<Difference> {
    let (kind, before, after) = match (before, after) {
        (Some(before), Some(after)) if before == after => return None,
        (Some(before), Some(after)) => {
            let (before, after) = told(&differing(before, after), length);
            (DifferenceKind::Changed, before, after)
        }
        (Some(before), None) => (
            DifferenceKind::Removed,
            shown(before, length),
            String::new(),
        ),
        (None, Some(after)) => (DifferenceKind::Added, String::new(), shown(after, length)),
        (None, None) => return None,
    };
    Some(Difference {
        kind,
        subject: subject.clone(),
        before,
        after,
    })
}

/// All that is set of a part that came or went.
fn shown(fields: &Fields, length: ValueLength) -> String {
    let texts = fields.iter().filter_map(|(name, value)| {
        let value = value.as_deref()?;
        Some(match length {
            ValueLength::Whole => field(name, &plain(Some(value))),
            ValueLength::Short => field(name, &plain(Some(&cut::beginning(value)))),
        })
    });
    texts.collect::<Vec<_>>().join("; ")
}

/// A field with what it says before and after.
struct Changed<'f> {
    name: &'f str,
    before: Option<&'f str>,
    after: Option<&'f str>,
}

/// The fields that differ, those that only one side has included.
fn differing<'f>(before: &'f Fields, after: &'f Fields) -> Vec<Changed<'f>> {
    let (old, new) = (by_name(before), by_name(after));
    let mut seen = BTreeSet::new();
    let names = before.iter().chain(after).map(|(name, _)| &**name);
    let names = names.filter(|name| seen.insert(*name));
    let fields = names.map(|name| Changed {
        name,
        before: old.get(name).copied().flatten(),
        after: new.get(name).copied().flatten(),
    });
    fields.filter(|it| it.before != it.after).collect()
}

fn by_name(fields: &Fields) -> BTreeMap<&str, Option<&str>> {
    let fields = fields.iter();
    let fields = fields.map(|(name, value)| (&**name, value.as_deref()));
    fields.collect()
}

/// Both sides of a part that differs. Where they would read the same, as a text of the word for
/// nothing does, values are quoted.
fn told(changed: &[Changed<'_>], length: ValueLength) -> (String, String) {
    let (before, after) = sides(changed, length, plain);
    if before == after {
        return sides(changed, length, quoted);
    }
    (before, after)
}

fn sides(
    changed: &[Changed<'_>],
    length: ValueLength,
    written: fn(Option<&str>) -> String,
) -> (String, String) {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for Changed {
        name,
        before: old,
        after: new,
    } in changed
    {
        let (old, new) = match (length, old, new) {
            (ValueLength::Whole, old, new) => (written(*old), written(*new)),
            (ValueLength::Short, Some(old), Some(new)) => {
                let (old, new) = cut::around(old, new);
                (written(Some(&old)), written(Some(&new)))
            }
            (ValueLength::Short, old, new) => {
                let [old, new] = [old, new].map(|value| value.map(cut::beginning));
                (written(old.as_deref()), written(new.as_deref()))
            }
        };
        before.push(field(name, &old));
        after.push(field(name, &new));
    }
    (before.join("; "), after.join("; "))
}

fn field(name: &str, value: &str) -> String {
    format!("{name}: {value}")
}

/// A value on one line.
fn plain(value: Option<&str>) -> String {
    let value = value.unwrap_or(UNSET);
    value.replace('\r', "\\r").replace('\n', "\\n")
}

fn quoted(value: Option<&str>) -> String {
    value.map_or_else(|| UNSET.to_owned(), |value| format!("{value:?}"))
}

#[cfg(test)]
mod tests;
