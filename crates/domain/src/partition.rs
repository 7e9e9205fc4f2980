//! Partitions: the parts of all orders within which history is ordered.
//!
//! An order belongs to one partition for its whole life. The partition is the
//! XXH3-64 hash of `workflow`, a zero byte and the order id, modulo the number
//! of partitions, which is fixed when a database is created.

use xxhash_rust::xxh3::xxh3_64;

use crate::value::{OrderId, WorkflowCode};

/// The number of a partition, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(i32);

impl Partition {
    /// The partition with this number.
    pub const fn new(number: i32) -> Self {
        Self(number)
    }

    /// The partition of an order among `count` partitions.
    pub fn of(workflow: &WorkflowCode, order: &OrderId, count: PartitionCount) -> Self {
        let mut key = Vec::with_capacity(workflow.as_str().len() + 1 + order.as_str().len());
        key.extend_from_slice(workflow.as_str().as_bytes());
        key.push(0);
        key.extend_from_slice(order.as_str().as_bytes());
        let number = xxh3_64(&key) % u64::from(count.0);
        Self(i32::try_from(number).unwrap_or(0))
    }

    /// The number, from 0.
    pub const fn number(self) -> i32 {
        self.0
    }
}

/// The most partitions that a database may have.
pub const PARTITIONS_MAX: u16 = 1024;

/// How many partitions a database has: 1 to 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionCount(u16);

impl PartitionCount {
    /// Checks a number of partitions.
    pub fn new(count: i32) -> Option<Self> {
        u16::try_from(count)
            .ok()
            .filter(|count| (1..=PARTITIONS_MAX).contains(count))
            .map(Self)
    }

    /// The number itself.
    pub const fn get(self) -> i32 {
        self.0 as i32
    }

    /// All partitions, ascending.
    pub fn all(self) -> impl Iterator<Item = Partition> {
        (0..i32::from(self.0)).map(Partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Other languages and later versions must agree with these.
    #[test]
    fn test_vectors() {
        let eight = PartitionCount::new(8).unwrap();
        let of = |workflow, order| {
            let workflow = WorkflowCode::new(workflow).unwrap();
            Partition::of(&workflow, &OrderId::new(order).unwrap(), eight).number()
        };
        let found = [
            of("order", "1"),
            of("order", "2"),
            of("order", "100000001"),
            of("returns", "1"),
            of("order", "WM-0001"),
        ];
        assert_eq!(found, [1, 4, 6, 1, 7]);
        assert_eq!(xxh3_64(b"order\x001"), 0x4471_e292_7fb8_1b29);
    }
}
