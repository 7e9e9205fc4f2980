//! Finding the entries of an order by its entry index, whose older pages are rows of their own.

use std::collections::{BTreeMap, HashMap};

use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl,
    sql_types::{BigInt, Binary, Integer},
};
use diesel_async::RunQueryDsl;
use waymark_domain::{
    partition::Partition,
    value::{OrderId, RequestId, WorkflowCode},
};

use crate::{
    Direction, Error,
    rows::{
        Reading,
        entry_index::{EntryIndex, IndexLine, PAGE_ENTRIES},
        order::OrderRow,
    },
    schema::{journal_pages, orders},
    statement::{array_statement, limit, row_statement},
    tx::{Tx, on_conn},
};

/// How many pages of an entry index are read at once.
const PAGES_MAX: usize = 80;

/// For how many request ids the database searches the pages of one order. For more of them all
/// pages are read, which costs less than to search each page for each id.
const TAGS_MAX: usize = 4;

pub(crate) struct IndexedOrder {
    partition: Partition,
    order_key: i64,
    newest: EntryIndex,
}

impl IndexedOrder {
    pub(crate) async fn find(
        tx: &mut Tx,
        partition: Partition,
        workflow: &WorkflowCode,
        order_id: &OrderId,
    ) -> Result<Option<Self>, Error> {
        let key = orders::table
            .filter(orders::workflow.eq(workflow.as_str()))
            .filter(orders::id.eq(order_id.as_str()))
            .select((orders::order_key, orders::journal));
        let found = on_conn!(tx, |c| key.first::<(i64, Vec<u8>)>(c).await).optional()?;
        found
            .map(|(order_key, index)| Self::read(partition, order_key, &index))
            .transpose()
    }

    pub(crate) fn of(row: &OrderRow) -> Result<Self, Error> {
        Ok(Self {
            partition: Partition::new(row.partition),
            order_key: row.order_key,
            newest: row.entry_index()?,
        })
    }

    pub(crate) fn partition(&self) -> Partition {
        self.partition
    }

    fn read(partition: Partition, order_key: i64, index: &[u8]) -> Result<Self, Error> {
        let reading = Reading {
            table: "orders",
            row: &format_args!("{}/{order_key}", partition.number()),
        };
        Ok(Self {
            partition,
            order_key,
            newest: EntryIndex::read(index, &reading, "journal")?,
        })
    }

    /// The lines of its entry index past a sequence, in a direction, and whether these are all;
    /// otherwise there are at least `PAGES_MAX` pages of them.
    pub(crate) async fn lines(
        &self,
        tx: &mut Tx,
        direction: Direction,
        after: Option<i64>,
    ) -> Result<(Vec<IndexLine>, bool), Error> {
        let ahead = |line: &IndexLine| match direction {
            Direction::Ascending => after.is_none_or(|after| line.sequence > after),
            Direction::Descending => after.is_none_or(|after| line.sequence < after),
        };
        let pages = self.pages(tx, direction, after).await?;
        let complete = pages.len() < PAGES_MAX;
        let moved = pages.iter().flat_map(EntryIndex::lines);
        let newest = self.newest.lines().iter();
        // Going up, the row's own lines follow only when no page is left out.
        let newest = newest.filter(|_| complete || direction == Direction::Descending);
        let lines = moved.chain(newest).copied().filter(ahead);
        let mut lines = lines.collect::<Vec<_>>();
        if direction == Direction::Descending {
            lines.reverse();
        }
        Ok((lines, complete))
    }

    /// The next pages in a direction past a sequence, by sequence; few orders have any.
    async fn pages(
        &self,
        tx: &mut Tx,
        direction: Direction,
        after: Option<i64>,
    ) -> Result<Vec<EntryIndex>, Error> {
        use journal_pages::first_sequence;

        if self.newest.first_sequence() <= 1 {
            return Ok(Vec::new());
        }
        let of_order = pages_of(self.partition, self.order_key);
        let rows = match direction {
            Direction::Ascending => {
                let from = after.unwrap_or(0).saturating_sub(limit(PAGE_ENTRIES));
                let rows = of_order
                    .filter(first_sequence.gt(from))
                    .order(first_sequence.asc())
                    .limit(limit(PAGES_MAX));
                on_conn!(tx, |c| rows.load(c).await)?
            }
            Direction::Descending => {
                let until = after.unwrap_or(i64::MAX);
                let rows = of_order
                    .filter(first_sequence.lt(until))
                    .order(first_sequence.desc())
                    .limit(limit(PAGES_MAX));
                let mut rows = on_conn!(tx, |c| rows.load(c).await)?;
                rows.reverse();
                rows
            }
        };
        read_pages(self.partition, self.order_key, &rows)
    }
}

