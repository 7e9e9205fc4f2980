//! Where a stream begins: now, at the beginning, or after a token, which is
//! held against the log, so that a reader never misses entries unawares.

use std::collections::BTreeMap;

use waymark_domain::{history::LogPosition, partition::Partition};
use waymark_persistence::{Ends, Error, Head, Store};

use super::{
    cursor::{Bookmark, Cursor, check},
    token::{self, TokenError},
};

/// Why a stream cannot begin where it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The token cannot be resumed from.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The database does not answer.
    #[error("the log cannot be read")]
    Store(#[from] Error),
}

/// After the newest entry of every partition.
///
/// # Errors
/// Returns the error of the store.
pub async fn from_now(store: &Store) -> Result<Bookmark, Error> {
    let mut bookmark = Bookmark::beginning(store.partition_count());
    for head in store.history_heads().await? {
        let Head {
            position, batch, ..
        } = head;
        bookmark.set(position.partition, Cursor::after(position.offset, &batch));
    }
    Ok(bookmark)
}

/// Before the oldest entry of every partition that is kept.
///
/// # Errors
/// Returns the error of the store.
pub async fn from_beginning(store: &Store) -> Result<Bookmark, Error> {
    let mut bookmark = Bookmark::beginning(store.partition_count());
    for ends in store.history_ends(&places(&bookmark)).await? {
        let cursor = Cursor {
            offset: ends.oldest - 1,
            check: 0,
        };
        bookmark.set(ends.partition, cursor);
    }
    Ok(bookmark)
}

/// After everything that a token covers.
///
/// # Errors
/// Returns [`ResumeError::Token`] for a token that is malformed, foreign, ahead or expired.
pub async fn from_token(store: &Store, text: &str) -> Result<Bookmark, ResumeError> {
    let bookmark = token::decode(text, &store.deployment(), store.partition_count())?;
    let ends = store.history_ends(&places(&bookmark)).await?;
    let ends: BTreeMap<Partition, Ends> = ends
        .into_iter()
        .map(|ends| (ends.partition, ends))
        .collect();
    for (partition, cursor) in bookmark.cursors() {
        verify(partition, cursor, ends.get(&partition))?;
    }
    Ok(bookmark)
}

fn places(bookmark: &Bookmark) -> Vec<LogPosition> {
    let places = bookmark.cursors();
    places
        .map(|(partition, cursor)| cursor.position(partition))
        .collect()
}

fn verify(partition: Partition, cursor: Cursor, ends: Option<&Ends>) -> Result<(), TokenError> {
    let offset = cursor.offset;
    let head = ends.map_or(0, |ends| ends.newest);
    if offset > head {
        return Err(TokenError::Ahead {
            partition,
            offset,
            head,
        });
    }
    let Some(ends) = ends else {
        return Ok(());
    };
    match ends.batch {
        Some(batch) if check(&batch) != cursor.check => Err(TokenError::Foreign),
        // The entry itself is gone; nothing is missed as long as the next one is there.
        None if ends.oldest > offset + 1 => Err(TokenError::Expired {
            partition,
            offset,
            oldest: ends.oldest,
        }),
        Some(_) | None => Ok(()),
    }
}
