//! What orders use of a workflow. It is asked before a change, for a refusal that
//! says how much, and again under the locks of all partitions, so that no order can
//! move onto something while it goes. Nothing is counted there: each question ends
//! with the first order that is found in an index.

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl,
    sql_types::{BigInt, Integer, Text},
};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    value::{OrderId, StatusCode, WorkflowCode},
    workflow::{Blocker, Category, Refusal, Standing, State, Usage, Workflow},
};

use crate::{
    Error,
    rows::StoredText,
    schema::{orders, statuses},
    statement::{array_statement, row_statement},
    tx::{Tx, on_conn},
};

/// How many order ids a refusal names.
const NAMED_MAX: usize = 10;

/// How many orders are looked for: one more than are counted.
const FOUND_MAX: i64 = 1_001;

/// How many orders that stand on a pair are asked whether they have a hold.
const ASKED_MAX: i64 = 10_000;

#[derive(Debug)]
pub(super) struct Removed {
    workflow: WorkflowCode,
    /// All of it.
    is_whole: bool,
    /// Where orders may not stand, nor return to: pairs that go, and those of states that become
    /// held, where an order without a hold would be stuck.
    pairs: Vec<(Standing, Blocker)>,
    statuses: Vec<StatusCode>,
}

impl Removed {
    /// What a change takes away; `after` is none when the workflow goes.
    pub(super) fn between(before: &Workflow, after: Option<&Workflow>) -> Self {
        let mut removed = Self {
            workflow: before.code.clone(),
            is_whole: after.is_none(),
            pairs: Vec::new(),
            statuses: Vec::new(),
        };
        let Some(after) = after else {
            return removed;
        };
        let pairs = before.assignments.iter().filter_map(|assignment| {
            let (state, status) = (&assignment.state, &assignment.status);
            let why = if after.assignment(state, status).is_none() {
                Blocker::Goes
            } else if is_held(after.state(state)) && !is_held(before.state(state)) {
                Blocker::BecomesHeld
            } else {
                return None;
            };
            let (state, status) = (state.clone(), status.clone());
            Some((Standing { state, status }, why))
        });
        removed.pairs = pairs.collect();
        let statuses = before.statuses.iter().map(|status| &status.code);
        let gone = statuses.filter(|status| after.status(status).is_none());
        removed.statuses = gone.cloned().collect();
        removed
    }

