//! Counting what a change of a workflow means for orders and deliveries that are there: outside of
//! all locks, with the connections for long reads, and for a bounded time. Where not all was counted,
//! what was found is told as the least that there is, and where nothing was, that it is so.

use std::{collections::BTreeMap, sync::Arc};

use tokio::time::{Instant, timeout_at};
use waymark_domain::{
    actor::Actor,
    delivery::DeliveryState,
    guard::CostBudget,
    judge,
    order::Order,
    value::{OrderId, Timestamp, TransitionCode, WorkflowCode},
    workflow::{ActionPath, Affected, Blocker, Count, Finding, Usage},
};

use super::usage::of_standing;
use crate::{
    DeliveryPage, DeliveryQuery, Error, OrderPage, OrderQuery, Published, Store, StoredDelivery,
    compute::on_a_thread, error::ErrorChain,
};

/// How many orders or deliveries of a kind are looked at: in each state that becomes terminal, of
/// all that may move, and of each action for which deliveries wait.
const LOOKED_AT_MAX: usize = 1_000;

/// How many of them are read at once.
const ORDERS_AT_ONCE: usize = 100;
const DELIVERIES_AT_ONCE: usize = 250;

/// In how many places orders are looked for, and deliveries of how many actions at once.
const PLACES_MAX: usize = 200;
const ACTIONS_MAX: usize = 100;

/// What the guards of one order may cost here, in steps of evaluation: a millisecond.
const GUARDS_MAX: u64 = 20_000;

/// Orders that would move, each with the transition that it would take first.
struct Judged {
    moves: Vec<(OrderId, TransitionCode)>,
    /// Whether all orders were judged.
    is_complete: bool,
}

impl Store {
    /// Says what a change to `published` means for what is there. Orders are judged as if `actor`
    /// asked them. It never fails: of what cannot be read, it is told that it was not counted.
    pub(super) async fn count_affected(
        &self,
        affected: &Affected,
        published: &Arc<Published>,
        actor: &Actor,
    ) -> Vec<Finding> {
        if affected.is_empty() {
            return Vec::new();
        }
        let bulk = self.for_bulk();
        let workflow = &published.record.workflow.code;
        let (mut findings, moves, waiting) = tokio::join!(
            bulk.count_in_terminal(workflow, affected),
            bulk.count_moves(affected, published, actor),
            bulk.count_deliveries(workflow, affected),
        );
        findings.extend(moves);
        let waiting = waiting.iter().filter_map(|(action, count)| {
            let fate = affected.actions.get(action)?;
            Some(count.wait_for(action, *fate))
        });
        findings.extend(waiting);
        findings.sort();
        findings
    }

    /// Until when a kind is counted that is begun now.
    fn counting_deadline(&self) -> Instant {
        Instant::now() + self.settings().counting_budget
    }

    async fn count_in_terminal(
        &self,
        workflow: &WorkflowCode,
        affected: &Affected,
    ) -> Vec<Finding> {
        let deadline = self.counting_deadline();
        let limit = u64::try_from(LOOKED_AT_MAX).unwrap_or(u64::MAX);
        let mut findings = Vec::new();
        for (state, places) in &affected.terminal {
            let mut count = Count::default();
            for place in places {
                let read = self
                    .database()
                    .read(async |tx| of_standing(tx, workflow, place, Blocker::Goes).await);
                let usage = if count.count < limit {
                    timeout_at(deadline, read).await.ok().and_then(left_out)
                } else {
                    None
                };
                let Some(usage) = usage else {
                    count.may_be_more = true;
                    break;
                };
                count.count += usage.count.min(Usage::COUNT_MAX);
                count.may_be_more |= usage.count > Usage::COUNT_MAX;
                count.order_ids.extend(usage.order_ids);
            }
            if count.count > 0 || count.may_be_more {
                count.order_ids.sort_unstable();
                findings.push(count.in_terminal(state));
            }
        }
        findings
    }

    async fn count_moves(
        &self,
        affected: &Affected,
        published: &Arc<Published>,
        actor: &Actor,
    ) -> Vec<Finding> {
        if affected.sources.is_empty() {
            return Vec::new();
        }
        let mut moves = BTreeMap::new();
        let deadline = self.counting_deadline();
        let workflow = &published.record.workflow.code;
        let places = affected.sources.iter().take(PLACES_MAX);
        let places = places.map(|place| (workflow.clone(), place.clone()));
        let query = OrderQuery {
            workflows: vec![workflow.clone()],
            standings: Some(places.collect()),
            ..OrderQuery::default()
        };
        let mut may_be_more = affected.sources.len() > PLACES_MAX;
        let (mut after, mut looked_at) = (None, 0);
        loop {
            let page = self.list_orders(&query, after.as_ref(), ORDERS_AT_ONCE);
            let page = timeout_at(deadline, page).await.ok().and_then(left_out);
            let Some(OrderPage { orders, next, .. }) = page else {
                may_be_more = true;
                break;
            };
            looked_at += orders.len();
            let now = self.clock().now();
            let judged = judge(orders, (published, actor, now), deadline).await;
            may_be_more |= !judged.is_complete;
            let caused = judged.moves.iter();
            for (order_id, transition) in caused.filter(|(_, to)| affected.automatic.contains(to)) {
                let count: &mut Count = moves.entry(transition.clone()).or_default();
                count.add(order_id);
            }
            if next.is_none() {
                break;
            }
            if looked_at >= LOOKED_AT_MAX || Instant::now() >= deadline {
                may_be_more = true;
                break;
            }
            after = next;
        }
        let told = affected.automatic.iter().filter_map(|transition| {
            let count: Option<Count> = moves.remove(transition);
            match count {
                Some(mut count) => {
                    count.order_ids.sort_unstable();
                    count.may_be_more = may_be_more;
                    Some(count.would_move(transition))
                }
                None => may_be_more.then(|| Count::left_unasked(transition, looked_at)),
            }
        });
        told.collect()
    }

