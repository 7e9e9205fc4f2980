//! The program as scripts see it: what it prints and its exit codes, without a server.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::{
    fs,
    io::Write,
    process::{Command, Output, Stdio},
};

/// The program, with nothing in its environment that belongs to Waymark.
fn waymark(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waymark"));
    command.args(arguments).env_clear();
    command
}

fn run(arguments: &[&str]) -> Output {
    waymark(arguments).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn says_its_version() {
    assert_eq!(
        out(&run(&["version"])),
        format!("waymark {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn presets_can_be_listed_shown_and_checked() {
    let list = out(&run(&["preset", "list"]));
    for name in ["magento", "magento_2_4", "modmore"] {
        assert!(list.contains(name), "{list}");
        let shown = out(&run(&["preset", "show", name]));
        assert!(shown.contains("states:"), "{name}");
        let checked = run(&["workflow", "lint", &format!("preset:{name}"), "--strict"]);
        assert_eq!(code(&checked), 0, "{}", out(&checked));
    }
    assert_eq!(code(&run(&["preset", "show", "shopify"])), 2);
}

#[test]
fn a_document_is_checked_from_a_file_and_from_the_input() {
    let document = out(&run(&["preset", "show", "modmore"]));
    let mut child = waymark(&["workflow", "lint", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(document.as_bytes())
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("broken.yaml");
    fs::write(
        &path,
        document.replace("initial_state: draft", "initial_state: nowhere"),
    )
    .unwrap();
    let broken = run(&["workflow", "lint", path.to_str().unwrap()]);
    assert_eq!(code(&broken), 1, "{}", out(&broken));
    let told = out(&broken);
    for part in [
        "broken.yaml:",
        ": error: workflow starts in state nowhere, which does not exist",
        " (unknown_reference)\n    initial_state: nowhere\n                   ^\n",
    ] {
        assert_eq!(told.matches(part).count(), 1, "{told}");
    }
    fs::write(&path, "label: [\ncolour: red\n").unwrap();
    let malformed = run(&["workflow", "lint", path.to_str().unwrap()]);
    assert_eq!(code(&malformed), 1);
    assert!(
        out(&malformed).contains("broken.yaml:1:"),
        "{}",
        out(&malformed)
    );
    // Where the workflow is needed and not the findings, they are why it is not there.
    let differing = run(&["workflow", "diff", path.to_str().unwrap(), "preset:modmore"]);
    assert_eq!((code(&differing), out(&differing)), (1, String::new()));
    assert!(
        err(&differing).contains("broken.yaml:1:"),
        "{}",
        err(&differing)
    );
    assert_eq!(code(&run(&["workflow", "lint", "/nowhere/at/all.yaml"])), 2);
    for (name, said) in [
        (
            "prestashop_2",
            "there is no file prestashop_2; a workflow of the server is workflow:prestashop_2\n",
        ),
        (
            "magento",
            "there is no file magento; a workflow of the server is workflow:magento, a preset preset:magento\n",
        ),
    ] {
        let missing = run(&["workflow", "lint", name]);
        assert_eq!(code(&missing), 2);
        let told = String::from_utf8(missing.stderr).unwrap();
        assert!(told.ends_with(said), "{told}");
    }
}

#[test]
fn all_mistakes_of_a_document_are_shown_each_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.yaml");
    let document = out(&run(&["preset", "show", "modmore"]))
        .replace("comment_status: never", "comment_status: nver")
        .replace("initial_state: draft", "initial_state: drft");
    fs::write(&path, format!("{document}colour: red\n")).unwrap();
    let told = out(&run(&["workflow", "lint", path.to_str().unwrap()]));
    for part in [
        "error: comment_status: must be any_in_state or never; did you mean never? (document)\n    comment_status: nver\n                    ^\n",
        "error: colour: is not known here",
        "    colour: red\n    ^\n",
        "error: workflow starts in state drft, which does not exist",
    ] {
        assert_eq!(told.matches(part).count(), 1, "{part}: {told}");
    }
    assert_eq!(told.matches("error: ").count(), 3, "{told}");
}

#[test]
fn a_config_xml_is_read_as_it_declares_and_checked_on_top_of_a_workflow() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.xml");
    let check = |document: &[u8], more: &[&str]| {
        fs::write(&path, document).unwrap();
        let call = [
            "workflow",
            "lint",
            path.to_str().unwrap(),
            "--onto",
            "preset:magento",
        ];
        run(&[&call[..], more].concat())
    };
    let of = |encoding: &str, label: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"{encoding}\"?>\n<config><global><sales><order>\n<statues/>\
             <statuses><own><label>{label}</label></own></statuses>\
             <states><own><statuses><own/></statuses></own></states></order></sales></global></config>"
        )
    };
    let latin = of("ISO-8859-1", "Für");
    let latin: Vec<u8> = latin.chars().map(|c| u8::try_from(c).unwrap()).collect();

    let unknown = check(&latin, &[]);
    assert_eq!(code(&unknown), 1);
    for part in ["config.xml", ": states own", "--create-states"] {
        assert!(err(&unknown).contains(part), "{}", err(&unknown));
    }
    let created = check(&latin, &["--create-states"]);
    assert_eq!(code(&created), 0, "{}", err(&created));
    let told = out(&created);
    for part in [
        "config.xml: warning: workflow takes nothing from <statues> in line 3",
        "(unknown_element)",
        "config.xml: warning: state own ",
        "(unreachable_state)",
    ] {
        assert!(told.contains(part), "{told}");
    }

    let mark = [b"\xef\xbb\xbf".as_slice(), of("UTF-8", "Für").as_bytes()].concat();
    assert_eq!(code(&check(&mark, &["--create-states"])), 0);
    for (document, problem) in [
        (
            of("windows-1252", "Fur").into_bytes(),
            "the encoding windows-1252 is not read",
        ),
        (
            b"<config>\xfc</config>".to_vec(),
            "line 1, column 9: the byte 0xFC is not UTF-8",
        ),
        (
            b"<conf/>".to_vec(),
            "the outermost element is <conf>, but <config> is expected",
        ),
    ] {
        let refused = check(&document, &[]);
        assert_eq!(code(&refused), 1);
        let told = out(&refused) + &err(&refused);
        assert_eq!(told.matches(problem).count(), 1, "{told}");
    }
}

#[test]
fn states_are_made_of_a_config_xml_only() {
    for source in ["preset:magento", "config.yaml"] {
        let misplaced = run(&["workflow", "lint", source, "--create-states"]);
        assert_eq!(code(&misplaced), 2);
        assert!(
            err(&misplaced).contains("--create-states goes with"),
            "{}",
            err(&misplaced)
        );
    }
}

#[test]
fn differences_are_found_without_a_server() {
    let same = run(&["workflow", "diff", "preset:magento", "preset:magento"]);
    assert_eq!((code(&same), out(&same)), (0, String::new()));
    let other = run(&["workflow", "diff", "preset:magento", "preset:magento_2_4"]);
    assert_eq!(code(&other), 1);
    // Each on a line, or in a block where it would be too long for one.
    assert!(
        out(&other)
            .lines()
            .all(|line| line.starts_with(['+', '-', '~', ' '])),
        "{}",
        out(&other)
    );
}

#[test]
fn every_language_of_diagrams_is_drawn() {
    for (language, beginning) in [
        ("mermaid", "stateDiagram-v2"),
        ("dot", "digraph"),
        ("svg", "<svg"),
    ] {
        let drawn = run(&[
            "workflow",
            "diagram",
            "preset:magento",
            "--language",
            language,
        ]);
        assert_eq!(code(&drawn), 0);
        assert!(
            out(&drawn).trim_start().starts_with(beginning),
            "{}",
            out(&drawn)
        );
    }
    let counts = run(&["workflow", "diagram", "preset:magento", "--counts"]);
    assert_eq!(code(&counts), 2);
}

#[test]
fn wrong_settings_name_the_key_and_where_it_came_from() {
    let unknown = waymark(&["serve"])
        .env("WAYMARK_COLOUR", "red")
        .output()
        .unwrap();
    assert_eq!(code(&unknown), 2);
    assert!(
        err(&unknown).contains("WAYMARK_COLOUR"),
        "{}",
        err(&unknown)
    );
    let open = run(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(code(&open), 2);
    assert!(err(&open).contains("--insecure"), "{}", err(&open));
    assert_eq!(code(&run(&["serve", "--set", "colour=red"])), 2);
    assert_eq!(
        code(&run(&["serve", "--config", "/nowhere/waymark.toml"])),
        2
    );
}

#[test]
fn what_kubernetes_puts_into_the_environment_is_no_setting() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("test.db").display());
    let migrated = waymark(&["migrate", "--database-url", &url])
        .env("WAYMARK_SERVICE_HOST", "10.0.0.1")
        .env("WAYMARK_PORT_50551_TCP", "tcp://10.0.0.1:50551")
        .output()
        .unwrap();
    assert_eq!(code(&migrated), 0, "{}", err(&migrated));
    assert!(out(&migrated).starts_with("applied "), "{}", out(&migrated));
    assert_eq!(
        out(&run(&["migrate", "--database-url", &url])),
        "the database is up to date\n"
    );
}

