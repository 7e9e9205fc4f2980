//! Reads the contexts of deliveries: their entries, and the orders as these left them.

use std::{collections::HashMap, panic::AssertUnwindSafe, slice, time::Duration};

use futures::FutureExt;
use waymark_domain::{
    delivery::{Delivery, DeliveryId},
    history::{self, LogPosition},
    order::Order,
    value::Timestamp,
};
use waymark_persistence::{Batched, Error, NextStep, Store};

use super::{attempt::DeliveryResult, content::DeliveryContext, pauses::later};
use crate::telemetry::chain;

/// How many entries of an order are read at once to see it as it was.
const REPLAY_CHUNK: usize = 1_000;
/// How long a delivery waits whose context cannot be read: until somebody has put that right, or a
/// newer version of the service, which can, has taken over.
const UNREADABLE_WAIT: Duration = Duration::from_mins(1);

pub(super) type Contexts = HashMap<DeliveryId, Result<DeliveryContext, Unread>>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is stored in a way that nobody can read.
    Unreadable(String),
    Panicked,
}

/// Reads the contexts of deliveries; those are left out whose order or entry is gone. One that cannot
/// be read does not hold up the others.
pub(super) async fn read(store: &Store, due: &[Delivery]) -> Result<Contexts, Error> {
    match AssertUnwindSafe(read_all(store, due)).catch_unwind().await {
        Ok(Ok(read)) => return Ok(read.into_iter().map(|(id, read)| (id, Ok(read))).collect()),
        Ok(Err(error)) if !error.is_of_data() => return Err(error),
        Ok(Err(_)) | Err(_) => {}
    }
    let mut contexts = HashMap::with_capacity(due.len());
    for delivery in due {
        let read = read_all(store, slice::from_ref(delivery));
        match AssertUnwindSafe(read).catch_unwind().await {
            Ok(Ok(read)) => contexts.extend(read.into_iter().map(|(id, read)| (id, Ok(read)))),
            Ok(Err(error)) if error.is_of_data() => {
                let problem = chain(&error);
                tracing::error!(
                    delivery.id = %delivery.id,
                    order.id = %delivery.order_id,
                    error = problem,
                    "delivery context unreadable"
                );
                contexts.insert(delivery.id, Err(Unread::Unreadable(problem)));
            }
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                tracing::error!(
                    delivery.id = %delivery.id,
                    order.id = %delivery.order_id,
                    "reading a delivery context panicked"
                );
                contexts.insert(delivery.id, Err(Unread::Panicked));
            }
        }
    }
    Ok(contexts)
}

/// The result of a delivery whose context is gone or cannot be read; a panic counts as an attempt.
pub(super) fn unread(delivery: Delivery, why: Option<Unread>, now: Timestamp) -> DeliveryResult {
    let next = match why {
        Some(Unread::Panicked) => {
            return DeliveryResult::panicked(delivery, now, Duration::ZERO);
        }
        Some(Unread::Unreadable(problem)) => NextStep::Retry {
            at: later(now, UNREADABLE_WAIT),
            problem,
        },
        None => NextStep::GiveUp {
            problem: "its order or its entry is gone".to_owned(),
        },
    };
    DeliveryResult::unattempted(delivery, next)
}

async fn read_all(
    store: &Store,
    due: &[Delivery],
) -> Result<HashMap<DeliveryId, DeliveryContext>, Error> {
    if due.is_empty() {
        return Ok(HashMap::new());
    }
    let keys: Vec<_> = due
        .iter()
        .map(|delivery| (delivery.workflow.clone(), delivery.order_id.clone()))
        .collect();
    let found = store.find_orders(&keys).await?;
    let positions: Vec<LogPosition> = due.iter().map(|delivery| delivery.id.position).collect();
    let entries = store.history_at(&positions).await?.into_iter();
    let entries: HashMap<LogPosition, Batched> = entries
        .map(|batched| (batched.logged.position, batched))
        .collect();
    let mut contexts = HashMap::with_capacity(due.len());
    for (delivery, found) in due.iter().zip(found) {
        let (Some(stored), Some(published)) = (found.order, found.published) else {
            continue;
        };
        let Some(entry) = entries.get(&delivery.id.position) else {
            continue;
        };
        let action = published.record.workflow.action(&delivery.action);
        if let (None, Some(finding)) = (action, published.unreadable().first()) {
            // Its action may be among the parts that cannot be read.
            return Err(Error::Corrupt {
                table: "workflows",
                column: "code",
                row: delivery.workflow.to_string(),
                source: finding.to_string().into(),
            });
        }
        let order = as_it_was(store, stored.read()?, delivery.order_version).await?;
        let Some(order) = order else {
            continue;
        };
        let context = DeliveryContext {
            entry: entry.clone(),
            order,
            published,
            feed_url: String::new(),
        };
        contexts.insert(delivery.id, context);
    }
    Ok(contexts)
}

