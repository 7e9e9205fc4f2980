//! Resume tokens: a bookmark as text. base64url of a version byte, a protobuf
//! body and four bytes of BLAKE3 over both; opaque to clients, and valid on
//! every replica and after restarts.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message;
use waymark_domain::partition::{Partition, PartitionCount};
use waymark_persistence::DeploymentId;

use super::cursor::{Bookmark, Cursor};

const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;
/// Longer than a token of 1024 partitions can be.
const TEXT_BYTES_MAX: usize = 32 * 1024;

/// Why a token cannot be resumed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not a token, or was changed on its way.
    #[error("the resume token is malformed")]
    Invalid,
    /// It belongs to another deployment, or to history that a restore of the database undid.
    #[error("the resume token belongs to another deployment, or to history that a restore undid")]
    Foreign,
    /// It is from the future: the log does not reach so far.
    #[error("the resume token is ahead of the log: partition {} ends at {head}, the token is at {offset}", partition.number())]
    Ahead {
        /// The partition.
        partition: Partition,
        /// Where the token is.
        offset: i64,
        /// The last offset that there is.
        head: i64,
    },
    /// Entries that follow it are no longer kept.
    #[error("history after the resume token is no longer kept: partition {} begins at {oldest}, the token is at {offset}", partition.number())]
    Expired {
        /// The partition.
        partition: Partition,
        /// Where the token is.
        offset: i64,
        /// The oldest offset that is kept.
        oldest: i64,
    },
}

/// The body; both lists go by partition.
#[derive(Clone, PartialEq, Message)]
struct Body {
    #[prost(bytes = "vec", tag = "1")]
    deployment: Vec<u8>,
    #[prost(uint64, repeated, tag = "2")]
    offsets: Vec<u64>,
    #[prost(fixed32, repeated, tag = "3")]
    checks: Vec<u32>,
}

/// Half of the id is enough to tell deployments apart.
fn deployment_check(deployment: &DeploymentId) -> &[u8] {
    let (first, _) = deployment.0.split_at(8);
    first
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let [a, b, c, d, ..] = *blake3::hash(bytes).as_bytes();
    [a, b, c, d]
}

pub(super) fn encode(bookmark: &Bookmark, deployment: &DeploymentId) -> String {
    let cursors = bookmark.cursors();
    let (offsets, checks) = cursors
        .map(|(_, cursor)| (cursor.offset.unsigned_abs(), cursor.check))
        .unzip();
    let body = Body {
        deployment: deployment_check(deployment).to_vec(),
        offsets,
        checks,
    };
    let mut bytes = vec![VERSION];
    bytes.extend(body.encode_to_vec());
    bytes.extend(checksum(&bytes));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads a token of this deployment. Whether its entries are still there is asked elsewhere.
///
/// # Errors
/// Returns [`TokenError::Invalid`] or [`TokenError::Foreign`].
pub(super) fn decode(
    text: &str,
    deployment: &DeploymentId,
    count: PartitionCount,
) -> Result<Bookmark, TokenError> {
    let body = open(text).ok_or(TokenError::Invalid)?;
    if body.deployment != deployment_check(deployment) {
        return Err(TokenError::Foreign);
    }
    let expected = usize::try_from(count.get()).map_err(|_| TokenError::Invalid)?;
    if body.offsets.len() != expected || body.checks.len() != expected {
        return Err(TokenError::Foreign);
    }
    let cursor = |(offset, check)| i64::try_from(offset).map(|offset| Cursor { offset, check });
    let cursors = body
        .offsets
        .into_iter()
        .zip(body.checks)
        .map(cursor)
        .collect::<Result<_, _>>();
    cursors.map(Bookmark).map_err(|_| TokenError::Invalid)
}

fn open(text: &str) -> Option<Body> {
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (signed, sum) = bytes.split_last_chunk::<CHECKSUM_BYTES>()?;
    let (version, body) = signed.split_first()?;
    if checksum(signed) != *sum || *version != VERSION {
        return None;
    }
    Body::decode(body).ok()
}

#[cfg(test)]
mod tests {
    use waymark_persistence::BatchId;

    use super::*;

    const HERE: DeploymentId = DeploymentId([7; 16]);

    fn three() -> PartitionCount {
        PartitionCount::new(3).unwrap()
    }

    fn bookmark() -> Bookmark {
        let mut bookmark = Bookmark::beginning(three());
        bookmark.set(Partition::new(1), Cursor::after(41, &BatchId([9; 16])));
        bookmark.set(
            Partition::new(2),
            Cursor::after(i64::MAX, &BatchId([255; 16])),
        );
        bookmark
    }

    #[test]
    fn a_token_comes_back_as_the_bookmark() {
        for bookmark in [bookmark(), Bookmark::beginning(three())] {
            let text = encode(&bookmark, &HERE);
            assert!(
                text.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            );
            assert_eq!(decode(&text, &HERE, three()), Ok(bookmark));
        }
    }

    #[test]
    fn a_token_of_a_large_deployment_is_accepted() {
        let count = PartitionCount::new(1024).unwrap();
        let mut bookmark = Bookmark::beginning(count);
        for partition in count.all() {
            bookmark.set(partition, Cursor::after(i64::MAX, &BatchId([3; 16])));
        }
        assert_eq!(
            decode(&encode(&bookmark, &HERE), &HERE, count),
            Ok(bookmark)
        );
    }

    #[test]
    fn any_change_of_a_character_is_noticed() {
        let text = encode(&bookmark(), &HERE);
        for place in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(
                decode(&changed, &HERE, three()),
                Err(TokenError::Invalid),
                "{changed}"
            );
        }
    }

    #[test]
    fn what_is_no_token_is_malformed() {
        let text = encode(&bookmark(), &HERE);
        let cut = &text[..text.len() - 1];
        let huge = "A".repeat(100_000);
        for text in [
            "",
            "A",
            "AAAA",
            "not a token",
            "ÄÖÜ",
            cut,
            &format!("{text}="),
            &huge,
        ] {
            assert_eq!(
                decode(text, &HERE, three()),
                Err(TokenError::Invalid),
                "{text}"
            );
        }
    }

    #[test]
    fn a_token_of_another_deployment_is_foreign() {
        let text = encode(&bookmark(), &DeploymentId([8; 16]));
        assert_eq!(decode(&text, &HERE, three()), Err(TokenError::Foreign));
        let text = encode(&bookmark(), &HERE);
        let other = PartitionCount::new(4).unwrap();
        assert_eq!(decode(&text, &HERE, other), Err(TokenError::Foreign));
    }
}
