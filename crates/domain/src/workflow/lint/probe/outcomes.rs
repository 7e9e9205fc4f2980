//! The possible outcomes of an expression, and of one that is made of several.

/// The outcomes that are possible for an expression that is asked about different orders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Outcomes {
    /// It may hold.
    pub(crate) holds: bool,
    /// It may not hold.
    pub(crate) refuses: bool,
    /// It may fail.
    pub(crate) fails: bool,
}

impl Outcomes {
    /// Whatever there is.
    pub(super) const ANY: Self = Self {
        holds: true,
        refuses: true,
        fails: true,
    };

    /// Whether it comes to a failure wherever it is asked.
    pub(crate) fn always_fails(self) -> bool {
        self.fails && !self.holds && !self.refuses
    }

    /// Whether it holds wherever it is asked.
    pub(crate) fn always_holds(self) -> bool {
        self.holds && !self.refuses && !self.fails
    }

    /// Whether it never holds.
    pub(crate) fn never_holds(self) -> bool {
        !self.holds && (self.refuses || self.fails)
    }

    /// Whether further orders can tell nothing new that matters.
    pub(super) fn is_settled(self) -> bool {
        self.holds && self.refuses
    }

    /// Records what came of one order; none for a failure.
    pub(super) fn note(&mut self, answer: Option<bool>) {
        match answer {
            Some(true) => self.holds = true,
            Some(false) => self.refuses = true,
            None => self.fails = true,
        }
    }

    /// The outcomes of one or the other.
    pub(super) fn either(self, other: Self) -> Self {
        Self {
            holds: self.holds || other.holds,
            refuses: self.refuses || other.refuses,
            fails: self.fails || other.fails,
        }
    }

    /// The outcomes of `!a`.
    pub(super) fn negated(self) -> Self {
        Self {
            holds: self.refuses,
            refuses: self.holds,
            fails: self.fails,
        }
    }

    /// The outcomes of `a && b`: where one does not hold, whether the other fails does not matter.
    pub(super) fn and(self, other: Self) -> Self {
        let (a, b) = (self, other);
        Self {
            holds: a.holds && b.holds,
            refuses: a.refuses || b.refuses,
            fails: a.fails && (b.fails || b.holds) || b.fails && (a.fails || a.holds),
        }
    }

    /// The outcomes of `a || b`.
    pub(super) fn or(self, other: Self) -> Self {
        self.negated().and(other.negated()).negated()
    }

    /// The outcomes of `a ? b : c`.
    pub(super) fn choice(self, yes: Self, no: Self) -> Self {
        let mut outcomes = Self {
            fails: self.fails,
            ..Self::default()
        };
        if self.holds {
            outcomes = outcomes.either(yes);
        }
        if self.refuses {
            outcomes = outcomes.either(no);
        }
        outcomes
    }
}
