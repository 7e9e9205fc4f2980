//! Failover to a standby: what was acknowledged is there where the standby is synchronous, whatever happens to the
//! primary before, and where it is not, nobody is told for longer of what it lacks.
//!
//! `WAYMARK_TEST_STEPS` says how many steps are acknowledged at least, `WAYMARK_TEST_TIMES` how often it all happens.

use std::{collections::BTreeSet, time::Duration};

use tokio::{
    task::block_in_place,
    time::{Instant, sleep},
};
use tonic::{Code, Status};
use waymark_proto::v1::WatchHistoryRequest;
use waymark_tests::{Clients, Refusal, Shop, binary, refused, watcher::everything_of, world};

use crate::{
    callers::{Callers, Figures},
    followers::{Drained, Follower, Unread, export, from_beginning},
    pair::{Pair, Row, edition, ends, rows},
    replica::Replica,
    stage::{PATIENCE, WORKFLOW, given},
};

/// What is on its way arrives in this time, on a machine that compiles as well.
const SETTLING: Duration = Duration::from_millis(300);

/// With what a stream ends whose history was lost.
const FOREIGN: &str = "RESUME_TOKEN_FOREIGN";

/// The watches whose filters nothing matches.
const IDLE: [&str; 2] = ["quiet", "nobody"];

fn steps() -> usize {
    given("WAYMARK_TEST_STEPS", 400)
}

