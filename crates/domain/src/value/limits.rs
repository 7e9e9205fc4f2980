//! The limits of an order on which the cost of guards depends.

/// The most lines an order may have.
pub const LINES_MAX: usize = 500;
/// The most holds that may stand on an order at once.
pub const HOLDS_MAX: usize = 16;
