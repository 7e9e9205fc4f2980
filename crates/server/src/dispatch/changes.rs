//! Waiting deliveries whose actions change: those of an action that is gone, or does something else
//! by now, are given up; those of one that is switched off rest, and go again when it is switched on.
//! Nothing of that is an attempt, so neither a target nor its circuit breaker is asked. All that
//! waits in the partitions that are owned is looked at, a little at a time, when actions have
//! changed, when a partition was taken over, when deliveries were retried by hand, and every half an
//! hour.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;
use waymark_domain::{
    delivery::Delivery,
    partition::Partition,
    value::{Timestamp, WorkflowCode},
    workflow::{ActionPath, Workflow},
};
use waymark_persistence::{
    DispatcherId, Edition, Error, Finished, NextStep, Published, RefusedResult, Store,
};

use super::{
    loops::{LogOnce, Rounds},
    pauses::later,
    unreadable::Unreadable,
    unsent::{REST, Unsent, before_off, way},
};
use crate::{telemetry::chain, wake::Wake};

/// How long after one walk over what waits in a partition the next one begins at the latest, so
/// that what rests never comes to an end of its rest.
const INTERVAL: Duration = Duration::from_mins(30);
/// How long after a walk for what was retried by hand the next one for that begins at the earliest.
const RETRIED_INTERVAL: Duration = Duration::from_secs(5);
/// The pause after each part of a walk, which leaves the database to steps.
const PAUSE: Duration = Duration::from_millis(5);
const FAILED: &str = "following changed actions failed";

