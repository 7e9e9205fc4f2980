//! The part of a list that is read before the connection is given back.

use crate::rows::order::OrderRow;

/// How much one piece of a page reads: statements, places of orders, and orders with their bytes.
/// Some tens of milliseconds on either database.
const STATEMENTS: usize = 16;
const LOOKS: usize = 8_000;
const ORDERS: usize = 500;
pub(super) const PIECE_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Piece {
    statements: usize,
    looks: usize,
    orders: usize,
    bytes: usize,
}

impl Piece {
    /// Counts a statement that gave so many places of orders.
    pub(super) fn look(&mut self, found: usize) {
        self.statements += 1;
        self.looks += found;
    }

    /// Counts a statement that gave orders.
    pub(super) fn read(&mut self, rows: &[OrderRow]) {
        self.statements += 1;
        self.orders += rows.len();
        self.bytes += rows.iter().map(|row| row.body.len()).sum::<usize>();
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.statements >= STATEMENTS
            || self.looks >= LOOKS
            || self.orders >= ORDERS
            || self.bytes >= PIECE_BYTES
    }
}
