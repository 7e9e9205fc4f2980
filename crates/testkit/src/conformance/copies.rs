//! Copies of mails as mails of their own.

#![expect(missing_docs, reason = "the name of a case says what it is about")]

use std::{collections::BTreeSet, time::Duration};

use waymark_domain::{
    delivery::{Delivery, DeliveryState},
    history::{Destination, Readers},
    order::Customer,
    value::EmailAddress,
    workflow::{Channel, CopyMethod, Email, Identity, Notify},
};
use waymark_persistence::{DispatcherId, NextStep};

use super::carrying::{action, carrier, everything, finish, give_up, retry, skip};
use crate::{
    Fixture,
    build::{create_as, done, new_order, workflow},
};

/// Lets an order send a mail to its customer, with two copies, and then another one.
async fn place(fixture: &Fixture) -> DispatcherId {
    let mail = |copies: &[&str]| {
        Channel::Email(Email {
            identity: Identity::Sales,
            template: "new_order".parse().unwrap(),
            guest_template: None,
            customer: Notify::Always,
            copy_to: copies
                .iter()
                .map(|address| EmailAddress::new(address).unwrap())
                .collect(),
            copy_method: CopyMethod::Separate,
        })
    };
    let mut workflow = workflow("magento", "order");
    workflow.on_create = vec![
        action("first", mail(&["a@example.com", "b@example.com"])),
        action("second", mail(&[])),
    ];
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
    carrier(&fixture.store).await
}

/// The deliveries, the oldest first, each as its destination and state.
async fn states(fixture: &Fixture) -> Vec<(String, DeliveryState)> {
    let mut all = everything(&fixture.store).await;
    all.sort_by_key(|delivery| delivery.id);
    let told = |delivery: &Delivery| (delivery.to.to_string(), delivery.state);
    all.iter().map(told).collect()
}

/// What may be sent now, at most one of an order and lane.
async fn due(fixture: &Fixture, me: &DispatcherId) -> Option<Delivery> {
    let all: BTreeSet<_> = fixture.store.partition_count().all().collect();
    let due = fixture.store.due_deliveries(me, &all, "email", 10).await;
    let [due] = due.unwrap().try_into().ok()?;
    Some(due)
}

async fn settle(fixture: &Fixture, me: &DispatcherId, to: &str, next: NextStep) {
    let delivery = due(fixture, me).await.unwrap();
    assert_eq!(delivery.to.to_string(), to);
    // No two attempts begin at once.
    fixture.time.advance(Duration::from_micros(1));
    finish(fixture, me, &[delivery], &next).await;
}

async fn check(fixture: &Fixture, expected: [DeliveryState; 4]) {
    let destinations = ["customer", "a@example.com", "b@example.com", "customer"];
    let destinations = destinations.map(str::to_owned);
    let expected: Vec<_> = destinations.into_iter().zip(expected).collect();
    assert_eq!(states(fixture).await, expected);
}

pub async fn a_copy_waits_for_the_customers_mail(fixture: &Fixture) {
    use DeliveryState::{Pending, Succeeded};
    let me = place(fixture).await;
    check(fixture, [Pending; 4]).await;
    for to in ["customer", "a@example.com", "b@example.com", "customer"] {
        settle(fixture, &me, to, NextStep::Succeed).await;
    }
    check(fixture, [Succeeded; 4]).await;
}

pub async fn without_the_customers_mail_there_are_no_copies(fixture: &Fixture) {
    use DeliveryState::{Dead, Pending, Skipped};
    let me = place(fixture).await;
    let again = NextStep::Retry {
        at: fixture.clock().now(),
        problem: "busy".to_owned(),
    };
    settle(fixture, &me, "customer", again).await;
    check(fixture, [Pending; 4]).await;
    settle(fixture, &me, "customer", give_up()).await;
    check(fixture, [Dead, Skipped, Skipped, Pending]).await;
    let all = everything(&fixture.store).await;
    let copies = all
        .iter()
        .filter(|delivery| matches!(delivery.to, Destination::Readers(Readers::Copy(_))));
    for copy in copies {
        assert_eq!(copy.problem, "the mail to the customer was given up");
        assert_eq!((copy.attempts, copy.due_time), (0, None));
    }
    // A copy that is given up takes nothing along.
    settle(fixture, &me, "customer", NextStep::Succeed).await;
    assert_eq!(due(fixture, &me).await, None);
}

pub async fn copies_come_back_with_the_customers_mail(fixture: &Fixture) {
    use DeliveryState::{Dead, Pending, Skipped, Succeeded};
    let me = place(fixture).await;
    let customers = due(fixture, &me).await.unwrap().id;
    settle(fixture, &me, "customer", give_up()).await;
    retry(&fixture.store, customers).await;
    check(fixture, [Pending; 4]).await;
    settle(fixture, &me, "customer", give_up()).await;
    check(fixture, [Dead, Skipped, Skipped, Pending]).await;
    retry(&fixture.store, customers).await;
    settle(fixture, &me, "customer", NextStep::Succeed).await;
    settle(fixture, &me, "a@example.com", give_up()).await;
    check(fixture, [Succeeded, Dead, Pending, Pending]).await;
}

pub async fn what_somebody_decided_about_a_copy_stands(fixture: &Fixture) {
    use DeliveryState::{Pending, Skipped, Succeeded};
    let me = place(fixture).await;
    let mut all = everything(&fixture.store).await;
    all.sort_by_key(|delivery| delivery.id);
    skip(&fixture.store, all[1].id).await;
    settle(fixture, &me, "customer", give_up()).await;
    retry(&fixture.store, all[0].id).await;
    check(fixture, [Pending, Skipped, Pending, Pending]).await;
    // The customer's mail alone was decided against, so the copy goes.
    skip(&fixture.store, all[0].id).await;
    check(fixture, [Skipped, Skipped, Pending, Pending]).await;
    settle(fixture, &me, "b@example.com", NextStep::Succeed).await;
    check(fixture, [Skipped, Skipped, Succeeded, Pending]).await;
}
