use diesel::{SqliteConnection, connection::SimpleConnection};

use super::*;
use crate::{
    sqlite,
    storage::{files::with_suffix, log::Log},
};

/// More pages than the connection keeps in memory, and than two blocks have.
const MANY: usize = 9_000;

/// A database with connections that SQLite itself serves.
struct Scene {
    writer: SqliteConnection,
    index: Index,
    log: Content,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("waymark.db");
        sqlite::create(&path).unwrap();
        let mut writer = sqlite::connect(&path).unwrap();
        writer
            .batch_execute(
                "PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 0; \
                 CREATE TABLE filling (number INTEGER PRIMARY KEY, filling BLOB)",
            )
            .unwrap();
        let log = Log::open(with_suffix(&path, "-wal")).unwrap().content();
        let index = Index::open(with_suffix(&path, "-shm")).unwrap();
        Self {
            writer,
            index,
            log,
            folder,
        }
    }

    fn run(&mut self, sql: &str) {
        self.writer.batch_execute(sql).unwrap();
    }

    /// Each takes a page of its own.
    fn fill(&mut self, pages: usize) {
        self.run(&fill(pages));
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }

    fn overwrite(&self, bytes: &[u8], at: usize) {
        let file = File::options().write(true).open(self.path()).unwrap();
        file.write_all_at(bytes, u64::try_from(at).unwrap())
            .unwrap();
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("waymark.db-shm")
    }

    fn header(&mut self) -> IndexHeader {
        self.index.read_header(&self.log).unwrap()
    }

    #[track_caller]
    fn is_sound(&mut self) {
        self.index.examine(&self.log).unwrap();
        self.index.look(&self.log).unwrap();
    }
}

fn fill(pages: usize) -> String {
    format!(
        "WITH RECURSIVE n (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM n WHERE number < {pages}) \
         INSERT INTO filling (filling) SELECT randomblob(3000) FROM n"
    )
}

#[test]
fn what_sqlite_writes_is_sound() {
    let mut scene = Scene::new();
    scene.is_sound();
    scene.fill(10);
    scene.is_sound();
    scene.fill(MANY);
    scene.is_sound();
    let frames = scene.header().frames;
    assert!(usize::try_from(frames).unwrap() > FIRST_BLOCK_PAGES + BLOCK_PAGES);

    // What is under way is in the log and its index in part, and is taken back.
    scene.run("BEGIN IMMEDIATE");
    scene.fill(MANY);
    scene.is_sound();
    scene.run("ROLLBACK");
    scene.is_sound();
    assert_eq!(scene.header().frames, frames);
    scene.run("UPDATE filling SET filling = randomblob(2000) WHERE number % 7 = 0");
    scene.is_sound();

    for kind in ["PASSIVE", "RESTART", "TRUNCATE"] {
        scene.run(&format!("PRAGMA wal_checkpoint({kind})"));
        scene.is_sound();
        // In a log that begins anew, blocks still have what was there before.
        scene.fill(20);
        scene.is_sound();
        scene.run("DELETE FROM filling WHERE number % 3 = 0");
        scene.is_sound();
    }
    scene.run("VACUUM");
    scene.is_sound();
}

#[test]
fn what_is_read_while_sqlite_writes_is_sound() {
    let mut scene = Scene::new();
    let path = scene.folder.path().join("waymark.db");
    let writing = thread::spawn(move || {
        let mut writer = sqlite::connect(&path).unwrap();
        writer.batch_execute("PRAGMA synchronous = OFF").unwrap();
        for round in 0..300 {
            writer.batch_execute(&fill(1 + round % 60)).unwrap();
            if round % 25 == 0 {
                writer
                    .batch_execute("PRAGMA wal_checkpoint(RESTART)")
                    .unwrap();
            }
        }
    });
    while !writing.is_finished() {
        scene.is_sound();
    }
    writing.join().unwrap();
    scene.is_sound();
}

#[test]
fn noise_anywhere_is_found() {
    let mut scene = Scene::new();
    scene.fill(MANY);
    scene.is_sound();
    let sound = scene.bytes();
    let block = BLOCK_PAGES * PAGE_NUMBER_BYTES + BLOCK_SLOTS * SLOT_BYTES;
    let slots_at = BLOCK_PAGES * PAGE_NUMBER_BYTES;
    for (name, at, length) in [
        ("a header", 0, 16),
        ("the other header", HEADER_BYTES, 16),
        ("what was moved", MOVED_AT, 4),
        ("the first page number", HEAD_BYTES, 4),
        ("the last page number of a block", slots_at - 4, 4),
        ("page numbers of the second block", block, 400),
        ("slots", slots_at, 400),
        ("slots of the second block", block + slots_at, 400),
        ("slots of the third block", 2 * block + slots_at, 400),
        ("the head", 0, 8_192),
    ] {
        let noise: Vec<u8> = sound[at..at + length]
            .iter()
            .map(|byte| byte ^ 0xa5)
            .collect();
        scene.overwrite(&noise, at);
        let found = scene.index.examine(&scene.log);
        assert!(found.is_err(), "{name}");
        let found = scene.index.look(&scene.log);
        assert!(found.is_err(), "{name}, where the entry has changed");
        scene.overwrite(&sound[at..at + length], at);
        scene.is_sound();
    }
    scene.overwrite(&vec![0; sound.len()], 0);
    assert!(scene.index.examine(&scene.log).is_err(), "zeros");
}

#[test]
fn an_older_index_is_found() {
    let mut scene = Scene::new();
    scene.fill(30);
    scene.is_sound();
    let older = scene.bytes();
    scene.fill(1);
    scene.is_sound();
    scene.overwrite(&older, 0);
    let found = scene.index.look(&scene.log).unwrap_err();
    assert!(found.contains("older"), "{found}");
}

/// Only what is behind the header is older, as where a commit writes its header over a copy that
/// was put back.
#[test]
fn an_older_table_under_a_header_of_now_is_found() {
    let mut scene = Scene::new();
    scene.fill(30);
    let older = scene.bytes();
    scene.fill(1);
    scene.is_sound();
    scene.overwrite(&older[HEAD_BYTES..], HEAD_BYTES);
    assert!(scene.index.look(&scene.log).is_err());
}

/// SQLite makes the index anew where it finds that the header is not what it wrote.
#[test]
fn an_index_that_was_made_anew_is_found() {
    let mut scene = Scene::new();
    scene.fill(30);
    scene.fill(1);
    scene.is_sound();
    scene.overwrite(&[0; 2 * HEADER_BYTES], 0);
    scene.run("SELECT count(*) FROM filling");
    let found = scene.index.look(&scene.log).unwrap_err();
    assert!(found.contains("anew"), "{found}");
}
