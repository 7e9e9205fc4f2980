//! From a token to its order and what the customer may read of its history.

use std::sync::Arc;

use waymark_domain::{history::Logged, order::Order};

use super::{TrackingTokenId, tokens};
use crate::{Error, Published, Store, catalog, commit::lookup, history};

/// The order that a token leads to, all at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked {
    /// The order.
    pub order: Order,
    /// Its workflow.
    pub published: Arc<Published>,
    /// The newest entries that the customer may read, newest first.
    pub entries: Vec<Logged>,
}

impl Store {
    /// Follows a token that can be used now; none when there is no such token. At most
    /// `limit` entries are read.
    ///
    /// # Errors
    /// Returns [`Error`] when the database cannot be read.
    pub async fn tracked(
        &self,
        token: TrackingTokenId,
        limit: usize,
    ) -> Result<Option<Tracked>, Error> {
        let tracked = self.database().snapshot(async |tx| {
            let token = tokens::find(tx, token).await?;
            let Some(token) = token.filter(|token| token.is_live(self.clock().now())) else {
                return Ok(None);
            };
            let key = (token.workflow.as_str(), token.order_id.as_str());
            let Some(row) = lookup::orders_of(tx, &[key]).await?.pop() else {
                return Ok(None);
            };
            let edition = catalog::edition(tx).await?;
            let cached = self.catalog().find(tx, edition, &token.workflow).await?;
            let Some(cached) = cached else {
                return Ok(None);
            };
            Ok(Some(Tracked {
                order: row.order()?,
                published: cached.published,
                entries: history::newest_for_customer(tx, &row, limit).await?,
            }))
        });
        tracked.await
    }
}
