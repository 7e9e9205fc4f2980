//! Orders that are due and cannot be read: they wait by themselves, told by name, and time takes the others on.

use std::time::{Duration, Instant};

use waymark_testkit::execute_at;
use waymark_tests::{Backend, Server, shop::standing, world::apply};

on_each_database!(
    an_order_that_cannot_be_read_holds_up_no_other,
    a_timer_that_cannot_be_put_off_keeps_no_other,
);

/// How long orders wait; they are placed, and the server is stopped, within that.
const WAIT: Duration = Duration::from_secs(3);
/// How long time may take with what is due.
const SOON: Duration = Duration::from_secs(2);

const DOCUMENT: &str = "label: Shop
initial_state: new
statuses: {waiting: {label: Waiting}, gone: {label: Gone}}
states:
  new: {label: New, category: initial, can_start: true, statuses: [waiting]}
  gone: {label: Gone, category: canceled, terminal: true, statuses: [gone]}
transitions:
  expire: {label: Expire, from_statuses: [waiting], to_state: gone, trigger: {after: 3s}}
";

async fn an_order_that_cannot_be_read_holds_up_no_other(backend: Backend) {
    let settings = ["--set", "dispatch_poll=50ms"];
    let mut server = Server::start_with(backend, &settings).await;
    let shop = apply(&server.clients(), "w", DOCUMENT).await;
    let good: Vec<String> = (0..12).map(|number| format!("good-{number}")).collect();
    for id in &good {
        shop.place(id, &[]).await;
    }
    shop.place("spoilt", &[]).await;
    server.terminate();
    server.ended(Duration::from_secs(15)).await;
    // It is due before all others, at each look.
    let spoil = "UPDATE orders SET due_time = 1, body = '{}' WHERE id = 'spoilt'";
    execute_at(server.database().url(), spoil).await;
    server.restart().await;
    let started = Instant::now();
    let shop = shop.over(server.clients());
    for id in &good {
        while standing(&shop.get(id).await) != ("gone", "gone") {
            assert!(
                started.elapsed() < WAIT + SOON,
                "time does not take {id} on"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let named = |line: &str| {
        let is_it = line.contains("due order unreadable");
        (is_it && line.contains("spoilt") && line.contains("body")).then_some(())
    };
    let told = server.log().find(0, Duration::from_secs(5), named).await;
    assert!(told.is_some(), "the log names the order");
}

async fn a_timer_that_cannot_be_put_off_keeps_no_other(backend: Backend) {
    let settings = ["--set", "dispatch_poll=50ms"];
    let mut server = Server::start_with(backend, &settings).await;
    let shop = apply(&server.clients(), "w", DOCUMENT).await;
    let spoilt: Vec<String> = (0..5).map(|number| format!("spoilt-{number}")).collect();
    for id in &spoilt {
        shop.place(id, &[]).await;
    }
    shop.place("kept", &[]).await;
    shop.place("good", &[]).await;
    server.terminate();
    server.ended(Duration::from_secs(15)).await;
    let spoil = "UPDATE orders SET due_time = 1, body = '{}' WHERE id <> 'good'";
    execute_at(server.database().url(), spoil).await;
    let refuse = match backend {
        Backend::Sqlite => {
            "CREATE TRIGGER refusing BEFORE UPDATE ON orders WHEN NEW.id = 'kept' \
             BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        }
        Backend::Postgres => {
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF NEW.id = 'kept' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER refusing BEFORE UPDATE ON orders \
             FOR EACH ROW EXECUTE FUNCTION refuse()"
        }
    };
    execute_at(server.database().url(), refuse).await;
    server.restart().await;
    let shop = shop.over(server.clients());
    let patience = Duration::from_secs(10);
    let pauses = |line: &str| line.contains("timer paused");
    for id in &spoilt {
        let told = |line: &str| (line.contains(id) && pauses(line)).then_some(());
        let told = server.log().find(0, patience, told).await;
        assert!(told.is_some(), "{id} pauses");
    }
    let refused = |line: &str| line.contains("kept") && line.contains("timer pause refused");
    let told = |line: &str| refused(line).then_some(());
    assert!(server.log().find(0, patience, told).await.is_some());
    let started = Instant::now();
    while standing(&shop.get("good").await) != ("gone", "gone") {
        assert!(started.elapsed() < patience, "time does not take it on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let lines = server.log().after(0);
    assert_eq!(lines.iter().filter(|line| refused(line)).count(), 1);
    let wrong = |line: &&String| line.contains("kept") && pauses(line);
    assert_eq!(lines.iter().find(wrong), None);
}
