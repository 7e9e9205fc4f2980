//! Finding the next orders of a list by indexes alone. Orders that are named, and the few that
//! stand where the list is about, are looked up and sorted; else streams are merged that
//! are sorted as the list is.

use std::collections::{BTreeSet, VecDeque};

use waymark_domain::value::{ActorId, OrderId};

use super::{
    columns::{OrderColumns, WorkflowPlace},
    cursor::{Spot, from_id, from_key, from_time, is_next},
    keys::{self, Sieve},
    piece::Piece,
    query::{Direction, OrderCursor, OrderQuery, SortKey},
    streams::{self, LOOK_MAX, OrderRange, OrderStreams},
};
use crate::{Error, Store, merge::Next, tx::Tx};

/// How many orders are looked up and sorted. Where more are asked for, they are so many that a
/// sorted index has some of them soon.
const PROBE_MAX: usize = 10_000;
/// How many of them before the sorted index is tried, which is quicker where most are asked for.
const PROBE_FIRST: usize = 1_000;
/// In how many places of partitions they are looked for.
const PROBE_RANGES_MAX: usize = 16_384;
/// How many ids of workflows are looked up in one statement.
const LOOKUPS_AT_ONCE: usize = 16_384;

/// How many orders are looked up before a sorted index is tried, at how many that one is looked,
/// and how many are looked up then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Probes {
    pub(crate) first: usize,
    pub(crate) walked: usize,
    pub(crate) most: usize,
}

impl Default for Probes {
    fn default() -> Self {
        Self {
            first: PROBE_FIRST,
            walked: LOOK_MAX,
            most: PROBE_MAX,
        }
    }
}

/// Whether what was given out goes on as it was, or what lies behind the cursor is given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    Further,
    Anew,
}

pub(super) struct Finder<'q> {
    query: &'q OrderQuery,
    sieve: Sieve<'q>,
    probes: Probes,
    limit: usize,
    state: State,
}

/// How the orders are found.
enum State {
    /// That is not known yet.
    Closed,
    /// By their ids in these workflows, and those that were found in others.
    Named {
        codes: Vec<String>,
        found: Vec<Spot>,
        /// Whether some were found that are too many to keep.
        is_cut: bool,
    },
    /// They are found and sorted, perhaps all.
    Sorted {
        spots: VecDeque<Spot>,
        is_whole: bool,
    },
    /// By streams.
    Merged {
        streams: OrderStreams,
        given: usize,
        /// The places to look them up by, should the streams have too few of them.
        places: Option<Vec<WorkflowPlace>>,
        /// Whether those of other customers are among them.
        of_any_customer: bool,
    },
}

impl<'q> Finder<'q> {
    pub(super) fn new(query: &'q OrderQuery, probes: Probes, limit: usize) -> Self {
        Self {
            query,
            sieve: Sieve::of(query),
            probes,
            limit,
            state: State::Closed,
        }
    }

