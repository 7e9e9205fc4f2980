//! `HistoryService`: pages of one order's history, and streams of all of it.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt, stream};
use tonic::{Request, Response, Status};
use waymark_domain::{history::Logged, partition::Partition};
use waymark_persistence::{Direction, HistoryQuery, Refusal, Visibility};
use waymark_proto::{
    convert::history::{HistoryFilter, ListHistory, StreamHistory, WatchFrom, WatchHistory},
    encoded::HistoryMessage,
    v1::{self, history_service_server::HistoryService},
};

use super::names;
use crate::{
    App, Error,
    committer::SubmitError,
    history::{self, Place, Reading, ResumeError, StreamError, TokenError, Watcher},
    page, telemetry,
};

/// What the page tokens of histories are made for.
const KIND: &str = "history";

/// Answers the calls of `HistoryService`.
#[derive(Debug, Clone)]
pub struct Service {
    app: Arc<App>,
}

/// What a stream of history answers.
type Messages = Pin<Box<dyn Stream<Item = Result<HistoryMessage, Status>> + Send>>;

impl Service {
    /// The service in front of `app`.
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    /// Answers a page of a history. It reads many entries, so it runs in the background.
    async fn list(app: &App, call: ListHistory) -> Result<v1::ListHistoryResponse, Error> {
        let ListHistory {
            workflow,
            order_id,
            newest_first,
            visible_to_customer_only,
            page,
        } = call;
        let token = page.token.as_deref().unwrap_or_default();
        let query = HistoryQuery {
            direction: if newest_first {
                Direction::Descending
            } else {
                Direction::Ascending
            },
            after_sequence: page::decode(KIND, page.arguments, token)?,
            visibility: if visible_to_customer_only {
                Visibility::Customer
            } else {
                Visibility::All
            },
            limit: page.size,
        };
        let store = app.bulk();
        let Some(found) = store.order_history(&workflow, &order_id, &query).await? else {
            return Err(match store.workflow(&workflow).await? {
                None => names::no_workflow(store, &workflow).await,
                Some(_) => Refusal::OrderNotFound { workflow, order_id }.into(),
            });
        };
        let mut entries: Vec<v1::HistoryEntry> =
            found.entries.iter().map(v1::HistoryEntry::from).collect();
        let count = page::fitting(&entries);
        let next = if count < entries.len() {
            last_sequence(&found.entries, count)
        } else {
            found.next
        };
        entries.truncate(count);
        let next = next.map(|sequence| page::encode(KIND, page.arguments, &sequence));
        Ok(v1::ListHistoryResponse {
            entries,
            next_page_token: next.unwrap_or_default(),
        })
    }

    async fn stream(&self, call: StreamHistory) -> Result<Watcher, Error> {
        let (place, store) = (self.app.log().enter()?, self.app.store());
        if call.resume_token.is_none() {
            self.check(&call.filter).await?;
        }
        // The end first: what is written while the beginning is looked up comes after it.
        let end = history::from_now(store).await?;
        let start = match call.resume_token {
            Some(token) => resume(&self.app, &token).await?,
            None => history::from_beginning(store).await?,
        };
        let view = (self.all_partitions(), call.filter);
        Ok(self.watcher(place, start, view, Reading::UpTo(end)))
    }

    async fn watch(&self, call: WatchHistory) -> Result<Watcher, Error> {
        let (place, store) = (self.app.log().enter()?, self.app.store());
        match call.start {
            WatchFrom::Now | WatchFrom::Beginning => self.check(&call.filter).await?,
            WatchFrom::Token(_) => {}
        }
        let start = match call.start {
            WatchFrom::Now => history::from_now(store).await?,
            WatchFrom::Beginning => history::from_beginning(store).await?,
            WatchFrom::Token(token) => resume(&self.app, &token).await?,
        };
        let partitions = if call.partitions.is_empty() {
            self.all_partitions()
        } else {
            call.partitions
        };
        let reading = Reading::Following(call.checkpoint_interval);
        Ok(self.watcher(place, start, (partitions, call.filter), reading))
    }

