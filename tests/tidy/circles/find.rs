//! Circles in what files use of each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::Files;

/// The names that a file uses of another, by the two.
pub(super) type Uses = BTreeMap<(String, String), BTreeSet<String>>;

/// Files each of which needs each other one.
#[derive(Debug)]
pub(super) struct Circle {
    /// The files.
    pub(super) files: Files,
    uses: Uses,
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((user, used), names) in &self.uses {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            writeln!(f, "  {user} uses {} of {used}", names.join(", "))?;
        }
        Ok(())
    }
}

/// The circles, none of which can be made larger.
pub(super) fn circles(uses: &Uses) -> Vec<Circle> {
    let files: BTreeSet<_> = uses.keys().map(|(user, _)| user.as_str()).collect();
    let needs: BTreeMap<_, _> = files
        .into_iter()
        .map(|user| (user, reached(uses, user)))
        .collect();
    let need = |user: &str, used: &str| needs.get(user).is_some_and(|all| all.contains(used));
    let mut circles = BTreeSet::new();
    for (file, all) in &needs {
        if all.contains(file) {
            let others = all.iter().filter(|other| need(other, file));
            circles.insert(others.map(ToString::to_string).collect::<Files>());
        }
    }
    let is_within = |files: &Files, (user, used): &(String, String)| {
        files.contains(user) && files.contains(used)
    };
    circles
        .into_iter()
        .map(|files| {
            let within = uses.iter().filter(|(pair, _)| is_within(&files, pair));
            let uses = within.map(|(pair, names)| (pair.clone(), names.clone()));
            Circle {
                uses: uses.collect(),
                files,
            }
        })
        .collect()
}

/// The files that a file needs, directly or over others.
fn reached<'u>(uses: &'u Uses, from: &str) -> BTreeSet<&'u str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        for (user, used) in uses.keys() {
            if user == file && reached.insert(used.as_str()) {
                open.push(used);
            }
        }
    }
    reached
}