    async fn count_deliveries(
        &self,
        workflow: &WorkflowCode,
        affected: &Affected,
    ) -> BTreeMap<ActionPath, Count> {
        if affected.actions.is_empty() {
            return BTreeMap::new();
        }
        let deadline = self.counting_deadline();
        let first = affected.actions.keys().take(ACTIONS_MAX).cloned();
        let query = waiting_for(workflow, first.collect());
        let (mut waiting, is_cut) = self.count_waiting(&query, deadline).await;
        if !is_cut && affected.actions.len() <= ACTIONS_MAX {
            return waiting;
        }
        // What waits for one action hides nothing that waits for another.
        for action in affected.actions.keys() {
            let known = waiting.get(action).map_or(0, |count| count.count);
            if usize::try_from(known).is_ok_and(|known| known >= LOOKED_AT_MAX) {
                continue;
            }
            let query = waiting_for(workflow, vec![action.clone()]);
            let (mut found, is_cut) = self.count_waiting(&query, deadline).await;
            let mut count = found.remove(action).unwrap_or_default();
            count.may_be_more |= is_cut;
            if count.count >= known && (count.count > 0 || count.may_be_more) {
                waiting.insert(action.clone(), count);
            }
        }
        waiting
    }

    /// Counts the deliveries of a query by their actions; says also whether there may be more.
    async fn count_waiting(
        &self,
        query: &DeliveryQuery,
        deadline: Instant,
    ) -> (BTreeMap<ActionPath, Count>, bool) {
        let mut waiting = BTreeMap::new();
        let (mut after, mut looked_at, mut may_be_more) = (None, 0, false);
        loop {
            let page = self.list_deliveries(query, after.as_ref(), DELIVERIES_AT_ONCE);
            let page = timeout_at(deadline, page).await.ok().and_then(left_out);
            let Some(DeliveryPage { deliveries, next }) = page else {
                may_be_more = true;
                break;
            };
            looked_at += deliveries.len();
            for delivery in deliveries.into_iter().filter_map(StoredDelivery::readable) {
                let count: &mut Count = waiting.entry(delivery.action).or_default();
                count.count += 1;
            }
            if next.is_none() {
                break;
            }
            if looked_at >= LOOKED_AT_MAX || Instant::now() >= deadline {
                may_be_more = true;
                break;
            }
            after = next;
        }
        for count in waiting.values_mut() {
            count.may_be_more = may_be_more;
        }
        (waiting, may_be_more)
    }
}

fn waiting_for(workflow: &WorkflowCode, actions: Vec<ActionPath>) -> DeliveryQuery {
    DeliveryQuery {
        workflows: vec![workflow.clone()],
        states: vec![DeliveryState::Pending],
        actions,
        ..DeliveryQuery::default()
    }
}

/// What was read, or nothing where it could not be.
fn left_out<T>(read: Result<T, Error>) -> Option<T> {
    read.inspect_err(|error| {
        let error = ErrorChain(error);
        tracing::debug!(%error, "what a change of a workflow means for orders was not counted");
    })
    .ok()
}

/// Asks orders whether they would move, on a thread that may take its time.
async fn judge(
    orders: Vec<Order>,
    (published, actor, now): (&Arc<Published>, &Actor, Timestamp),
    deadline: Instant,
) -> Judged {
    let (published, actor) = (Arc::clone(published), actor.clone());
    let judging = on_a_thread(move || {
        let mut judged = Judged {
            moves: Vec::new(),
            is_complete: true,
        };
        for order in &orders {
            if Instant::now() >= deadline {
                judged.is_complete = false;
                break;
            }
            let budget = CostBudget::of(GUARDS_MAX);
            let taken = judge::settles_by(&budget, &published.graph, order, &actor, now);
            judged.is_complete &= !budget.is_exhausted();
            judged
                .moves
                .extend(taken.map(|transition| (order.id.clone(), transition)));
        }
        judged
    });
    judging.await.unwrap_or_else(|panic| {
        tracing::error!(error = %panic, "asking whether orders would move did not end well");
        Judged {
            moves: Vec::new(),
            is_complete: false,
        }
    })
}
