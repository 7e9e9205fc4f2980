//! The book: the commands of its pages do what the pages say, and its links lead somewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use waymark_tests::{Backend, binary::workspace, book, page};

/// One test for each page with commands, on each database.
macro_rules! pages {
    ($($name:ident: $page:literal),+ $(,)?) => {
        /// The pages whose commands are run.
        const RUN: &[&str] = &[$($page),+];

        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::check(waymark_tests::Backend::Sqlite, $page).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::check(waymark_tests::Backend::Postgres, $page).await;
                }
            )+
        }
    };
}

pages!(
    start: "docs/start.md",
    orders: "docs/guides/orders.md",
    holds: "docs/guides/holds.md",
    money: "docs/guides/money.md",
    timers: "docs/guides/timers.md",
    guards: "docs/guides/guards.md",
    webhooks: "docs/guides/webhooks.md",
    mails: "docs/guides/mails.md",
    events: "docs/guides/events.md",
    deliveries: "docs/guides/deliveries.md",
    history: "docs/guides/history.md",
    tracking: "docs/guides/tracking.md",
    magento: "docs/guides/magento.md",
    workflows: "docs/guides/workflows.md",
    recipes: "docs/recipes.md",
    documents: "docs/workflows.md",
);

/// Each page checks with `grep` what came of its commands.
async fn check(backend: Backend, path: &str) {
    let printed = book::run(backend, path).await;
    assert!(!printed.is_empty(), "{backend:?} {path}");
}

#[test]
fn every_page_with_commands_is_run() {
    let with_commands: Vec<_> = book::pages()
        .into_iter()
        .filter(|path| book::has_commands(path))
        .collect();
    let in_turn = |list: &[String]| list.iter().cloned().collect::<BTreeSet<_>>();
    let run: Vec<_> = RUN.iter().map(ToString::to_string).collect();
    assert_eq!(in_turn(&with_commands), in_turn(&run));
    for path in RUN {
        let checks = page::read(path)
            .iter()
            .any(|fence| fence.info == "sh" && fence.text.contains("grep "));
        assert!(checks, "{path} checks nothing");
    }
}

/// What the page of recipes has to tell about, by words of its headings.
const RECIPES: [&str; 12] = [
    "bundles",
    "exchange",
    "after a cancellation",
    "gift card",
    "fee",
    "mistaken shipment",
    "overpayment",
    "checkpoints",
    "paid order",
    "re-opening",
    "rule has changed",
    "config.xml",
];

#[test]
fn every_recipe_checks_what_came_of_it() {
    let mut commands = BTreeMap::<_, String>::new();
    for fence in page::read("docs/recipes.md") {
        if fence.info == "sh" {
            let recipe = commands.entry(fence.heading.to_lowercase());
            recipe.or_default().push_str(&fence.text);
        }
    }
    commands.remove("recipes");
    for words in RECIPES {
        assert!(
            commands.keys().any(|title| title.contains(words)),
            "no recipe tells of {words}: {:?}",
            commands.keys()
        );
    }
    for (title, commands) in commands {
        let checks = commands.contains("| grep ") || commands.contains("grep -c");
        assert!(checks, "{title} checks nothing");
    }
}

/// The pages below a folder, from the root of the workspace.
fn markdown(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            markdown(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            let path = path.strip_prefix(workspace()).unwrap();
            found.insert(path.display().to_string());
        }
    }
}

#[test]
fn the_summary_has_every_page_once() {
    let mut found = BTreeSet::new();
    markdown(&workspace().join("docs"), &mut found);
    found.remove("docs/SUMMARY.md");
    let pages = book::pages();
    assert_eq!(pages.iter().cloned().collect::<BTreeSet<_>>(), found);
    assert_eq!(pages.len(), found.len(), "a page is listed twice");
}

/// The lines of a page outside of its blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_within = false;
    text.lines().filter(move |line| {
        let is_fence = line.starts_with("```");
        is_within ^= is_fence;
        !is_within && !is_fence
    })
}

/// The names under which the headings of a page are linked to.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    let names = headings.map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter_map(|sign| match sign {
            ' ' => Some('-'),
            '-' | '_' => Some(sign),
            _ => sign.is_alphanumeric().then_some(sign),
        });
        kept.collect::<String>()
    });
    names.collect()
}

/// The targets of the links of a page that stay within the repository.
fn links(text: &str) -> Vec<&str> {
    let parts = prose(text).flat_map(|line| line.split("](").skip(1));
    let targets = parts.filter_map(|part| part.split_once(')').map(|(target, _)| target));
    targets.filter(|target| !target.contains("://")).collect()
}

#[test]
fn links_lead_to_pages_and_headings_that_are_there() {
    let docs = fs::canonicalize(workspace().join("docs")).unwrap();
    let mut pages = book::pages();
    pages.extend(["docs/SUMMARY.md".to_owned(), "README.md".to_owned()]);
    for path in pages {
        let text = page::text(&path);
        for link in links(&text) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => workspace().join(&path),
                _ => workspace().join(&path).parent().unwrap().join(file),
            };
            let target = fs::canonicalize(target).unwrap_or_else(|error| {
                panic!("{path} links to {link}: {error}");
            });
            // The book holds what lies in `docs`, and nothing else.
            let is_within = path == "README.md" || target.starts_with(&docs);
            assert!(is_within, "{path} links to {link}, out of the book");
            if !anchor.is_empty() {
                let text = fs::read_to_string(target).unwrap();
                assert!(anchors(&text).contains(anchor), "{path} links to {link}");
            }
        }
    }
}
