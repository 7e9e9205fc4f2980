//! Values that are too long to be kept whole: cut where they are equal, so that what differs
//! stays to be seen.

/// The most characters of a value, or of what differs of it.
pub(super) const VALUE_CHARACTERS_MAX: usize = 200;
/// The most characters that are shown of what is equal before and after it.
const CONTEXT_CHARACTERS: usize = 40;

/// The beginning of a value that has nothing to be compared with.
pub(super) fn beginning(value: &str) -> String {
    match value.char_indices().nth(VALUE_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or(value)),
        None => value.to_owned(),
    }
}

/// The places where two values differ, which differ as well.
pub(super) fn around(before: &str, after: &str) -> (String, String) {
    if is_short(before) && is_short(after) {
        return (before.to_owned(), after.to_owned());
    }
    let [before, after] = [before, after].map(|value| value.chars().collect::<Vec<_>>());
    let head = equal(before.iter().zip(&after));
    let room = before.len().min(after.len()) - head;
    let ends = before.iter().rev().zip(after.iter().rev());
    let tail = equal(ends.take(room));
    (window(&before, head, tail), window(&after, head, tail))
}

fn is_short(value: &str) -> bool {
    value.chars().nth(VALUE_CHARACTERS_MAX).is_none()
}

/// The number of characters that are equal before the first ones that are not.
fn equal<'c>(pairs: impl Iterator<Item = (&'c char, &'c char)>) -> usize {
    pairs.take_while(|(one, other)| one == other).count()
}

/// The text between `head` and `tail` characters, which are equal, with some of these.
fn window(text: &[char], head: usize, tail: usize) -> String {
    let end = text.len() - tail;
    let from = head.saturating_sub(CONTEXT_CHARACTERS);
    let to = end.min(head + VALUE_CHARACTERS_MAX);
    let last = text.len().min(end + CONTEXT_CHARACTERS);
    let mut shown = String::new();
    shown.extend((from > 0).then_some('…'));
    shown.extend(text.get(from..to).unwrap_or_default());
    shown.extend((to < end).then_some('…'));
    shown.extend(text.get(end..last).unwrap_or_default());
    shown.extend((last < text.len()).then_some('…'));
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_differs_is_shown_with_a_little_of_what_is_equal() {
        let terms = "order.attributes['a'] == 'b' && ".repeat(9);
        let (before, after) = around(
            &format!("{terms}order.grand_total > 1"),
            &format!("{terms}order.grand_total > 100000"),
        );
        assert_eq!(before, "…tes['a'] == 'b' && order.grand_total > 1");
        assert_eq!(after, "…tes['a'] == 'b' && order.grand_total > 100000");
        let (before, after) = around(
            &format!("{}a{}", "x".repeat(50), "y".repeat(200)),
            &format!("{}{}{}", "x".repeat(50), "b".repeat(300), "y".repeat(200)),
        );
        let (x, y) = ("x".repeat(40), "y".repeat(40));
        assert_eq!(before, format!("…{x}a{y}…"));
        assert_eq!(after, format!("…{x}{}…{y}…", "b".repeat(200)));
        assert_eq!(around("a", "b"), ("a".to_owned(), "b".to_owned()));
        assert_eq!(beginning(&"ü".repeat(200)), "ü".repeat(200));
        assert_eq!(beginning(&"ü".repeat(201)), "ü".repeat(200) + "…");
    }

    /// Texts that are equal over long runs.
    fn repetitive() -> impl Strategy<Value = String> {
        proptest::collection::vec(
            prop_oneof![
                Just("a".to_owned()),
                Just("…".to_owned()),
                Just("a".repeat(90)),
                Just("ab".repeat(150)),
                "[a…]{0,5}",
            ],
            0..8,
        )
        .prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn values_that_differ_differ_when_they_are_cut(one in repetitive(), other in repetitive()) {
            let (before, after) = around(&one, &other);
            prop_assert_eq!(before == after, one == other, "{} {}", before, after);
            let longest = VALUE_CHARACTERS_MAX + 2 * CONTEXT_CHARACTERS + 3;
            prop_assert!(before.chars().count() <= longest && after.chars().count() <= longest);
        }
    }
}
