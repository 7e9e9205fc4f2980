//! The events of a document, in its order: maps, lists and scalars, each with its place.

use std::borrow::Cow;

use super::remark::Place;

/// A part of a document.
#[derive(Debug)]
pub(super) struct Piece<'t> {
    pub(super) event: Event<'t>,
    pub(super) place: Place,
    /// Its fault, whatever it is and wherever it stands.
    pub(super) fault: Option<&'static str>,
}

/// An event.
#[derive(Debug)]
pub(super) enum Event<'t> {
    /// A map begins: keys and values follow in turn.
    Map,
    /// A list begins.
    List,
    /// The end of what began last.
    End,
    /// A text, a number or a word.
    Scalar(Scalar<'t>),
    /// A name for what stands elsewhere; it is refused.
    Alias,
}

/// A text, a number or a word.
#[derive(Debug)]
pub(super) struct Scalar<'t> {
    pub(super) text: Cow<'t, str>,
    pub(super) style: Style,
}

/// The way in which a scalar is written, which says what it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// YAML without quotes: what is wanted there.
    Plain,
    /// YAML in quotes or as a block: likewise, but never nothing.
    Quoted,
    /// A text of JSON.
    Text,
    /// A number or a word of JSON.
    Literal,
}

/// The place where reading cannot go on, and the reason.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) place: Place,
    pub(super) message: String,
}

impl Scalar<'_> {
    /// Whether it says that there is nothing.
    pub(super) fn is_null(&self) -> bool {
        match self.style {
            Style::Plain => matches!(&*self.text, "" | "~" | "null" | "Null" | "NULL"),
            Style::Literal => self.text == "null",
            Style::Quoted | Style::Text => false,
        }
    }

    /// Whether it may be a text.
    pub(super) fn may_be_text(&self) -> bool {
        self.style != Style::Literal
    }

    /// Whether it may be a number, `true` or `false`.
    pub(super) fn may_be_literal(&self) -> bool {
        matches!(self.style, Style::Plain | Style::Literal)
    }
}
