//! What the database itself refuses, whatever the code does, and its schema.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use waymark_domain::partition::PartitionCount;
use waymark_persistence::{Error, Settings, Store, migrate};

use crate::{
    Backend, Fixture,
    build::{create, done, hold, requested},
};

pub async fn two_defaults_of_a_state_are_impossible(fixture: &Fixture) {
    let yes = if fixture.database().is_some() {
        "true"
    } else {
        "1"
    };
    fixture
        .refused(&format!(
            "UPDATE assignments SET is_default = {yes} WHERE workflow = 'order' AND state = 'new'"
        ))
        .await;
    fixture
        .refused(&format!(
            "INSERT INTO assignments VALUES ('order', 'new', 'processing', {yes}, {yes})"
        ))
        .await;
}

/// Sequences and request ids cannot come twice either, since all writers of a partition would
/// have to write the same next offset.
pub async fn two_entries_with_one_offset_are_impossible(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    fixture
        .refused(
            "INSERT INTO history (partition, log_offset, step_offset, order_key, workflow, order_id, sequence, kind, \
             from_state, from_status, to_state, to_status, transition, comment, notify_customer, visible_to_customer, \
             actor, request_id, fingerprint, caused_by, workflow_version, metadata, create_time, detail, batch_id) \
             SELECT partition, log_offset, step_offset, order_key, workflow, order_id, sequence + 1, kind, from_state, \
             from_status, to_state, to_status, transition, comment, notify_customer, visible_to_customer, actor, NULL, \
             fingerprint, caused_by, workflow_version, metadata, create_time, detail, batch_id FROM history",
        )
        .await;
}

pub async fn two_orders_with_one_id_are_impossible(fixture: &Fixture) {
    done(&fixture.store, create("A-1")).await;
    fixture
        .refused(
            "INSERT INTO orders (partition, order_key, workflow, id, state, status, version, create_time, update_time, \
             body, journal) SELECT partition, order_key + 1, workflow, id, state, status, version, create_time, \
             update_time, body, journal FROM orders",
        )
        .await;
}

pub async fn an_assignment_of_nothing_is_impossible(fixture: &Fixture) {
    let no = if fixture.database().is_some() {
        "false"
    } else {
        "0"
    };
    fixture
        .refused(&format!(
            "INSERT INTO assignments VALUES ('order', 'new', 'nothing', {no}, {no})"
        ))
        .await;
    fixture
        .refused(&format!(
            "INSERT INTO assignments VALUES ('order', 'nowhere', 'pending', {no}, {no})"
        ))
        .await;
    fixture
        .refused("DELETE FROM statuses WHERE workflow = 'order' AND code = 'pending'")
        .await;
}

pub async fn text_is_ordered_by_bytes(fixture: &Fixture) {
    for id in ["b", "B", "a", "A", "_", "10", "9", "a-b", "aB"] {
        done(&fixture.store, create(id)).await;
    }
    let query = waymark_persistence::OrderQuery {
        sort: waymark_persistence::OrderSort {
            by: waymark_persistence::SortKey::Id,
            direction: waymark_persistence::Direction::Ascending,
        },
        ..waymark_persistence::OrderQuery::default()
    };
    let page = fixture.store.list_orders(&query, None, 100).await.unwrap();
    let ids = page
        .orders
        .iter()
        .map(|order| order.id.as_str())
        .collect::<Vec<_>>();
    assert_eq!(ids, ["10", "9", "A", "B", "_", "a", "a-b", "aB", "b"]);
}

pub async fn every_table_can_be_read(fixture: &Fixture) {
    done(&fixture.store, requested(create("A-1"), "r-1", 1)).await;
    done(&fixture.store, hold("A-1")).await;
    let rows = [
        ("deployment", 1),
        ("catalog", 1),
        ("partitions", 4),
        ("workflows", 1),
        ("workflow_versions", 1),
        ("orders", 1),
        ("history", 2),
        ("requests", 0),
        ("customer_orders", 0),
        ("journal_pages", 0),
        ("deliveries", 0),
        ("delivery_attempts", 0),
        ("delivery_decisions", 0),
        ("lost_deliveries", 0),
        ("lost_timers", 0),
        ("tracking_key", 1),
        ("tracking_tokens", 0),
        ("timer_refreshes", 0),
    ];
    for (table, count) in rows {
        assert_eq!(
            fixture
                .number(&format!("SELECT count(*) FROM {table}"))
                .await,
            count,
            "{table}"
        );
    }
    // Every row type is read by the store: both of these read all columns.
    assert_eq!(fixture.store.workflows().await.unwrap().len(), 1);
    let partition = fixture.store.partition_of(
        &crate::build::order_workflow(),
        &crate::build::order_id("A-1"),
    );
    assert_eq!(
        fixture
            .store
            .history_after(partition, 0, 10)
            .await
            .unwrap()
            .len(),
        2
    );
    fixture.store.ping().await.unwrap();
}

pub async fn migrating_again_does_nothing(fixture: &Fixture) {
    let deployment = fixture.store.deployment();
    let clock = fixture.clock();
    let (one, other) = tokio::join!(
        migrate(&fixture.settings, &clock),
        migrate(&fixture.settings, &clock)
    );
    assert!(one.unwrap().applied.is_empty() && other.unwrap().applied.is_empty());
    assert_eq!(fixture.replica().await.deployment(), deployment);
}

pub async fn a_newer_schema_is_refused(fixture: &Fixture) {
    fixture
        .execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')")
        .await;
    let refused = Store::open(fixture.settings.clone(), fixture.clock()).await;
    assert!(
        matches!(&refused, Err(Error::SchemaNewer { unknown }) if unknown == &["99990101000000"]),
        "{refused:?}"
    );
    assert!(matches!(
        migrate(&fixture.settings, &fixture.clock()).await,
        Err(Error::SchemaNewer { .. })
    ));
}

pub async fn an_older_schema_is_refused_or_upgraded(fixture: &Fixture) {
    if fixture.database().is_none() {
        let fresh = Fixture::bare(Backend::Sqlite).await;
        assert_eq!(fresh.store.partition_count().get(), 4);
        return;
    }
    let empty = crate::postgres::empty_database().await;
    let settings = Fixture::settings(empty.url());
    let refused = Store::open(settings.clone(), fixture.clock()).await;
    assert!(
        matches!(&refused, Err(Error::SchemaOlder { pending }) if !pending.is_empty()),
        "{refused:?}"
    );
    // Two processes migrate at once, and take turns.
    let clock = fixture.clock();
    let (one, other) = tokio::join!(migrate(&settings, &clock), migrate(&settings, &clock));
    let applied = [one.unwrap().applied.len(), other.unwrap().applied.len()];
    assert!(
        applied.contains(&0) && applied.iter().sum::<usize>() > 0,
        "{applied:?}"
    );
    let store = Store::open(settings, fixture.clock()).await.unwrap();
    assert_eq!(store.partition_count().get(), 8);
    assert_ne!(store.deployment(), fixture.store.deployment());
}

pub async fn the_number_of_partitions_is_fixed(fixture: &Fixture) {
    let other = Settings {
        partitions: PartitionCount::new(2),
        ..fixture.settings.clone()
    };
    let refused = Store::open(other, fixture.clock()).await;
    assert!(
        matches!(
            refused,
            Err(Error::PartitionCount {
                asked: 2,
                actual: 4
            })
        ),
        "{refused:?}"
    );
    let any = Settings {
        partitions: None,
        ..fixture.settings.clone()
    };
    assert_eq!(
        Store::open(any, fixture.clock())
            .await
            .unwrap()
            .partition_count()
            .get(),
        4
    );
}