/// An action of a workflow, what it does, and whether it is switched on.
type Declared = (WorkflowCode, ActionPath, &'static str, bool);

/// Looks again and again whether actions have changed, and lets their deliveries follow.
pub(super) async fn run(store: Store, wake: Wake, me: DispatcherId, mut rounds: Rounds) {
    let mut changes = Changes {
        bulk: store.for_bulk(),
        store,
        wake,
        me,
        edition: None,
        actions: None,
        walked: BTreeMap::new(),
        retried: None,
        unreadable: Unreadable::default(),
        failures: LogOnce::default(),
    };
    loop {
        let partitions = rounds.next().await;
        let followed = changes.follow(&partitions).await;
        changes.failures.note(FAILED, followed);
    }
}

struct Changes {
    store: Store,
    /// The store for reads of many deliveries.
    bulk: Store,
    wake: Wake,
    me: DispatcherId,
    /// The edition of the catalog whose actions these are.
    edition: Option<Edition>,
    /// None where a workflow could not be read, or nothing waited.
    actions: Option<BTreeSet<Declared>>,
    /// When each partition was walked last.
    walked: BTreeMap<Partition, Instant>,
    /// When it was found last that deliveries were retried by hand. Where their endpoint is switched
    /// off, nobody else compares them with their actions.
    retried: Option<Instant>,
    unreadable: Unreadable,
    failures: LogOnce,
}

impl Changes {
    async fn follow(&mut self, owned: &BTreeSet<Partition>) -> Result<(), Error> {
        let may_walk = |at: Instant| at.elapsed() >= RETRIED_INTERVAL;
        if self.retried.is_none_or(may_walk) && self.wake.take_retried() {
            self.retried = Some(Instant::now());
        }
        let since = self.retried;
        // One that comes back may have been left in the middle.
        self.walked.retain(|partition, at| {
            owned.contains(partition)
                && at.elapsed() < INTERVAL
                && since.is_none_or(|since| *at >= since)
        });
        if owned.is_empty() {
            return Ok(());
        }
        let store = &self.store;
        let edition = store.edition().await?;
        let is_known = self.edition == Some(edition);
        let is_walked = |partition: &Partition| self.walked.contains_key(partition);
        if is_known && owned.iter().all(is_walked) {
            return Ok(());
        }
        // Workflows are not read for nothing.
        let waits = !store.busy_lanes().await?.is_empty();
        if !is_known {
            let actions = if waits {
                readable(store.workflows().await)?
            } else {
                None
            };
            let actions = actions.map(|workflows| declared(&workflows));
            if actions.is_none() || actions != self.actions {
                self.walked.clear();
            }
            self.actions = actions;
            self.edition = Some(edition);
        }
        let left = owned
            .iter()
            .filter(|partition| !self.walked.contains_key(partition));
        let left: Vec<_> = left.copied().collect();
        for partition in left {
            let walked = if waits {
                self.walk(partition).await
            } else {
                Ok(())
            };
            if walked.is_ok() {
                self.walked.insert(partition, Instant::now());
            }
            self.failures.note_in(partition, FAILED, walked)?;
        }
        Ok(())
    }

    async fn walk(&mut self, partition: Partition) -> Result<(), Error> {
        let (mut after, mut count) = (None, 0);
        loop {
            let waiting = self.bulk.waiting_deliveries(partition, after).await?;
            after = waiting.next;
            // Also where nobody polls, since its endpoint is switched off.
            let by = (&self.store, &self.me);
            if self.unreadable.give_up(by, waiting.unreadable).await? > 0 {
                self.wake.now();
            }
            let judged = self.judge(waiting.deliveries).await?;
            if !judged.is_empty() {
                let refused = self.store.record_results(&self.me, &judged).await?;
                for RefusedResult { id, error } in &refused {
                    let error = chain(error);
                    tracing::error!(
                        delivery.id = %id,
                        error,
                        "delivery change refused by the database"
                    );
                }
                self.wake.now();
                count += judged.len() - refused.len();
            }
            if after.is_none() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        if count > 0 {
            tracing::info!(
                partition = partition.number(),
                deliveries = count,
                "deliveries followed changed actions"
            );
        }
        Ok(())
    }

    /// The next steps of waiting deliveries, where they are other than before.
    async fn judge(&self, waiting: Vec<Delivery>) -> Result<Vec<Finished>, Error> {
        let codes = waiting.iter().map(|delivery| delivery.workflow.clone());
        let codes: BTreeSet<_> = codes.collect();
        // Read after the deliveries, so that no action is missing which set one of them off.
        let mut workflows = BTreeMap::new();
        for code in codes {
            // An action that cannot be read is not gone.
            let found = readable(self.store.workflow(&code).await)?.flatten();
            let found = found.filter(|published| published.unreadable().is_empty());
            workflows.extend(found.map(|published| (code, published)));
        }
        let now = self.store.clock().now();
        let judged = waiting.into_iter().filter_map(|delivery| {
            let workflow = workflows.get(&delivery.workflow)?.graph.workflow();
            let next = next_step(workflow, &delivery, now)?;
            Some(Finished {
                delivery,
                attempt: None,
                next,
            })
        });
        Ok(judged.collect())
    }
}

/// The result of a read; none where the data is stored in a way that nobody can read.
fn readable<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(Error::Corrupt { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn declared(workflows: &[Arc<Published>]) -> BTreeSet<Declared> {
    let each = workflows.iter().flat_map(|published| {
        let workflow = published.graph.workflow();
        workflow.actions().map(move |(point, action)| {
            let code = action.code.clone();
            let path = ActionPath { point, code };
            let kind = action.work.kind();
            (workflow.code.clone(), path, kind, action.active)
        })
    });
    each.collect()
}

/// The next step of a delivery that waits; none where it goes on waiting as it does.
fn next_step(workflow: &Workflow, delivery: &Delivery, now: Timestamp) -> Option<NextStep> {
    let said = &delivery.problem;
    let earlier = before_off(said);
    let rests = earlier.is_some();
    match way(workflow, delivery) {
        // One behind another comes when its turn does.
        Ok(_) => delivery
            .due_time
            .and(earlier)
            .map(|earlier| NextStep::Retry {
                at: now,
                problem: earlier.to_owned(),
            }),
        Err(off @ Unsent::Off(_)) => {
            let soon = later(now, REST / 2);
            let ends = |due: &Timestamp| !rests || *due <= soon;
            delivery.due_time.filter(ends).map(|_| off.next(now, said))
        }
        Err(unsent @ (Unsent::Lost(_) | Unsent::Needless(_))) => Some(unsent.next(now, said)),
    }
}

#[cfg(test)]
mod tests {
    use waymark_domain::{
        preset,
        value::{Description, EndpointCode},
        workflow::{Action, Channel, Policy, Publish, Webhook, Work},
    };

    use super::*;
    use crate::{dispatch::unsent::CHANGED, tests::delivery};

    const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);
    const OFF: &str = "its action create.tell is switched off";
    const OFF_BUSY: &str = "its action create.tell is switched off; before that: busy";

    /// A workflow whose action `create.tell` does this, if it has one.
    fn workflow(tell: Option<(Channel, bool)>) -> Workflow {
        let mut workflow = preset::find("magento").unwrap().workflow().unwrap();
        let action = tell.map(|(channel, active)| Action {
            code: "tell".parse().unwrap(),
            description: Description::default(),
            work: Work::Send(channel, Policy::default()),
            condition: None,
            position: 0,
            active,
        });
        workflow.on_create = action.into_iter().collect();
        workflow
    }

    fn webhook() -> Channel {
        let endpoint = EndpointCode::new("crm").unwrap();
        Channel::Webhook(Webhook { endpoint })
    }

    fn publish() -> Channel {
        let subject = "orders".parse().unwrap();
        Channel::Publish(Publish { subject })
    }

    #[test]
    fn deliveries_follow_what_becomes_of_their_action() {
        let soon = Some(later(NOW, Duration::from_secs(5)));
        let rest = Some(later(NOW, REST));
        let ending = Some(later(NOW, REST / 2));
        let retry = |at, problem: &str| {
            let problem = problem.to_owned();
            Some(NextStep::Retry { at, problem })
        };
        let give_up = |problem: &str| {
            let problem = problem.to_owned();
            Some(NextStep::GiveUp { problem })
        };
        let gone = "the workflow has no action create.tell any more";
        for (tell, problem, due_time, expected) in [
            // It is sent as it was, or to an endpoint that the action names no more.
            (Some((webhook(), true)), "", soon, None),
            (Some((webhook(), true)), "busy", None, None),
            // Switched off.
            (
                Some((webhook(), false)),
                "busy",
                soon,
                retry(later(NOW, REST), OFF_BUSY),
            ),
            (
                Some((webhook(), false)),
                "",
                soon,
                retry(later(NOW, REST), OFF),
            ),
            (Some((webhook(), false)), OFF_BUSY, rest, None),
            (
                Some((webhook(), false)),
                OFF_BUSY,
                ending,
                retry(later(NOW, REST), OFF_BUSY),
            ),
            (Some((webhook(), false)), "", None, None),
            (Some((webhook(), false)), OFF, rest, None),
            (
                Some((webhook(), false)),
                OFF,
                ending,
                retry(later(NOW, REST), OFF),
            ),
            // Switched on again.
            (Some((webhook(), true)), OFF, rest, retry(NOW, "")),
            (Some((webhook(), true)), OFF_BUSY, rest, retry(NOW, "busy")),
            (Some((webhook(), true)), OFF, None, None),
            // Gone, or of another kind, whether or not it waits behind another delivery.
            (None, "busy", soon, give_up(gone)),
            (None, "", None, give_up(gone)),
            (None, OFF, rest, give_up(gone)),
            (Some((publish(), true)), "", soon, give_up(CHANGED)),
            (Some((publish(), false)), "", soon, give_up(CHANGED)),
        ] {
            let waiting = Delivery {
                problem: problem.to_owned(),
                due_time,
                ..delivery("erp", 1)
            };
            let told = format!("{tell:?} {problem} {due_time:?}");
            assert_eq!(
                next_step(&workflow(tell), &waiting, NOW),
                expected,
                "{told}"
            );
        }
    }
}
