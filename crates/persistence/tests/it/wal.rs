//! What SQLite writes for a step: each page that a step touches is a frame of the
//! write-ahead log, so an index with random keys on a hot table shows here.

use std::path::Path;

use waymark_testkit::{
    Backend, Fixture,
    build::{all, comment, create, hold},
};

const ORDERS: usize = 2_000;
/// A page of 4,096 bytes and its header.
const FRAME: u64 = 4_120;

/// Below the number of entries after which the log is moved into the database and begins again.
const BATCHES: usize = 6;
const BATCH: usize = 64;
const ALONE: usize = 100;
/// How often the log is emptied while a checkpoint of the store's own may be under way.
const ATTEMPTS: usize = 100;

/// How large the log is, after it was emptied.
struct Log<'f>(&'f Fixture);

impl Log<'_> {
    async fn emptied(fixture: &Fixture) -> Log<'_> {
        let log = Log(fixture);
        for _ in 0..ATTEMPTS {
            // Closing moves all of it into the database, unless that is under way.
            fixture.replica().await.close().await.unwrap();
            if log.length() == 0 {
                break;
            }
        }
        assert_eq!(log.length(), 0, "the log is not emptied");
        log
    }

    fn length(&self) -> u64 {
        let path = self.0.file().unwrap();
        let log = format!("{}-wal", path.display());
        std::fs::metadata(Path::new(&log)).unwrap().len()
    }

    /// Hundredths of frames for each of so many steps.
    fn frames(&self, steps: usize) -> u64 {
        100 * self.length() / FRAME / u64::try_from(steps).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_writes_few_pages() {
    let fixture = Fixture::open(Backend::Sqlite).await;
    let ids: Vec<_> = (0..ORDERS).map(|number| format!("A-{number}")).collect();
    for ids in ids.chunks(250) {
        let created = all(&fixture.store, ids.iter().map(|id| create(id)).collect()).await;
        assert!(created.iter().all(Result::is_ok));
    }
    // Far from each other, so that no two steps share a page by chance.
    let far = |number: usize| ids[number * 619 % ORDERS].as_str();

    let log = Log::emptied(&fixture).await;
    for number in 0..ALONE {
        let id = far(number);
        let step = if number % 2 == 0 {
            comment(id, "x")
        } else {
            hold(id)
        };
        assert!(
            all(&fixture.store, vec![step])
                .await
                .iter()
                .all(Result::is_ok)
        );
    }
    let alone = log.frames(ALONE);

    let log = Log::emptied(&fixture).await;
    for batch in 0..BATCHES {
        let ids = (0..BATCH).map(|number| far(ALONE + batch * BATCH + number));
        let steps = all(&fixture.store, ids.map(hold).collect()).await;
        assert!(steps.iter().all(Result::is_ok));
    }
    let together = log.frames(BATCHES * BATCH);
    println!("hundredths of pages for a step: {alone} alone, {together} in batches of {BATCH}");
    assert!(alone <= 650, "{alone}");
    assert!(together <= 250, "{together}");
}
