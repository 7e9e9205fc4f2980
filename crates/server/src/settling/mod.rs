//! Asking the automatic transitions of standing orders. A page of them is listed and asked in small
//! units, each after the one before has ended, so that others always get between. Which orders a
//! page is about is kept before the first unit, so a page that was cut off is gone on with.

mod tally;

use std::{sync::Arc, time::Duration};

use prost::Message;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Mutex, OwnedMutexGuard, Semaphore, SemaphorePermit},
    time::{Instant, sleep_until},
};
use waymark_domain::{
    order::{Action, Command, Context},
    value::{Comment, Metadata, OrderId},
    workflow::automatic_places,
};
use waymark_persistence::{
    CommitError, OrderCursor, OrderQuery, OrderSort, Refusal, Request, Settling, SettlingCall,
    SortKey, Step, StepChange, Unit, UnitMode, UnitOutcome,
};
use waymark_proto::{
    convert::{call::ValidateOnly, workflow::SettleOrders},
    v1,
};

use self::tally::{Stop, Tally};
use crate::{App, Error, committer::SubmitError, page};

/// The list for which page tokens are made.
const KIND: &str = "settled_orders";
/// How many orders are asked at once.
const UNIT_STEPS: usize = 50;
/// How long after an order the next one is asked at the earliest.
const PACE: Duration = Duration::from_millis(1);
/// How many calls may wait for their turn or have it.
const CALLS_MAX: usize = 16;

/// The turns to ask orders.
#[derive(Debug)]
pub(crate) struct Turns {
    places: Semaphore,
    /// When the next order may be asked.
    next: Arc<Mutex<Instant>>,
}

/// The turn of a page: its place, and when the next order may be asked.
type Turn<'t> = (SemaphorePermit<'t>, OwnedMutexGuard<Instant>);

impl Default for Turns {
    fn default() -> Self {
        Self {
            places: Semaphore::new(CALLS_MAX),
            next: Arc::new(Mutex::new(Instant::now())),
        }
    }
}

impl Turns {
    async fn turn(&self) -> Result<Turn<'_>, SubmitError> {
        let place = self.places.try_acquire();
        let place = place.map_err(|_| SubmitError::Overloaded)?;
        Ok((place, Arc::clone(&self.next).lock_owned().await))
    }
}

/// Waits until so many orders may be asked.
async fn keep_pace(next: &mut Instant, orders: usize) {
    sleep_until(*next).await;
    *next = Instant::now() + PACE.saturating_mul(u32::try_from(orders).unwrap_or(u32::MAX));
}

/// The answer to a call.
pub(crate) enum Settled {
    /// That of this one.
    Now(v1::SettleOrdersResponse),
    /// That to an earlier one with the same key, encoded.
    Before(Vec<u8>),
}

/// Asks a page of orders, or says what that would come to.
pub(crate) async fn settle(
    app: &Arc<App>,
    turns: &Turns,
    call: SettleOrders,
    request: Option<Request>,
) -> Result<Settled, Error> {
    let settling = request.map(|request| SettlingCall {
        workflow: call.workflow.clone(),
        request,
    });
    let mut begun = None;
    if let Some(settling) = &settling {
        match app.store().find_settling(settling).await? {
            Some(Settling::Ended(answer)) => return Ok(Settled::Before(answer)),
            Some(Settling::Begun(plan)) => begun = Some(plan),
            None => {}
        }
    }
    let page = Page {
        app: Arc::clone(app),
        call,
        settling,
    };
    match page.call.edit.validate_only {
        ValidateOnly::Yes => page.dry_run(begun).await.map(Settled::Now),
        ValidateOnly::No => {
            // Who goes away before its turn is not begun; what was begun goes on to its end.
            let (_place, next) = turns.turn().await?;
            app.detached(async move { page.carry_out(begun, next).await })
                .await?
        }
    }
}

/// A page of a call.
struct Page {
    app: Arc<App>,
    call: SettleOrders,
    /// The key under which it is kept; none where it is not idempotent.
    settling: Option<SettlingCall>,
}

/// The orders of a page.
#[derive(Debug, Serialize, Deserialize)]
struct Plan {
    ids: Vec<OrderId>,
    /// Where the next page goes on; none at the end.
    next: Option<OrderCursor>,
}

