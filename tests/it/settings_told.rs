//! What a start says that cannot be, or not yet: every setting that is wrong, the database with its cause, the port; and
//! the exit codes that tell scripts whether waiting helps.

use std::{
    fs, io,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use tonic::Code;
use waymark_proto::v1;
use waymark_testkit::smtp::Smtp;
use waymark_tests::{
    Backend, Server, Shop, backend::Database, binary, ledger, log::Log, process::Process, refused,
    world,
};

const PATIENCE: Duration = Duration::from_mins(1);

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn url(file: &Path) -> String {
    format!("sqlite://{}", file.display())
}

/// `serve` on a database, on a free port unless the arguments say another.
fn serve(url: &str, arguments: &[&str]) -> Command {
    let fixed = ["serve", "--database-url", url];
    binary::command(&[&fixed[..], arguments].concat())
}

#[test]
fn all_settings_that_are_wrong_are_told_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let file = at("settings.toml");
    fs::write(&file, "smtp_port = 70000\ncolour = \"red\"\n").unwrap();
    let arguments = ["--config", file.to_str().unwrap(), "--set", "partitions=0"];
    let mut command = serve(&url(&at("waymark.db")), &arguments);
    let output = command
        .env("WAYMARK_SMTP_SECURITY", "ssl")
        .env("WAYMARK_MAIL_GENERAL", "not a mail")
        .output()
        .unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for words in [
        "5 settings are wrong",
        "unknown setting colour",
        "smtp_port",
        "settings.toml",
        "partitions",
        "WAYMARK_SMTP_SECURITY",
        "WAYMARK_MAIL_GENERAL",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(!at("waymark.db").exists());
}

#[test]
fn templates_of_mails_have_to_be_there() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("file"), "x").unwrap();
    for name in ["nope/templates", "file"] {
        let setting = format!("mail_templates={}", at(name).display());
        let output = serve(&url(&at("waymark.db")), &["--set", &setting])
            .output()
            .unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("mail_templates"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn templates_of_mails_that_go_away_are_told_once() {
    let directory = tempfile::tempdir().unwrap();
    let templates = directory.path().join("templates");
    fs::create_dir(&templates).unwrap();
    let smtp = Smtp::start(&[]);
    let settings = [
        "smtp_host=127.0.0.1".to_owned(),
        format!("smtp_port={}", smtp.port),
        "smtp_security=none".to_owned(),
        "mail_general=Shop <shop@shop.example>".to_owned(),
        format!("mail_templates={}", templates.display()),
    ];
    let arguments: Vec<&str> = settings
        .iter()
        .flat_map(|setting| ["--set", setting.as_str()])
        .collect();
    let server = Server::start_with(Backend::Sqlite, &arguments).await;
    let document = "workflow: mails
label: Mails
initial_state: new
statuses: {new: {label: New}}
states: {new: {label: New, category: initial, can_start: true, statuses: [new]}}
on_create: {mail: {email: {template: new_order, customer: always}}}
";
    let shop = world::apply(&server.clients(), "mails", document).await;
    let mail = async |id: &str| {
        let order = v1::Order {
            customer: Some(v1::Customer {
                email: "anna@shop.example".into(),
                ..Default::default()
            }),
            ..shop.draft(id, &[])
        };
        let mut created = shop.create(order).await.unwrap();
        let set_off = created.entries.remove(0).set_off.remove(0);
        ledger::until(&shop, &set_off.delivery_id, v1::DeliveryState::Succeeded).await;
    };
    let told = || {
        let lines = server.log().after(0).into_iter();
        lines
            .filter(|line| line.contains("mail template directory missing"))
            .count()
    };
    mail("1").await;
    assert_eq!(told(), 0);
    fs::remove_dir(&templates).unwrap();
    mail("2").await;
    mail("3").await;
    let gone = |line: &str| {
        line.contains("mail template directory missing")
            .then_some(())
    };
    server.log().find(0, PATIENCE, gone).await.unwrap();
    assert_eq!(told(), 1);
    fs::create_dir(&templates).unwrap();
    mail("4").await;
    let again = |line: &str| {
        line.contains("mail template directory available again")
            .then_some(())
    };
    server.log().find(0, PATIENCE, again).await.unwrap();
}

/// Runs `serve` and `migrate` on a database that they cannot open, and gives what each says.
#[track_caller]
fn not_opened(url: &str, code: i32) -> [String; 2] {
    ["serve", "migrate"].map(|command| {
        let output = binary::run(&[command, "--database-url", url]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{command}: {said}");
        assert!(!said.contains("s3cret"), "{said}");
        said
    })
}

#[test]
fn a_file_that_cannot_be_opened_is_told_with_its_path() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir(at("folder")).unwrap();
    fs::write(at("letter.txt"), "Dear Sir or Madam,\n".repeat(100)).unwrap();
    for (name, cause) in [
        ("nope/w.db", "does not exist"),
        ("folder", "it is a folder"),
        ("letter.txt", "it is not a SQLite database"),
    ] {
        let file = at(name);
        let told = format!("cannot open {}: ", file.display());
        for said in not_opened(&url(&file), 2) {
            assert!(said.contains(&told) && said.contains(cause), "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_cannot_be_reached_is_told_with_its_host_and_cause() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let nobody = format!("postgres://shop:s3cret@127.0.0.1:{port}/orders");
    for said in not_opened(&nobody, 3) {
        let told = format!("cannot reach PostgreSQL at 127.0.0.1:{port}: connection refused");
        assert!(said.contains(&told), "{said}");
    }
    let unknown = "postgres://shop:s3cret@no-such-host.invalid/orders";
    for said in not_opened(unknown, 3) {
        let told = "cannot reach PostgreSQL at no-such-host.invalid:5432: ";
        assert!(said.contains(told), "{said}");
    }
    let database = Database::empty(Backend::Postgres).await;
    let (server, _) = database.url().rsplit_once('/').unwrap();
    for said in not_opened(&format!("{server}/nobody_made_it"), 2) {
        let told = "database \"nobody_made_it\" does not exist";
        assert!(
            said.contains("cannot reach PostgreSQL at ") && said.contains(told),
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_is_found_before_a_database_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("waymark.db");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let feeds = format!("feeds_listen={address}");
    for (setting, arguments) in [
        ("listen", vec!["--listen", &address]),
        (
            "feeds_listen",
            vec!["--listen", "127.0.0.1:0", "--set", &feeds],
        ),
    ] {
        let output = serve(&url(&file), &arguments).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(3), "{said}");
        let told = format!("setting {setting}: cannot listen on {address}");
        assert!(said.contains(&told), "{said}");
        assert!(!file.exists(), "{setting}");
    }
    // An address of nobody on this machine stays so.
    let foreign = ["--insecure", "--listen", "192.0.2.1:0"];
    let output = serve(&url(&file), &foreign).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(!file.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_before_the_database_is_open_is_refused_and_not_kept_waiting() {
    // Nothing answers there, so the start waits for its database.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let database = format!("postgres://shop@{}/orders", silent.local_addr().unwrap());
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let listen = address.to_string();
    let starting = serve(&database, &["--listen", &listen]);
    let _starting = Process::start(starting, &Log::default(), None);
    // It asks for its database, so it has its port.
    let _asked = silent.accept().unwrap();
    let early = TcpStream::connect(address).unwrap_err();
    assert_eq!(early.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_default_workflow_that_does_not_exist_is_told() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let arguments = ["--preset", "none", "--default-workflow", "shop"];
        let mut server = Server::start_with(backend, &arguments).await;
        let told = |line: &str| {
            let is_told = line.contains("default_workflow names a workflow that does not exist");
            (is_told && line.contains("shop")).then_some(())
        };
        server
            .log()
            .find(0, PATIENCE, told)
            .await
            .expect("it is told");
        let shop = Shop::new(server.clients(), "");
        refused(shop.find("1").await, Code::NotFound, "WORKFLOW_NOT_FOUND");
        world::apply(&server.clients(), "shop", &binary::preset("magento")).await;
        server.kill();
        let since = server.log().len();
        server.restart().await;
        let again = server.log().after(since);
        assert!(!again.iter().any(|line| told(line).is_some()), "{again:?}");
    }
}
