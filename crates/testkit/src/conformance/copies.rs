//! Copies of mails: what waits for the customer's mail, and what does not.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::{collections::BTreeMap, time::Duration};

use waymark_domain::{
    delivery::{Delivery, DeliveryId, DeliveryState},
    history::{Destination, Readers},
    order::Customer,
    value::EmailAddress,
    workflow::{Action, Channel, CopyMethod, Email, Identity, Notify},
};
use waymark_persistence::{DispatcherId, NextStep};

use super::deliveries::{
    account, action, all_of, dispatcher, everything, finish, give_up, retry, skip,
};
use crate::{
    Fixture,
    build::{create_as, done, new_order, workflow},
};

const CUSTOMERS: &str = "email";
const COPIES: &str = "email.copies";

/// A mail to the customer with copies to these.
fn mail(code: &str, copy_method: CopyMethod, copies: &[&str]) -> Action {
    let addresses = copies.iter().map(|name| {
        let address = format!("{name}@example.com");
        EmailAddress::new(&address).unwrap()
    });
    let email = Email {
        identity: Identity::Sales,
        template: "new_order".parse().unwrap(),
        guest_template: None,
        customer: Notify::Always,
        copy_to: addresses.collect(),
        copy_method,
    };
    action(code, Channel::Email(email))
}

fn bcc(code: &str) -> Action {
    mail(code, CopyMethod::Bcc, &["a", "b"])
}

/// Lets an order set these actions off, by position, in the order in which they are given.
async fn place<const N: usize>(fixture: &Fixture, actions: [Action; N]) -> DispatcherId {
    let mut workflow = workflow("magento", "order");
    let placed = (1..).zip(actions);
    workflow.on_create = placed
        .map(|(position, action)| Action { position, ..action })
        .collect();
    fixture
        .change("order", |_| Ok(Some(workflow.clone())))
        .await
        .unwrap();
    let mut order = new_order("1");
    order.customer = Customer {
        email: "ada@example.com".parse().unwrap(),
        ..Customer::default()
    };
    done(&fixture.store, create_as(order)).await;
    dispatcher(&fixture.store).await
}

/// The deliveries, the oldest first, each as its number, its destination as it is stored, and its
/// state.
async fn outbox(fixture: &Fixture) -> Vec<(u32, String, DeliveryState)> {
    let mut all = everything(&fixture.store).await;
    all.sort_by_key(|delivery| delivery.id);
    let told = |delivery: &Delivery| (delivery.id.number, delivery.to.stored(), delivery.state);
    all.iter().map(told).collect()
}

async fn check<const N: usize>(fixture: &Fixture, expected: [(u32, &str, DeliveryState); N]) {
    let expected = expected.map(|(number, to, state)| (number, to.to_owned(), state));
    assert_eq!(outbox(fixture).await, expected);
}

/// What may be sent now of a lane, each as its number and delivery.
async fn due(fixture: &Fixture, me: &DispatcherId, lane: &str) -> BTreeMap<u32, Delivery> {
    let all = all_of(&fixture.store);
    let due = fixture.store.due_deliveries(me, &all, lane, 10).await;
    let due = due.unwrap().into_iter();
    due.inspect(|delivery| assert_eq!(delivery.lane, lane))
        .map(|delivery| (delivery.id.number, delivery))
        .collect()
}

/// Records the result of the one that may be sent now of a lane, which has this number.
async fn settle(fixture: &Fixture, me: &DispatcherId, lane: &str, number: u32, next: &NextStep) {
    let mut due = due(fixture, me, lane).await;
    let delivery = due.remove(&number).unwrap();
    assert!(due.is_empty(), "{due:?}");
    record(fixture, me, &delivery, next).await;
}

/// The same where the address of the customer was refused.
async fn settle_refused(fixture: &Fixture, me: &DispatcherId, number: u32, next: &NextStep) {
    let mut due = due(fixture, me, CUSTOMERS).await;
    let delivery = due.remove(&number).unwrap();
    assert!(due.is_empty(), "{due:?}");
    record(fixture, me, &refused(&delivery), next).await;
}

async fn record(fixture: &Fixture, me: &DispatcherId, delivery: &Delivery, next: &NextStep) {
    // No two attempts begin at once.
    fixture.time.advance(Duration::from_micros(1));
    finish(fixture, me, std::slice::from_ref(delivery), next).await;
}

