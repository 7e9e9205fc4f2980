//! The recipes of `docs/recipes.md`: documents and commands, taken out of the page as a reader would copy them.

use crate::page;

/// The page, from the root of the workspace.
const PAGE: &str = "docs/recipes.md";

/// What stands under one heading of the page.
#[derive(Debug, Default)]
pub struct Recipe {
    /// The heading.
    pub title: String,
    /// Documents by the names of their files, which stand behind their language.
    pub files: Vec<(String, String)>,
    /// The commands, with those that stand before the first heading of a recipe.
    pub commands: String,
}

/// All recipes of the page, in its order.
///
/// # Panics
/// Panics where the page is missing or a block says neither `sh` nor a language and the name of a file.
pub fn all() -> Vec<Recipe> {
    let fences = page::read(PAGE);
    let title = fences.first().map(|fence| fence.heading.clone());
    let (common, of_recipes): (Vec<_>, Vec<_>) = fences
        .into_iter()
        .partition(|fence| Some(&fence.heading) == title.as_ref());
    let common: Vec<_> = common.into_iter().map(|fence| fence.text).collect();
    let mut recipes: Vec<Recipe> = Vec::new();
    for fence in of_recipes {
        if recipes
            .last()
            .is_none_or(|last| last.title != fence.heading)
        {
            recipes.push(Recipe {
                title: fence.heading,
                files: Vec::new(),
                commands: common.join("\n"),
            });
        }
        let recipe = recipes.last_mut().expect("one was added");
        match fence.info.split_once(' ') {
            None if fence.info == "sh" => {
                recipe.commands.push('\n');
                recipe.commands.push_str(&fence.text);
            }
            Some((_, name)) => recipe.files.push((name.to_owned(), fence.text)),
            None => panic!("{}: a block of {:?} has no name", recipe.title, fence.info),
        }
    }
    recipes
}