    /// Adds statuses that go as well, of which no more than their codes could be read.
    pub(super) fn add_statuses<'s>(&mut self, statuses: impl Iterator<Item = &'s StatusCode>) {
        for status in statuses {
            if !self.statuses.contains(status) {
                self.statuses.push(status.clone());
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.is_whole && self.pairs.is_empty() && self.statuses.is_empty()
    }

    /// Whether orders use something of it, as the locks of all partitions make sure.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub(super) async fn is_used(&self, tx: &mut Tx) -> Result<bool, Error> {
        if self.is_whole {
            return Ok(!of_workflow(tx, &self.workflow, 1).await?.is_empty());
        }
        Ok(self.used_pair(tx).await?.is_some() || self.used_status(tx).await?.is_some())
    }

    /// Refuses the change when orders use something of it, and says how many, while nobody waits
    /// for the answer.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub(super) async fn check(&self, tx: &mut Tx) -> Result<Option<Refusal>, Error> {
        if self.is_whole {
            let usage = usage(&of_workflow(tx, &self.workflow, FOUND_MAX).await?);
            return Ok((usage.count > 0).then(|| Refusal::WorkflowInUse {
                workflow: self.workflow.clone(),
                usage,
            }));
        }
        if let Some((standing, why)) = self.used_pair(tx).await? {
            let usage = of_standing(tx, &self.workflow, standing, *why).await?;
            return Ok(Some(Refusal::StatusInUse {
                status: standing.status.clone(),
                state: Some(standing.state.clone()),
                why: *why,
                usage,
            }));
        }
        let used = self.used_status(tx).await?;
        Ok(used.map(|status| Refusal::StatusInUse {
            status: status.clone(),
            state: None,
            why: Blocker::Goes,
            usage: Usage {
                count: 0,
                order_ids: Vec::new(),
            },
        }))
    }

    /// The first pair that is in use: an order stands on it, or will return to it when it is
    /// released. On one that becomes held, orders with a hold may stand.
    async fn used_pair(&self, tx: &mut Tx) -> Result<Option<&(Standing, Blocker)>, Error> {
        if self.pairs.is_empty() {
            return Ok(None);
        }
        let places: Vec<i64> = match tx {
            Tx::Postgres(connection) => {
                let mut find = FindUsed::default();
                for (place, (pair, why)) in (0..).zip(&self.pairs) {
                    if *why == Blocker::BecomesHeld {
                        continue;
                    }
                    find.workflow.push(self.workflow.as_str());
                    find.state.push(pair.state.as_str());
                    find.status.push(pair.status.as_str());
                    find.place.push(place);
                }
                find.load(&mut ***connection).await?
            }
            Tx::Sqlite(_) => {
                let mut used = Vec::new();
                for (place, (pair, why)) in (0..).zip(&self.pairs) {
                    if *why == Blocker::Goes && is_used(tx, &self.workflow, pair, *why).await? {
                        used.push(place);
                        break;
                    }
                }
                used
            }
        };
        let mut first = places.into_iter().min();
        for (place, (pair, why)) in (0..).zip(&self.pairs) {
            if first.is_some_and(|first| first <= place) {
                break;
            }
            if *why == Blocker::BecomesHeld && is_used(tx, &self.workflow, pair, *why).await? {
                first = Some(place);
            }
        }
        Ok(first.and_then(|place| self.pairs.get(usize::try_from(place).ok()?)))
    }

    /// The first status that an order was ever in.
    async fn used_status(&self, tx: &mut Tx) -> Result<Option<&StatusCode>, Error> {
        if self.statuses.is_empty() {
            return Ok(None);
        }
        let codes = self.statuses.iter().map(StatusCode::as_str);
        let used = statuses::table
            .filter(statuses::workflow.eq(self.workflow.as_str()))
            .filter(statuses::ever_used.eq(true))
            .filter(statuses::code.eq_any(codes.collect::<Vec<_>>()))
            .select(statuses::code);
        let used: Vec<StoredText> = on_conn!(tx, |c| used.load(c).await)?;
        let is_used = |status: &&StatusCode| {
            let mut used = used.iter();
            used.any(|used| used.lossy() == status.as_str())
        };
        Ok(self.statuses.iter().find(is_used))
    }
}

fn is_held(state: Option<&State>) -> bool {
    state.is_some_and(|state| state.category == Category::Held)
}

array_statement! {
    /// Finds the places of pairs that orders stand on, or will return to. Each is asked by an index of its own, in its
    /// order, so that no plan looks through other orders for want of a better one.
    FindUsed { workflow: &'a str => Text, state: &'a str => Text, status: &'a str => Text, place: i64 => BigInt }
    -> BigInt;
    "SELECT k.place FROM",
    ") AS k (workflow, state, status, place) CROSS JOIN LATERAL ((SELECT 1 FROM orders o WHERE o.state = k.state \
     AND o.status = k.status AND o.workflow = k.workflow ORDER BY o.partition, o.update_time LIMIT 1) UNION ALL \
     (SELECT 1 FROM orders o WHERE o.return_state = k.state AND o.return_status = k.status \
     AND o.workflow = k.workflow LIMIT 1)) used"
}

/// The query for orders that stand on a pair, in the order of their index.
#[diesel::dsl::auto_type(no_type_alias)]
fn here<'q>(workflow: &'q str, state: &'q str, status: &'q str) -> _ {
    orders::table
        .filter(orders::state.eq(state))
        .filter(orders::status.eq(status))
        .filter(orders::workflow.eq(workflow))
        .order((orders::partition, orders::update_time))
}

/// The query for orders that will return to a pair when they are released.
#[diesel::dsl::auto_type(no_type_alias)]
fn back<'q>(workflow: &'q str, state: &'q str, status: &'q str) -> _ {
    orders::table
        .filter(orders::return_state.eq(state))
        .filter(orders::return_status.eq(status))
        .filter(orders::workflow.eq(workflow))
}

#[derive(Debug)]
pub(crate) struct Pair<'p> {
    workflow: &'p str,
    state: &'p str,
    status: &'p str,
}