fn refused(delivery: &Delivery) -> Delivery {
    Delivery {
        to: Destination::Readers(Readers::CustomerRefused),
        ..delivery.clone()
    }
}

fn again(fixture: &Fixture) -> NextStep {
    NextStep::Retry {
        at: fixture.clock().now(),
        problem: "busy".to_owned(),
    }
}

pub async fn copies_are_set_off_in_a_lane_of_their_own(fixture: &Fixture) {
    use DeliveryState::{Dead, Pending, Succeeded};
    let separate = mail("separate", CopyMethod::Separate, &["a", "b"]);
    let plain = mail("plain", CopyMethod::Bcc, &[]);
    let me = place(fixture, [bcc("bcc"), separate, plain]).await;
    check(
        fixture,
        [
            (0, "customer", Pending),
            (1, "customer_alone", Pending),
            (2, "a@example.com", Pending),
            (3, "b@example.com", Pending),
            (4, "customer_alone", Pending),
        ],
    )
    .await;
    // Neither lane waits for the other, and what is given up takes nothing along.
    settle(fixture, &me, COPIES, 2, &give_up()).await;
    settle(fixture, &me, CUSTOMERS, 0, &give_up()).await;
    settle(fixture, &me, CUSTOMERS, 1, &give_up()).await;
    settle(fixture, &me, COPIES, 3, &NextStep::Succeed).await;
    settle(fixture, &me, CUSTOMERS, 4, &NextStep::Succeed).await;
    check(
        fixture,
        [
            (0, "customer", Dead),
            (1, "customer_alone", Dead),
            (2, "a@example.com", Dead),
            (3, "b@example.com", Succeeded),
            (4, "customer_alone", Succeeded),
        ],
    )
    .await;
}

pub async fn copies_go_at_once_where_the_customer_is_refused(fixture: &Fixture) {
    use DeliveryState::{Dead, Pending, Succeeded};
    let me = place(fixture, [bcc("mail")]).await;
    let first = due(fixture, &me, CUSTOMERS).await.remove(&0).unwrap();
    assert!(due(fixture, &me, COPIES).await.is_empty());
    let next = again(fixture);
    record(fixture, &me, &refused(&first), &next).await;
    let expected = [(0, "customer_refused", Pending), (1_000, "copies", Pending)];
    check(fixture, expected).await;
    // They tell of the same entry and action, and have had no attempt.
    let copies = account(&fixture.store, first.id.of_copies()).await;
    let expected = Delivery {
        id: first.id.of_copies(),
        to: Destination::Readers(Readers::Copies),
        lane: COPIES.to_owned(),
        due_time: Some(fixture.clock().now()),
        update_time: fixture.clock().now(),
        ..first.clone()
    };
    assert_eq!((copies.delivery, copies.attempts), (expected, Vec::new()));
    settle(fixture, &me, COPIES, 1_000, &NextStep::Succeed).await;

    // The customer's part goes on by itself, is given up by itself and comes back by itself.
    settle_refused(fixture, &me, 0, &next).await;
    settle_refused(fixture, &me, 0, &give_up()).await;
    let expected = [(0, "customer_refused", Dead), (1_000, "copies", Succeeded)];
    check(fixture, expected).await;
    retry(&fixture.store, first.id).await;
    settle(fixture, &me, CUSTOMERS, 0, &NextStep::Succeed).await;
    let expected = [
        (0, "customer_refused", Succeeded),
        (1_000, "copies", Succeeded),
    ];
    check(fixture, expected).await;
}

pub async fn an_attempt_that_is_recorded_twice_parts_a_mail_once(fixture: &Fixture) {
    use DeliveryState::{Dead, Pending, Succeeded};
    let me = place(fixture, [bcc("mail")]).await;
    let first = due(fixture, &me, CUSTOMERS).await.remove(&0).unwrap();
    fixture.time.advance(Duration::from_micros(1));
    for _ in 0..2 {
        let refused = [refused(&first)];
        finish(fixture, &me, &refused, &give_up()).await;
    }
    check(
        fixture,
        [(0, "customer_refused", Dead), (1_000, "copies", Pending)],
    )
    .await;
    settle(fixture, &me, COPIES, 1_000, &NextStep::Succeed).await;
    assert_eq!(
        outbox(fixture).await[1],
        (1_000, "copies".to_owned(), Succeeded)
    );
}

