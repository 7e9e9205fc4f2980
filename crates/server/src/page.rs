//! Page tokens: where the next page begins, in a form that callers cannot take
//! apart. A token is bound to the list that gave it out and to the other arguments
//! of the call: it begins with a hash over these and the cursor.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message;
use serde::{Serialize, de::DeserializeOwned};
use waymark_proto::convert::call::PageRequest;

use crate::limits::ANSWER_BYTES_SOFT_MAX;

const CHECK_BYTES: usize = 16;

/// A token that is damaged, or was given out for other arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the next_page_token of an answer to a call with the same arguments")]
pub struct Invalid;

/// Reads where a page begins; none for the first. `kind` names the list.
///
/// # Errors
/// Returns [`Invalid`] for a token of another list or other arguments.
pub(crate) fn begin<C: DeserializeOwned>(
    kind: &str,
    page: &PageRequest,
) -> Result<Option<C>, Invalid> {
    let token = page.token.as_deref().unwrap_or_default();
    decode(kind, page.arguments, token)
}

/// Makes the token of the page that follows; empty where none does.
pub(crate) fn next(kind: &str, page: &PageRequest, cursor: Option<&impl Serialize>) -> String {
    let token = cursor.map(|cursor| encode(kind, page.arguments, cursor));
    token.unwrap_or_default()
}

/// Makes the token of the page that begins after `cursor`.
///
/// `kind` names the list, `arguments` is a hash of the other arguments of the call.
fn encode(kind: &str, arguments: [u8; 16], cursor: &impl Serialize) -> String {
    // The cursors are plain structs with text keys, which always serialize; should one
    // not, its token is empty and the list ends here instead of in a panic.
    let Ok(cursor) = serde_json::to_vec(cursor) else {
        return String::new();
    };
    let mut token = check(kind, arguments, &cursor).to_vec();
    token.extend_from_slice(&cursor);
    URL_SAFE_NO_PAD.encode(token)
}

/// Reads the cursor from a token; none from an empty one, which asks for the first page.
///
/// # Errors
/// Returns [`Invalid`] for a token that [`encode`] did not make for this kind and these arguments.
fn decode<C: DeserializeOwned>(
    kind: &str,
    arguments: [u8; 16],
    token: &str,
) -> Result<Option<C>, Invalid> {
    if token.is_empty() {
        return Ok(None);
    }
    let token = URL_SAFE_NO_PAD.decode(token).map_err(|_| Invalid)?;
    let (found, cursor) = token.split_at_checked(CHECK_BYTES).ok_or(Invalid)?;
    if found != check(kind, arguments, cursor) {
        return Err(Invalid);
    }
    serde_json::from_slice(cursor)
        .map(Some)
        .map_err(|_| Invalid)
}

fn check(kind: &str, arguments: [u8; 16], cursor: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(kind.as_bytes())
        .update(&[0])
        .update(&arguments)
        .update(cursor);
    let mut check = [0; CHECK_BYTES];
    hasher.finalize_xof().fill(&mut check);
    check
}

/// How many of these messages an answer takes before it is too large; at least one.
pub(crate) fn fitting<'a, M: Message + 'a>(messages: impl IntoIterator<Item = &'a M>) -> usize {
    let mut room = ANSWER_BYTES_SOFT_MAX;
    fitting_in(&mut room, messages).max(1)
}

/// How many of these messages have room in so many bytes, of which it takes theirs.
pub(crate) fn fitting_in<'a, M: Message + 'a>(
    room: &mut usize,
    messages: impl IntoIterator<Item = &'a M>,
) -> usize {
    // The tag and the length of a message in its list.
    const FRAME_BYTES: usize = 6;
    let mut fitting = 0;
    for message in messages {
        let Some(left) = room.checked_sub(message.encoded_len() + FRAME_BYTES) else {
            break;
        };
        *room = left;
        fitting += 1;
    }
    fitting
}