impl Page {
    async fn carry_out(
        self,
        begun: Option<Vec<u8>>,
        mut next: OwnedMutexGuard<Instant>,
    ) -> Result<Settled, Error> {
        if self.app.stopping().is_cancelled() {
            return Err(SubmitError::ShuttingDown.into());
        }
        let mut is_new = begun.is_none();
        let (mut plan, mut kept) = self.plan(begun).await?;
        if let Some(settling) = &self.settling {
            match self.app.store().begin_settling(settling, &kept).await? {
                Settling::Ended(answer) => return Ok(Settled::Before(answer)),
                Settling::Begun(other) if other != kept => {
                    (plan, is_new) = (read_plan(&other)?, false);
                    kept = other;
                }
                Settling::Begun(_) => {}
            }
        }
        let mut tally = Tally::default();
        for ids in plan.ids.chunks(UNIT_STEPS) {
            let stops = tally.is_full() || self.app.stopping().is_cancelled();
            if tally.asked > 0 && stops {
                break;
            }
            keep_pace(&mut next, ids.len()).await;
            match self.ask(ids, &mut tally).await {
                Ok(()) => {}
                Err(Stop::Here(_)) if tally.asked > 0 => break,
                Err(stop) => {
                    if let (Stop::Here(_), true, Some(settling)) = (&stop, is_new, &self.settling) {
                        self.app.store().give_up_settling(settling, &kept).await;
                    }
                    return Err(stop.into());
                }
            }
        }
        let answer = self.answer(tally, plan);
        if let Some(settling) = &self.settling {
            let encoded = answer.encode_to_vec();
            let stages = (kept.as_slice(), encoded.as_slice());
            let ended = self.app.store().end_settling(settling, stages).await;
            // The orders have moved; who sends the call again hears it.
            ended.map_err(|_| CommitError::OutcomeUnknown)?;
        }
        if !answer.moved.is_empty() {
            tracing::info!(
                workflow.code = %self.call.workflow,
                actor.id = self.call.edit.actor.id.as_str(),
                moved = answer.moved.len(),
                "orders settled"
            );
        }
        Ok(Settled::Now(answer))
    }

    async fn dry_run(self, begun: Option<Vec<u8>>) -> Result<v1::SettleOrdersResponse, Error> {
        let (plan, _) = self.plan(begun).await?;
        let mut tally = Tally::default();
        for ids in plan.ids.chunks(UNIT_STEPS) {
            if tally.is_full() {
                break;
            }
            let (store, unit) = (self.app.bulk().clone(), self.unit(ids));
            let outcome = Box::pin(async move { Ok::<_, Error>(store.dry_run(unit).await?) });
            match self.app.dry_run(outcome).await? {
                UnitOutcome::Done(outcomes) => tally.take(ids, outcomes)?,
                UnitOutcome::Refused { index: _, refusal } => return Err(refusal.into()),
            }
        }
        Ok(self.answer(tally, plan))
    }

    /// Which orders the page is about, and how that is kept: as it was begun before, or as they
    /// stand now.
    async fn plan(&self, begun: Option<Vec<u8>>) -> Result<(Plan, Vec<u8>), Error> {
        if let Some(kept) = begun {
            return Ok((read_plan(&kept)?, kept));
        }
        let SettleOrders { workflow, page, .. } = &self.call;
        let after: Option<OrderCursor> = page::begin(KIND, page)?;
        let (app, code, size) = (Arc::clone(&self.app), workflow.clone(), page.size);
        let listing = async move {
            let Some(published) = app.bulk().workflow(&code).await? else {
                let refusal = Refusal::WorkflowNotFound { workflow: code };
                return Err(Error::from(refusal));
            };
            if let Some(finding) = published.unusable() {
                let (workflow, finding) = (code, finding.to_owned());
                let refusal = Refusal::WorkflowUnusable { workflow, finding };
                return Err(Error::from(refusal));
            }
            let places = automatic_places(&published.record.workflow).into_iter();
            let places: Vec<_> = places.map(|place| (code.clone(), place)).collect();
            if places.is_empty() {
                let (ids, next) = (Vec::new(), None);
                return Ok(Plan { ids, next });
            }
            let query = OrderQuery {
                workflows: vec![code],
                standings: Some(places),
                sort: OrderSort {
                    by: SortKey::Id,
                    ..OrderSort::default()
                },
                ..OrderQuery::default()
            };
            let found = app.bulk().list_orders(&query, after.as_ref(), size).await?;
            Ok(Plan {
                ids: found.orders.into_iter().map(|order| order.id).collect(),
                next: found.next,
            })
        };
        let plan = self.app.read_many(listing).await?;
        let what = "a page of orders cannot be written down";
        let kept = serde_json::to_vec(&plan).map_err(|_| Error::Internal { what })?;
        Ok((plan, kept))
    }

