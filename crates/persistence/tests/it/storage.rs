//! What happens to the file of a SQLite database while a store has it open: whatever makes it
//! another file is noticed before anything more is acknowledged, and what others may do with a
//! database is not mistaken for it.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::Duration,
};

use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
use tokio::time::timeout;
use waymark_persistence::{CommitError, Error, StepError, StorageState, Store, test_access};
use waymark_testkit::{
    Backend, Fixture,
    build::{all, comment, commit, create, done, separate},
};

/// How long it may take until the state changes, on a machine that compiles as well.
const PATIENCE: Duration = Duration::from_mins(1);

const ORDERS: usize = 250;

/// A store with some hundred pages, half of them in the file and half in the log.
async fn stocked() -> (Fixture, PathBuf) {
    let fixture = Fixture::open(Backend::Sqlite).await;
    let file = fixture.file().unwrap();
    for half in ["A", "B"] {
        let steps = (0..ORDERS).map(|number| create(&format!("{half}-{number}")));
        let steps: Vec<_> = steps.collect();
        for steps in steps.chunks(250) {
            assert!(
                all(&fixture.store, steps.to_vec())
                    .await
                    .iter()
                    .all(Result::is_ok)
            );
        }
        if half == "A" {
            outside(&file, "PRAGMA wal_checkpoint(TRUNCATE)");
        }
    }
    (fixture, file)
}

/// What another process may do: it has a connection of its own.
fn outside(file: &Path, sql: &str) {
    let mut connection = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    connection
        .batch_execute("PRAGMA busy_timeout = 5000")
        .unwrap();
    connection.batch_execute(sql).unwrap();
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", file.display()))
}

fn overwrite(file: &Path, offset: u64, bytes: usize) {
    let noise: Vec<u8> = (0..bytes)
        .map(|byte| u8::try_from(byte * 131 % 251).unwrap() | 1)
        .collect();
    let file = OpenOptions::new().write(true).open(file).unwrap();
    file.write_all_at(&noise, offset).unwrap();
}

fn cut(file: &Path, share: u64) {
    let file = OpenOptions::new().write(true).open(file).unwrap();
    let bytes = file.metadata().unwrap().len();
    file.set_len(bytes / share).unwrap();
}

/// A copy in the place of a file, as an editor or a restore leaves it.
fn replace(file: &Path) {
    let copy = beside(file, ".copy");
    fs::copy(file, &copy).unwrap();
    fs::rename(copy, file).unwrap();
}

async fn reaches(store: &Store, wanted: StorageState) {
    let mut storage = store.storage();
    let reached = timeout(PATIENCE, storage.wait_for(|state| *state == wanted)).await;
    assert!(
        reached.is_ok(),
        "the state is {:?}",
        *store.storage().borrow()
    );
}

/// The next write is refused, and so is everything after it.
async fn is_noticed_by_a_write(damage: impl FnOnce(&Path)) {
    let (fixture, file) = stocked().await;
    let store = &fixture.store;
    damage(&file);
    for number in 0..3 {
        let refused = commit(store, create(&format!("late-{number}"))).await;
        assert_eq!(refused, Err(StepError::Failed(CommitError::StorageDamaged)));
    }
    is_broken(store).await;
}

/// Nobody asks for anything, and it is noticed all the same.
async fn is_noticed_by_nobody(damage: impl FnOnce(&Path)) {
    let (fixture, file) = stocked().await;
    damage(&file);
    reaches(&fixture.store, StorageState::Damaged).await;
    is_broken(&fixture.store).await;
}

async fn is_broken(store: &Store) {
    assert_eq!(*store.storage().borrow(), StorageState::Damaged);
    let read = store.ping().await;
    assert!(matches!(read, Err(Error::Damaged { .. })), "{read:?}");
    let write = test_access::execute(store, "UPDATE deployment SET singleton = 1").await;
    assert!(matches!(write, Err(Error::Damaged { .. })), "{write:?}");
    let closed = store.close().await;
    assert!(matches!(closed, Err(Error::Damaged { .. })), "{closed:?}");
}

macro_rules! damages {
    ($($name:ident: $damage:expr;)*) => {
        mod before_the_next_write {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                is_noticed_by_a_write($damage).await;
            })*
        }
        mod on_an_idle_store {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                is_noticed_by_nobody($damage).await;
            })*
        }
    };
}

damages! {
    removed: |file| fs::remove_file(file).unwrap();
    moved: |file| fs::rename(file, beside(file, ".moved")).unwrap();
    replaced: replace;
    replaced_by_an_empty_one: |file| {
        fs::remove_file(file).unwrap();
        fs::write(file, []).unwrap();
    };
    cut_to_half: |file| cut(file, 2);
    emptied: |file| fs::write(file, []).unwrap();
    beginning_is_noise: |file| {
        outside(file, "PRAGMA wal_checkpoint(TRUNCATE)");
        overwrite(file, 0, 200);
    };
    log_removed: |file| fs::remove_file(beside(file, "-wal")).unwrap();
    log_replaced: |file| replace(&beside(file, "-wal"));
    log_cut: |file| cut(&beside(file, "-wal"), 2);
    log_emptied: |file| fs::write(beside(file, "-wal"), []).unwrap();
    beginning_of_the_log_is_noise: |file| overwrite(&beside(file, "-wal"), 0, 200);
    index_of_the_log_removed: |file| fs::remove_file(beside(file, "-shm")).unwrap();
    beginning_of_the_index_is_noise: |file| overwrite(&beside(file, "-shm"), 0, 8_192);
    index_is_noise_behind_its_header: |file| overwrite(&beside(file, "-shm"), 136, 32_000);
    index_is_zeros: |file| put_back(&beside(file, "-shm"), &vec![0; 32_768]);
    index_says_that_the_log_was_moved: |file| overwrite(&beside(file, "-shm"), 96, 4);
}