/// The order as it was in a version, by its history where it has moved on.
async fn as_it_was(store: &Store, now: Order, version: i64) -> Result<Option<Order>, Error> {
    if now.version == version {
        return Ok(Some(now));
    }
    let mut entries = Vec::new();
    loop {
        let after = entries
            .last()
            .map_or(0, |batched: &Batched| batched.logged.entry.sequence);
        let read = store.order_history_after(&now.workflow, &now.id, after, REPLAY_CHUNK);
        let chunk = read.await?;
        let is_last = chunk.is_empty();
        entries.extend(chunk);
        let reached = entries
            .last()
            .is_some_and(|batched| batched.logged.entry.sequence >= version);
        if reached || is_last {
            break;
        }
    }
    let until = entries.iter().map(|batched| &batched.logged.entry);
    Ok(history::replay(
        until.take_while(|entry| entry.sequence <= version),
    ))
}

#[cfg(test)]
mod tests {
    use waymark_domain::value::OrderId;
    use waymark_persistence::{BatchOutcome, Unit, UnitMode, test_access::execute};

    use super::*;
    use crate::tests::{context, creation, delivery, store, workflow};

    #[tokio::test]
    async fn one_that_cannot_be_read_is_no_matter_of_the_others() {
        let (_directory, store) = store().await;
        crate::preset::load(&store, "magento", &workflow())
            .await
            .unwrap();
        let ids = ["A-1", "A-2", "A-3"].map(|id| OrderId::new(id).unwrap());
        let unit = Unit {
            steps: ids.map(|id| creation(id, context())).to_vec(),
            mode: UnitMode::Separate,
            return_orders: false,
        };
        let BatchOutcome { written, .. } = store.commit(vec![unit]).await;
        let due = written.iter().map(|batched| Delivery {
            id: DeliveryId {
                position: batched.logged.position,
                number: 0,
            },
            workflow: workflow(),
            order_id: batched.logged.order_id.clone(),
            ..delivery("erp", 1)
        });
        let mut due: Vec<_> = due.collect();
        due.sort_by(|one, other| one.order_id.as_str().cmp(other.order_id.as_str()));
        assert_eq!(due.len(), 3);
        let broken = "UPDATE orders SET body = '{}' WHERE id = 'A-2'";
        execute(&store, broken).await.unwrap();

        let mut read = read(&store, &due).await.unwrap();
        for readable in [&due[0], &due[2]] {
            let context = read.remove(&readable.id).unwrap().unwrap();
            assert_eq!(context.order.id, readable.order_id);
        }
        let why = read.remove(&due[1].id).unwrap().unwrap_err();
        let Unread::Unreadable(problem) = why.clone() else {
            panic!("{why:?}")
        };
        assert!(problem.contains("orders"), "{problem}");
        let now = Timestamp::from_micros(1_000_000);
        assert_eq!(
            unread(due[1].clone(), Some(why), now).finished.next,
            NextStep::Retry {
                at: Timestamp::from_micros(61_000_000),
                problem,
            }
        );
    }

    #[test]
    fn a_fault_while_one_is_read_counts_as_an_attempt() {
        let now = Timestamp::from_micros(1_000_000);
        let result = unread(delivery("erp", 1), Some(Unread::Panicked), now);
        assert!(result.finished.attempt.is_some());
        assert!(matches!(result.finished.next, NextStep::Retry { .. }));
        let result = unread(delivery("erp", 1), None, now);
        assert!(result.finished.attempt.is_none());
        assert!(matches!(result.finished.next, NextStep::GiveUp { .. }));
    }
}
