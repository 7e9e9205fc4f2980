//! Targets that hang, any number of them: deliveries to good ones come all the same.

use std::{future::pending, ops::Range, time::Duration};

use tokio::time::{Instant, timeout};
use waymark_proto::v1::DeliveryState;
use waymark_tests::{
    Backend, Server, Shop, ledger,
    peer::Peer,
    receiver::{Hook, Receiver},
    turning,
    world::{apply, fresh_code},
};

on_each_database!(however_many_targets_hang_good_ones_are_reached);

/// How many endpoints hang, far more than deliveries may be in flight, and how many orders tell each.
const HANGING: usize = 30;
const ORDERS: usize = 4;
/// No attempt that hangs ends before; a good one comes long before.
const HANGS_FOR: Duration = Duration::from_mins(2);
const COMES_WITHIN: Duration = Duration::from_secs(20);
/// How long half of the good ones may take that are sent one after the other. It is the median that counts, since one
/// slow moment of a machine that others use too is no fault.
const MEDIAN_MAX: Duration = Duration::from_secs(1);
/// The orders of which one after the other is told, and those that are told all at once.
const IN_TURN: Range<usize> = ORDERS..ORDERS + 20;
const AT_ONCE: Range<usize> = IN_TURN.end..IN_TURN.end + 20;

/// A workflow with a step for each target.
fn document(code: &str) -> String {
    let targets = (0..HANGING).map(|number| format!("hang_{number}"));
    let targets = targets.chain(["good_1".to_owned(), "good_2".to_owned()]);
    turning::document(targets.map(|target| {
        let policy = format!("timeout: {}s", HANGS_FOR.as_secs());
        let tell = format!("{{tell: {{webhook: {{endpoint: {target}_{code}}}, {policy}}}}}");
        (target, tell)
    }))
}

async fn tell(shop: &Shop, id: &str, target: &str) -> String {
    let told = shop.take(id, target).await.unwrap();
    told.entries[0].set_off[0].delivery_id.clone()
}

/// Tells a good target of an order, and gives the time from the answer of the step until it is there.
async fn arrival(shop: &Shop, receiver: &Receiver, id: &str, target: &str) -> Duration {
    tell(shop, id, target).await;
    let answered = Instant::now();
    let is_this = |hook: &Hook| hook.path == target && hook.order() == id;
    let come = receiver.until_all(|hooks| hooks.iter().any(is_this));
    timeout(COMES_WITHIN, come).await.expect("it comes at once");
    answered.elapsed()
}

async fn however_many_targets_hang_good_ones_are_reached(backend: Backend) {
    let settings = [
        "webhooks_allowed=127.0.0.0/8",
        "dispatch_lease=500ms",
        "dispatch_poll=50ms",
        "deliveries_in_flight_max=4",
    ];
    let arguments: Vec<&str> = settings.iter().flat_map(|it| ["--set", it]).collect();
    let server = Server::start_with(backend, &arguments).await;
    let hanging = Peer::start(|stream, _| async {
        pending::<()>().await;
        drop(stream);
    })
    .await;
    let receiver = Receiver::start(|_, _| 200).await;
    let (clients, code) = (server.clients(), fresh_code());
    for number in 0..HANGING {
        let endpoint = format!("hang_{number}_{code}");
        let url = hanging.url(&number.to_string());
        ledger::create_endpoint(&clients, &endpoint, &url)
            .await
            .unwrap();
    }
    for target in ["good_1", "good_2"] {
        let endpoint = format!("{target}_{code}");
        let created = ledger::create_endpoint(&clients, &endpoint, &receiver.url(target)).await;
        created.unwrap();
    }
    let shop = apply(&clients, &code, &document(&code)).await;
    for order in 0..ORDERS {
        shop.place(&order.to_string(), &[]).await;
        for number in 0..HANGING {
            tell(&shop, &order.to_string(), &format!("hang_{number}")).await;
        }
    }
    let began = Instant::now();
    // Every target is tried, though each of those before it hangs.
    timeout(COMES_WITHIN, hanging.until(HANGING))
        .await
        .expect("all are tried");

    // One that nothing was sent to before, then one after the other, and then many at once to both.
    let first = tell(&shop, "0", "good_1").await;
    timeout(COMES_WITHIN, receiver.until(1))
        .await
        .expect("it comes at once");
    ledger::until(&clients, &first, DeliveryState::Succeeded).await;
    let mut took = Vec::new();
    for order in IN_TURN {
        let target = if order % 2 == 0 { "good_1" } else { "good_2" };
        let id = order.to_string();
        shop.place(&id, &[]).await;
        took.push(arrival(&shop, &receiver, &id, target).await);
    }
    took.sort_unstable();
    assert!(took[took.len() / 2] <= MEDIAN_MAX, "{took:?}");
    for order in AT_ONCE {
        shop.place(&order.to_string(), &[]).await;
        tell(&shop, &order.to_string(), "good_1").await;
        tell(&shop, &order.to_string(), "good_2").await;
    }
    let all = 1 + IN_TURN.len() + 2 * AT_ONCE.len();
    timeout(COMES_WITHIN, receiver.until(all))
        .await
        .expect("they come at once");
    assert!(
        began.elapsed() < HANGS_FOR,
        "nothing had ended yet that hangs"
    );
    let tried = hanging.requests();
    assert_eq!(
        tried.len(),
        HANGING,
        "one at a time where nothing is answered"
    );
}
