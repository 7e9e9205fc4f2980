//! The file that defines what a path names.

use std::collections::BTreeSet;

use super::{find::Uses, tree::Tree};

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Module(usize),
    /// A name that a file defines, whether an item or what a macro makes there.
    Name {
        file: String,
        name: String,
    },
    /// Something of another crate.
    Elsewhere,
}

/// The names that were looked for on the way, each with its module and whether an item was meant. What is asked again
/// goes round.
type Seen = BTreeSet<(usize, String, bool)>;

impl Tree {
    /// The names that files use of others.
    pub(super) fn uses(&self) -> Uses {
        let mut uses = Uses::new();
        for (at, module) in self.modules.iter().enumerate() {
            for path in &module.uses {
                if let Some(Found::Name { file, name }) =
                    self.follow(at, path, true, &mut Seen::new())
                    && file != module.file
                {
                    let pair = (module.file.clone(), file);
                    uses.entry(pair).or_default().insert(name);
                }
            }
        }
        uses
    }

    /// Follows a path that stands in a module. Where a module and an item have one name, the last segment is the item
    /// where `is_item`.
    fn follow(
        &self,
        from: usize,
        path: &[String],
        is_item: bool,
        seen: &mut Seen,
    ) -> Option<Found> {
        let (first, mut rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => self.root(from),
            "self" => from,
            "super" => self.modules[from].parent?,
            name => match self.look(from, name, is_item && rest.is_empty(), seen)? {
                Found::Module(module) => module,
                found => return Some(found),
            },
        };
        while let Some((name, further)) = rest.split_first() {
            rest = further;
            at = match name.as_str() {
                "super" => self.modules[at].parent?,
                name => match self.look(at, name, is_item && rest.is_empty(), seen) {
                    Some(Found::Module(module)) => module,
                    Some(found) => return Some(found),
                    // A macro makes it.
                    None => return Some(self.named(at, name)),
                },
            };
        }
        Some(Found::Module(at))
    }

    fn root(&self, from: usize) -> usize {
        let mut at = from;
        while let Some(parent) = self.modules[at].parent {
            at = parent;
        }
        at
    }

    fn named(&self, at: usize, name: &str) -> Found {
        Found::Name {
            file: self.modules[at].file.clone(),
            name: name.to_owned(),
        }
    }

    /// Looks for a name in a module: what it declares and defines, what it brings in, what globs bring in.
    fn look(&self, at: usize, name: &str, is_item: bool, seen: &mut Seen) -> Option<Found> {
        if !seen.insert((at, name.to_owned(), is_item)) {
            return None;
        }
        let module = &self.modules[at];
        let child = module.children.get(name).copied().map(Found::Module);
        let item = module.items.contains(name).then(|| self.named(at, name));
        let (first, second) = if is_item {
            (item, child)
        } else {
            (child, item)
        };
        first
            .or_else(|| self.imported(at, name, is_item, seen))
            .or(second)
            .or_else(|| self.by_glob(at, name, is_item, seen))
    }

    fn imported(&self, at: usize, name: &str, is_item: bool, seen: &mut Seen) -> Option<Found> {
        let mut paths = self.modules[at].imports.get(name)?.iter();
        let found = paths.find_map(|path| self.follow(at, path, is_item, seen));
        Some(found.unwrap_or(Found::Elsewhere))
    }

    fn by_glob(&self, at: usize, name: &str, is_item: bool, seen: &mut Seen) -> Option<Found> {
        let mut globs = self.modules[at].globs.iter();
        globs.find_map(|glob| match self.follow(at, glob, false, seen)? {
            Found::Module(other) => self.look(other, name, is_item, seen),
            Found::Name { .. } | Found::Elsewhere => None,
        })
    }
}
