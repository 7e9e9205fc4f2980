//! What an item defines, brings in and uses.

use syn::{
    Attribute, Ident, ImplItemFn, Item, ItemUse, Macro, Meta, MetaList, UseTree, Visibility,
    visit::{self, Visit},
};

use super::tree::{Module, Path};

/// Reads an item of a module.
pub(super) fn item(module: &mut Module, item: &Item) {
    module.items.extend(defined(item));
    Reader { module }.visit_item(item);
}

/// An identifier as a file or a path has it.
pub(super) fn name(ident: &Ident) -> String {
    ident.to_string().trim_start_matches("r#").to_owned()
}

/// Whether an item is there for tests alone.
pub(super) fn is_for_tests(item: &Item) -> bool {
    has_test_mark(match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => return false,
    })
}

/// Whether there is `#[cfg(test)]` among attributes.
fn has_test_mark(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        Meta::Path(_) | Meta::NameValue(_) => false,
    })
}

/// The name that an item defines.
fn defined(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(name(ident))
}

/// Adds what it meets to a module.
struct Reader<'m> {
    module: &'m mut Module,
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, method: &'ast ImplItemFn) {
        if !has_test_mark(&method.attrs) {
            visit::visit_impl_item_fn(self, method);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if item.leading_colon.is_none() {
            let is_handed_on = !matches!(item.vis, Visibility::Inherited);
            self.bring(&[], &item.tree, is_handed_on);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let segments = path.segments.iter();
            let segments = segments.map(|segment| name(&segment.ident));
            self.module.uses.insert(segments.collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.module.uses.extend(paths(&call.tokens.to_string()));
        visit::visit_macro(self, call);
    }

    fn visit_meta_list(&mut self, list: &'ast MetaList) {
        self.module.uses.extend(paths(&list.tokens.to_string()));
        visit::visit_meta_list(self, list);
    }
}

impl Reader<'_> {
    /// Takes what a `use` brings in below a path.
    fn bring(&mut self, below: &[String], tree: &UseTree, is_handed_on: bool) {
        let then = |ident: &Ident| [below, &[name(ident)]].concat();
        let (path, known_as) = match tree {
            UseTree::Path(step) => {
                return self.bring(&then(&step.ident), &step.tree, is_handed_on);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.bring(below, tree, is_handed_on);
                }
                return;
            }
            UseTree::Glob(_) => {
                self.module.globs.push(below.to_vec());
                (below.to_vec(), None)
            }
            UseTree::Name(this) if this.ident == "self" => (below.to_vec(), below.last().cloned()),
            UseTree::Rename(this) if this.ident == "self" => {
                (below.to_vec(), Some(name(&this.rename)))
            }
            UseTree::Name(this) => (then(&this.ident), Some(name(&this.ident))),
            UseTree::Rename(this) => (then(&this.ident), Some(name(&this.rename))),
        };
        if let Some(known_as) = known_as {
            let paths = self.module.imports.entry(known_as).or_default();
            paths.push(path.clone());
        }
        if !is_handed_on {
            self.module.uses.insert(path);
        }
    }
}

/// The paths in the tokens of a macro or an attribute, whose own grammar nobody knows. Words that are no paths name
/// nothing that a crate has.
fn paths(tokens: &str) -> Vec<Path> {
    let tokens = tokens.replace(" :: ", "::");
    let words =
        tokens.split(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != ':');
    let is_name =
        |part: &&str| part.starts_with(|first: char| first.is_alphabetic() || first == '_');
    words
        .filter(|word| is_name(word))
        .map(|word| {
            word.split("::")
                .filter(is_name)
                .map(str::to_owned)
                .collect()
        })
        .collect()
}
