//! Where a stream begins: now, at the beginning, or after a token, which is
//! held against the log, so that a reader never misses entries unawares.

use std::collections::BTreeMap;

use waymark_domain::{history::LogPosition, partition::Partition};
use waymark_persistence::{Error, Head, Store};

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
    for Head {
        position,
        batch,
        create_time: _,
    } in store.history_heads().await?
    {
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
    for partition in store.partition_count().all() {
        if let Some(oldest) = store.oldest_offset(partition).await? {
            bookmark.set(
                partition,
                Cursor {
                    offset: oldest - 1,
                    check: 0,
                },
            );
        }
    }
    Ok(bookmark)
}

/// After everything that a token covers.
///
/// # Errors
/// Returns [`ResumeError::Token`] for a token that is malformed, foreign, ahead or expired.
pub async fn from_token(store: &Store, text: &str) -> Result<Bookmark, ResumeError> {
    let bookmark = token::decode(text, &store.deployment(), store.partition_count())?;
    let heads = store.history_heads().await?;
    let heads: BTreeMap<Partition, Head> = heads
        .into_iter()
        .map(|head| (head.position.partition, head))
        .collect();
    for (partition, cursor) in bookmark.cursors() {
        verify(store, partition, cursor, heads.get(&partition)).await?;
    }
    Ok(bookmark)
}

async fn verify(
    store: &Store,
    partition: Partition,
    cursor: Cursor,
    head: Option<&Head>,
) -> Result<(), ResumeError> {
    let offset = cursor.offset;
    let end = head.map_or(0, |head| head.position.offset);
    if offset > end {
        return Err(TokenError::Ahead {
            partition,
            offset,
            head: end,
        }
        .into());
    }
    let batch = match head {
        Some(head) if offset == end => Some(head.batch),
        _ => store.batch_at(LogPosition { partition, offset }).await?,
    };
    match batch {
        Some(batch) if check(&batch) == cursor.check => Ok(()),
        Some(_) => Err(TokenError::Foreign.into()),
        // The entry itself is gone; nothing is missed as long as the next one is there.
        None => match store.oldest_offset(partition).await? {
            Some(oldest) if oldest > offset + 1 => Err(TokenError::Expired {
                partition,
                offset,
                oldest,
            }
            .into()),
            Some(_) | None => Ok(()),
        },
    }
}
