//! One page of a list: orders are found by indexes, and the bodies of those that are shown are
//! read, each of which is held against the query. A page is put together in pieces, each of
//! which has a connection for a short while.

use std::collections::{HashMap, VecDeque};

use waymark_domain::order::Order;

use super::{
    cursor::{OrderPage, Spot, advance},
    find::{Finder, Looked, Probes, customer},
    keys,
    piece::{PIECE_BYTES, Piece},
    query::{OrderCursor, OrderQuery, SortKey},
    streams::LOOK_MAX,
};
use crate::{
    Error, Store,
    catalog::{Edition, Reliance},
    error::ErrorChain,
    merge::{Next, Progress, SCAN_MAX},
    rows::order::OrderRow,
    tx::Tx,
};

/// How many bytes of orders one page may read where only their bodies tell whether they are asked
/// for.
const SCAN_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How many bytes of orders a page may have, as they are stored.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How many orders are read at once while nothing is known of their size, and at most.
const BODIES_FIRST: usize = 64;
const BODIES_MAX: usize = 500;

/// How many orders are read at once, at least, where only their bodies tell whether they are asked
/// for.
const BODIES_SEARCHED: usize = 16;

enum OrderVerdict {
    /// It is shown.
    Taken(Box<Order>),
    /// It is not asked for, or not there any more.
    Passed,
    /// It is asked for, and the page has no room for it.
    Full,
}

pub(super) struct OrderListing<'q> {
    query: &'q OrderQuery,
    finder: Finder<'q>,
    limit: usize,
    begin: Option<OrderCursor>,
    /// Behind the last order that was decided on.
    cursor: Option<OrderCursor>,
    /// Orders that come next.
    queue: VecDeque<Spot>,
    /// How many of them are asked for, as far as that is known.
    fitting: usize,
    /// Whether some of them were not compared with a customer yet, and how many next time.
    is_unchecked: bool,
    compared: usize,
    /// Whether nothing follows them.
    is_drained: bool,
    orders: Vec<Order>,
    spots: Vec<Spot>,
    bytes: usize,
    looked_at: usize,
    bytes_looked_at: usize,
    edition: Option<Edition>,
    at_end: bool,
}

impl<'q> OrderListing<'q> {
    pub(super) fn new(
        query: &'q OrderQuery,
        after: Option<&OrderCursor>,
        (limit, probes): (usize, Probes),
    ) -> Self {
        Self {
            query,
            finder: Finder::new(query, probes, limit),
            limit,
            begin: after.cloned(),
            cursor: after.cloned(),
            queue: VecDeque::new(),
            fitting: 0,
            is_unchecked: false,
            compared: limit.saturating_add(1),
            is_drained: false,
            orders: Vec::new(),
            spots: Vec::new(),
            bytes: 0,
            looked_at: 0,
            bytes_looked_at: 0,
            edition: None,
            at_end: false,
        }
    }

    pub(super) fn into_page(self) -> OrderPage {
        OrderPage {
            orders: self.orders,
            next: self.cursor.filter(|_| !self.at_end),
            begin: self.begin,
            spots: self.spots,
            by_key: self.query.sort.by == SortKey::CreateTime,
            edition: self.edition,
        }
    }

    pub(super) async fn read_piece(
        &mut self,
        store: &Store,
        tx: &mut Tx,
    ) -> Result<Progress, Error> {
        let mut piece = Piece::default();
        loop {
            if !self.gather(store, tx, &mut piece).await? {
                return Ok(Progress::Paused);
            }
            self.check_customer(tx, &mut piece).await?;
            self.pass_over();
            if self.is_complete() {
                return Ok(Progress::Ended);
            }
            if piece.is_used_up() {
                return Ok(Progress::Paused);
            }
            if self.fitting > 0 && self.read(store, tx, &mut piece).await? {
                return Ok(Progress::Ended);
            }
        }
    }

    /// Finds orders until there are enough for the page or for one statement; says whether the
    /// piece sufficed for that.
    async fn gather(
        &mut self,
        store: &Store,
        tx: &mut Tx,
        piece: &mut Piece,
    ) -> Result<bool, Error> {
        while self.fitting < self.wanted() && self.queue.len() < LOOK_MAX && !self.is_drained {
            match self.finder.next() {
                Next::Row(spot) => {
                    self.fitting += usize::from(spot.fits);
                    self.is_unchecked = true;
                    self.queue.push_back(spot);
                }
                Next::End => self.is_drained = true,
                Next::Unknown if self.finder.begins_anew() && !self.queue.is_empty() => {
                    return Ok(true);
                }
                Next::Unknown if piece.is_used_up() => return Ok(false),
                Next::Unknown => {
                    let looked = self
                        .finder
                        .look(store, tx, self.cursor.as_ref(), piece)
                        .await?;
                    if looked == Looked::Anew {
                        self.queue.clear();
                        self.fitting = 0;
                    }
                }
            }
        }
        Ok(true)
    }

    /// How many orders are wanted in the queue: one more than fits, to learn whether there is more.
    fn wanted(&self) -> usize {
        if self.finder.customer().is_some() {
            return self.compared;
        }
        let missing = (self.limit + 1).saturating_sub(self.orders.len());
        if self.is_searched() {
            missing.saturating_mul(2).clamp(BODIES_SEARCHED, BODIES_MAX)
        } else {
            missing.max(1)
        }
    }

