//! Texts in a picture: their width, their direction, and how they are written.

use std::borrow::Cow;

/// The most characters of a line; the whole is shown when the mouse rests on it.
const CHARACTERS_MAX: usize = 56;

/// The width of a text, by that of a Latin letter. Letters of some scripts are about twice as wide.
pub(super) fn width(text: &str, letter: f64) -> f64 {
    let of = |character: char| {
        let is_wide = u32::from(character) >= 0x1100;
        if is_wide { letter * 1.9 } else { letter }
    };
    text.chars().map(of).sum()
}

/// The beginning of a text that is too long for a line.
pub(super) fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or(text))),
        None => Cow::Borrowed(text),
    }
}

/// Whether a text reads from right to left, by its first letter, as browsers tell it.
pub(super) fn is_leftward(text: &str) -> bool {
    let first = text.chars().find(|character| character.is_alphabetic());
    first.is_some_and(|letter| {
        matches!(
            u32::from(letter),
            0x590..=0x8ff | 0xfb1d..=0xfdff | 0xfe70..=0xfefc | 0x1_0800..=0x1_0fff | 0x1_e800..=0x1_efff
        )
    })
}

/// A label for a sentence of another direction, which turns nothing around it.
pub(super) fn isolated(label: &str) -> Cow<'_, str> {
    if is_leftward(label) {
        Cow::Owned(format!("\u{2068}{label}\u{2069}"))
    } else {
        Cow::Borrowed(label)
    }
}

/// A text as XML has it.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push(' '),
            other if other.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}