/// A page of a list that is at hand as a whole: the messages, and the token of the
/// next page, empty on the last one.
///
/// `items` come sorted by their keys, which differ.
///
/// # Errors
/// Returns [`Invalid`] for a token of another list or other arguments.
pub(crate) fn of<K, T, M>(
    kind: &str,
    page: &PageRequest,
    items: impl IntoIterator<Item = (K, T)>,
    message: impl Fn(T) -> M,
) -> Result<(Vec<M>, String), Invalid>
where
    K: Ord + Serialize + DeserializeOwned,
    M: Message,
{
    let after: Option<K> = begin(kind, page)?;
    let rest = items
        .into_iter()
        .filter(|(key, _)| after.as_ref().is_none_or(|after| key > after));
    // One more than asked for, to learn whether there is more.
    let (mut keys, mut messages): (Vec<K>, Vec<M>) = rest
        .take(page.size + 1)
        .map(|(key, item)| (key, message(item)))
        .unzip();
    let count = fitting(messages.iter().take(page.size));
    let has_more = messages.len() > count;
    messages.truncate(count);
    keys.truncate(count);
    let last = keys.last().filter(|_| has_more);
    Ok((messages, next(kind, page, last)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use waymark_proto::v1;

    use super::*;

    #[test]
    fn a_token_gives_its_cursor_back() {
        let token = encode("statuses", [7; 16], &(3, "pending"));
        assert_eq!(
            decode("statuses", [7; 16], &token),
            Ok(Some((3, "pending".to_owned())))
        );
        assert_eq!(decode::<(i32, String)>("statuses", [7; 16], ""), Ok(None));
    }

    #[test]
    fn a_token_is_bound_to_its_list_and_arguments() {
        let token = encode("statuses", [7; 16], &(3, "pending"));
        assert_eq!(
            decode::<(i32, String)>("states", [7; 16], &token),
            Err(Invalid)
        );
        assert_eq!(
            decode::<(i32, String)>("statuses", [8; 16], &token),
            Err(Invalid)
        );
        assert_eq!(decode::<i64>("statuses", [7; 16], &token), Err(Invalid));
    }

    #[test]
    fn a_changed_token_is_refused() {
        let token = encode("orders", [1; 16], &"100");
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(
                decode::<String>("orders", [1; 16], &changed),
                Err(Invalid),
                "{changed}"
            );
        }
        for end in 1..token.len() {
            assert_eq!(
                decode::<String>("orders", [1; 16], &token[..end]),
                Err(Invalid)
            );
        }
    }

    #[test]
    fn an_answer_takes_what_fits_and_never_nothing() {
        let message = |bytes: usize| v1::ExportWorkflowResponse {
            document: "x".repeat(bytes),
        };
        let small = vec![message(1_000); 10];
        assert_eq!(fitting(&small), 10);
        let large = vec![message(ANSWER_BYTES_SOFT_MAX / 2); 3];
        assert_eq!(fitting(&large), 1);
        assert_eq!(fitting(&[message(ANSWER_BYTES_SOFT_MAX * 2)]), 1);
    }

    fn walk(size: usize, items: i32) -> Vec<Vec<String>> {
        let (mut token, mut pages) = (None, Vec::new());
        loop {
            let page = PageRequest {
                size,
                token,
                arguments: [3; 16],
            };
            let items = (0..items).map(|number| (number, number));
            let message = |number: i32| v1::ExportWorkflowResponse {
                document: number.to_string(),
            };
            let (messages, next) = of("numbers", &page, items, message).unwrap();
            pages.push(
                messages
                    .into_iter()
                    .map(|message| message.document)
                    .collect(),
            );
            if next.is_empty() {
                return pages;
            }
            token = Some(next);
        }
    }

    #[test]
    fn pages_hold_every_item_once() {
        assert_eq!(walk(2, 5), [vec!["0", "1"], vec!["2", "3"], vec!["4"]]);
        assert_eq!(walk(2, 4), [["0", "1"], ["2", "3"]]);
        assert_eq!(walk(5, 0), [Vec::<String>::new()]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}") {
            prop_assert!(text.is_empty() || decode::<String>("orders", [1; 16], &text) == Err(Invalid));
        }
    }
}
