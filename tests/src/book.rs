//! The book: the pages that `docs/SUMMARY.md` lists, and the commands of a page, run as a reader would type them.
//!
//! A block of `sh` is run, all of a page as one script in a directory of its own. A block with the name of a file
//! behind its language, such as `yaml shop.yaml`, is written there first. Comments say what else a page needs:
//! `<!-- run: set KEY=VALUE -->` a setting of its server, `<!-- run: port 127.0.0.1:8000 -->` an address for which a
//! free one is taken, and `<!-- run: python LIBRARY -->` a `python3` that has a library.

use std::{fs, net::TcpListener, path::PathBuf};

use waymark_testkit::python;

use crate::{Backend, Server, page, script};

/// The pages that the book has, from the root of the workspace, in its order.
///
/// # Panics
/// Panics where there is no summary.
pub fn pages() -> Vec<String> {
    let summary = page::text("docs/SUMMARY.md");
    let targets = summary.lines().filter_map(|line| {
        let (_, target) = line.split_once("](")?;
        let (target, _) = target.split_once(')')?;
        Some(format!("docs/{target}"))
    });
    targets.collect()
}

/// Whether a page has commands.
pub fn has_commands(path: &str) -> bool {
    page::read(path).iter().any(|fence| fence.info == "sh")
}

/// Runs the commands of a page against a server of its own, and gives what they printed.
///
/// # Panics
/// Panics at the first command that fails, with all that was printed.
pub async fn run(backend: Backend, path: &str) -> String {
    let needs = Needs::of(&page::text(path));
    let settings = needs.settings.iter().map(|it| needs.address(it));
    let arguments: Vec<_> = settings.flat_map(|it| ["--set".into(), it]).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let server = Server::start_with(backend, &arguments).await;
    let directory = tempfile::tempdir().expect("a directory");
    let mut commands = String::new();
    for fence in page::read(path) {
        match fence.info.split_once(' ') {
            Some((_, name)) if name.contains('.') => {
                let file = directory.path().join(name);
                assert!(!file.exists(), "{path} has two files {name}");
                fs::write(file, needs.address(&fence.text)).expect("the file is written");
            }
            None if fence.info == "sh" => {
                commands.push_str(&fence.text);
                commands.push('\n');
            }
            _ => {}
        }
    }
    let commands = needs.address(&commands);
    script::run_with(&server, directory.path(), &commands, &needs.folders())
}

/// What a page needs besides a server.
#[derive(Debug, Default)]
struct Needs {
    settings: Vec<String>,
    /// Addresses as the page has them, each with the one that is taken.
    addresses: Vec<(String, String)>,
    libraries: Vec<String>,
}

impl Needs {
    fn of(text: &str) -> Self {
        let mut needs = Self::default();
        for line in text.lines() {
            let comment = line.strip_prefix("<!-- run: ");
            let Some(need) = comment.and_then(|rest| rest.strip_suffix(" -->")) else {
                continue;
            };
            match need.split_once(' ') {
                Some(("set", setting)) => needs.settings.push(setting.to_owned()),
                Some(("port", address)) => needs.addresses.push((address.to_owned(), free())),
                Some(("python", library)) => needs.libraries.push(library.to_owned()),
                _ => panic!("nothing is known of {line}"),
            }
        }
        needs
    }

    /// A text with the addresses that are taken, and their ports where these stand alone.
    fn address(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (written, taken) in &self.addresses {
            text = text.replace(written, taken);
            let port = |address: &str| address.rsplit(':').next().unwrap_or_default().to_owned();
            text = text.replace(
                &format!("_port={}", port(written)),
                &format!("_port={}", port(taken)),
            );
        }
        text
    }

    /// The folders of programs.
    fn folders(&self) -> Vec<PathBuf> {
        let programs = self.libraries.iter().map(|library| python::with(library));
        let folders = programs.filter_map(|program| Some(program.parent()?.to_owned()));
        folders.collect()
    }
}

/// An address on loopback that was free just now.
fn free() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener
        .local_addr()
        .expect("it has an address")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_say_what_a_page_needs() {
        let page = "# A\n<!-- run: port 127.0.0.1:25 -->\n<!-- run: set smtp_port=25 -->\n<!-- other -->\n";
        let needs = Needs::of(page);
        let taken = &needs.addresses[0].1;
        let (_, port) = taken.split_once(':').unwrap();
        assert_eq!(
            needs.address(&needs.settings[0]),
            format!("smtp_port={port}")
        );
        assert_eq!(needs.address("nc 127.0.0.1:25"), format!("nc {taken}"));
        assert!(needs.libraries.is_empty());
    }
}
