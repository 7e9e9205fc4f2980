//! The addresses of customers' feeds.

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

use crate::settings::BaseUrl;

/// The addresses of feeds, as the world knows them.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    base: BaseUrl,
    /// Held while the first token of an order is made, so that mails that are sent at once share it.
    first: Arc<Mutex<()>>,
}

impl Links {
    /// The addresses below a base.
    pub(crate) fn new(base: BaseUrl) -> Self {
        Self {
            base,
            first: Arc::default(),
        }
    }

    /// The address of the RSS feed of a token.
    pub(crate) fn of_token(&self, token: &str) -> String {
        format!("{}/feeds/orders/{token}", self.base)
    }

    /// The name of the site that the feeds come from.
    pub(crate) fn site(&self) -> &str {
        self.base.host()
    }

    /// Waits for its turn to make the first token of an order.
    pub(super) async fn first(&self) -> MutexGuard<'_, ()> {
        self.first.lock().await
    }
}