    /// Leaves out those of other customers, where they are among those that were found.
    async fn check_customer(&mut self, tx: &mut Tx, piece: &mut Piece) -> Result<(), Error> {
        let Some(customer) = self.finder.customer().filter(|_| self.is_unchecked) else {
            return Ok(());
        };
        self.is_unchecked = false;
        // The more so the fewer are the customer's.
        self.compared = self.compared.saturating_mul(2).min(LOOK_MAX);
        let asked = self.queue.iter().filter(|spot| spot.fits);
        let asked = asked.map(|spot| (spot.partition, spot.order_key, spot.workflow.clone()));
        let asked: Vec<_> = asked.collect();
        let found = keys::among_customer(tx, &asked, customer).await?;
        piece.look(found.len());
        for spot in &mut self.queue {
            spot.fits = spot.fits && found.contains(&spot.key());
        }
        self.fitting = self.queue.iter().filter(|spot| spot.fits).count();
        Ok(())
    }

    /// Goes on to the first that is asked for.
    fn pass_over(&mut self) {
        while self.queue.front().is_some_and(|spot| !spot.fits)
            && let Some(spot) = self.queue.pop_front()
        {
            self.go_behind(&spot);
        }
    }

    fn go_behind(&mut self, spot: &Spot) {
        let by_key = self.query.sort.by == SortKey::CreateTime;
        self.cursor = advance(self.cursor.take(), spot, by_key);
    }

    /// Whether the page is there without another body.
    fn is_complete(&mut self) -> bool {
        if self.fitting == 0 {
            self.at_end = self.is_drained;
            return self.is_drained;
        }
        self.orders.len() >= self.limit && !self.is_searched()
    }

    /// Reads the next orders; says whether the page is there.
    async fn read(&mut self, store: &Store, tx: &mut Tx, piece: &mut Piece) -> Result<bool, Error> {
        let room = if self.is_searched() {
            usize::MAX
        } else {
            self.limit.saturating_sub(self.orders.len())
        };
        let fitting = self.queue.iter().filter(|spot| spot.fits).map(Spot::key);
        let keys: Vec<_> = fitting.take(room.min(self.bodies_at_once())).collect();
        let mut left = keys.len();
        let (rows, edition) = keys::bodies(tx, keys).await?;
        piece.read(&rows);
        let catalog = store.catalog();
        catalog.reach(tx, edition, Reliance::Unlocked).await?;
        self.edition = Some(edition);
        let rows = rows.into_iter();
        let mut rows: HashMap<_, _> = rows
            .map(|row| ((row.partition, row.order_key), row))
            .collect();
        while left > 0
            && let Some(spot) = self.queue.pop_front()
        {
            if !spot.fits {
                self.go_behind(&spot);
                continue;
            }
            left -= 1;
            self.fitting -= 1;
            let judged = match rows.remove(&spot.key()) {
                Some(row) => self.judge(store, &row)?,
                None => OrderVerdict::Passed,
            };
            match judged {
                OrderVerdict::Full => return Ok(true),
                OrderVerdict::Passed => self.go_behind(&spot),
                OrderVerdict::Taken(order) => {
                    self.go_behind(&spot);
                    self.orders.push(*order);
                    self.spots.push(spot);
                }
            }
        }
        Ok(self.has_looked_at_enough())
    }

    /// Holds an order against the query. One that changed since it was found stays where it was
    /// found. One that cannot be read is left out and logged once, so that it ends no list.
    fn judge(&mut self, store: &Store, row: &OrderRow) -> Result<OrderVerdict, Error> {
        let size = row.body.len();
        self.looked_at += 1;
        self.bytes_looked_at += size;
        // What cannot be read is not passed over: it is logged.
        let is_other = |body: &str| !self.query.may_admit(body);
        if row.body.utf8().is_some_and(is_other) {
            return Ok(OrderVerdict::Passed);
        }
        let order = match row.order() {
            Ok(order) => order,
            Err(error @ Error::Corrupt { .. }) => {
                log_unreadable(store, row, &error);
                return Ok(OrderVerdict::Passed);
            }
            Err(error) => return Err(error),
        };
        if !self.query.admits(&order) {
            return Ok(OrderVerdict::Passed);
        }
        let is_large = !self.orders.is_empty() && self.bytes + size > PAGE_BYTES_MAX;
        if self.orders.len() >= self.limit || is_large {
            return Ok(OrderVerdict::Full);
        }
        self.bytes += size;
        Ok(OrderVerdict::Taken(Box::new(order)))
    }

    /// Whether only bodies tell which orders are asked for.
    fn is_searched(&self) -> bool {
        let query = self.query;
        let by_return = query.sort.by == SortKey::UpdateTime && !query.return_statuses.is_empty();
        let by_customer = query.customer.is_some() && !query.ids.is_empty();
        self.is_bounded() || by_return || by_customer
    }

    /// Whether there is no index at all of what is asked for, so that a page may be short.
    fn is_bounded(&self) -> bool {
        let of_nobody = self.query.customer.is_some() && customer(self.query).is_none();
        !self.query.attributes.is_empty() || of_nobody
    }

    fn has_looked_at_enough(&self) -> bool {
        self.is_bounded() && (self.looked_at >= SCAN_MAX || self.bytes_looked_at >= SCAN_BYTES_MAX)
    }

    /// How many orders to read at once, so that large ones do not come in large numbers.
    fn bodies_at_once(&self) -> usize {
        match self.bytes_looked_at.checked_div(self.looked_at) {
            None => BODIES_FIRST,
            Some(mean) => (PIECE_BYTES / 2 / mean.max(1)).clamp(1, BODIES_MAX),
        }
    }
}

/// Logs an order that cannot be read, once as long as it stays as it is.
fn log_unreadable(store: &Store, row: &OrderRow, error: &Error) {
    let (partition, key, version) = (row.partition, row.order_key, row.version);
    let name = format!("orders/{partition}/{key}/{version}");
    if store.log_once().is_first(name) {
        tracing::error!(
            order.id = row.id.lossy(),
            workflow = row.workflow.lossy(),
            error = %ErrorChain(error),
            "order unreadable, left out of all lists"
        );
    }
}