    /// Refuses names that nothing has. Streams that go on with a token are not asked: what their filter names may have
    /// gone since they began, and that ends no stream.
    async fn check(&self, filter: &HistoryFilter) -> Result<(), Error> {
        if filter.workflows.is_empty() && filter.statuses.is_empty() {
            return Ok(());
        }
        let named: Vec<_> = filter.workflows.iter().cloned().collect();
        let searched = names::workflows(self.app.bulk(), &named).await?;
        names::statuses(&searched, &filter.statuses)
    }

    fn watcher(
        &self,
        place: Place,
        start: history::Bookmark,
        view: (Vec<Partition>, HistoryFilter),
        reading: Reading,
    ) -> Watcher {
        let app = &self.app;
        Watcher::new(place, app.bulk(), app.stopping(), start, view, reading)
    }

    fn all_partitions(&self) -> Vec<Partition> {
        self.app.store().partition_count().all().collect()
    }
}

#[tonic::async_trait]
impl HistoryService for Service {
    type StreamHistoryStream = Messages;
    type WatchHistoryStream = Messages;

    async fn list_history(
        &self,
        request: Request<v1::ListHistoryRequest>,
    ) -> Result<Response<v1::ListHistoryResponse>, Status> {
        let call = ListHistory::read(request.into_inner(), self.app.default_workflow())
            .map_err(Error::from)?;
        telemetry::note_order(&call.order_id);
        let app = Arc::clone(&self.app);
        let page = async move { Self::list(&app, call).await };
        Ok(Response::new(self.app.read_many(page).await?))
    }

    async fn stream_history(
        &self,
        request: Request<v1::StreamHistoryRequest>,
    ) -> Result<Response<Self::StreamHistoryStream>, Status> {
        let call = StreamHistory::read(request.into_inner()).map_err(Error::from)?;
        let watcher = self.stream(call).await?;
        Ok(Response::new(messages(watcher)))
    }

    async fn watch_history(
        &self,
        request: Request<v1::WatchHistoryRequest>,
    ) -> Result<Response<Self::WatchHistoryStream>, Status> {
        let count = self.app.store().partition_count();
        let call = WatchHistory::read(request.into_inner(), count).map_err(Error::from)?;
        let watcher = self.watch(call).await?;
        Ok(Response::new(messages(watcher)))
    }
}

/// Pulls one message when the client has taken the one before.
fn messages(watcher: Watcher) -> Messages {
    let pulled = stream::unfold(watcher, |mut watcher| async {
        let next = watcher.next().await?;
        Some((next, watcher))
    });
    in_turns(pulled.boxed())
        .map(|next| next.map_err(|error| Status::from(Error::from(error))))
        .boxed()
}

/// Gives way before each item.
///
/// What was pulled is sent once the next item has to be waited for. Reads of SQLite run inline and
/// never wait, so a long search would keep back the checkpoints that it passes, even the first.
fn in_turns<T>(items: impl Stream<Item = T> + Send + Unpin) -> impl Stream<Item = T> + Send {
    stream::unfold(items, |mut items| async {
        tokio::task::yield_now().await;
        let next = items.next().await?;
        Some((next, items))
    })
}

async fn resume(app: &App, token: &str) -> Result<history::Bookmark, Error> {
    history::from_token(app.store(), token)
        .await
        .map_err(|error| match error {
            ResumeError::Token(error) => error.into(),
            ResumeError::Store(error) => error.into(),
        })
}

/// The sequence of the last of `count` entries.
fn last_sequence(entries: &[Logged], count: usize) -> Option<i64> {
    entries
        .get(count.checked_sub(1)?)
        .map(|logged| logged.entry.sequence)
}

impl From<StreamError> for Error {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::ShuttingDown => SubmitError::ShuttingDown.into(),
            StreamError::TimelineLost => TokenError::Foreign.into(),
            StreamError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures::poll;

    use super::*;

    #[tokio::test]
    async fn waits_before_each_message() {
        let mut items = Box::pin(in_turns(stream::iter([1, 2])));
        for expected in [Some(1), Some(2), None] {
            assert_eq!(poll!(items.next()), Poll::Pending, "before {expected:?}");
            assert_eq!(items.next().await, expected);
        }
    }
}
