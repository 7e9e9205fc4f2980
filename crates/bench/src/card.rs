//! An order that was drawn, and the way that leads on from where it stands.

/// The two ways of the workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Pack,
    Unpack,
}

impl Way {
    /// The code of the transition.
    pub(crate) const fn transition(self) -> &'static str {
        match self {
            Self::Pack => "pack",
            Self::Unpack => "unpack",
        }
    }

    /// The way back.
    pub(crate) const fn next(self) -> Self {
        match self {
            Self::Pack => Self::Unpack,
            Self::Unpack => Self::Pack,
        }
    }
}

/// An order that was drawn, and how it is to move.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Card {
    pub(crate) number: usize,
    pub(crate) way: Way,
}
