//! The modules of a crate, with what each declares, brings in and uses.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Item, ItemMod};

use super::read;

/// A path as it is written, such as `super::Order`, segment by segment.
pub(super) type Path = Vec<String>;

/// A module, in a file of its own or within another.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// The file that it stands in.
    pub(super) file: String,
    /// The module that declares it; none for the root of a crate.
    pub(super) parent: Option<usize>,
    /// The modules that it declares.
    pub(super) children: BTreeMap<String, usize>,
    /// The names of the items that it defines.
    pub(super) items: BTreeSet<String>,
    /// What it brings in by `use`, by the name that this has here.
    pub(super) imports: BTreeMap<String, Vec<Path>>,
    /// The modules and enums of which it brings in everything.
    pub(super) globs: Vec<Path>,
    /// The paths that its code names, and those of each `use` that hands nothing on.
    pub(super) uses: BTreeSet<Path>,
}

/// The modules of a crate; the numbers in them are places in this list.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) modules: Vec<Module>,
}

impl Tree {
    /// Reads the modules that `lib.rs` and `main.rs` declare, and those below. Files are given by their path.
    pub(super) fn read(files: &BTreeMap<String, String>) -> Self {
        let mut tree = Self::default();
        for root in ["lib.rs", "main.rs"] {
            if files.contains_key(root) {
                tree.file(files, root, None);
            }
        }
        tree
    }

    /// Reads a file as a module, and gives its number.
    fn file(
        &mut self,
        files: &BTreeMap<String, String>,
        file: &str,
        parent: Option<usize>,
    ) -> usize {
        let parsed = syn::parse_file(&files[file]);
        let parsed = parsed.unwrap_or_else(|error| panic!("{file}: {error}"));
        let module = self.add(file, parent);
        self.items(files, module, &folder(file), &parsed.items);
        module
    }

    fn add(&mut self, file: &str, parent: Option<usize>) -> usize {
        self.modules.push(Module {
            file: file.to_owned(),
            parent,
            ..Module::default()
        });
        self.modules.len() - 1
    }

    /// Reads the items of a module whose children lie in a folder.
    fn items(
        &mut self,
        files: &BTreeMap<String, String>,
        module: usize,
        folder: &str,
        items: &[Item],
    ) {
        for item in items.iter().filter(|item| !read::is_for_tests(item)) {
            if let Item::Mod(child) = item {
                let number = self.child(files, module, folder, child);
                let name = read::name(&child.ident);
                self.modules[module].children.insert(name, number);
            } else {
                read::item(&mut self.modules[module], item);
            }
        }
    }

    fn child(
        &mut self,
        files: &BTreeMap<String, String>,
        parent: usize,
        folder: &str,
        child: &ItemMod,
    ) -> usize {
        let place = format!("{folder}{}", read::name(&child.ident));
        if let Some((_, items)) = &child.content {
            let file = self.modules[parent].file.clone();
            let module = self.add(&file, Some(parent));
            self.items(files, module, &format!("{place}/"), items);
            return module;
        }
        let file = [format!("{place}.rs"), format!("{place}/mod.rs")]
            .into_iter()
            .find(|file| files.contains_key(file))
            .unwrap_or_else(|| panic!("no file is the module {place}"));
        self.file(files, &file, Some(parent))
    }
}

/// Where the modules lie that a file declares.
fn folder(file: &str) -> String {
    let stem = file.strip_suffix(".rs").expect("a file of Rust");
    for whole in ["lib", "main", "mod"] {
        if let Some(folder) = stem.strip_suffix(whole)
            && (folder.is_empty() || folder.ends_with('/'))
        {
            return folder.to_owned();
        }
    }
    format!("{stem}/")
}