    /// The customer that what is given has still to be compared with.
    pub(super) fn customer(&self) -> Option<&'q str> {
        match &self.state {
            State::Merged {
                of_any_customer: true,
                ..
            } => customer(self.query),
            State::Merged { .. } | State::Closed | State::Named { .. } | State::Sorted { .. } => {
                None
            }
        }
    }

    /// Whether the next orders are looked for behind the cursor, which must have reached what was
    /// given.
    pub(super) fn begins_anew(&self) -> bool {
        match &self.state {
            State::Sorted { is_whole, .. } => !is_whole,
            State::Closed | State::Named { .. } | State::Merged { .. } => false,
        }
    }

    pub(super) fn next(&mut self) -> Next<Spot> {
        match &mut self.state {
            State::Closed | State::Named { .. } => Next::Unknown,
            State::Sorted { spots, is_whole } => match (spots.pop_front(), *is_whole) {
                (Some(spot), _) => Next::Row(spot),
                (None, true) => Next::End,
                (None, false) => Next::Unknown,
            },
            State::Merged { streams, given, .. } => {
                let next = streams.next();
                *given += usize::from(matches!(next, Next::Row(_)));
                next
            }
        }
    }

    /// Reads on where the next order is not known.
    pub(super) async fn look(
        &mut self,
        store: &Store,
        tx: &mut Tx,
        after: Option<&OrderCursor>,
        piece: &mut Piece,
    ) -> Result<Looked, Error> {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Closed | State::Sorted { .. } => {
                self.state = self.open(store, tx, after, piece).await?;
                Ok(Looked::Anew)
            }
            State::Named {
                codes,
                found,
                is_cut,
            } => {
                self.state = self
                    .look_up(tx, (codes, found, is_cut), after, piece)
                    .await?;
                Ok(Looked::Further)
            }
            State::Merged {
                mut streams,
                given,
                mut places,
                of_any_customer,
            } => {
                let mut looked = Looked::Further;
                if given >= self.probes.walked
                    && let Some(pairs) = places.take()
                {
                    let most = self.probes.most;
                    let probed = self.probe(store, tx, &pairs, most, piece).await?;
                    if let Some(rows) = probed {
                        self.state = self.sorted(rows, after);
                        looked = Looked::Anew;
                    }
                }
                if looked == Looked::Further {
                    piece.look(streams.refill(tx, &self.sieve).await?);
                    self.state = State::Merged {
                        streams,
                        given,
                        places,
                        of_any_customer,
                    };
                }
                Ok(looked)
            }
        }
    }

    /// Finds out how to find them.
    async fn open(
        &self,
        store: &Store,
        tx: &mut Tx,
        after: Option<&OrderCursor>,
        piece: &mut Piece,
    ) -> Result<State, Error> {
        let query = self.query;
        if !query.ids.is_empty() {
            return Ok(State::Named {
                codes: self.codes(tx, piece).await?,
                found: Vec::new(),
                is_cut: false,
            });
        }
        let customer = customer(query);
        if let Some(customer) = customer {
            let codes = self.codes(tx, piece).await?;
            let most = self.probes.most;
            let rows = keys::of_customer(tx, &codes, customer, most + 1).await?;
            piece.look(rows.len());
            if rows.len() <= most {
                return Ok(self.sorted(rows, after));
            }
        }
        let is_narrow = query.standings.is_some()
            || query.updated_after.is_some()
            || query.updated_before.is_some()
            || (query.sort.by == SortKey::CreateTime && !query.workflows.is_empty());
        let is_probed = is_narrow && query.sort.by != SortKey::UpdateTime && customer.is_none();
        let mut pairs = None;
        if query.standings.is_some() || is_probed || query.sort.by == SortKey::UpdateTime {
            let found = self.pairs(tx, piece).await?;
            if found.is_empty() {
                return Ok(self.sorted(Vec::new(), after));
            }
            pairs = Some(found);
        }
        let mut places = None;
        if let Some(pairs) = pairs.as_ref().filter(|_| is_probed) {
            let first = self.probes.first;
            if let Some(rows) = self.probe(store, tx, pairs, first, piece).await? {
                return Ok(self.sorted(rows, after));
            }
            places = Some(pairs.clone()).filter(|_| first < self.probes.most);
        }
        let ranges = self.ranges(store, tx, pairs, after, piece).await?;
        let until = match query.sort.direction {
            Direction::Ascending => query.times().1,
            Direction::Descending => query.times().0,
        };
        let order = (query.sort, until);
        Ok(State::Merged {
            streams: OrderStreams::new(ranges, order, store.partition_numbers(), self.limit),
            given: 0,
            places,
            of_any_customer: customer.is_some(),
        })
    }

    async fn ranges(
        &self,
        store: &Store,
        tx: &mut Tx,
        pairs: Option<Vec<WorkflowPlace>>,
        after: Option<&OrderCursor>,
        piece: &mut Piece,
    ) -> Result<Vec<OrderRange>, Error> {
        let direction = self.query.sort.direction;
        let partitions = store.partition_numbers();
        match self.query.sort.by {
            SortKey::UpdateTime => {
                let from = from_time(self.query, after);
                let pairs = pairs.unwrap_or_default();
                Ok(streams::of_places(&pairs, partitions.len(), from))
            }
            SortKey::CreateTime => {
                let ranges = partitions.into_iter().map(|partition| OrderRange::Log {
                    partition,
                    from: from_key(direction, after, partition),
                });
                Ok(ranges.collect())
            }
            SortKey::Id => {
                let codes = match pairs {
                    Some(pairs) => {
                        let codes = pairs.into_iter().map(|pair| pair.workflow);
                        codes.collect::<BTreeSet<_>>().into_iter().collect()
                    }
                    None => self.codes(tx, piece).await?,
                };
                let ranges = codes.into_iter().map(|workflow| OrderRange::Ids {
                    from: from_id(direction, after, &workflow),
                    workflow,
                });
                Ok(ranges.collect())
            }
        }
    }

    /// Finds the orders on some places; none where there are more than `most`, or the places are
    /// too many.
    async fn probe(
        &self,
        store: &Store,
        tx: &mut Tx,
        pairs: &[WorkflowPlace],
        most: usize,
        piece: &mut Piece,
    ) -> Result<Option<Vec<OrderColumns>>, Error> {
        let partitions = store.partition_numbers();
        if pairs.len().saturating_mul(partitions.len()) > PROBE_RANGES_MAX {
            return Ok(None);
        }
        let times = self.query.times();
        let rows = keys::of_places(tx, pairs, &partitions, times, most + 1).await?;
        piece.look(rows.len());
        Ok(Some(rows).filter(|rows| rows.len() <= most))
    }

    /// Looks up ids in some more workflows.
    async fn look_up(
        &self,
        tx: &mut Tx,
        (mut codes, mut found, mut is_cut): (Vec<String>, Vec<Spot>, bool),
        after: Option<&OrderCursor>,
        piece: &mut Piece,
    ) -> Result<State, Error> {
        let ids: BTreeSet<&str> = self.query.ids.iter().map(OrderId::as_str).collect();
        let ids: Vec<String> = ids.into_iter().map(str::to_owned).collect();
        let at_once = (LOOKUPS_AT_ONCE / ids.len().max(1)).max(1);
        let asked = codes.split_off(codes.len().saturating_sub(at_once));
        let rows = keys::with_ids(tx, &asked, &ids).await?;
        piece.look(rows.len());
        found.extend(self.in_turn(rows, after));
        // The others are looked up again behind these.
        let kept = self.probes.most.max(1);
        if found.len() > kept {
            self.sort(&mut found);
            found.truncate(kept);
            is_cut = true;
        }
        if codes.is_empty() {
            self.sort(&mut found);
            return Ok(State::Sorted {
                spots: found.into(),
                is_whole: !is_cut,
            });
        }
        Ok(State::Named {
            codes,
            found,
            is_cut,
        })
    }

    fn sorted(&self, rows: Vec<OrderColumns>, after: Option<&OrderCursor>) -> State {
        let mut spots: Vec<Spot> = self.in_turn(rows, after).collect();
        self.sort(&mut spots);
        State::Sorted {
            spots: spots.into(),
            is_whole: true,
        }
    }

    /// Those that are asked for and come behind the cursor.
    fn in_turn(
        &self,
        rows: Vec<OrderColumns>,
        after: Option<&OrderCursor>,
    ) -> impl Iterator<Item = Spot> {
        let direction = self.query.sort.direction;
        let spots = rows.into_iter().map(move |row| self.sieve.spot(row));
        spots.filter(move |spot| spot.fits && is_next(spot, direction, after))
    }

    fn sort(&self, spots: &mut [Spot]) {
        spots.sort_unstable_by(|one, other| match self.query.sort.direction {
            Direction::Ascending => one.place.cmp(&other.place),
            Direction::Descending => other.place.cmp(&one.place),
        });
    }

    async fn codes(&self, tx: &mut Tx, piece: &mut Piece) -> Result<Vec<String>, Error> {
        if self.query.workflows.is_empty() {
            piece.look(0);
            return keys::codes(tx).await;
        }
        let codes: BTreeSet<_> = self.query.workflows.iter().collect();
        Ok(codes.into_iter().map(ToString::to_string).collect())
    }

    /// The places to look at: those asked for, or all that the workflows have.
    async fn pairs(&self, tx: &mut Tx, piece: &mut Piece) -> Result<Vec<WorkflowPlace>, Error> {
        let workflows = &self.query.workflows;
        let Some(standings) = &self.query.standings else {
            piece.look(0);
            return keys::pairs(tx, workflows).await;
        };
        let asked = standings
            .iter()
            .filter(|(workflow, _)| workflows.is_empty() || workflows.contains(workflow));
        let pairs = asked.map(|(workflow, standing)| WorkflowPlace {
            workflow: workflow.to_string(),
            state: standing.state.to_string(),
            status: standing.status.to_string(),
        });
        Ok(pairs.collect::<BTreeSet<_>>().into_iter().collect())
    }
}

/// The customer of whom there is an index.
pub(super) fn customer(query: &OrderQuery) -> Option<&str> {
    let customer = query.customer.as_ref().map(ActorId::as_str);
    customer.filter(|customer| !customer.is_empty())
}
