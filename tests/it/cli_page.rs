//! `docs/cli.md`: the help of every command. `UPDATE=1 cargo test -p waymark-tests --test it cli_page` writes it anew.

use std::fmt::Write;

use waymark_tests::{binary, page};

const PAGE: &str = "docs/cli.md";
const HEADER: &str = "\
# Command line

The help of each command, as `waymark COMMAND --help` prints it.
`cargo test -p waymark-tests --test it cli_page` compares; with `UPDATE=1` before it, it writes this page.
";

/// What a command prints with `--help`.
fn help(command: &[&str]) -> String {
    let arguments = [command, &["--help"][..]].concat();
    let output = binary::command(&arguments).env("COLUMNS", "100").output();
    let output = output.expect("waymark runs");
    assert!(output.status.success(), "{command:?}");
    let printed = String::from_utf8(output.stdout).expect("help is text");
    let lines = printed.trim_end().lines().map(str::trim_end);
    lines.collect::<Vec<_>>().join("\n")
}

/// The commands that a help lists, but for `help` itself.
fn commands(help: &str) -> impl Iterator<Item = &str> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    // Descriptions that are too long for a line go on further to the right.
    let names = listed.filter(|line| !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help")
}

/// Adds a section for a command and those below it.
fn add(page: &mut String, command: &[&str]) {
    let help = help(command);
    let name = [&["waymark"][..], command].concat().join(" ");
    write!(page, "\n## `{name}`\n\n```text\n{help}\n```\n").expect("a string takes it");
    for below in commands(&help) {
        add(page, &[command, &[below][..]].concat());
    }
}

#[test]
fn the_page_shows_the_help_of_every_command() {
    let mut text = HEADER.to_owned();
    add(&mut text, &[]);
    assert!(text.contains("## `waymark workflow apply`"), "{text}");
    page::check_generated(PAGE, &text);
}
