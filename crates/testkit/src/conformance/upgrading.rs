//! Databases of older programs, which go on after they were upgraded.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use waymark_domain::{
    history::{Recorded, replay},
    order::Order,
    value::{Money, Quantity, Timestamp},
    workflow::{Overpayment, Transition},
};
use waymark_persistence::{ChangeMode, Store, migrate};

use super::{
    commits::{history, order},
    once::{Kind, Told},
};
use crate::{
    Fixture,
    build::{self, done, order_id, order_workflow},
};

/// A migration and how it is undone.
struct Migration {
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! migrations {
    ($($name:literal),+ $(,)?) => {
        &[$(Migration {
            name: $name,
            sqlite: include_str!(concat!("../../../../migrations/sqlite/", $name, "/down.sql")),
            postgres: include_str!(concat!("../../../../migrations/postgres/", $name, "/down.sql")),
        }),+]
    };
}

/// All but the first, oldest first.
const MIGRATIONS: &[Migration] = migrations![
    "2026-11-22-100000_actions",
    "2026-11-22-200000_tracking",
    "2026-11-22-300000_decisions",
    "2026-11-22-400000_in_flight",
    "2026-11-22-500000_timer_refreshes",
    "2026-11-28-000000_rules",
    "2026-11-29-000000_language",
    "2026-11-30-000000_requests",
];

impl Migration {
    fn version(&self) -> String {
        let (date, _) = self.name.split_once('_').unwrap();
        date.replace('-', "")
    }
}

/// Takes a database back to what it was before a migration, and says which versions it lacks then.
pub(super) async fn downgrade(fixture: &Fixture, before: &str) -> Vec<String> {
    let start = MIGRATIONS.iter().position(|one| one.name == before);
    let undone = &MIGRATIONS[start.unwrap()..];
    for migration in undone.iter().rev() {
        let down = match fixture.database() {
            Some(_) => migration.postgres,
            None => migration.sqlite,
        };
        fixture.execute(down).await;
    }
    let versions: Vec<String> = undone.iter().map(Migration::version).collect();
    let forget = format!(
        "DELETE FROM __diesel_schema_migrations WHERE version >= '{}'",
        versions[0]
    );
    fixture.execute(&forget).await;
    versions
}

/// When the order was placed.
const PLACED: i64 = 1_767_000_000_000_000;
/// Where it stood then, and where it stands on hold.
const NEW: &str = r#"{"state":"new","status":"pending"}"#;
const HELD: &str = r#"{"state":"holded","status":"holded"}"#;

/// An order as the first program wrote it: placed, half of it cancelled with an amount that was only
/// a note then, and put on hold. Timers came later, so its workflow has none.
async fn place_as_the_first_program_did(fixture: &Fixture) {
    fixture
        .execute("DELETE FROM transitions WHERE trigger_kind = 'after'")
        .await;
    let id = order_id("A-1");
    let partition = fixture.store.partition_of(&order_workflow(), &id).number();
    let hold = format!(
        r#"{{"id":"3","reason":"Address","placed_by":{{"kind":"integration"}},"place_time":{}}}"#,
        PLACED + 2
    );
    let done = r#""canceled":"1","#;
    let body = body(
        3,
        HELD,
        done,
        &format!(r#""holds":[{hold}],"return_to":{NEW},"#),
    );
    // The first sequence, the number of entries, and of each: how far behind the last, that the
    // customer may not see it, and that nobody asks for it again.
    let journal = fixture.blob("0203010000010000010000");
    let time = PLACED + 2;
    fixture
        .execute(&format!(
            "INSERT INTO orders (partition, order_key, workflow, id, state, status, return_state, \
             return_status, version, create_time, update_time, body, journal) VALUES ({partition}, \
             1, 'order', 'A-1', 'holded', 'holded', 'new', 'pending', 3, {PLACED}, {time}, \
             '{body}', {journal})"
        ))
        .await;
    let batch = fixture.blob(&"0b".repeat(16));
    for ((kind, places, detail), sequence) in entries(&hold).into_iter().zip(1..) {
        let time = PLACED + sequence - 1;
        fixture
            .execute(&format!(
                "INSERT INTO history (partition, log_offset, step_offset, order_key, workflow, \
                 order_id, sequence, kind, from_state, from_status, to_state, to_status, comment, \
                 notify_customer, visible_to_customer, actor, caused_by, workflow_version, \
                 metadata, create_time, detail, batch_id) VALUES ({partition}, {sequence}, \
                 {sequence}, 1, 'order', 'A-1', {sequence}, '{kind}', {places}, '', FALSE, FALSE, \
                 '{{\"kind\":\"integration\"}}', 0, 1, '{{}}', {time}, '{detail}', {batch})"
            ))
            .await;
    }
}

/// The order in a version, with what was done with its line and what else there is.
fn body(version: i64, standing: &str, done: &str, rest: &str) -> String {
    let line =
        format!(r#"{{"id":"1","sku":"MUG","name":"Mug","ordered":"2",{done}"is_virtual":false}}"#);
    let update_time = PLACED + version - 1;
    let status_time = if version == 3 { update_time } else { PLACED };
    format!(
        r#"{{"workflow":"order","id":"A-1","standing":{standing},"version":{version},"lines":[{line}],"currency":"EUR","grand_total":2000,"total_paid":0,"total_refunded":0,{rest}"create_time":{PLACED},"update_time":{update_time},"status_time":{status_time}}}"#
    )
}

/// The kinds of the entries, from where to where they lead, and their details.
fn entries(hold: &str) -> [(&'static str, &'static str, String); 3] {
    [
        (
            "created",
            "NULL, NULL, 'new', 'pending'",
            format!(r#"{{"created":{}}}"#, body(1, NEW, "", "")),
        ),
        (
            "operation_recorded",
            "'new', 'pending', 'new', 'pending'",
            r#"{"recorded":{"operation":"cancel","effect":"cancel","lines":[{"line_id":"1","quantity":"1"}],"amount":700}}"#.to_owned(),
        ),
        (
            "held",
            "'new', 'pending', 'holded', 'holded'",
            format!(r#"{{"held":{hold}}}"#),
        ),
    ]
}

/// Its entries give the order, but for how long it has waited, which the first program did not keep.
async fn replays(store: &Store) {
    let entries = history(store, "A-1").await;
    let replayed = replay(entries.iter().map(|logged| &logged.entry));
    let without_wait = |order: Order| Order {
        wait: None,
        ..order
    };
    let stored = order(store, "A-1").await;
    assert_eq!(replayed.map(without_wait), Some(without_wait(stored)));
}

pub async fn orders_of_the_first_schema_go_on(fixture: &Fixture) {
    let lacking = downgrade(fixture, MIGRATIONS[0].name).await;
    place_as_the_first_program_did(fixture).await;
    let migrated = migrate(&fixture.settings, &fixture.clock()).await.unwrap();
    assert_eq!(migrated.applied, lacking);
    let store = fixture.replica().await;

    let found = order(&store, "A-1").await;
    replays(&store).await;
    // The amount of a cancellation was a note then, and stays one.
    assert_eq!(
        (found.total_canceled, found.total_invoiced, found.credited),
        (Money::ZERO, Money::ZERO, Money::ZERO)
    );
    let line = &found.lines[0];
    assert_eq!(
        (line.canceled, line.returned, line.total),
        (Quantity::whole(1).unwrap(), Quantity::ZERO, None)
    );
    assert_eq!(found.holds[0].status, None);
    let entries = history(&store, "A-1").await;
    let Some(Recorded {
        amount,
        counted,
        reverse,
        whole,
        ..
    }) = entries[1].entry.detail.recorded()
    else {
        panic!("{entries:?}")
    };
    assert_eq!(
        (*amount, *counted, *reverse, *whole),
        (Money::new(700).unwrap(), Money::ZERO, false, false)
    );

    // All of it is still owed, and can be paid once the hold is gone.
    done(&store, build::release("A-1")).await;
    done(&store, build::record("A-1", "pay")).await;
    let paid = order(&store, "A-1").await;
    assert_eq!(paid.total_paid, paid.grand_total);
    replays(&store).await;
}

pub async fn workflows_of_an_older_schema_keep_their_rules(fixture: &Fixture) {
    let lacking = downgrade(fixture, "2026-11-28-000000_rules").await;
    let migrated = migrate(&fixture.settings, &fixture.clock()).await.unwrap();
    assert_eq!(migrated.applied, lacking);
    let loaded = fixture.replica().await.workflow(&order_workflow()).await;
    let loaded = loaded.unwrap().unwrap();
    let workflow = &loaded.record.workflow;
    assert_eq!(workflow.overpayment, Overpayment::Record);
    let changed = |transition: &Transition| {
        transition.reverse || transition.visible_to_customer || transition.notify_customer
    };
    assert!(!workflow.transitions.iter().any(changed));
}

pub async fn calls_of_an_older_schema_are_still_answered(fixture: &Fixture) {
    Kind::set_up(fixture).await;
    let mut answers = Vec::new();
    for kind in Kind::ALL {
        kind.supply(fixture).await;
        let request = kind.request("r-1", 1);
        let first = kind.call(&fixture.store, request, ChangeMode::Apply).await;
        answers.push((kind, kind.request("r-1", 1), first));
    }
    let lacking = downgrade(fixture, "2026-11-30-000000_requests").await;
    // As the older program wrote them.
    let fingerprint = fixture.blob(&"01".repeat(16));
    for (kind, workflow) in [
        (Kind::Definition, "order"),
        (Kind::Endpoint, ""),
        (Kind::Decision, ""),
    ] {
        let answer = fixture.blob("3432");
        fixture
            .execute(&format!(
                "INSERT INTO definition_requests (workflow, request_id, fingerprint, answer, \
                 create_time) VALUES ('{workflow}', '{kind:?}-old', {fingerprint}, {answer}, 1)"
            ))
            .await;
        answers.push((kind, kind.request("old", 1), Told::Done("42".to_owned())));
    }
    let partition = fixture
        .store
        .partition_of(&order_workflow(), &order_id("A-1"));
    let partition = partition.number();
    fixture
        .execute(&format!(
            "INSERT INTO tracking_requests (partition, workflow, order_id, request_id, fingerprint, \
             token_id, revoked, create_time) VALUES ({partition}, 'order', 'A-1', \
             'Revocation-old', {fingerprint}, NULL, 7, 1)"
        ))
        .await;
    let seven = Told::Done("7".to_owned());
    answers.push((Kind::Revocation, Kind::Revocation.request("old", 1), seven));

    let migrated = migrate(&fixture.settings, &fixture.clock()).await.unwrap();
    assert_eq!(migrated.applied, lacking);
    let store = fixture.replica().await;
    for (kind, request, first) in answers {
        let effects = kind.effects(fixture).await;
        let again = kind.call(&store, request, ChangeMode::Apply).await;
        assert_eq!(again, first.again(), "{kind:?}");
        assert_eq!(kind.effects(fixture).await, effects, "{kind:?}");
    }
    let old = store.forget_requests(Timestamp::from_micros(1));
    assert_eq!(old.await.unwrap(), 4);
}
