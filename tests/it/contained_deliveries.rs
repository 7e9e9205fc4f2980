//! Something is wrong with one delivery: the others arrive all the same, and it is told by name.

use std::{collections::BTreeMap, fs, time::Duration};

use tokio::time::timeout;
use waymark_proto::v1::{self, AttemptOutcome, DeliveryState};
use waymark_testkit::execute_at;
use waymark_tests::{
    Backend, Clients, Server, Shop, ledger,
    receiver::{Hook, Receiver},
    world::apply,
};

use crate::waiting_deliveries::document;

on_each_database!(
    a_delivery_that_cannot_be_read_stops_no_other,
    a_result_that_the_database_refuses_stops_no_other,
    an_attempt_that_panics_is_a_failed_attempt,
);

const SETTINGS: [&str; 8] = [
    "--set",
    "webhooks_allowed=127.0.0.0/8",
    "--set",
    "dispatch_lease=500ms",
    "--set",
    "dispatch_poll=50ms",
    "--set",
    "deliveries_in_flight_max=4",
];
/// How soon all others arrive.
const WITHIN: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(10);
const WORKFLOW: &str = "w";
const ENDPOINTS: [&str; 2] = ["crm", "erp"];

/// A workflow whose comments are told to two endpoints, which are switched off.
async fn stage(server: &Server, receiver: &Receiver) -> Shop {
    let clients = server.clients();
    for code in ENDPOINTS {
        let endpoint = v1::Endpoint {
            code: code.to_owned(),
            url: receiver.url(code),
            active: Some(false),
            ..Default::default()
        };
        let request = v1::CreateEndpointRequest {
            endpoint: Some(endpoint),
            ..Default::default()
        };
        clients.endpoints().create_endpoint(request).await.unwrap();
    }
    let actions = "on_comment: {crm: {webhook: {endpoint: crm}}, erp: {webhook: {endpoint: erp}}}";
    apply(&clients, WORKFLOW, &document(actions)).await
}

async fn switch_on(clients: &Clients) {
    for code in ENDPOINTS {
        ledger::switch(clients, code, true).await;
    }
}

/// Comments on an order, and gives the deliveries that this sets off by their endpoints.
async fn say(shop: &Shop, id: &str) -> BTreeMap<String, String> {
    let said = shop.comment(id, "hello", "").await.unwrap();
    let set_off = said.entries[0].set_off.iter();
    let set_off = set_off.map(|it| (it.destination.clone(), it.delivery_id.clone()));
    set_off.collect()
}

/// The condition of a delivery's row.
fn of_row(id: &str, table: &str) -> String {
    let parts: Vec<_> = id.split('-').collect();
    let [partition, offset, number] = parts[..] else {
        panic!("{id}")
    };
    format!(
        "{table}partition = {partition} AND {table}log_offset = {offset} AND {table}number = {number}"
    )
}

/// Does something to the database while the server is stopped.
async fn meanwhile(server: &mut Server, sql: &str) {
    server.terminate();
    server.ended(PATIENCE).await;
    execute_at(server.database().url(), sql).await;
    server.restart().await;
}

/// Waits until so many webhooks have come, which must be soon.
async fn come(receiver: &Receiver, count: usize) -> Vec<Hook> {
    let come = timeout(WITHIN, receiver.until(count)).await;
    come.unwrap_or_else(|_| panic!("only these came: {:?}", receiver.hooks()))
}

async fn is_told(server: &Server, id: &str, what: &str) {
    let told = server.log().find(0, PATIENCE, |line| {
        let is_it = line.contains("ERROR") && line.contains(id) && line.contains(what);
        is_it.then_some(())
    });
    assert!(told.await.is_some(), "the log does not tell of {id}");
}

async fn a_delivery_that_cannot_be_read_stops_no_other(backend: Backend) {
    let mut server = Server::start_with(backend, &SETTINGS).await;
    let receiver = Receiver::start(|_, _| 200).await;
    let shop = stage(&server, &receiver).await;
    shop.place("bad", &[]).await;
    let bad = say(&shop, "bad").await["crm"].clone();
    let behind = say(&shop, "bad").await["crm"].clone();
    shop.place("worse", &[]).await;
    let worse = say(&shop, "worse").await["crm"].clone();
    for number in 0..5 {
        let id = format!("good-{number}");
        shop.place(&id, &[]).await;
        say(&shop, &id).await;
    }
    let fax = "kind = 'fax', destination = 'office'";
    let spoil = format!(
        "UPDATE deliveries SET {fax} WHERE {}; UPDATE deliveries SET {fax}, lane = 'fax' WHERE {}",
        of_row(&bad, ""),
        of_row(&worse, "")
    );
    meanwhile(&mut server, &spoil).await;
    let clients = server.clients();
    switch_on(&clients).await;
    come(&receiver, 14).await;
    ledger::until(&clients, &behind, DeliveryState::Succeeded).await;

    let request = v1::ListDeliveriesRequest {
        workflows: vec![WORKFLOW.to_owned()],
        page_size: 100,
        ..Default::default()
    };
    let why = "it cannot be read from the database: table deliveries, column destination: ";
    for id in [&bad, &worse] {
        let dead = ledger::until(&clients, id, DeliveryState::Dead).await;
        assert!(dead.problem.starts_with(why), "{}", dead.problem);
        assert_eq!(
            (dead.kind.as_str(), dead.destination.as_str()),
            ("fax", "office")
        );
        assert!(dead.due_time.is_none() && dead.attempts.is_empty());
        is_told(&server, id, "cannot be read").await;
        let listed = clients.deliveries().list_deliveries(request.clone()).await;
        let listed = listed.unwrap().into_inner().deliveries;
        assert_eq!(listed.len(), 16);
        let listed = listed.iter().find(|delivery| delivery.id == *id).unwrap();
        assert_eq!(
            (listed.state(), &listed.problem),
            (DeliveryState::Dead, &dead.problem)
        );
        // Whoever has it tried again has it given up again, and whoever does not want it skips it.
        let retried = ledger::retry(&clients, id).await.unwrap();
        assert_eq!(retried.state(), DeliveryState::Pending);
        ledger::until(&clients, id, DeliveryState::Dead).await;
        let skipped = ledger::skip(&clients, id, "nobody has a fax").await;
        assert_eq!(skipped.unwrap().state(), DeliveryState::Skipped);
    }
    assert_eq!(receiver.hooks().len(), 14);
}

