mod pages;

use std::{io::Write, time::Duration};

use super::*;

fn sources(environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Sources {
    let owned = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect::<Vec<_>>()
    };
    Sources {
        file: None,
        environment: owned(environment).into_iter().collect(),
        flags: owned(flags),
    }
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn wrong(error: SettingsError) -> Vec<Wrong> {
    match error {
        SettingsError::Wrong(wrong) => wrong,
        other @ SettingsError::File { .. } => panic!("{other}"),
    }
}

#[test]
fn every_default_is_valid() {
    let settings = Settings::read(&Sources::default()).unwrap();
    assert_eq!(settings.server.listen.to_string(), "127.0.0.1:50551");
    assert_eq!(settings.database.url.to_string(), "sqlite://waymark.db");
    assert_eq!(settings.commits.committers, 1);
    assert_eq!(settings.server.preset.as_deref(), Some("magento"));
    let keep = Keep {
        deliveries: None,
        requests: Some(Duration::from_hours(30 * 24)),
    };
    assert_eq!(settings.dispatch.keep, keep);
}

#[test]
fn flags_beat_the_environment_and_that_the_file() {
    let file = file("batch_steps_max = 1\nqueue_units_max = 1\nhistory_poll = \"100ms\"\n");
    let mut sources = sources(
        &[
            ("WAYMARK_BATCH_STEPS_MAX", "2"),
            ("WAYMARK_QUEUE_UNITS_MAX", "2"),
        ],
        &[("batch_steps_max", "3")],
    );
    sources.file = Some(file.path().to_owned());
    let settings = Settings::read(&sources).unwrap();
    assert_eq!(settings.commits.batch_steps_max, 3);
    assert_eq!(settings.commits.queue_units_max, 2);
    assert_eq!(settings.history.poll_interval, Duration::from_millis(100));
}

#[test]
fn a_refusal_names_the_key_and_where_it_came_from() {
    let text = |environment: &[(&str, &str)], flags: &[(&str, &str)]| {
        Settings::read(&sources(environment, flags))
            .unwrap_err()
            .to_string()
    };
    insta::assert_snapshot!(text(&[("WAYMARK_COLOUR", "red")], &[]), @"unknown setting colour, from environment variable WAYMARK_COLOUR; `waymark serve --help` lists the settings");
    insta::assert_snapshot!(text(&[], &[("colour", "red")]), @"unknown setting colour, from a flag; `waymark serve --help` lists the settings");
    insta::assert_snapshot!(text(&[("WAYMARK_LISTEN", "here")], &[]), @"setting listen, from environment variable WAYMARK_LISTEN, must be an address and port such as 127.0.0.1:50551");
    insta::assert_snapshot!(text(&[], &[("partitions", "0")]), @"setting partitions, from a flag, must be a whole number from 1 to 1024");
    insta::assert_snapshot!(text(&[], &[("committers", "2")]), @"setting committers, from a flag, must be 1 on SQLite");
    insta::assert_snapshot!(text(&[], &[("log_level", "loud")]), @"setting log_level, from a flag, must be a level such as info, or directives such as info,waymark_server=debug");
    insta::assert_snapshot!(text(&[], &[("webhooks_allowed", "10.1.2.3/8")]), @"setting webhooks_allowed, from a flag, must be networks such as 10.1.0.0/16, addresses and names of hosts, separated by commas");
    insta::assert_snapshot!(text(&[], &[("grpc_web_origins", "https://shop.example, *")]), @"setting grpc_web_origins, from a flag, must be origins such as https://shop.example, separated by commas, each by name without a path; number 2 is none");
    insta::assert_snapshot!(text(&[], &[("preset", "opencart")]), @"setting preset, from a flag, must be none or the name of a preset, see `waymark preset list`");
    insta::assert_snapshot!(text(&[], &[("default_workflow", "Order")]), @"setting default_workflow, from a flag, must be a code: first a letter a-z, then a-z, 0-9 or _");
}

#[test]
fn pages_of_no_other_origin_may_call_unless_named() {
    let origins = |text: &str| {
        let settings = Settings::read(&sources(&[("WAYMARK_GRPC_WEB_ORIGINS", text)], &[]));
        let origins = settings.unwrap().server.grpc_web_origins.into_iter();
        origins
            .map(|origin| origin.header().to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(origins(""), [""; 0]);
    assert_eq!(
        origins(" https://shop.example/ ,http://localhost:5173,"),
        ["https://shop.example", "http://localhost:5173"]
    );
}

#[test]
fn all_that_is_wrong_is_told_at_once_also_of_what_is_off() {
    let file = file("smtp_port = 70000\nsmtp_security = \"ssl\"\nlisten = [1]\ncolour = \"red\"\n");
    let mut sources = sources(
        &[
            ("WAYMARK_MAIL_GENERAL", "not a mail"),
            ("WAYMARK_SMTP_CA_FILE", "/nowhere/ca.pem"),
            ("WAYMARK_NATS_CA_FILE", "/nowhere/ca.pem"),
        ],
        &[
            ("mail_templates", "/nowhere/templates"),
            ("feeds_base_url", "shop.example"),
            ("partitions", "0"),
        ],
    );
    sources.file = Some(file.path().to_owned());
    let error = Settings::read(&sources).unwrap_err().to_string();
    let path = file.path().display();
    let gone = "No such file or directory (os error 2)";
    let expected = format!(
        "10 settings are wrong:
  unknown setting colour, from file {path}; `waymark serve --help` lists the settings
  setting listen, from file {path}, must be one value, not a table or a list
  setting partitions, from a flag, must be a whole number from 1 to 1024
  setting feeds_base_url, from a flag, must be an address such as https://shop.example or https://shop.example/orders
  setting smtp_security, from file {path}, is refused: the security of a mail server is none, starttls or tls
  setting smtp_port, from file {path}, must be a whole number from 1 to 65535
  setting smtp_ca_file, from environment variable WAYMARK_SMTP_CA_FILE, names a file that cannot be read: {gone}
  setting mail_general, from environment variable WAYMARK_MAIL_GENERAL, is refused: `not a mail` is no mail address
  setting mail_templates, from a flag, names a directory that cannot be used: /nowhere/templates: {gone}
  setting nats_ca_file, from environment variable WAYMARK_NATS_CA_FILE, names a file that cannot be read: {gone}"
    );
    assert_eq!(error, expected);
}

#[test]
fn what_is_said_of_a_server_that_is_not_named_is_checked() {
    let pem = file("no certificate");
    let pem = pem.path().to_str().unwrap();
    for (key, value) in [
        ("smtp_hello_name", "two words"),
        ("smtp_ca_file", pem),
        ("nats_ca_file", pem),
        ("nats_credentials_file", pem),
        ("mail_custom2", "nobody"),
        ("mail_templates", pem),
    ] {
        let error = Settings::read(&sources(&[], &[(key, value)])).unwrap_err();
        assert!(error.to_string().contains(key), "{error}");
    }
    let clear = [("smtp_security", "none"), ("smtp_user", "shop")];
    assert!(Settings::read(&sources(&[], &clear)).is_err());
    for host in ["localhost:25", "mail.example:smtp", "[::1]:25"] {
        let error = Settings::read(&sources(&[], &[("smtp_host", host)])).unwrap_err();
        let said = "its port is smtp_port";
        assert!(error.to_string().contains(said), "{error}");
    }
    let address = [("smtp_host", "::1"), ("mail_general", "a@example.com")];
    assert!(Settings::read(&sources(&[], &address)).is_ok());
    let misspelled = Settings::read(&sources(&[], &[("mail_template", "x")])).unwrap_err();
    assert_eq!(
        misspelled.to_string(),
        "unknown setting mail_template, from a flag; did you mean mail_templates? \
         `waymark serve --help` lists the settings"
    );
    // Without a server, nothing is sent; workflows are checked against the templates all the same.
    let directory = tempfile::tempdir().unwrap();
    let templates = directory.path().to_str().unwrap();
    let given = [
        ("smtp_port", "25"),
        ("mail_general", "Shop <shop@example.com>"),
        ("mail_templates", templates),
        ("nats_token", "s3cret"),
    ];
    let settings = Settings::read(&sources(&[], &given)).unwrap();
    let dispatch = settings.dispatch;
    assert!(dispatch.mail.is_none() && dispatch.nats.is_none());
    assert_eq!(dispatch.templates.as_deref(), Some(directory.path()));
    let named = [given.as_slice(), &[("smtp_host", "mail.example")]].concat();
    let settings = Settings::read(&sources(&[], &named)).unwrap();
    assert!(settings.dispatch.mail.is_some());
    let error = Settings::read(&sources(&[], &[("smtp_host", "mail.example")])).unwrap_err();
    assert!(error.to_string().contains("mail_general"), "{error}");
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    let rows: &[(&[(&str, &str)], &str)] = &[
        (
            &[("smtp_host", "mail.example:587")],
            "its port is smtp_port",
        ),
        (&[("smtp_host", "[::1]:587")], "its port is smtp_port"),
        (
            &[("smtp_host", "smtp://mail.example")],
            "its port is smtp_port",
        ),
        (
            &[("smtp_user", "shop")],
            "setting smtp_user, from a flag, must be given together with smtp_password",
        ),
        (
            &[("nats_user", "shop")],
            "setting nats_user, from a flag, must be given together with nats_password",
        ),
        (
            &[
                ("nats_user", "shop"),
                ("nats_password", "x"),
                ("nats_token", "y"),
            ],
            "setting nats_token, from a flag, must be given without nats_user",
        ),
        (
            &[("feeds_base_url", "https://shop.example")],
            "setting feeds_base_url, from a flag, must be given together with feeds_listen",
        ),
        (
            &[
                ("listen", "127.0.0.1:50551"),
                ("feeds_listen", "127.0.0.1:50551"),
            ],
            "setting feeds_listen, from a flag, must be another address or port",
        ),
        (
            &[
                ("listen", "127.0.0.1:50551"),
                ("feeds_listen", "0.0.0.0:50551"),
            ],
            "setting feeds_listen, from a flag, must be another address or port",
        ),
    ];
    for (flags, expected) in rows {
        let error = Settings::read(&sources(&[], flags)).unwrap_err();
        let lines = error.to_string();
        assert!(lines.contains(expected), "{flags:?}: {lines}");
    }
    let fine: &[&[(&str, &str)]] = &[
        &[("smtp_user", "shop"), ("smtp_password", "x")],
        &[("nats_user", "shop"), ("nats_password", "x")],
        &[("listen", "127.0.0.1:0"), ("feeds_listen", "127.0.0.1:0")],
        &[
            ("feeds_listen", "127.0.0.1:8080"),
            ("feeds_base_url", "https://shop.example"),
        ],
        &[
            ("listen", "127.0.0.2:50551"),
            ("feeds_listen", "127.0.0.1:50551"),
        ],
    ];
    for flags in fine {
        assert!(Settings::read(&sources(&[], flags)).is_ok(), "{flags:?}");
    }
}

#[test]
fn a_refusal_never_repeats_a_secret() {
    let secret = "mysql://shop:hunter2@db/waymark";
    let error = Settings::read(&sources(&[("WAYMARK_DATABASE_URL", secret)], &[])).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn a_file_is_refused_by_name() {
    let cases = [
        ("listen = [1]", "must be one value, not a table or a list"),
        ("[server]\nlisten = 'x'", "unknown setting server"),
        ("listen = ", "cannot be read"),
    ];
    for (text, expected) in cases {
        let file = file(text);
        let sources = Sources {
            file: Some(file.path().to_owned()),
            ..Sources::default()
        };
        let error = Settings::read(&sources).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(
            error.contains(&file.path().display().to_string()),
            "{error}"
        );
    }
    let sources = Sources {
        file: Some("/nowhere/waymark.toml".into()),
        ..Sources::default()
    };
    assert!(
        Settings::read(&sources)
            .unwrap_err()
            .to_string()
            .contains("/nowhere/waymark.toml")
    );
}

#[test]
fn only_loopback_is_safe_without_authentication() {
    let error = Settings::read(&sources(&[], &[("listen", "0.0.0.0:50551")])).unwrap_err();
    let [wrong]: [Wrong; 1] = wrong(error).try_into().unwrap();
    assert_eq!(wrong.key, "listen");
    assert!(wrong.text.contains("must be a loopback address"));
    let allowed = sources(&[], &[("listen", "0.0.0.0:50551"), ("insecure", "true")]);
    assert!(Settings::read(&allowed).is_ok());
}

#[test]
fn committers_leave_a_connection_free() {
    let postgres = ("database_url", "postgres://waymark@localhost/waymark");
    assert_eq!(
        Settings::read(&sources(&[], &[postgres]))
            .unwrap()
            .commits
            .committers,
        1
    );
    let error = Settings::read(&sources(&[], &[postgres, ("committers", "4")])).unwrap_err();
    let [wrong]: [Wrong; 1] = wrong(error).try_into().unwrap();
    assert_eq!(wrong.key, "write_connections_max");
}

#[test]
fn durations_are_written_with_their_unit() {
    let patience = |text: &str| {
        let settings = Settings::read(&sources(&[], &[("commit_patience", text)]));
        settings.map(|settings| settings.database.commit_patience)
    };
    for (text, milliseconds) in [
        ("250ms", 250),
        ("3s", 3_000),
        ("1m 30s", 90_000),
        ("1m30s", 90_000),
        ("1h", 3_600_000),
    ] {
        let expected = Duration::from_millis(milliseconds);
        assert_eq!(patience(text).unwrap(), expected, "{text}");
    }
    let setting = "setting commit_patience, from a flag,";
    for (text, problem) in [
        ("8000", "must have a unit: write 8000ms or 8000s"),
        ("0s", "must be a duration from 1ms to 1h"),
        ("61m", "must be a duration from 1ms to 1h"),
        ("soon", "must be a duration from 1ms to 1h"),
        ("", "must be a duration from 1ms to 1h"),
    ] {
        let error = patience(text).unwrap_err().to_string();
        assert_eq!(error, format!("{setting} {problem}"));
    }
    let days = Settings::read(&sources(&[], &[("deliveries_keep_days", "2")])).unwrap();
    let kept = Some(Duration::from_hours(48));
    assert_eq!(days.dispatch.keep.deliveries, kept);
}

#[test]
fn a_former_name_is_refused_with_the_present_one_and_its_value() {
    let file = file("commit_patience_ms = 8000\nhistory_poll_ms = \"soon\"\n");
    let mut sources = sources(
        &[("WAYMARK_DISPATCH_LEASE_MS", "2500")],
        &[("requests_keep_ms", "1"), ("shutdown_deadline_ms", "90000")],
    );
    sources.file = Some(file.path().to_owned());
    let error = Settings::read(&sources).unwrap_err().to_string();
    for line in [
        "commit_patience_ms is commit_patience now: write commit_patience = \"8s\"",
        "history_poll_ms is history_poll now: write history_poll = \"500ms\"",
        "dispatch_lease_ms is dispatch_lease now: write WAYMARK_DISPATCH_LEASE=2500ms",
        "shutdown_deadline_ms is shutdown_deadline now: write --set shutdown_deadline=1m30s",
        "unknown setting requests_keep_ms, from a flag; did you mean",
    ] {
        assert!(error.contains(line), "{line}: {error}");
    }
    assert!(error.starts_with("5 settings are wrong:"), "{error}");
}

#[test]
fn what_follows_from_a_wrong_value_is_not_told_beside_it() {
    let flags = [
        ("feeds_listen", "here"),
        ("feeds_base_url", "https://shop.example"),
        ("database_url", "mysql://shop"),
        ("committers", "4"),
    ];
    let error = Settings::read(&sources(&[], &flags)).unwrap_err();
    let keys: Vec<_> = wrong(error).into_iter().map(|wrong| wrong.key).collect();
    assert_eq!(keys, ["database_url", "feeds_listen"]);
}
