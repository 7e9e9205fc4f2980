//! Characters that texts do not take: those that control devices, and those that nobody sees.

use super::invalid::{Fault, Invalid};

/// Refuses control characters, line breaks among them.
///
/// # Errors
/// Returns [`Invalid::Character`] for the first of them.
pub fn no_controls(text: &str) -> Result<(), Invalid> {
    refuse(text, Fault::Control, char::is_control)
}

/// Refuses control characters, but for line breaks and tabs.
pub(crate) fn no_controls_in_lines(text: &str) -> Result<(), Invalid> {
    let is_wrong = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    refuse(text, Fault::Control, is_wrong)
}

/// Refuses what makes a name read as another one, or as none. Joiners and marks of direction belong
/// to some scripts and are taken where something else stands.
///
/// # Errors
/// Returns [`Invalid::Character`] for the first of them.
pub fn legible(text: &str) -> Result<(), Invalid> {
    refuse(text, Fault::Turning, is_turning)?;
    refuse(text, Fault::Invisible, is_invisible)?;
    not_alone(text)
}

/// Refuses a text of which nobody would see anything, though it is not blank.
pub(super) fn not_alone(text: &str) -> Result<(), Invalid> {
    if text.chars().all(|c| c.is_whitespace() || is_hidden(c)) {
        return refuse(text, Fault::Alone, is_hidden);
    }
    Ok(())
}

/// Whether nobody sees a character by itself: those that labels and names do not take, and joiners
/// and marks.
pub fn is_hidden(c: char) -> bool {
    is_turning(c) || is_invisible(c) || matches!(c, '\u{200C}'..='\u{200F}')
}

fn is_turning(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}' | '\u{2060}' | '\u{FEFF}')
}

fn refuse(text: &str, fault: Fault, is_wrong: impl Fn(char) -> bool) -> Result<(), Invalid> {
    let mut numbered = text.chars().zip(1_usize..);
    match numbered.find(|(character, _)| is_wrong(*character)) {
        Some((character, position)) => Err(Invalid::Character {
            character,
            position,
            fault,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::value::{Comment, Description, Label, ProductName, Sku};

    /// The problems of a text as a comment, as a name and as a label; none where it is taken.
    fn said(text: &str) -> [String; 3] {
        let said = |problem: Option<crate::value::Invalid>| {
            problem
                .map(|problem| problem.to_string())
                .unwrap_or_default()
        };
        [
            said(Comment::new(text).err()),
            said(ProductName::new(text).err()),
            said(Label::new(text).err()),
        ]
    }

    #[test]
    fn the_character_and_its_place_are_named() {
        let told = "U+000B at character 8 is a control character, which is refused";
        assert_eq!(said("comment\u{B}"), [told; 3]);
        let told = "U+0000 at character 2 is a control character, which is refused";
        assert_eq!(said("Ä\u{0}ö"), [told; 3]);
        assert_eq!(said("two\nlines\tand more")[..2], ["", ""]);
        let told = "U+000A at character 4 is a control character, which is refused";
        assert_eq!(said("two\nlines")[2], told);
    }

    #[test]
    fn names_take_nothing_that_makes_them_read_as_others() {
        let turning = "U+202E at character 4 turns the direction of what is read, which is refused";
        assert_eq!(said("pay\u{202E}exe"), ["", turning, turning]);
        for hidden in ["\u{200B}", "\u{2060}", "\u{FEFF}"] {
            let text = format!("a{hidden}b");
            assert!(Comment::new(&text).is_ok() && Label::new(&text).is_err());
            assert!(Sku::new(&text).is_err() && Description::new(&text).is_err());
        }
        for turning in ('\u{202A}'..='\u{202E}').chain('\u{2066}'..='\u{2069}') {
            let text = format!("a{turning}b");
            assert!(Comment::new(&text).is_ok() && Label::new(&text).is_err());
        }
    }

    #[test]
    fn joiners_and_marks_stand_inside_a_text() {
        for mark in '\u{200C}'..='\u{200F}' {
            assert_eq!(said(&format!("a{mark}b")), ["", "", ""]);
            let code = u32::from(mark);
            let told = format!(
                "U+{code:04X} at character 2 is an invisible character, and nothing else stands there"
            );
            assert_eq!(said(&format!(" {mark}")), [told.as_str(); 3]);
        }
    }

    #[test]
    fn a_comment_has_something_to_see() {
        let told = "U+200B at character 1 is an invisible character, and nothing else stands there";
        assert_eq!(said("\u{200B}")[0], told);
        let told = "U+FEFF at character 2 is an invisible character, and nothing else stands there";
        assert_eq!(said(" \u{FEFF}\u{202E}\n")[0], told);
        assert_eq!(said("")[..2], ["", ""]);
        assert_eq!(said("  ")[..2], ["", ""]);
    }
}