async fn a_result_that_the_database_refuses_stops_no_other(backend: Backend) {
    let mut server = Server::start_with(backend, &SETTINGS).await;
    let receiver = Receiver::start(|_, _| 200).await;
    let shop = stage(&server, &receiver).await;
    shop.place("poison", &[]).await;
    let poison = say(&shop, "poison").await["crm"].clone();
    let of_poison = of_row(&poison, "NEW.");
    let (refuse, allow) = match backend {
        Backend::Sqlite => (
            format!(
                "CREATE TRIGGER refusing BEFORE INSERT ON delivery_attempts WHEN {of_poison} \
                 BEGIN SELECT RAISE(ABORT, 'not this one'); END"
            ),
            "DROP TRIGGER refusing",
        ),
        Backend::Postgres => (
            format!(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF {of_poison} THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$; \
                 CREATE TRIGGER refusing BEFORE INSERT ON delivery_attempts \
                 FOR EACH ROW EXECUTE FUNCTION refuse()"
            ),
            "DROP TRIGGER refusing ON delivery_attempts",
        ),
    };
    meanwhile(&mut server, &refuse).await;
    let clients = server.clients();
    let shop = Shop::new(clients.clone(), WORKFLOW);
    switch_on(&clients).await;
    come(&receiver, 2).await;
    is_told(&server, &poison, "refused by the database").await;
    // More than may be in flight at once, and than may wait to be recorded.
    let mut good = Vec::new();
    for number in 0..20 {
        let id = format!("good-{number}");
        shop.place(&id, &[]).await;
        good.extend(say(&shop, &id).await.into_values());
    }
    let noted = async {
        for id in &good {
            ledger::until(&clients, id, DeliveryState::Succeeded).await;
        }
    };
    timeout(WITHIN, noted).await.expect("they are noted");
    let waits = ledger::delivery(&clients, &poison).await;
    assert_eq!(
        (waits.state(), waits.attempts.len()),
        (DeliveryState::Pending, 0)
    );
    let of_poison = |hook: &&Hook| hook.order() == "poison" && hook.path == "crm";
    let hooks = receiver.hooks();
    assert_eq!(
        hooks.iter().filter(of_poison).count(),
        1,
        "it is not sent again"
    );

    meanwhile(&mut server, allow).await;
    let sent = ledger::until(&server.clients(), &poison, DeliveryState::Succeeded).await;
    assert_eq!(sent.attempts.len(), 1);
    let hooks = receiver.hooks();
    let mut of_poison = hooks.iter().filter(of_poison);
    let first = of_poison.next().unwrap();
    assert!(of_poison.all(|again| again.id() == first.id()));
}

async fn an_attempt_that_panics_is_a_failed_attempt(backend: Backend) {
    let faults = tempfile::tempdir().unwrap();
    let fault = faults.path().join("attempt.poison");
    fs::write(&fault, "").unwrap();
    let server = Server::start_with_faults(backend, &SETTINGS, faults.path()).await;
    let receiver = Receiver::start(|_, _| 200).await;
    let shop = stage(&server, &receiver).await;
    shop.place("poison", &[]).await;
    let poison = say(&shop, "poison").await["crm"].clone();
    for number in 0..5 {
        let id = format!("good-{number}");
        shop.place(&id, &[]).await;
        say(&shop, &id).await;
    }
    let clients = server.clients();
    switch_on(&clients).await;
    let hooks = come(&receiver, 10).await;
    assert!(hooks.iter().all(|hook| hook.order() != "poison"));
    let failed = ledger::until_attempts(&clients, &poison, 1).await;
    let problem = "the attempt ended by a fault of the service, which is in its log";
    assert_eq!(
        (failed.state(), failed.problem.as_str()),
        (DeliveryState::Pending, problem)
    );
    let attempt = &failed.attempts[0];
    assert_eq!(
        (attempt.outcome(), attempt.problem.as_str()),
        (AttemptOutcome::Failed, problem)
    );
    is_told(&server, &poison, "delivery attempt panicked").await;

    // It goes on as soon as the fault is gone.
    fs::remove_file(&fault).unwrap();
    ledger::retry(&clients, &poison).await.unwrap();
    ledger::until(&clients, &poison, DeliveryState::Succeeded).await;
}