    /// Asks some orders, each for itself.
    async fn ask(&self, ids: &[OrderId], tally: &mut Tally) -> Result<(), Stop> {
        let outcome = match self.app.hand_over_when_room(self.unit(ids)).await {
            Ok(ticket) => ticket.outcome().await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(UnitOutcome::Done(outcomes)) => tally.take(ids, outcomes),
            Ok(UnitOutcome::Refused { index: _, refusal }) => Err(Stop::Here(refusal.into())),
            // Each of them was refused by the database for itself.
            Err(SubmitError::Commit(CommitError::Database)) => {
                let failed = ids.iter().map(|_| Err(CommitError::Database.into()));
                tally.take(ids, failed.collect())
            }
            Err(SubmitError::Commit(CommitError::OutcomeUnknown)) => Err(Stop::Unknown),
            Err(error) => Err(Stop::Here(error.into())),
        }
    }

    fn unit(&self, ids: &[OrderId]) -> Unit {
        let request = self.settling.as_ref().map(|settling| &settling.request);
        let step = |id: &OrderId| Step {
            workflow: self.call.workflow.clone(),
            order_id: id.clone(),
            request: request.cloned(),
            change: StepChange::Change(Command {
                context: Context {
                    actor: self.call.edit.actor.clone(),
                    comment: Comment::default(),
                    notify_customer: false,
                    visible_to_customer: false,
                    metadata: Metadata::default(),
                    request_id: request.map(|request| request.id.clone()),
                },
                expected_version: None,
                action: Action::Settle,
            }),
        };
        Unit {
            steps: ids.iter().map(step).collect(),
            mode: UnitMode::Separate,
            return_orders: false,
        }
    }

    /// The answer to a page, which goes on behind the last order that was asked.
    fn answer(&self, tally: Tally, plan: Plan) -> v1::SettleOrdersResponse {
        let SettleOrders { workflow, page, .. } = &self.call;
        let is_whole = tally.asked >= plan.ids.len();
        let last = plan.ids.get(..tally.asked).and_then(<[_]>::last);
        let next = match last {
            Some(last) if !is_whole => Some(OrderCursor::Id {
                id: last.clone(),
                workflow: workflow.clone(),
            }),
            Some(_) | None => plan.next,
        };
        v1::SettleOrdersResponse {
            moved: tally.moved,
            looked_at: i32::try_from(tally.asked).unwrap_or(i32::MAX),
            next_page_token: page::next(KIND, page, next.as_ref()),
            replayed: false,
            refused: tally.refused,
        }
    }
}

fn read_plan(kept: &[u8]) -> Result<Plan, Error> {
    let what = "a page of orders that was kept cannot be read";
    serde_json::from_slice(kept).map_err(|_| Error::Internal { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn too_many_calls_are_refused_and_the_others_come_in_turn() {
        let turns = Turns::default();
        let first = turns.turn().await.unwrap();
        let mut waiting: Vec<_> = (1..CALLS_MAX).map(|_| Box::pin(turns.turn())).collect();
        for turn in &mut waiting {
            assert!(futures::poll!(turn).is_pending());
        }
        assert!(matches!(turns.turn().await, Err(SubmitError::Overloaded)));
        drop(first);
        for turn in waiting {
            drop(turn.await.unwrap());
        }
        assert!(turns.turn().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn orders_are_asked_at_a_bounded_rate() {
        let begin = Instant::now();
        let mut next = begin;
        for _ in 0..10 {
            keep_pace(&mut next, 50).await;
        }
        // A timer may be late by as little as it can tell.
        let elapsed = begin.elapsed().as_millis();
        assert!((450..=451).contains(&elapsed), "{elapsed}");
    }
}
