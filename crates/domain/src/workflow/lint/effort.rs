//! The cost of comparing: some rules look at pairs of transitions, of which a large workflow has
//! millions.

use std::cell::Cell;

use super::ways::Way;

/// The most steps of a rule, each of which takes some nanoseconds: enough for all pairs of several
/// hundred transitions.
const STEPS_MAX: usize = 8_000_000;

/// The steps that a rule has left. One without steps says what it has found so far.
#[derive(Debug)]
pub(super) struct Effort(Cell<usize>);

impl Effort {
    pub(super) fn new() -> Self {
        Self(Cell::new(STEPS_MAX))
    }

    /// Takes so many steps and says whether they were left. Where they were not, none are.
    pub(super) fn take(&self, steps: usize) -> bool {
        let left = self.0.get().checked_sub(steps);
        self.0.set(left.unwrap_or_default());
        left.is_some()
    }
}

/// The steps that it takes to compare two ways, with their roles.
pub(super) fn steps(way: &Way<'_>, other: &Way<'_>) -> usize {
    let [own, named] = [way, other].map(|way| way.transition.roles.len());
    other.sources.steps() + own * named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_once_too_much_was_asked_for() {
        let effort = Effort::new();
        assert!(effort.take(STEPS_MAX - 1));
        assert!(!effort.take(2));
        assert!(!effort.take(1));
    }
}
