//! PostgreSQL goes away, and connections die at the worst moment.

use std::time::{Duration, Instant};

use waymark_domain::value::Timestamp;
use waymark_persistence::{
    Answered, ChangeMode, Clock, CommitError, Error, Settings, StepError, Store, UnitOutcome,
    UnitProgress, UnitState, migrate,
};
use waymark_testkit::{
    Backend, Fixture,
    build::{
        all, comment, commit, create, done, order_id, order_workflow, separate, status, workflow,
    },
    change_as,
    postgres::{Durability, Server},
    proxy::{Cut, Proxy},
};

/// A store that reaches the database of a fixture through a proxy.
pub(crate) async fn through_a_proxy(fixture: &Fixture, patience: Duration) -> (Store, Proxy) {
    let database = fixture.database().unwrap();
    let proxy = Proxy::start(database.port()).await;
    let url = format!(
        "postgres://postgres@127.0.0.1:{}/{}",
        proxy.port(),
        database.name()
    );
    let settings = Settings {
        commit_patience: patience,
        write_connections_max: 1,
        ..Fixture::settings(&url)
    };
    (Store::open(settings, fixture.clock()).await.unwrap(), proxy)
}

async fn dies_at_commit(cut: Cut) {
    let fixture = Fixture::open(Backend::Postgres).await;
    let (store, proxy) = through_a_proxy(&fixture, Duration::from_secs(20)).await;
    for number in 0..10 {
        let id = format!("A-{number}");
        proxy.cut(cut, 1);
        // Without a request id: the store itself must not do it twice.
        let created = store.commit(vec![separate(vec![create(&id)])]).await;
        assert!(
            matches!(&created.units[..], [Ok(UnitOutcome::Done(steps))] if steps[0].as_ref().is_ok_and(|step| !step.replayed))
        );
        // Cut before it, a commit is tried again, and that one may be cut too.
        proxy.cut(cut, if cut == Cut::Before { 3 } else { 1 });
        let steps = all(&store, vec![comment(&id, "x"), comment(&id, "y")]).await;
        assert!(steps.iter().all(Result::is_ok));
        assert_eq!(proxy.cuts_left(cut), 0, "the proxy saw no COMMIT");
        // Found out or tried again, what was written is what the log has.
        let partition = store.partition_of(&order_workflow(), &order_id(&id));
        let mut log = store.history_after(partition, 0, 1_000).await.unwrap();
        log.retain(|entry| entry.batch == created.written[0].batch);
        assert_eq!(created.written, log);
    }
    assert_eq!(fixture.number("SELECT count(*) FROM orders").await, 10);
    assert_eq!(fixture.number("SELECT count(*) FROM history").await, 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_dies_before_its_commit() {
    dies_at_commit(Cut::Before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_dies_after_its_commit() {
    dies_at_commit(Cut::After).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_dies_amid_its_commit() {
    dies_at_commit(Cut::Amid).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_a_workflow_dies_at_its_commit() {
    let fixture = Fixture::open(Backend::Postgres).await;
    let (store, proxy) = through_a_proxy(&fixture, Duration::from_secs(20)).await;
    for (version, cut) in (2..).zip([Cut::Before, Cut::After, Cut::Amid, Cut::After]) {
        proxy.cut(cut, 1);
        let code = format!("extra_{version}");
        let changed = change_as(&store, "order", ChangeMode::Apply, None, |workflow| {
            let mut after = workflow.unwrap().clone();
            let mut extra = after.statuses[0].clone();
            extra.code = status(&code);
            after.statuses.push(extra);
            Ok(Some(after))
        });
        let Answered::Done(outcome) = changed.await.unwrap() else {
            panic!("replayed")
        };
        assert_eq!(outcome.record.unwrap().record.stamp.version, version);
        assert_eq!(proxy.cuts_left(cut), 0);
    }
    assert_eq!(
        fixture
            .number("SELECT count(*) FROM workflow_versions")
            .await,
        5
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_found_out_is_said_so() {
    let fixture = Fixture::open(Backend::Postgres).await;
    let (store, proxy) = through_a_proxy(&fixture, Duration::from_millis(300)).await;
    done(&store, create("A-1")).await;
    // The answer is lost, and the way back stays closed.
    proxy.cut_for_good(Cut::After);
    let refused = separate(vec![create("A-1")]);
    let outcomes = store
        .commit(vec![separate(vec![comment("A-1", "x")]), refused])
        .await;
    assert_eq!(outcomes.written, []);
    assert_eq!(
        outcomes.units,
        [
            Err(CommitError::OutcomeUnknown),
            Err(CommitError::Unavailable)
        ]
    );
    // And before anything was sent, nothing can have been written.
    assert_eq!(
        commit(&store, comment("A-1", "y")).await,
        Err(StepError::Failed(CommitError::Unavailable))
    );
    assert_eq!(fixture.number("SELECT count(*) FROM history").await, 2);
}

async fn on_a_server(durability: Durability, patience: Duration) -> (Server, Store) {
    let server = Server::start(durability);
    let settings = Settings {
        commit_patience: patience,
        ..Fixture::settings(&server.url("postgres"))
    };
    let (clock, _) = Clock::manual(Timestamp::from_micros(1));
    migrate(&settings, &clock).await.unwrap();
    let store = Store::open(settings, clock).await.unwrap();
    let order = workflow("magento", "order");
    change_as(&store, "order", ChangeMode::Apply, None, |_| {
        Ok(Some(order.clone()))
    })
    .await
    .unwrap();
    (server, store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_server_is_unavailable_until_it_is_back() {
    let (mut server, store) = on_a_server(Durability::Durable, Duration::from_millis(200)).await;
    done(&store, create("A-1")).await;
    server.stop();
    assert_eq!(
        commit(&store, comment("A-1", "x")).await,
        Err(StepError::Failed(CommitError::Unavailable))
    );
    assert!(matches!(store.ping().await, Err(Error::Unavailable { .. })));
    assert!(matches!(
        store.workflow(&order_workflow()).await,
        Err(Error::Unavailable { .. })
    ));
    server.resume();
    assert_eq!(
        done(&store, comment("A-1", "y"))
            .await
            .order
            .unwrap()
            .version,
        2
    );
    store.ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crashed_server_loses_nothing_and_doubles_nothing() {
    let (mut server, store) = on_a_server(Durability::Durable, Duration::from_secs(30)).await;
    done(&store, create("A-0")).await;
    for crash in 1..=3 {
        let writer = {
            let store = store.clone();
            tokio::spawn(async move {
                for number in 0..40 {
                    done(&store, create(&format!("{crash}-{number}"))).await;
                }
            })
        };
        while store.count_orders(&order_workflow()).await.unwrap()[0].1 < 40 * (crash - 1) + 10 {
            tokio::task::yield_now().await;
        }
        tokio::task::block_in_place(|| {
            server.kill();
            server.resume();
        });
        writer.await.unwrap();
    }
    assert_eq!(
        store.count_orders(&order_workflow()).await.unwrap()[0].1,
        121
    );
    for partition in store.partition_count().all() {
        let log = store.history_after(partition, 0, 1_000).await.unwrap();
        let offsets = log
            .iter()
            .map(|entry| entry.logged.position.offset)
            .collect::<Vec<_>>();
        assert_eq!(offsets, (1..).take(offsets.len()).collect::<Vec<_>>());
    }
}

/// Sessions end at any moment, in the middle of statements and commits too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_ended_under_load() {
    let fixture = Fixture::open(Backend::Postgres).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let store = fixture.replica().await;
        writers.spawn(async move {
            for round in 0..30 {
                // Without request ids: the store itself must not do anything twice.
                let ids = (0..5)
                    .map(|number| format!("{writer}-{round}-{number}"))
                    .collect::<Vec<_>>();
                let steps = ids
                    .iter()
                    .flat_map(|id| [create(id), comment(id, "x")])
                    .collect();
                assert!(all(&store, steps).await.iter().all(Result::is_ok));
            }
        });
    }
    let (mut ended, mut seen) = (0, 0);
    while !writers.is_empty() {
        if let Some(writer) = writers.try_join_next() {
            writer.unwrap();
        }
        // Whoever is ended gets somewhere before the next one is.
        let orders = fixture.number("SELECT count(*) FROM orders").await;
        if orders < seen + 20 {
            tokio::task::yield_now().await;
            continue;
        }
        seen = orders;
        ended += fixture
            .number(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() \
                 AND pid <> pg_backend_pid() AND state <> 'idle'",
            )
            .await;
    }
    assert!(ended > 0, "no session was ended");
    assert_eq!(fixture.number("SELECT count(*) FROM orders").await, 600);
    assert_eq!(fixture.number("SELECT count(*) FROM history").await, 1_200);
}

/// A process that stops in the middle of a batch holds the locks of its partitions until
/// PostgreSQL ends its session, and no longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_stands_still_is_overtaken() {
    let fixture = Fixture::open(Backend::Postgres).await;
    let settings = Settings {
        idle_in_transaction_timeout: Duration::from_millis(300),
        ..fixture.settings.clone()
    };
    let still = Store::open(settings, fixture.clock()).await.unwrap();
    let (locked, told) = tokio::sync::oneshot::channel();
    let holder = tokio::spawn(async move {
        let held = waymark_persistence::test_access::lock_all_and_wait(
            &still,
            locked,
            Duration::from_mins(1),
        );
        assert!(held.await.is_err(), "the session was not ended");
    });
    told.await.unwrap();
    let outcomes = fixture
        .store
        .commit(vec![separate(vec![create("A-1")])])
        .await
        .units;
    assert!(
        matches!(&outcomes[0], Ok(UnitOutcome::Done(steps)) if steps[0].is_ok()),
        "{outcomes:?}"
    );
    holder.abort();
}

/// A round that gets no lock ends when its patience does, however long locks are waited for, and
/// leaves its units as they were.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_without_locks_ends_with_its_patience() {
    let fixture = Fixture::open(Backend::Postgres).await;
    let settings = Settings {
        lock_timeout: Duration::from_secs(20),
        ..fixture.settings.clone()
    };
    let store = Store::open(settings, fixture.clock()).await.unwrap();
    let stranger = fixture.replica().await;
    let (locked, told) = tokio::sync::oneshot::channel();
    let holder = tokio::spawn(async move {
        let wait = Duration::from_mins(1);
        waymark_persistence::test_access::lock_all_and_wait(&stranger, locked, wait).await
    });
    told.await.unwrap();
    let units = vec![UnitProgress::new(separate(vec![create("A-1")]))];
    let began = Instant::now();
    let patience = Duration::from_secs(1);
    let round = store.commit_round(units.clone(), &[], patience, |_| Vec::new());
    let round = round.await;
    assert!(began.elapsed() < Duration::from_secs(8));
    assert!(round.is_unavailable);
    let as_they_were = units.into_iter().map(UnitState::Unfinished);
    assert_eq!(round.units, as_they_were.collect::<Vec<_>>());
    holder.abort();
}

/// TLS that is asked for is never given up: a server without it is not spoken to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_not_given_up() {
    let fixture = Fixture::bare(Backend::Postgres).await;
    for mode in ["require", "verify-full"] {
        let url = format!("{}?sslmode={mode}", fixture.database().unwrap().url());
        let refused = Store::open(Fixture::settings(&url), fixture.clock()).await;
        assert!(
            matches!(refused, Err(Error::CannotReach { lasts: true, .. })),
            "{refused:?}"
        );
    }
}
