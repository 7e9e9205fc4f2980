//! The plan of copies: the order that each is copied from, and its columns.

use waymark_domain::{
    partition::{Partition, PartitionCount},
    value::{OrderId, WorkflowCode},
};

use crate::{failure::Failure, shop};

/// The tables that have rows for each order.
pub(super) const TABLES: [&str; 3] = ["orders", "history", "customer_orders"];
/// The number of entries of each order. No step sets off another, so each is a step of its own.
pub(super) const ENTRIES: i64 = 5;

/// The orders of one partition that are copied.
#[derive(Debug, Clone, Default)]
pub(super) struct Sources {
    /// Their keys.
    pub(super) order_keys: Vec<i64>,
    /// The last offset of the partition.
    pub(super) last_offset: i64,
}

/// One order to be made.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) partition: i32,
    pub(super) order_key: i64,
    pub(super) id: String,
    pub(super) source_key: i64,
}

/// The copies to make of the orders that are there so that there are `orders`.
pub(super) fn copies(
    sources: &[Sources],
    orders: usize,
) -> Result<impl Iterator<Item = Result<Copy, Failure>>, Failure> {
    let count = i32::try_from(sources.len()).ok();
    let count = count.and_then(PartitionCount::new);
    let count = count.ok_or(Failure::Sources)?;
    let workflow = WorkflowCode::new(shop::WORKFLOW).map_err(|_| Failure::Sources)?;
    let present = sources.iter().map(|source| source.order_keys.len()).sum();
    let mut made = vec![0_i64; sources.len()];
    Ok((present..orders).map(move |number| {
        let id = shop::order_id(number);
        let order_id = OrderId::new(&id).map_err(|_| Failure::Sources)?;
        let partition = Partition::of(&workflow, &order_id, count).number();
        let at = usize::try_from(partition).map_err(|_| Failure::Sources)?;
        let (Some(source), Some(made)) = (sources.get(at), made.get_mut(at)) else {
            return Err(Failure::Sources);
        };
        let turn = usize::try_from(*made).unwrap_or(0) % source.order_keys.len().max(1);
        let copy = Copy {
            partition,
            order_key: source.last_offset + ENTRIES * *made + 1,
            id,
            source_key: *source.order_keys.get(turn).ok_or(Failure::Sources)?,
        };
        *made += 1;
        Ok(copy)
    }))
}

/// A column, and whether its values contain the id of the order.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) has_id: bool,
}

/// The statement that copies one table. `s` are the rows that are copied, `c` the copies to be made.
pub(super) fn statement(table: &str, columns: &[Column]) -> Result<String, Failure> {
    let has = |name: &str| columns.iter().any(|column| column.name == name);
    let mut values = Vec::with_capacity(columns.len());
    for column in columns {
        let name = column.name.as_str();
        values.push(match name {
            "partition" => "c.partition".to_owned(),
            "order_key" => "c.order_key".to_owned(),
            "order_id" | "id" => "c.id".to_owned(),
            "log_offset" | "step_offset" if has("sequence") => {
                "c.order_key + s.sequence - 1".to_owned()
            }
            "log_offset" | "step_offset" => return Err(Failure::Sources),
            _ if column.has_id => format!("REPLACE(s.{name}, c.source_id, c.id)"),
            _ => format!("s.{name}"),
        });
    }
    let order = if has("sequence") { ", s.sequence" } else { "" };
    let names = columns.iter().map(|column| column.name.as_str());
    let names = names.collect::<Vec<_>>().join(", ");
    let values = values.join(", ");
    Ok(format!(
        "INSERT INTO {table} ({names}) SELECT {values} FROM copies c \
         JOIN source_{table} s ON s.partition = c.partition AND s.order_key = c.source_key \
         ORDER BY c.partition, c.order_key{order}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_fill_each_partition_without_a_gap() {
        let source = |orders: i64| Sources {
            order_keys: (1..=orders).collect(),
            last_offset: orders * ENTRIES,
        };
        // Three partitions of two, one and two orders.
        let sources = [source(2), source(1), source(2)];
        let made = copies(&sources, 500).unwrap();
        let made = made.collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(made.len(), 495);
        let count = PartitionCount::new(3).unwrap();
        let workflow = WorkflowCode::new(shop::WORKFLOW).unwrap();
        let mut next = [11, 6, 11];
        for (copy, number) in made.iter().zip(5..) {
            let id = OrderId::new(&shop::order_id(number)).unwrap();
            let partition = Partition::of(&workflow, &id, count).number();
            assert_eq!((copy.id.as_str(), copy.partition), (id.as_str(), partition));
            let at = usize::try_from(partition).unwrap();
            assert_eq!(copy.order_key, next[at]);
            assert!(sources[at].order_keys.contains(&copy.source_key));
            next[at] += ENTRIES;
        }
    }

    #[test]
    fn only_keys_ids_and_what_has_the_id_differ() {
        let column = |name: &str| Column {
            name: name.to_owned(),
            has_id: name == "body",
        };
        let columns = ["partition", "order_key", "id", "version", "body"].map(column);
        let expected = "INSERT INTO orders (partition, order_key, id, version, body) \
             SELECT c.partition, c.order_key, c.id, s.version, REPLACE(s.body, c.source_id, c.id) FROM copies c \
             JOIN source_orders s ON s.partition = c.partition AND s.order_key = c.source_key \
             ORDER BY c.partition, c.order_key";
        assert_eq!(statement("orders", &columns).unwrap(), expected);
    }

    #[test]
    fn offsets_are_known_only_beside_a_sequence() {
        let column = |name: &str| Column {
            name: name.to_owned(),
            has_id: false,
        };
        let known = statement("history", &["log_offset", "sequence"].map(column)).unwrap();
        assert!(known.contains("SELECT c.order_key + s.sequence - 1, s.sequence FROM"));
        assert!(statement("requests", &["log_offset"].map(column)).is_err());
    }
}
