//! The SQLite file is damaged, moved, replaced, or without room while clients create orders: nothing is acknowledged
//! that goes nowhere, the process says what is wrong and ends, or goes on by itself when the obstacle is gone.

mod restart;

use std::{
    collections::HashSet,
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tonic::{Code, Status};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};
use tonic_types::StatusExt;
use waymark_proto::v1::{CreateOrderRequest, GetOrderRequest, Order};
use waymark_tests::Clients;

use self::restart::after_restart;
use crate::{replica::Replica, stage::PATIENCE};

const CLIENTS: usize = 8;

/// What clients were told.
#[derive(Default)]
struct Told {
    acknowledged: Mutex<Vec<(Instant, String)>>,
    refusals: Mutex<Vec<Status>>,
    sent: AtomicUsize,
    over: AtomicBool,
}

impl Told {
    fn acknowledged(&self) -> Vec<(Instant, String)> {
        self.acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn refusals(&self) -> Vec<Status> {
        self.refusals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The reasons that Waymark gave; connections that broke have none.
    fn reasons(&self) -> HashSet<(Code, String)> {
        let refusals = self.refusals();
        let reasons = refusals
            .iter()
            .filter_map(|status| Some((status.code(), reason(status)?)));
        reasons.collect()
    }
}

fn reason(status: &Status) -> Option<String> {
    Some(status.get_details_error_info()?.reason)
}

/// Clients that create orders, one after the other, until told to stop.
struct Load {
    told: Arc<Told>,
    clients: JoinSet<()>,
}

impl Load {
    fn start(clients: &Clients) -> Self {
        let told = Arc::new(Told::default());
        let mut tasks = JoinSet::new();
        for _ in 0..CLIENTS {
            let (told, clients) = (Arc::clone(&told), clients.clone());
            tasks.spawn(async move {
                while !told.over.load(Ordering::Relaxed) {
                    let id = format!("o{}", told.sent.fetch_add(1, Ordering::Relaxed));
                    match create(&clients, &id).await {
                        Ok(()) => {
                            let now = Instant::now();
                            told.acknowledged.lock().unwrap().push((now, id));
                        }
                        Err(status) => {
                            told.refusals.lock().unwrap().push(status);
                            // Not to fill the log of the test with refusals.
                            sleep(Duration::from_millis(10)).await;
                        }
                    }
                }
            });
        }
        Self {
            told,
            clients: tasks,
        }
    }

    async fn until_more(&self, orders: usize) {
        let before = self.told.acknowledged().len();
        let deadline = Instant::now() + PATIENCE;
        while self.told.acknowledged().len() < before + orders {
            assert!(Instant::now() < deadline, "{:?}", self.told.reasons());
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn stop(self) -> Arc<Told> {
        self.told.over.store(true, Ordering::Relaxed);
        self.clients.join_all().await;
        self.told
    }
}

async fn create(clients: &Clients, id: &str) -> Result<(), Status> {
    let order = Order {
        id: id.to_owned(),
        ..Order::default()
    };
    let request = CreateOrderRequest {
        order: Some(order),
        ..CreateOrderRequest::default()
    };
    clients.orders().create_order(request).await.map(drop)
}

async fn find(clients: &Clients, id: &str) -> Result<(), Status> {
    let request = GetOrderRequest {
        order_id: id.to_owned(),
        ..GetOrderRequest::default()
    };
    let found = clients.orders().get_order(request).await?.into_inner();
    assert_eq!(found.order.unwrap().id, id);
    Ok(())
}

/// A folder with a database in a folder of its own, which may be moved.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("waymark-storage-")
            .tempdir()
            .unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        Self { folder }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn file(&self) -> PathBuf {
        self.data().join("waymark.db")
    }

    fn url(&self) -> String {
        format!("sqlite://{}", self.file().display())
    }
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", file.display()))
}

/// What a damage leaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// Once it is undone, everything that was acknowledged.
    Everything,
    /// What only a backup brings back. A start on it says why it cannot be, or serves and hides nothing.
    Remains,
    /// A log without its file: no start may take that for a new database, or remove the log.
    LogAlone,
}

/// One way to damage a file, how to undo it where that is possible, and what it leaves then.
struct Damage {
    name: &'static str,
    inflict: fn(&Place),
    undo: fn(&Place),
    left: Left,
}

const fn lasting(name: &'static str, inflict: fn(&Place)) -> Damage {
    Damage {
        name,
        inflict,
        undo: |_| {},
        left: Left::Remains,
    }
}

const DAMAGES: [Damage; 13] = [
    lasting("cut to half", |place| {
        let file = OpenOptions::new().write(true).open(place.file()).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    }),
    lasting("overwritten", |place| {
        let third = fs::metadata(place.file()).unwrap().len() / 3;
        write_at(&place.file(), third, &noise(60_000));
    }),
    Damage {
        name: "unlinked",
        inflict: |place| fs::remove_file(place.file()).unwrap(),
        undo: |_| {},
        left: Left::LogAlone,
    },
    lasting("log unlinked", |place| {
        fs::remove_file(beside(&place.file(), "-wal")).unwrap();
    }),
    lasting("log cut", |place| {
        let log = OpenOptions::new()
            .write(true)
            .open(beside(&place.file(), "-wal"))
            .unwrap();
        log.set_len(log.metadata().unwrap().len() / 2).unwrap();
    }),
    Damage {
        name: "moved",
        inflict: |place| fs::rename(place.file(), beside(&place.file(), ".moved")).unwrap(),
        undo: |place| fs::rename(beside(&place.file(), ".moved"), place.file()).unwrap(),
        left: Left::Everything,
    },
    Damage {
        name: "moved with its folder",
        inflict: |place| fs::rename(place.data(), place.data().with_extension("moved")).unwrap(),
        undo: |place| fs::rename(place.data().with_extension("moved"), place.data()).unwrap(),
        left: Left::Everything,
    },
    Damage {
        name: "replaced by a copy",
        inflict: |place| {
            let (file, kept) = (place.file(), beside(&place.file(), ".kept"));
            fs::copy(&file, beside(&file, ".copy")).unwrap();
            fs::hard_link(&file, kept).unwrap();
            fs::rename(beside(&file, ".copy"), file).unwrap();
        },
        undo: |place| fs::rename(beside(&place.file(), ".kept"), place.file()).unwrap(),
        left: Left::Everything,
    },
    Damage {
        name: "log moved",
        inflict: |place| {
            let log = beside(&place.file(), "-wal");
            fs::rename(&log, beside(&log, ".moved")).unwrap();
        },
        undo: |place| {
            let log = beside(&place.file(), "-wal");
            fs::rename(beside(&log, ".moved"), log).unwrap();
        },
        left: Left::Everything,
    },
    Damage {
        name: "index of the log unlinked",
        inflict: |place| fs::remove_file(beside(&place.file(), "-shm")).unwrap(),
        undo: |_| {},
        left: Left::Everything,
    },
    Damage {
        name: "index of the log overwritten at its head",
        inflict: |place| write_at(&beside(&place.file(), "-shm"), 0, &noise(8_192)),
        undo: |_| {},
        left: Left::Everything,
    },
    Damage {
        name: "index of the log overwritten behind its head",
        inflict: |place| write_at(&beside(&place.file(), "-shm"), 136, &noise(32_000)),
        undo: |_| {},
        left: Left::Everything,
    },
    Damage {
        name: "an older index of the log put back",
        inflict: |place| {
            let index = beside(&place.file(), "-shm");
            let older = fs::read(&index).unwrap();
            std::thread::sleep(Duration::from_millis(500));
            write_at(&index, 0, &older);
        },
        undo: |_| {},
        left: Left::Everything,
    },
];

fn noise(bytes: u32) -> Vec<u8> {
    (0..bytes)
        .map(|byte| u8::try_from(byte * 131 % 251).unwrap() | 1)
        .collect()
}

/// Writes into a file that stays the same.
fn write_at(path: &Path, offset: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, offset).unwrap();
}

/// How late an answer may come that was on its way when the file was damaged.
const ON_ITS_WAY: Duration = Duration::from_millis(100);

async fn suffers(damage: &Damage) {
    let place = Place::new();
    let mut replica = Replica::start(&place.url(), &[]).await;
    let health = tokio::spawn(health_to_its_end(replica.clients()));
    let load = Load::start(&replica.clients());
    load.until_more(1_500).await;
    (damage.inflict)(&place);
    let since = Instant::now();
    let status = replica.ended(PATIENCE).await;
    let after = since.elapsed();
    let told = load.stop().await;
    assert_eq!(status.code(), Some(5), "{}", damage.name);
    let seen = health.await.unwrap();
    assert!(
        seen.contains(&ServingStatus::NotServing),
        "{}: {seen:?}",
        damage.name
    );
    let errors = replica.lines("\"level\":\"ERROR\"");
    assert_eq!(errors.len(), 1, "{}: {errors:#?}", damage.name);
    assert!(
        errors[0].contains("integrity_check") && errors[0].contains("waymark.db"),
        "{}",
        errors[0]
    );
    for (code, reason) in told.reasons() {
        let expected = [
            (Code::Unavailable, "STORAGE_DAMAGED"),
            (Code::Unavailable, "SHUTTING_DOWN"),
            (Code::Unknown, "OUTCOME_UNKNOWN"),
        ];
        assert!(
            expected.contains(&(code, &reason)),
            "{}: {code:?} {reason}",
            damage.name
        );
    }
    let acknowledged = told.acknowledged();
    let late = acknowledged.iter().filter(|(at, _)| *at > since).count();
    let too_late = acknowledged
        .iter()
        .filter(|(at, _)| *at > since + ON_ITS_WAY)
        .count();
    assert_eq!(too_late, 0, "{}: {late} acknowledged after it", damage.name);

    (damage.undo)(&place);
    let found = after_restart(damage, &place, &mut replica, &acknowledged).await;
    eprintln!(
        "{}: {} acknowledged, {late} of them in the {:?} after it; ended after {after:?}; after a restart: {found}",
        damage.name,
        acknowledged.len(),
        ON_ITS_WAY,
    );
}

/// What a client that watches the health is told until the server is gone.
async fn health_to_its_end(clients: Clients) -> Vec<ServingStatus> {
    let mut seen = Vec::new();
    let mut stream = clients
        .health()
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    while let Ok(Some(answer)) = stream.message().await {
        seen.push(answer.status());
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_ends_the_process() {
    for damage in &DAMAGES {
        suffers(damage).await;
    }
}

/// Something that keeps the file from being written, and passes.
async fn passes(place: &Place, hinder: impl Fn(), free: impl Fn(), told_as: &str) {
    let mut replica = Replica::start(&place.url(), &[]).await;
    let clients = replica.clients();
    let load = Load::start(&clients);
    load.until_more(300).await;
    hinder();
    until_health(&clients, ServingStatus::NotServing).await;
    let acknowledged = load.told.acknowledged();
    // Reads go on, and what is refused is refused at once.
    for (_, id) in acknowledged.iter().rev().take(50) {
        find(&clients, id).await.unwrap();
    }
    let began = Instant::now();
    let status = create(&clients, "refused").await.unwrap_err();
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        (status.code(), reason(&status).as_deref()),
        (Code::Unavailable, Some(told_as))
    );
    assert!(status.get_details_retry_info().is_some());
    assert_eq!(
        find(&clients, "refused").await.unwrap_err().code(),
        Code::NotFound
    );
    free();
    until_health(&clients, ServingStatus::Serving).await;
    load.until_more(100).await;
    let told = load.stop().await;
    let reasons = told.reasons();
    let doubts = told
        .refusals()
        .iter()
        .filter(|status| status.code() == Code::Unknown)
        .count();
    assert!(
        reasons.contains(&(Code::Unavailable, told_as.to_owned())),
        "{reasons:?}"
    );
    assert!(reasons.len() <= 2, "{reasons:?}");
    // At most those whose commit was on its way.
    assert!(doubts <= CLIENTS, "{doubts} in doubt");
    replica.stop(PATIENCE).await;
    replica.restart().await;
    let acknowledged = told.acknowledged();
    for (_, id) in &acknowledged {
        find(&replica.clients(), id).await.unwrap();
    }
    eprintln!(
        "{told_as}: {} acknowledged and found after a restart, {} refused, {doubts} in doubt",
        acknowledged.len(),
        told.refusals().len()
    );
}

async fn until_health(clients: &Clients, wanted: ServingStatus) {
    let reached = async {
        loop {
            let answer = clients
                .health()
                .check(HealthCheckRequest::default())
                .await
                .unwrap();
            if answer.get_ref().status() == wanted {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, reached)
        .await
        .unwrap_or_else(|_| panic!("health is never {wanted:?}"));
}

/// Runs a command of the system; false where this user may not.
fn system(arguments: &[&str]) -> bool {
    let output = Command::new(arguments[0]).args(&arguments[1..]).output();
    output.is_ok_and(|output| output.status.success())
}

/// A small file system that goes with this.
struct Mounted<'p>(&'p Path);

impl Mounted<'_> {
    fn at(path: &Path) -> Option<Mounted<'_>> {
        let text = path.to_str().unwrap();
        system(&["mount", "-t", "tmpfs", "-o", "size=96m", "waymark", text])
            .then_some(Mounted(path))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        system(&["umount", "-l", self.0.to_str().unwrap()]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_said_and_passes() {
    let place = Place::new();
    let data = place.data();
    let Some(_mounted) = Mounted::at(&data) else {
        eprintln!("skipped: this user may not mount a file system");
        return;
    };
    let filler = data.join("filler");
    let fill = || {
        // Until there is no room; the system says so.
        let _ = fs::write(&filler, vec![0; 128 << 20]);
    };
    passes(
        &place,
        fill,
        || fs::remove_file(&filler).unwrap(),
        "STORAGE_FULL",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_may_not_be_written_is_said_and_passes() {
    let place = Place::new();
    let file = place.file();
    let log = beside(&file, "-wal");
    let probe = place.folder.path().join("probe");
    fs::write(&probe, []).unwrap();
    let change = |flag: &str, path: &Path| system(&["chattr", flag, path.to_str().unwrap()]);
    if !change("+i", &probe) || !change("-i", &probe) {
        eprintln!(
            "skipped: this user may not make a file immutable, or the file system does not know that"
        );
        return;
    }
    let lock = || assert!(change("+i", &file) && change("+i", &log));
    let unlock = || assert!(change("-i", &file) && change("-i", &log));
    passes(&place, lock, unlock, "STORAGE_READ_ONLY").await;
}