row_statement! {
    /// Finds an order without a hold among the first ten thousand on a pair.
    FindFree(Pair<'a>) -> Integer;
    "SELECT 1 FROM (SELECT return_state FROM orders WHERE state = " [state: Text]
    " AND status = " [status: Text]
    " AND workflow = " [workflow: Text]
    " ORDER BY partition, update_time LIMIT 10000) AS o WHERE o.return_state IS NULL LIMIT 1"
}

/// Whether an order on a pair is in the way, or one that will return to it.
async fn is_used(
    tx: &mut Tx,
    workflow: &WorkflowCode,
    Standing { state, status }: &Standing,
    why: Blocker,
) -> Result<bool, Error> {
    let (workflow, state, status) = (workflow.as_str(), state.as_str(), status.as_str());
    let back = back(workflow, state, status).select(orders::order_key);
    let found: Option<i64> = on_conn!(tx, |c| back.first(c).await).optional()?;
    if found.is_some() {
        return Ok(true);
    }
    let passed = match why {
        Blocker::Goes | Blocker::LeftOut => 0,
        Blocker::BecomesHeld => {
            let pair = Pair {
                workflow,
                state,
                status,
            };
            let free: Vec<i32> = on_conn!(tx, |c| FindFree(&pair).load(c).await)?;
            if !free.is_empty() {
                return Ok(true);
            }
            ASKED_MAX - 1
        }
    };
    // Of more with a hold than are asked, one of the others may have none.
    let here = here(workflow, state, status).select(orders::order_key);
    let here = here.offset(passed);
    let found: Option<i64> = on_conn!(tx, |c| here.first(c).await).optional()?;
    Ok(found.is_some())
}

/// The id of an order, and the state to which it returns.
type HeldRow = (StoredText, Option<StoredText>);

/// The orders on a pair that are in the way. On one that becomes held these are those without a
/// hold, or all where so many have one that not all can be asked.
async fn standing(
    tx: &mut Tx,
    workflow: &WorkflowCode,
    Standing { state, status }: &Standing,
    why: Blocker,
) -> Result<Vec<StoredText>, Error> {
    let here = here(workflow.as_str(), state.as_str(), status.as_str());
    match why {
        Blocker::Goes | Blocker::LeftOut => {
            let some = here.select(orders::id).limit(FOUND_MAX);
            let ids: Vec<StoredText> = on_conn!(tx, |c| some.load(c).await)?;
            Ok(ids)
        }
        Blocker::BecomesHeld => {
            let columns = (orders::id, orders::return_state);
            let some = here.select(columns).limit(ASKED_MAX);
            let found: Vec<HeldRow> = on_conn!(tx, |c| some.load(c).await)?;
            let is_cut = i64::try_from(found.len()).is_ok_and(|count| count >= ASKED_MAX);
            let is_without = |(_, back): &&HeldRow| back.is_none();
            let counts_all = is_cut && !found.iter().any(|order| is_without(&order));
            let ids = found
                .iter()
                .filter(|order| counts_all || is_without(order))
                .map(|(id, _)| id.clone());
            Ok(ids.take(usize::try_from(FOUND_MAX).unwrap_or(0)).collect())
        }
    }
}

/// The ids of the first orders of a workflow, so many of them.
async fn of_workflow(
    tx: &mut Tx,
    workflow: &WorkflowCode,
    limit: i64,
) -> Result<Vec<StoredText>, Error> {
    let some = orders::table
        .filter(orders::workflow.eq(workflow.as_str()))
        .order(orders::id)
        .select(orders::id)
        .limit(limit);
    Ok(on_conn!(tx, |c| some.load(c).await)?)
}

/// The orders on a pair that are in the way, and those that will return to it.
pub(super) async fn of_standing(
    tx: &mut Tx,
    workflow: &WorkflowCode,
    pair: &Standing,
    why: Blocker,
) -> Result<Usage, Error> {
    let mut ids = standing(tx, workflow, pair, why).await?;
    let Standing { state, status } = pair;
    let back = back(workflow.as_str(), state.as_str(), status.as_str());
    let some = back.select(orders::id).limit(FOUND_MAX);
    ids.extend(on_conn!(tx, |c| some.load::<StoredText>(c).await)?);
    Ok(usage(&ids))
}

/// How many orders were found, and the first ids. One that cannot be read counts without a name.
fn usage(found: &[StoredText]) -> Usage {
    let ids = found.iter();
    let ids = ids.filter_map(|id| id.utf8()?.parse::<OrderId>().ok());
    let mut order_ids: Vec<_> = ids.take(NAMED_MAX).collect();
    order_ids.sort_unstable();
    let most = Usage::COUNT_MAX + 1;
    Usage {
        count: u64::try_from(found.len()).map_or(most, |count| count.min(most)),
        order_ids,
    }
}
