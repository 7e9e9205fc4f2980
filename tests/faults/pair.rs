//! A primary with a standby, the switch through which a replica of the service reaches the one that serves, and what
//! stands in their databases, read past the service.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::{
    task::block_in_place,
    time::{Instant, sleep},
};
use tokio_postgres::Client;
use waymark_proto::v1::HistoryEntry;
use waymark_testkit::{
    postgres::{Durability, Server},
    switch::Switch,
};

use crate::stage::{PATIENCE, fresh_database, session};

/// Two servers with one database, and a switch that leads to the primary.
pub(crate) struct Pair {
    pub(crate) primary: Server,
    pub(crate) standby: Server,
    pub(crate) switch: Switch,
    database: String,
}

impl Pair {
    /// Starts both, the primary with settings of its own; it knows the standby by `name`.
    pub(crate) async fn start(name: &str, settings: &[&str]) -> Self {
        // What a process has written outlives it without a flush, and no machine crashes here.
        let (primary, standby) = block_in_place(|| {
            let primary = Server::start_with(Durability::Fast, settings);
            let standby = Server::standby_of(&primary, name);
            (primary, standby)
        });
        let switch = Switch::start(primary.port()).await;
        let url = fresh_database(&primary).await;
        let database = url.rsplit('/').next().unwrap().to_owned();
        Self {
            primary,
            standby,
            switch,
            database,
        }
    }

    /// The address of the database through the switch.
    pub(crate) fn url(&self) -> String {
        let port = self.switch.port();
        format!("postgres://postgres@127.0.0.1:{port}/{}", self.database)
    }

    /// The address of the database on the standby itself.
    pub(crate) fn standby_url(&self) -> String {
        self.standby.url(&self.database)
    }

    /// A session on the primary itself.
    pub(crate) async fn on_primary(&self) -> Client {
        session(&self.primary.url(&self.database)).await
    }

    /// A session on the standby itself.
    pub(crate) async fn on_standby(&self) -> Client {
        session(&self.standby_url()).await
    }

    /// Waits until the standby has what the primary has.
    pub(crate) async fn until_caught_up(&self) {
        let text =
            "SELECT count(*) FROM pg_stat_replication WHERE flush_lsn >= pg_current_wal_lsn()";
        until_some(&self.on_primary().await, text, "the standby catches up").await;
    }

    /// Waits until steps that are written wait for the standby.
    pub(crate) async fn until_steps_wait(&self) {
        let text = "SELECT count(*) FROM pg_stat_activity AS a JOIN pg_locks AS l ON l.pid = a.pid \
                    WHERE a.wait_event = 'SyncRep' AND l.relation = 'partitions'::regclass";
        until_some(&self.on_primary().await, text, "a commit waits").await;
    }

    /// Ends the primary for good and makes the standby, which was stopped, take writes; nobody is led to it yet.
    pub(crate) fn fail_over(&mut self) {
        self.switch.lead_nowhere();
        block_in_place(|| {
            self.primary.kill();
            self.standby.resume();
            self.standby.promote();
        });
    }
}

async fn until_some(session: &Client, text: &str, awaited: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let row = session.query_one(text, &[]).await.unwrap();
        if row.get::<_, i64>(0) > 0 {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "not within {PATIENCE:?}: {awaited}"
        );
        sleep(Duration::from_millis(5)).await;
    }
}

/// An entry, as far as the database and a stream both tell it in one column.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) order_id: String,
    pub(crate) sequence: i64,
    /// Empty for none. No two calls have the same one.
    pub(crate) request_id: String,
}

impl From<&HistoryEntry> for Row {
    fn from(entry: &HistoryEntry) -> Self {
        let position = entry.log_position.unwrap();
        Self {
            partition: position.partition,
            offset: position.offset,
            order_id: entry.order_id.clone(),
            sequence: entry.sequence,
            request_id: entry.request_id.clone(),
        }
    }
}

/// All entries in a database.
pub(crate) async fn rows(session: &Client) -> BTreeSet<Row> {
    let text =
        "SELECT partition, log_offset, order_id, sequence, coalesce(request_id, '') FROM history";
    let found = session.query(text, &[]).await.unwrap();
    let rows = found.iter().map(|found| Row {
        partition: found.get(0),
        offset: found.get(1),
        order_id: found.get(2),
        sequence: found.get(3),
        request_id: found.get(4),
    });
    rows.collect()
}

/// The last offset of each partition.
pub(crate) fn ends(rows: &BTreeSet<Row>) -> BTreeMap<i32, i64> {
    let mut ends = BTreeMap::new();
    for row in rows {
        let end = ends.entry(row.partition).or_insert(row.offset);
        *end = row.offset.max(*end);
    }
    ends
}

/// The number of the last change of any workflow, and the id that only it has.
pub(crate) async fn edition(session: &Client) -> (i64, Vec<u8>) {
    let text = "SELECT version, change_id FROM catalog ORDER BY version DESC LIMIT 1";
    let row = session.query_one(text, &[]).await.unwrap();
    (row.get(0), row.get(1))
}
