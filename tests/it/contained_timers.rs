//! Orders that are due and cannot be read: they wait by themselves, told by name, and time takes the others on.

use std::time::{Duration, Instant};

use waymark_testkit::execute_at;
use waymark_tests::{Backend, Server, shop::standing, world::apply};

on_each_database!(an_order_that_cannot_be_read_holds_up_no_other);

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
    let settings = ["--set", "dispatch_poll_ms=50"];
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
        let is_it = line.contains("an order that is due cannot be read");
        (is_it && line.contains("spoilt") && line.contains("body")).then_some(())
    };
    let told = server.log().find(0, Duration::from_secs(5), named).await;
    assert!(told.is_some(), "the log names the order");
}
