//! Codes: the short stable names of workflows, their parts, endpoints and templates.

use super::{Invalid, characters_at_most, formed, nearest::plain, text_type};

const CODE_CHARACTERS_MAX: usize = 32;
/// The rule of codes, in words.
pub(crate) const CODE: &str = "a code: first a letter a-z, then a-z, 0-9 or _";

/// A text in the spelling of codes; none where it is a code already, or would be none either.
pub(crate) fn legal_code(text: &str) -> Option<String> {
    if text.len() > 2 * CODE_CHARACTERS_MAX || check(text).is_ok() {
        return None;
    }
    let is_plain = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_';
    let text = plain(text);
    // Without its letters a word is another one.
    if text.chars().any(|c| c.is_alphanumeric() && !c.is_ascii()) {
        return None;
    }
    let spelled: String = text.chars().filter(is_plain).collect();
    check(&spelled).ok().map(|()| spelled)
}

fn check(text: &str) -> Result<(), Invalid> {
    let mut bytes = text.bytes();
    let Some(first) = bytes.next() else {
        return Err(Invalid::Empty);
    };
    let tail_is_plain = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    formed(first.is_ascii_lowercase() && tail_is_plain, CODE)?;
    characters_at_most(CODE_CHARACTERS_MAX, text.len())
}

text_type! {
    /// The code of a workflow, such as `order`.
    WorkflowCode, check
}
text_type! {
    /// The code of a state, such as `processing`.
    StateCode, check
}
text_type! {
    /// The code of a status, such as `pending_paypal`.
    StatusCode, check
}
text_type! {
    /// The code of a transition, such as `accept_payment`.
    TransitionCode, check
}
text_type! {
    /// The code of an operation, such as `invoice`.
    OperationCode, check
}
text_type! {
    /// The code of an action within its place, such as `tell_erp`.
    ActionCode, check
}
text_type! {
    /// The code of an endpoint of webhooks, such as `erp`.
    EndpointCode, check
}
text_type! {
    /// The name of a template of mails, such as `new_order`.
    TemplateName, check
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_codes_and_refuses_the_rest() {
        for good in ["a", "pending_payment", "a1_", &"x".repeat(32)] {
            assert!(StatusCode::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "1a",
            "_a",
            "A",
            "a-b",
            "a b",
            "ä",
            "a\n",
            &"x".repeat(33),
        ] {
            assert!(StatusCode::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_no_code_may_be_one_in_another_spelling() {
        for (text, expected) in [
            ("on-hold", Some("on_hold")),
            ("Pending Payment", Some("pending_payment")),
            ("Paid!", Some("paid")),
            ("paid", None),
            ("1st", None),
            ("", None),
            ("äöü", None),
            ("dönè", None),
        ] {
            assert_eq!(legal_code(text).as_deref(), expected, "{text}");
        }
        assert_eq!(legal_code(&"A".repeat(33)), None);
    }
}