fn times() -> usize {
    given("WAYMARK_TEST_TIMES", 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_step_is_lost_with_a_synchronous_standby() {
    for round in 1..=times() {
        synchronous(round).await;
    }
}

/// Commits wait for a standby that is gone, and the primary is killed and started again: its recovery makes visible what
/// no standby has. Then the primary is lost, and the standby goes on from where it stood.
async fn synchronous(round: usize) {
    let began = Instant::now();
    let mut pair = Pair::start("s1", &["synchronous_standby_names=s1"]).await;
    let settings = ["commit_patience=1500ms", "connect_timeout=1s"];
    let replica = Replica::start(&pair.url(), &settings).await;
    let clients = replica.clients();
    let callers = Callers::start(&clients).await;
    callers.until_more(steps().div_ceil(2)).await;

    block_in_place(|| pair.standby.stop());
    pair.until_steps_wait().await;
    sleep(SETTLING).await;
    let told = callers.acknowledged().len();
    // The COMMIT that waits is not answered, and what it wrote is found after the restart.
    block_in_place(|| {
        pair.primary.kill();
        pair.primary.resume();
    });
    pair.until_steps_wait().await;
    sleep(SETTLING).await;
    // Callers are told that it is not known, and one comes again, alone: its batch only reads.
    block_in_place(|| pair.primary.kill());
    let held = callers.hold().await;
    block_in_place(|| pair.primary.resume());
    let found = is_acknowledged_alone(&pair, &callers, &clients).await;
    let early = callers.acknowledged().len() - told + usize::from(found);

    pair.fail_over();
    // The standby was started without the names of any standbys, so its commits wait for nobody.
    pair.switch.lead_to(pair.standby.port());
    drop(held);
    callers.until_more(steps().div_ceil(2)).await;
    let figures = callers.finish().await;
    let Figures {
        acknowledged,
        unavailable,
        unknown,
    } = &figures;
    let there = rows(&pair.on_standby().await).await;
    let called: BTreeSet<Row> = there
        .into_iter()
        .filter(|row| !row.request_id.is_empty())
        .collect();
    let lost = acknowledged.difference(&called).count();
    // Whoever called got an answer in the end, so what nobody was told of is a second time.
    let doubled = called.difference(acknowledged).count();
    eprintln!(
        "failover to a synchronous standby, round {round}: {} acknowledged, {lost} lost, {doubled} doubled, {early} \
         acknowledged without a standby, {unknown} unknown, {unavailable} unavailable, {:.1} s",
        acknowledged.len(),
        began.elapsed().as_secs_f64()
    );
    assert_eq!(
        (lost, doubled, early),
        (0, 0, 0),
        "lost, doubled, acknowledged without a standby"
    );
    assert!(*unknown > 0, "calls waited until nobody knew");
}

/// Makes a call again of which the primary has the entry and nobody was told, while no other call is made.
async fn is_acknowledged_alone(pair: &Pair, callers: &Callers, clients: &Clients) -> bool {
    let written = rows(&pair.on_primary().await).await;
    let told = callers.acknowledged();
    let mut untold = written
        .difference(&told)
        .filter(|row| !row.request_id.is_empty());
    let request = callers.request(&untold.next().unwrap().request_id);
    let deadline = Instant::now() + PATIENCE;
    loop {
        match clients.orders().add_comment(request.clone()).await {
            Ok(_) => return true,
            Err(status) if Refusal::of(&status).reason == "OUTCOME_UNKNOWN" => return false,
            Err(status) => assert!(Instant::now() < deadline, "{status:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_second_ends_every_watcher() {
    for round in 1..=times() {
        asynchronous(round).await;
    }
}

/// The standby is gone for the last second of the primary, and takes its place.
async fn asynchronous(round: usize) {
    let began = Instant::now();
    let mut pair = Pair::start("s2", &[]).await;
    // With rings so small, a stream that is not read is soon behind them.
    let replica = Replica::start(&pair.url(), &["history_ring_bytes_max=65536"]).await;
    let clients = replica.clients();
    let shop = Shop::new(clients.clone(), WORKFLOW);
    let callers = Callers::start(&clients).await;
    callers.until_more(steps() * 3 / 4).await;
    let held = callers.hold().await;
    let mut streams = Streams::open(&replica, &clients).await;
    let kept = rows(&pair.on_primary().await).await;
    streams.until_up_to_date(kept.len()).await;
    sleep(SETTLING).await;
    pair.until_caught_up().await;
    block_in_place(|| pair.standby.stop());

    add_status(&shop, "lost").await;
    shop.comment("o0", "moved", "lost").await.unwrap();
    drop(held);
    callers.until_more(steps() / 4).await;
    let held = callers.hold().await;
    let session = pair.on_primary().await;
    let (before, lost_edition) = (rows(&session).await, edition(&session).await);
    streams.until_up_to_date(before.len()).await;
    pair.fail_over();

    // Another process makes the same number of changes, so the last one has the number of the lost one.
    let other = Replica::start(&pair.standby_url(), &[]).await;
    add_status(&Shop::new(other.clients(), WORKFLOW), "kept").await;
    let session = pair.on_standby().await;
    let kept_edition = edition(&session).await;
    assert_eq!(kept_edition.0, lost_edition.0, "one number");
    assert_ne!(kept_edition.1, lost_edition.1, "two changes");
    let delivered = streams.delivered();
    pair.switch.lead_to(pair.standby.port());
    drop(held);
    judges_by_what_is_there(&shop).await;
    let [watch, exported] = streams.end().await;

    // Tokens on lost entries are told apart from those of the future once others stand there.
    let deadline = Instant::now() + PATIENCE;
    while !has_outgrown(&rows(&session).await, &before) {
        assert!(Instant::now() < deadline, "history does not grow");
        sleep(Duration::from_millis(20)).await;
    }
    let figures = callers.finish().await;
    let there = rows(&session).await;
    streams.check(&before, &there, &delivered);
    streams.cannot_resume(&clients).await;
    check_unread(&clients, [watch, exported], &there).await;
    check_fresh(&clients, &there).await;
    let noticed = replica.lines("history that this process has seen is not in the database");
    assert_eq!(noticed.len(), 1, "{noticed:#?}");
    report(round, began, &figures, &before, &there);
}

/// Creates a status and lets new orders be in it: two changes of the workflow.
async fn add_status(shop: &Shop, code: &str) {
    shop.add_status(code).await;
    shop.assign("new", code, None).await.unwrap();
}

/// The process that made the lost change and never read the other one goes by the definition that is there.
async fn judges_by_what_is_there(shop: &Shop) {
    let lost = answered(async || shop.comment("o0", "moved", "lost").await).await;
    refused(lost, Code::NotFound, "STATUS_NOT_FOUND");
    let lost = answered(async || shop.status("lost").await).await;
    refused(lost, Code::NotFound, "STATUS_NOT_FOUND");
    let kept = answered(async || shop.comment("o0", "moved", "kept").await).await;
    assert_eq!(kept.unwrap().order.unwrap().status, "kept");
    assert_eq!(shop.status("kept").await.unwrap().code, "kept");
}

/// Calls until the database answers.
async fn answered<T>(call: impl AsyncFn() -> Result<T, Status>) -> Result<T, Status> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match call().await {
            Err(status) if status.code() == Code::Unavailable && Instant::now() < deadline => {
                sleep(Duration::from_millis(20)).await;
            }
            answer => return answer,
        }
    }
}

/// Whether every partition has come as far as it was.
fn has_outgrown(there: &BTreeSet<Row>, before: &BTreeSet<Row>) -> bool {
    let there = ends(there);
    let reaches = |(partition, end): (&i32, &i64)| there.get(partition).is_some_and(|t| t >= end);
    ends(before).iter().all(reaches)
}

/// The streams of a process whose database loses a second.
struct Streams {
    followers: Vec<Follower>,
    unread: Option<Unread>,
}

impl Streams {
    /// Opens streams of every sort.
    async fn open(replica: &Replica, clients: &Clients) -> Self {
        let quiet = world::apply(clients, "quiet", &binary::preset("magento")).await;
        let of_order = |id: &str| WatchHistoryRequest {
            workflows: vec![WORKFLOW.to_owned()],
            order_ids: vec![id.to_owned()],
            ..from_beginning()
        };
        let requests = [
            ("everything", from_beginning()),
            ("from now", WatchHistoryRequest::default()),
            ("order", of_order("o0")),
            (IDLE[0], everything_of(&quiet)),
            (IDLE[1], of_order("nobody")),
        ];
        let mut followers = Vec::new();
        for (name, request) in requests {
            followers.push(Follower::open(clients, name, request).await);
        }
        Self {
            followers,
            unread: Some(Unread::open(replica.address()).await),
        }
    }

    /// Waits until all that are read have what there is, which are so many entries.
    async fn until_up_to_date(&self, count: usize) {
        self.followers[0].until_rows(count).await;
        for follower in &self.followers {
            follower.until_up_to_date().await;
        }
    }

    /// How many entries each that is read has got.
    fn delivered(&self) -> Vec<usize> {
        self.followers.iter().map(|f| f.rows().len()).collect()
    }

    /// Waits until all have ended as they must; gives what came of those that were not read before.
    async fn end(&mut self) -> [Drained; 2] {
        for follower in &mut self.followers {
            let ended: Result<(), Status> = Err(follower.ended().await);
            refused(ended, Code::InvalidArgument, FOREIGN);
        }
        self.unread.take().unwrap().drain().await
    }

    /// Holds what came before the failover against what was there then, and what came later against what is there.
    fn check(&self, before: &BTreeSet<Row>, there: &BTreeSet<Row>, delivered: &[usize]) {
        for (follower, delivered) in self.followers.iter().zip(delivered) {
            let name = follower.name;
            let rows = follower.rows();
            let (then, later) = rows.split_at(*delivered);
            let strange: Vec<_> = then.iter().filter(|row| !before.contains(*row)).collect();
            assert!(strange.is_empty(), "{name} was sent {strange:?}");
            let undone: Vec<_> = later.iter().filter(|row| !there.contains(*row)).collect();
            assert!(undone.is_empty(), "{name} was sent {undone:?}");
            let has_lost = then.iter().any(|row| !there.contains(row));
            assert_eq!(has_lost, !IDLE.contains(&name), "{name} had lost entries");
        }
    }

    /// All tokens stand on lost entries, also those of streams that had none.
    async fn cannot_resume(&self, clients: &Clients) {
        for follower in &self.followers {
            refused(
                follower.resume(clients).await,
                Code::InvalidArgument,
                FOREIGN,
            );
        }
    }
}

/// Streams that were not read ended too. They had nothing of the lost second, so the watch goes on from its token.
async fn check_unread(clients: &Clients, [watch, exported]: [Drained; 2], there: &BTreeSet<Row>) {
    for Drained { rows, end, .. } in [&watch, &exported] {
        let undone: Vec<_> = rows.iter().filter(|row| !there.contains(*row)).collect();
        assert!(undone.is_empty(), "was sent {undone:?}");
        assert!(rows.len() < there.len(), "the server waited");
        let ended: Result<(), Status> = end.clone().map_or(Ok(()), Err);
        refused(ended, Code::InvalidArgument, FOREIGN);
    }
    let request = WatchHistoryRequest {
        resume_token: watch.token,
        ..Default::default()
    };
    let resumed = Follower::open(clients, "resumed", request).await;
    resumed.until_rows(there.len() - watch.rows.len()).await;
    resumed.until_up_to_date().await;
    same([watch.rows, resumed.rows()].concat(), there);
}

/// Streams that begin anew see what is there.
async fn check_fresh(clients: &Clients, there: &BTreeSet<Row>) {
    let fresh = Follower::open(clients, "fresh", from_beginning()).await;
    fresh.until_rows(there.len()).await;
    fresh.until_up_to_date().await;
    same(fresh.rows(), there);
    let exported = export(clients).await;
    assert!(exported.end.is_none(), "{:?}", exported.end);
    same(exported.rows, there);
}

/// Expects each entry once.
#[track_caller]
fn same(told: Vec<Row>, there: &BTreeSet<Row>) {
    assert_eq!(told.len(), there.len());
    assert_eq!(&told.into_iter().collect::<BTreeSet<_>>(), there);
}

/// Says what it came to; what was lost must have been of the lost second, and something must have been.
fn report(
    round: usize,
    began: Instant,
    figures: &Figures,
    before: &BTreeSet<Row>,
    there: &BTreeSet<Row>,
) {
    let acknowledged = &figures.acknowledged;
    let lost: Vec<_> = acknowledged.difference(there).collect();
    eprintln!(
        "failover to a standby without the last second, round {round}: {} acknowledged, {} lost, {} unknown, {} \
         unavailable, {:.1} s",
        acknowledged.len(),
        lost.len(),
        figures.unknown,
        figures.unavailable,
        began.elapsed().as_secs_f64()
    );
    assert!(!lost.is_empty(), "nothing was lost");
    let late: Vec<_> = lost.iter().filter(|row| !before.contains(**row)).collect();
    assert!(
        late.is_empty(),
        "acknowledged afterwards and lost: {late:?}"
    );
}
