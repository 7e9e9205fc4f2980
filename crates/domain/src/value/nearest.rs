//! The word that was probably meant where one is not known.

/// How long a word may be that is compared: longer than any code, key or word of the contract.
const CHARACTERS_MAX: usize = 64;
/// How many letters of a short word may differ.
const LETTERS_MAX: usize = 2;
/// How much of a word must be there for the rest to be understood.
const BEGINNING_MIN: usize = 3;

/// The candidate that was probably meant by a word: the first of those that differ least, by two
/// letters or a third of the word at most, or that the word is the beginning of. Letters that
/// changed places count once; capitals, hyphens and spaces do not count.
///
/// Each candidate takes a microsecond or two, so who compares many words with many candidates needs
/// a limit.
///
/// ```
/// # use waymark_domain::value::nearest;
/// let words = ["any_in_state", "never"];
/// assert_eq!(nearest("any-in-stat", words), Some("any_in_state"));
/// assert_eq!(nearest("any", words), Some("any_in_state"));
/// assert_eq!(nearest("always", words), None);
/// ```
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if word.chars().nth(CHARACTERS_MAX).is_some() {
        return None;
    }
    let word = plain(word);
    let length = word.chars().count();
    let far = LETTERS_MAX.max(length / 3).min(length.checked_sub(1)?);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let begins = length >= BEGINNING_MIN && candidate.starts_with(&word);
        // What differs in length differs by as much at least.
        let is_near = candidate.chars().count().abs_diff(length) <= far;
        let away = match (is_near, begins) {
            (false, false) => continue,
            (false, true) => far,
            (true, _) => strsim::osa_distance(&word, candidate),
        };
        if away <= far && best.is_none_or(|(least, _)| away < least) {
            best = Some((away, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// A word as codes and keys are written.
pub(super) fn plain(word: &str) -> String {
    let letter = |c: char| match c {
        '-' | ' ' | '.' => '_',
        c => c.to_ascii_lowercase(),
    };
    word.trim().chars().map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_probably_meant() {
        let rows: &[(&str, &[&str], Option<&str>)] = &[
            ("opne", &["new", "open"], Some("open")),
            ("on-hold", &["on_hold"], Some("on_hold")),
            ("Exclusive", &["exclusive", "shared"], Some("exclusive")),
            ("payed", &["none", "invoice", "ship", "pay"], Some("pay")),
            (
                "from_state",
                &["from_states", "from_statuses"],
                Some("from_states"),
            ),
            ("colour", &["label", "color"], Some("color")),
            (
                "grand_totl",
                &["total_paid", "grand_total"],
                Some("grand_total"),
            ),
            (
                "initialState",
                &["initial_state", "label"],
                Some("initial_state"),
            ),
            ("any", &["any_in_state", "never"], Some("any_in_state")),
            ("shipped", &["shipped_part", "shiped"], Some("shiped")),
            ("sometimes", &["manual", "automatic"], None),
            ("kind", &["label", "webhook", "email"], None),
            // A short word is not every other short word.
            ("a", &["b", "pay"], None),
            ("no", &["pay"], None),
            ("", &["a"], None),
            ("a", &[], None),
        ];
        for (word, candidates, expected) in rows {
            let found = nearest(word, candidates.iter().copied());
            assert_eq!(found, *expected, "{word}");
        }
    }

    #[test]
    fn what_is_too_long_is_not_compared() {
        let long = "a".repeat(100_000);
        assert_eq!(nearest(&long, ["a", long.as_str()]), None);
        assert_eq!(nearest("b", [long.as_str()]), None);
    }
}
