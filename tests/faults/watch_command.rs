//! `waymark watch` over kills of the server, cuts in the middle of messages, and readers that die: nothing is skipped.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};
use waymark_tests::{Backend, Shop, binary};

use crate::{
    replica::Replica,
    stage::{PATIENCE, Place, WORKFLOW},
};

/// How many entries each test has.
const ENTRIES: usize = 600;

/// A server whose history has so many entries, on several orders.
async fn written(entries: usize) -> (Place, Replica, Shop) {
    let place = Place::fresh(Backend::Sqlite).await;
    let replica = place.serve(&[]).await;
    let shop = Shop::new(replica.clients(), WORKFLOW);
    for order in 0..10 {
        shop.place(&format!("o{order}"), &[]).await;
    }
    more(&shop, entries - 10).await;
    (place, replica, shop)
}

async fn more(shop: &Shop, entries: usize) {
    for number in 0..entries {
        let order = format!("o{}", number % 10);
        shop.comment(&order, &format!("comment {number}"), "")
            .await
            .unwrap();
    }
}

fn watch(address: SocketAddr, arguments: &[&str]) -> Command {
    let server = format!("http://{address}");
    let mut command = binary::command(&["watch", "--from", "beginning", "--server", &server]);
    command.args(arguments);
    command
}

/// Where an entry stands; each of them once in a whole history.
fn position(entry: &Value) -> String {
    format!("{} {}", entry["orderId"], entry["sequence"])
}

/// The positions in a file of entries, one a line.
fn positions(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    whole.map(|entry: Value| position(&entry)).collect()
}

fn distinct(path: &Path) -> BTreeSet<String> {
    positions(path).into_iter().collect()
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// A watch that writes to a file, and ends with the test.
struct Following(Child);

impl Following {
    fn start(mut command: Command, output: &Path) -> Self {
        command.stdout(File::create(output).unwrap());
        Self(command.spawn().unwrap())
    }

    fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_outlives_kills_of_the_server() {
    let (_place, mut replica, mut shop) = written(20).await;
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("entries");
    let mut watching = Following::start(watch(replica.address(), &[]), &output);
    let mut expected = 20;
    for _ in 0..4 {
        until("the watch falls behind", || {
            distinct(&output).len() == expected
        })
        .await;
        replica.kill();
        replica.restart().await;
        shop = shop.over(replica.clients());
        more(&shop, 10).await;
        expected += 10;
    }
    until("the watch did not come back", || {
        distinct(&output).len() == expected
    })
    .await;
    assert!(watching.is_running());
    assert_eq!(positions(&output).len(), expected, "each once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_outlives_cuts_in_the_middle_of_messages() {
    let (_place, replica, _shop) = written(ENTRIES).await;
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("entries");
    // Sizes that end in the preface, in headers, and at several places of messages.
    let cuts = [1, 40, 300, 2_000, 5_000, 30_000, 70_000];
    let (address, used) = cutting(replica.address(), &cuts).await;
    let mut watching = Following::start(watch(address, &[]), &output);
    until("the watch did not come back", || {
        distinct(&output).len() == ENTRIES
    })
    .await;
    assert!(watching.is_running());
    assert!(used.load(Ordering::SeqCst) > 5, "most cuts were made");
}

/// A proxy that cuts each connection after so many bytes of answers, and lets those behind the last one through.
async fn cutting(to: SocketAddr, cuts: &[usize]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (used, cuts) = (Arc::new(AtomicUsize::new(0)), cuts.to_vec());
    let count = Arc::clone(&used);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let number = count.fetch_add(1, Ordering::SeqCst);
            let left = cuts.get(number).copied().unwrap_or(usize::MAX);
            tokio::spawn(relay(client, to, left));
        }
    });
    (address, used)
}

async fn relay(client: TcpStream, to: SocketAddr, mut left: usize) {
    let server = TcpStream::connect(to).await.unwrap();
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
    });
    let mut buffer = vec![0; 16 * 1024];
    while left > 0 {
        let Ok(read @ 1..) = from_server.read(&mut buffer).await else {
            return;
        };
        let sent = read.min(left);
        left -= sent;
        if to_client.write_all(&buffer[..sent]).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_fails_skips_nothing() {
    let (_place, replica, shop) = written(ENTRIES).await;
    let directory = tempfile::tempdir().unwrap();
    let (taken, token) = (
        directory.path().join("taken"),
        directory.path().join("token"),
    );
    let token = token.to_str().unwrap();
    // A message is taken or not; the third run of the command dies before it has taken all of its entries.
    let script = format!(
        "n=$(cat {d}/runs 2>/dev/null || echo 0); n=$((n + 1)); echo $n > {d}/runs; [ $n != 3 ] || {{ head -3 >> {d}/taken; kill -9 $$; }}; cat >> {d}/taken",
        d = directory.path().display()
    );
    let run = || {
        let arguments = ["--until-now", "--resume-file", token, "--exec", &script];
        watch(replica.address(), &arguments).output().unwrap()
    };
    // Three messages at least, since each comes to its own reader.
    let first = run();
    for _ in 0..3 {
        more(&shop, 5).await;
        let _ = run();
    }
    let last = run();
    assert!(first.status.success() || first.status.code() == Some(6));
    assert!(last.status.success(), "{last:?}");
    assert_eq!(distinct(&taken).len(), ENTRIES + 15);
    let runs = fs::read_to_string(directory.path().join("runs")).unwrap();
    assert!(runs.trim().parse::<u32>().unwrap() >= 4, "{runs}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_dies_is_told_again_what_it_did_not_acknowledge() {
    let (_place, replica, shop) = written(30).await;
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    let arguments = [
        "--resume-file",
        token.to_str().unwrap(),
        "--ack",
        "--checkpoint-interval-ms",
        "200",
    ];
    let mut handled = BTreeSet::new();
    // Each reader handles some messages, and dies with one in its hands.
    for round in 0..4 {
        more(&shop, 10).await;
        let mut child = watch(replica.address(), &arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut lines = BufReader::new(output).lines();
        for _ in 0..=round {
            let message: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
            let entries = message["entries"].as_array().cloned().unwrap_or_default();
            handled.extend(entries.iter().map(position));
            writeln!(input, "done").unwrap();
            if handled.len() == 30 + 10 * (round + 1) {
                break;
            }
        }
        drop((input, lines));
        let ended = child.wait().unwrap();
        assert_eq!(ended.code(), Some(6), "the reader was gone");
    }
    // The last one handles all that is left.
    let expected = 30 + 40;
    let mut child = watch(replica.address(), &arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut lines = BufReader::new(output).lines();
    while handled.len() < expected {
        let message: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        let entries = message["entries"].as_array().cloned().unwrap_or_default();
        handled.extend(entries.iter().map(position));
        writeln!(input, "done").unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_is_kept_of_what_lies_in_a_pipe() {
    let (_place, replica, _shop) = written(10).await;
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    let arguments = ["--until-now", "--resume-file", token.to_str().unwrap()];
    let refused = watch(replica.address(), &arguments).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("--exec or --ack"), "{told}");
    assert!(refused.stdout.is_empty() && !token.exists());

    let output = directory.path().join("entries");
    let mut command = watch(replica.address(), &arguments);
    command.stdout(File::create(&output).unwrap());
    assert!(command.status().unwrap().success());
    assert_eq!(distinct(&output).len(), 10);
    assert!(token.exists());
}