/// Writes into a file that stays the same.
fn put_back(file: &Path, content: &[u8]) {
    let file = OpenOptions::new().write(true).open(file).unwrap();
    file.write_all_at(content, 0).unwrap();
}

/// Whether a start on the file and its log alone finds so many orders.
fn holds_orders(file: &Path, orders: usize) {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    for suffix in ["", "-wal"] {
        fs::copy(beside(file, suffix), beside(&copy, suffix)).unwrap();
    }
    let count = format!(
        "CREATE TEMP TABLE found (orders INTEGER CHECK (orders = {orders})); \
         INSERT INTO found SELECT count(*) FROM orders"
    );
    outside(&copy, &count);
}

/// A copy of a moment ago is whole by itself, and whoever goes by it writes over what came after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_index_loses_nothing() {
    let (fixture, file) = stocked().await;
    let store = &fixture.store;
    let index = beside(&file, "-shm");
    let older = fs::read(&index).unwrap();
    for number in 0..10 {
        done(store, create(&format!("new-{number}"))).await;
    }
    put_back(&index, &older);
    let refused = commit(store, create("late")).await;
    assert_eq!(refused, Err(StepError::Failed(CommitError::StorageDamaged)));
    is_broken(store).await;
    holds_orders(&file, 2 * ORDERS + 10);
}

/// Closing a store moves the log into the file and removes it, by what the index says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_whose_index_is_noise_leaves_its_log() {
    let places: [fn(&Path); 3] = [
        |index| overwrite(index, 0, 8_192),
        |index| overwrite(index, 96, 4),
        |index| overwrite(index, 136, 32_000),
    ];
    for damage in places {
        let (fixture, file) = stocked().await;
        damage(&beside(&file, "-shm"));
        let closed = fixture.store.close().await;
        assert!(matches!(closed, Err(Error::Damaged { .. })), "{closed:?}");
        holds_orders(&file, 2 * ORDERS);
        is_broken(&fixture.store).await;
        drop(fixture.store);
        holds_orders(&file, 2 * ORDERS);
    }
}

/// No entry of the folder tells, so it is read every second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_in_the_middle_of_the_log() {
    is_noticed_by_nobody(|file| overwrite(&beside(file, "-wal"), 100_000, 60_000)).await;
}

/// In a page, where SQLite would read it and never look at its checksum.
fn overwrite_a_page_of_the_log(file: &Path) {
    let log = beside(file, "-wal");
    let frame = 4_096 + 24;
    let frames = (fs::metadata(&log).unwrap().len() - 32) / frame;
    overwrite(&log, 32 + frames / 2 * frame + 24 + 1_000, 64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_in_a_page_of_the_log() {
    is_noticed_by_nobody(overwrite_a_page_of_the_log).await;
}

/// The log changes all the time while it is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_in_the_log_is_noticed_amid_writes() {
    let (fixture, file) = stocked().await;
    let store = &fixture.store;
    overwrite_a_page_of_the_log(&file);
    let refused = timeout(PATIENCE, async {
        for number in 0.. {
            let written = commit(store, create(&format!("late-{number}"))).await;
            if let Err(refused) = written {
                return Some(refused);
            }
        }
        None
    });
    // It is noticed before a commit, or before its acknowledgement.
    let refused = refused.await.unwrap();
    assert!(
        matches!(
            refused,
            Some(StepError::Failed(
                CommitError::StorageDamaged | CommitError::OutcomeUnknown
            ))
        ),
        "{refused:?}"
    );
    is_broken(store).await;
}

/// Closing a store moves the log into the file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_in_the_log_is_not_moved() {
    let (fixture, file) = stocked().await;
    let before = fs::read(&file).unwrap();
    overwrite_a_page_of_the_log(&file);
    let closed = fixture.store.close().await;
    assert!(matches!(closed, Err(Error::Damaged { .. })), "{closed:?}");
    is_broken(&fixture.store).await;
    drop(fixture.store);
    assert!(fs::read(&file).unwrap() == before);
    assert!(beside(&file, "-wal").is_file());
}

/// What is written after the cut does not hide it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_grew_again() {
    is_noticed_by_a_write(|file| {
        let log = beside(file, "-wal");
        let bytes = fs::metadata(&log).unwrap().len();
        cut(&log, 2);
        overwrite(&log, bytes, 4_120);
    })
    .await;
}