#[test]
fn a_server_that_is_not_there_is_told_by_the_exit_code() {
    // Nothing listens on the discard port of a loopback address.
    let server = ["--server", "http://127.0.0.1:9"];
    for command in [
        &["workflow", "export"][..],
        &["watch", "--no-reconnect"],
        &["workflow", "lint", "workflow:order"],
    ] {
        let output = run(&[command, &server].concat());
        assert_eq!(code(&output), 3, "{}", err(&output));
    }
    assert_eq!(
        code(&run(&["workflow", "export", "--server", "not an address"])),
        2
    );
}

#[test]
fn a_port_that_is_taken_and_a_database_that_is_none_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (url, listen) = (
        format!("sqlite://{}", directory.path().join("test.db").display()),
        taken.local_addr().unwrap().to_string(),
    );
    let busy = run(&["serve", "--database-url", &url, "--listen", &listen]);
    assert_eq!(code(&busy), 3, "{}", err(&busy));
    let told = format!("setting listen: cannot listen on {listen}");
    assert!(err(&busy).contains(&told), "{}", err(&busy));
    assert!(!directory.path().join("test.db").exists());
    let gone = run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database-url",
        "postgres://nobody@127.0.0.1:9/none",
    ]);
    assert_eq!(code(&gone), 3, "{}", err(&gone));
    let told = "cannot reach PostgreSQL at 127.0.0.1:9: connection refused";
    assert!(err(&gone).contains(told), "{}", err(&gone));
}
