//! `HistoryService`: pages of one order's history, and streams of all of it.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt, stream};
use tonic::Status;
use waymark_domain::partition::Partition;
use waymark_persistence::{Direction, HistoryQuery, Refusal, Visibility};
use waymark_proto::{
    convert::history::{HistoryFilter, ListHistory, StreamHistory, WatchFrom, WatchHistory},
    encoded::HistoryMessage,
    v1::{self, history_service_server::HistoryService},
};

use super::suggestions;
use crate::{
    App, Error,
    committer::SubmitError,
    history::{self, Bookmark, Reading, ResumeError, StreamError, TokenError, Watcher},
    page, telemetry,
};

/// The list for which page tokens of histories are made.
const KIND: &str = "history";

/// The messages of a stream of history.
type Messages = Pin<Box<dyn Stream<Item = Result<HistoryMessage, Status>> + Send>>;

service!("HistoryService");

rpcs! {
    HistoryService [StreamHistoryStream = Messages, WatchHistoryStream = Messages] {
        list_history(v1::ListHistoryRequest) -> v1::ListHistoryResponse:
            ListHistory::read(default_workflow()) => list;
        stream_history(v1::StreamHistoryRequest) -> Messages:
            StreamHistory::read() => stream_until_now;
        watch_history(v1::WatchHistoryRequest) -> Messages:
            WatchHistory::read(store().partition_count()) => watch;
    }
}

async fn list(app: &Arc<App>, call: ListHistory) -> Result<v1::ListHistoryResponse, Error> {
    telemetry::note_order(&call.order_id);
    app.read_many(page(Arc::clone(app), call)).await
}

async fn page(app: Arc<App>, call: ListHistory) -> Result<v1::ListHistoryResponse, Error> {
    let (workflow, order_id, page) = (call.workflow, call.order_id, call.page);
    let query = HistoryQuery {
        direction: if call.newest_first {
            Direction::Descending
        } else {
            Direction::Ascending
        },
        after_sequence: page::begin(KIND, &page)?,
        visibility: if call.visible_to_customer_only {
            Visibility::Customer
        } else {
            Visibility::All
        },
        limit: page.size,
    };
    let store = app.bulk();
    let Some(found) = store.order_history(&workflow, &order_id, &query).await? else {
        return Err(match store.workflow(&workflow).await? {
            None => suggestions::no_workflow(store, &workflow).await,
            Some(_) => Refusal::OrderNotFound { workflow, order_id }.into(),
        });
    };
    let mut entries: Vec<_> = found.entries.iter().map(v1::HistoryEntry::from).collect();
    let count = page::fitting(&entries);
    let next = if count < entries.len() {
        entries.truncate(count);
        entries.last().map(|entry| entry.sequence)
    } else {
        found.next
    };
    Ok(v1::ListHistoryResponse {
        entries,
        next_page_token: page::next(KIND, &page, next.as_ref()),
    })
}

/// Streams what is there, and ends.
async fn stream_until_now(app: &App, call: StreamHistory) -> Result<Messages, Error> {
    let (place, store) = (app.log().enter()?, app.store());
    if call.resume_token.is_none() {
        check(app, &call.filter).await?;
    }
    // The end first: what is written while the beginning is looked up comes after it.
    let end = history::from_now(store).await?;
    let start = match call.resume_token {
        Some(token) => resume(app, &token).await?,
        None => history::from_beginning(store).await?,
    };
    let view = (all_partitions(app), call.filter);
    let (bulk, stopping, reading) = (app.bulk(), app.stopping(), Reading::UpTo(end));
    let watcher = Watcher::new(place, bulk, stopping, start, view, reading);
    Ok(messages(watcher))
}

/// Streams what is there, and what comes.
async fn watch(app: &App, call: WatchHistory) -> Result<Messages, Error> {
    let (place, store) = (app.log().enter()?, app.store());
    if !matches!(call.start, WatchFrom::Token(_)) {
        check(app, &call.filter).await?;
    }
    let start = match call.start {
        WatchFrom::Now => history::from_now(store).await?,
        WatchFrom::Beginning => history::from_beginning(store).await?,
        WatchFrom::Token(token) => resume(app, &token).await?,
    };
    let partitions = if call.partitions.is_empty() {
        all_partitions(app)
    } else {
        call.partitions
    };
    let (bulk, stopping, view) = (app.bulk(), app.stopping(), (partitions, call.filter));
    let reading = Reading::Following(call.checkpoint_interval);
    let watcher = Watcher::new(place, bulk, stopping, start, view, reading);
    Ok(messages(watcher))
}

/// Refuses names that nothing has. Streams that go on with a token are not asked: what their filter
/// names may have gone since they began, and that ends no stream.
async fn check(app: &App, filter: &HistoryFilter) -> Result<(), Error> {
    if filter.workflows.is_empty() && filter.statuses.is_empty() {
        return Ok(());
    }
    let named: Vec<_> = filter.workflows.iter().cloned().collect();
    let searched = suggestions::find_workflows(app.bulk(), &named).await?;
    suggestions::check_statuses(&searched, &filter.statuses)
}

fn all_partitions(app: &App) -> Vec<Partition> {
    app.store().partition_count().all().collect()
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

async fn resume(app: &App, token: &str) -> Result<Bookmark, Error> {
    history::from_token(app.store(), token)
        .await
        .map_err(|error| match error {
            ResumeError::Token(error) => error.into(),
            ResumeError::Store(error) => error.into(),
        })
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