/// What stands in the log is read from there, and will be written over what is in the file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_below_the_log_is_none() {
    let (fixture, file) = stocked().await;
    overwrite(&file, 0, 200);
    done(&fixture.store, create("late")).await;
    let replica = fixture.replica().await;
    done(&replica, comment("late", "x")).await;
    fixture.store.close().await.unwrap();
    replica.close().await.unwrap();
    outside(&file, "PRAGMA quick_check");
    assert!(fs::read(&file).unwrap().starts_with(b"SQLite format 3"));
}

/// The next start must not take what is left for a new database, and remove the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_without_its_file_is_kept() {
    let (fixture, file) = stocked().await;
    let log = beside(&file, "-wal");
    let kept = beside(&file, ".kept");
    for damage in [
        (|file: &Path| fs::rename(file, beside(file, ".kept")).unwrap()) as fn(&Path),
        |file: &Path| fs::write(file, []).unwrap(),
    ] {
        fs::copy(&file, &kept).unwrap();
        damage(&file);
        let bytes = fs::metadata(&log).unwrap().len();
        let opened = Store::open(fixture.settings.clone(), fixture.clock()).await;
        assert!(
            matches!(opened, Err(Error::CannotOpen { .. })),
            "{opened:?}"
        );
        assert_eq!(fs::metadata(&log).unwrap().len(), bytes);
        fs::rename(&kept, &file).unwrap();
    }
    let again = Store::open(fixture.settings.clone(), fixture.clock())
        .await
        .unwrap();
    done(&again, create("late")).await;
}

/// A schema that lacks what the migrations made belongs to another database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_gone() {
    let (fixture, file) = stocked().await;
    outside(&file, "DROP TABLE history");
    let refused = commit(&fixture.store, create("late")).await;
    assert_eq!(refused, Err(StepError::Failed(CommitError::StorageDamaged)));
    is_broken(&fixture.store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_may_do_is_no_damage() {
    let (fixture, file) = stocked().await;
    let store = &fixture.store;
    let replica = fixture.replica().await;
    let mut written = 0;
    for round in 0..3 {
        for sql in [
            "VACUUM",
            "PRAGMA wal_checkpoint(TRUNCATE)",
            "PRAGMA wal_checkpoint(RESTART)",
            "CREATE TABLE other (id INTEGER); DROP TABLE other",
            "ANALYZE",
        ] {
            outside(&file, sql);
            for (name, store) in [("store", store), ("replica", &replica)] {
                done(store, create(&format!("{name}-{written}"))).await;
                done(store, comment(&format!("{name}-{written}"), "x")).await;
            }
            written += 2;
        }
        let link = beside(&file, &format!(".link{round}"));
        fs::hard_link(&file, &link).unwrap();
        fs::remove_file(link).unwrap();
        let away = beside(&file, ".away");
        fs::rename(&file, &away).unwrap();
        fs::rename(&away, &file).unwrap();
        // Enough for a checkpoint of the store's own.
        let steps: Vec<_> = (0..250)
            .map(|n| create(&format!("own-{round}-{n}")))
            .collect();
        assert!(all(store, steps).await.iter().all(Result::is_ok));
    }
    replica.close().await.unwrap();
    done(store, create("last")).await;
    assert_eq!(*store.storage().borrow(), StorageState::Sound);
    store.close().await.unwrap();
    assert!(!beside(&file, "-wal").exists(), "closed, the file is whole");
}

/// SQLite's own limit stands for a disk: it is of the one connection that writes, which goes with
/// the transaction that fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_room_is_said_at_once_and_passes() {
    let (fixture, _) = stocked().await;
    let store = &fixture.store;
    let before = fixture.number("SELECT count(*) FROM history").await;
    let pages = fixture
        .number("SELECT page_count FROM pragma_page_count")
        .await;
    let limit = format!("PRAGMA max_page_count = {}", pages + 2);
    test_access::execute(store, &limit).await.unwrap();
    let steps = (0..250).map(|number| create(&format!("large-{number}")));
    let unit = separate(steps.collect());
    let outcome = store.commit(vec![unit]).await;
    assert_eq!(outcome.units, [Err(CommitError::StorageFull)]);
    assert_eq!(outcome.written, []);
    assert_eq!(fixture.number("SELECT count(*) FROM history").await, before);
    // The new connection has no limit.
    reaches(store, StorageState::Sound).await;
    done(store, create("small")).await;
}

/// A file that nobody else has written before is examined at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_in_the_middle_is_noticed_by_the_next_write() {
    let (fixture, file) = stocked().await;
    // The last connection that is closed moves the whole log into the file.
    fixture.store.close().await.unwrap();
    let store = fixture.replica().await;
    done(&store, create("early")).await;
    overwrite(&file, 9_000, 60_000);
    let refused = commit(&store, create("late")).await;
    assert_eq!(refused, Err(StepError::Failed(CommitError::StorageDamaged)));
    is_broken(&store).await;
}

/// Where somebody else has just moved the log into the file, it was examined a moment ago, and the
/// watcher examines it again soon.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_in_the_middle_soon_after_an_examination_is_noticed() {
    is_noticed_by_nobody(|file| overwrite(file, 9_000, 60_000)).await;
}