/// The offsets of all entries of an order, the newest first; none for an order that is not there.
pub(crate) async fn offsets(
    tx: &mut Tx,
    partition: Partition,
    workflow: &WorkflowCode,
    order_id: &OrderId,
) -> Result<Vec<i64>, Error> {
    let mut offsets = Vec::new();
    let Some(order) = IndexedOrder::find(tx, partition, workflow, order_id).await? else {
        return Ok(offsets);
    };
    let mut after = None;
    loop {
        let (lines, complete) = order.lines(tx, Direction::Descending, after).await?;
        offsets.extend(lines.iter().map(|line| line.offset));
        match lines.last() {
            Some(last) if !complete => after = Some(last.sequence),
            _ => return Ok(offsets),
        }
    }
}

/// The query for the older pages of an order's entry index.
#[diesel::dsl::auto_type(no_type_alias)]
fn pages_of(partition: Partition, order_key: i64) -> _ {
    let number: i32 = partition.number();
    journal_pages::table
        .filter(journal_pages::partition.eq(number))
        .filter(journal_pages::order_key.eq(order_key))
        .select((journal_pages::first_sequence, journal_pages::page))
}

/// The pages of the entry index of an order that are looked for.
#[derive(Debug)]
pub(crate) struct PageKey {
    partition: i32,
    order_key: i64,
    /// The bytes of a page that may have remembered a request id; empty for any page.
    tag: Vec<u8>,
}

/// The partition, order, first sequence and content of a page.
type PageRow = (i32, i64, i64, Vec<u8>);

/// Finds the older pages of the entry indexes of orders that may have remembered some request ids, for
/// all orders in one statement.
pub(crate) async fn pages_with(
    tx: &mut Tx,
    asked: &BTreeMap<(Partition, i64), Vec<&RequestId>>,
) -> Result<HashMap<(Partition, i64), Vec<EntryIndex>>, Error> {
    if asked.is_empty() {
        return Ok(HashMap::new());
    }
    let mut keys = Vec::with_capacity(asked.len());
    for ((partition, order_key), ids) in asked {
        let key = |tag| PageKey {
            partition: partition.number(),
            order_key: *order_key,
            tag,
        };
        if ids.len() > TAGS_MAX {
            keys.push(key(Vec::new()));
            continue;
        }
        for id in ids {
            keys.push(key(EntryIndex::tag(id)?));
        }
    }
    let mut rows: Vec<PageRow> = match tx {
        Tx::Postgres(connection) => {
            let find = FindPages {
                partitions: keys.iter().map(|key| key.partition).collect(),
                order_keys: keys.iter().map(|key| key.order_key).collect(),
                tags: keys.iter().map(|key| key.tag.as_slice()).collect(),
                ..FindPages::default()
            };
            find.load(&mut ***connection).await?
        }
        Tx::Sqlite(connection) => {
            let read = connection.spawn_blocking(move |inner| {
                let mut rows = Vec::with_capacity(keys.len());
                for key in &keys {
                    rows.extend(diesel::RunQueryDsl::load::<PageRow>(FindPage(key), inner)?);
                }
                Ok(rows)
            });
            read.await?
        }
    };
    // A page that may have remembered two of them comes twice.
    rows.sort_unstable();
    rows.dedup();
    let mut found: HashMap<_, Vec<_>> = HashMap::with_capacity(asked.len());
    for (partition, order_key, first_sequence, page) in rows {
        let of_order = found.entry((Partition::new(partition), order_key));
        of_order.or_default().push((first_sequence, page));
    }
    let read = found.into_iter().map(|((partition, order_key), rows)| {
        let pages = read_pages(partition, order_key, &rows)?;
        Ok(((partition, order_key), pages))
    });
    read.collect()
}

/// Reads pages of an entry index, each with its first sequence.
fn read_pages(
    partition: Partition,
    order_key: i64,
    rows: &[(i64, Vec<u8>)],
) -> Result<Vec<EntryIndex>, Error> {
    let read = rows.iter().map(|(first_sequence, page)| {
        let reading = Reading {
            table: "journal_pages",
            row: &format_args!("{}/{order_key}/{first_sequence}", partition.number()),
        };
        EntryIndex::read(page, &reading, "page")
    });
    read.collect()
}

array_statement! {
    /// Finds the pages of entry indexes that may have remembered request ids.
    FindPages { partitions: i32 => Integer, order_keys: i64 => BigInt, tags: &'a [u8] => Binary }
    -> (Integer, BigInt, BigInt, Binary);
    "SELECT p.partition, p.order_key, p.first_sequence, p.page FROM",
    ") AS k (partition, order_key, tag) JOIN journal_pages p ON p.partition = k.partition \
     AND p.order_key = k.order_key WHERE length(k.tag) = 0 OR position(k.tag IN p.page) > 0"
}

row_statement! {
    /// Finds the pages of one entry index that may have remembered a request id.
    FindPage(PageKey) -> (Integer, BigInt, BigInt, Binary);
    "SELECT partition, order_key, first_sequence, page FROM journal_pages WHERE partition = " [partition: Integer]
    " AND order_key = " [order_key: BigInt]
    " AND (length(" [tag: Binary]
    ") = 0 OR instr(page, " [tag: Binary]
    ") > 0)"
}