pub async fn what_was_decided_meanwhile_parts_nothing(fixture: &Fixture) {
    use DeliveryState::Skipped;
    let me = place(fixture, [bcc("mail")]).await;
    let first = due(fixture, &me, CUSTOMERS).await.remove(&0).unwrap();
    skip(&fixture.store, first.id).await;
    record(fixture, &me, &refused(&first), &again(fixture)).await;
    check(fixture, [(0, "customer", Skipped)]).await;
}

pub async fn copies_of_later_mails_do_not_wait_for_a_refused_customer(fixture: &Fixture) {
    use DeliveryState::{Pending, Succeeded};
    let plain = mail("plain", CopyMethod::Bcc, &[]);
    let me = place(fixture, [plain, bcc("second"), bcc("third")]).await;
    // The second and the third have been parked when the first is refused.
    settle_refused(fixture, &me, 0, &again(fixture)).await;
    check(
        fixture,
        [
            (0, "customer_refused", Pending),
            (1, "customer_alone", Pending),
            (2, "customer_alone", Pending),
            (1_001, "copies", Pending),
            (1_002, "copies", Pending),
        ],
    )
    .await;
    settle(fixture, &me, COPIES, 1_001, &NextStep::Succeed).await;
    settle(fixture, &me, COPIES, 1_002, &NextStep::Succeed).await;
    // The customer gets them in turn.
    for number in 0..3 {
        settle(fixture, &me, CUSTOMERS, number, &NextStep::Succeed).await;
    }
    let all = outbox(fixture).await;
    assert!(all.iter().all(|(_, _, state)| *state == Succeeded));
}

pub async fn copies_of_a_mail_set_off_later_do_not_wait_either(fixture: &Fixture) {
    use DeliveryState::Pending;
    let me = place(fixture, [bcc("first"), bcc("second")]).await;
    // The second is not looked at before the first is refused: as if its step came later.
    fixture
        .execute("UPDATE deliveries SET state = 'skipped', due_time = NULL WHERE number = 1")
        .await;
    settle_refused(fixture, &me, 0, &again(fixture)).await;
    fixture
        .execute("UPDATE deliveries SET state = 'pending', due_time = create_time WHERE number = 1")
        .await;
    check(
        fixture,
        [
            (0, "customer_refused", Pending),
            (1, "customer", Pending),
            (1_000, "copies", Pending),
        ],
    )
    .await;
    // The next look for what is due finds out.
    assert!(due(fixture, &me, CUSTOMERS).await.contains_key(&0));
    check(
        fixture,
        [
            (0, "customer_refused", Pending),
            (1, "customer_alone", Pending),
            (1_000, "copies", Pending),
            (1_001, "copies", Pending),
        ],
    )
    .await;
}

pub async fn a_customer_given_up_leaves_later_mails_whole(fixture: &Fixture) {
    use DeliveryState::{Dead, Pending};
    let me = place(fixture, [bcc("first"), bcc("second")]).await;
    settle_refused(fixture, &me, 0, &give_up()).await;
    check(
        fixture,
        [
            (0, "customer_refused", Dead),
            (1, "customer", Pending),
            (1_000, "copies", Pending),
        ],
    )
    .await;
    assert!(due(fixture, &me, CUSTOMERS).await.contains_key(&1));
}

pub async fn mails_of_an_older_version_go_on_as_they_were_set_off(fixture: &Fixture) {
    use DeliveryState::{Dead, Succeeded};
    let separate = mail("mail", CopyMethod::Separate, &["a"]);
    let me = place(fixture, [separate]).await;
    fixture
        .execute("UPDATE deliveries SET lane = 'email'")
        .await;
    fixture
        .execute("UPDATE deliveries SET destination = 'customer' WHERE number = 0")
        .await;
    // One lane for both.
    settle(fixture, &me, CUSTOMERS, 0, &give_up()).await;
    settle(fixture, &me, CUSTOMERS, 1, &NextStep::Succeed).await;
    assert!(due(fixture, &me, COPIES).await.is_empty());
    let expected = [(0, "customer", Dead), (1, "a@example.com", Succeeded)];
    check(fixture, expected).await;
    let customers: DeliveryId = everything(&fixture.store).await[1].id;
    assert_eq!(retry(&fixture.store, customers).await.lane, CUSTOMERS);
}
