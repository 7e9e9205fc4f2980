//! The customer's view: from the text of a token to what its holder may see.
//! `TrackingService` and the feeds both come through here.

mod seal;

use std::sync::Arc;

pub(crate) use seal::Seal;
use tokio::sync::Mutex;
use waymark_domain::{
    actor::Actor,
    tracking::Tracking,
    value::{OrderId, StoreView, Timestamp, WorkflowCode},
};
use waymark_persistence::{
    ChangeMode, CommitError, Error, NewTrackingToken, Store, Tracked, TrackingCall, TrackingError,
    TrackingTokenId,
};

use crate::settings::BaseUrl;

const ENTRIES_MAX: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The content for the customer, newest entry first.
    pub(crate) tracking: Tracking,
    /// The workflow of the order. Not for customers.
    pub(crate) workflow: WorkflowCode,
    /// When what is shown last changed. What the customer does not see has no part in it.
    pub(crate) change_time: Timestamp,
}

/// The addresses of feeds, as the world knows them.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    base: BaseUrl,
    /// Held while the first token of an order is made, so that mails that are sent at once share it.
    first: Arc<Mutex<()>>,
}

impl Links {
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
}

/// The address of the feed of an order, by the newest of its tokens that can be used; empty without
/// one, and unread where feeds are off.
///
/// # Errors
/// Returns [`Error`] when the database cannot be read.
pub(crate) async fn feed_url(
    store: &Store,
    links: Option<&Links>,
    workflow: &WorkflowCode,
    id: &OrderId,
) -> Result<String, Error> {
    let newest = match links {
        Some(_) => store.newest_tracking_token(workflow, id).await?,
        None => None,
    };
    Ok(url_of(store, links, newest))
}

/// The address of the feed of a token; empty without one, and where feeds are off.
pub(crate) fn url_of(
    store: &Store,
    links: Option<&Links>,
    token: Option<TrackingTokenId>,
) -> String {
    let url = links.zip(token);
    let url = url.map(|(links, token)| links.of_token(&Seal::of(store).token(token)));
    url.unwrap_or_default()
}

/// The address at which the customer can follow an order, for a mail: its feed, with a token made
/// for it where it has none that can be used. Empty where feeds are off.
///
/// # Errors
/// Returns [`TrackingError`] when there is no such order any more, or the database failed.
pub(crate) async fn link(
    store: &Store,
    links: Option<&Links>,
    workflow: &WorkflowCode,
    id: &OrderId,
) -> Result<String, TrackingError> {
    let Some(links) = links else {
        return Ok(String::new());
    };
    let token = match newest(store, workflow, id).await? {
        Some(token) => token,
        None => first_token(store, links, workflow, id).await?,
    };
    Ok(links.of_token(&Seal::of(store).token(token)))
}

/// Makes the first token of an order, once for mails that are sent at the same time.
async fn first_token(
    store: &Store,
    links: &Links,
    workflow: &WorkflowCode,
    id: &OrderId,
) -> Result<TrackingTokenId, TrackingError> {
    let _alone = links.first.lock().await;
    if let Some(token) = newest(store, workflow, id).await? {
        return Ok(token);
    }
    let new = NewTrackingToken {
        workflow: workflow.clone(),
        order_id: id.clone(),
        expire_time: None,
    };
    let call = TrackingCall {
        request: None,
        actor: Actor::system(),
        mode: ChangeMode::Apply,
    };
    let created = store.create_tracking_token(&new, &call).await?;
    Ok(created.answer.id)
}

async fn newest(
    store: &Store,
    workflow: &WorkflowCode,
    id: &OrderId,
) -> Result<Option<TrackingTokenId>, TrackingError> {
    let newest = store.newest_tracking_token(workflow, id).await;
    Ok(newest.map_err(|error| CommitError::from(&error))?)
}

/// Follows a token; none when it is no token of this deployment, was revoked or has ended, and
/// while storefronts do not show where the order stands.
///
/// # Errors
/// Returns [`Error`] when the database cannot be read.
pub(crate) async fn find(
    store: &Store,
    token: &str,
    asked: Option<&StoreView>,
) -> Result<Option<Shown>, Error> {
    let claim = Seal::of(store).open(token);
    // Read also where the seal is broken: the time that it takes tells nobody what is wrong.
    let tracked = store.tracked(claim.id, ENTRIES_MAX).await?;
    let tracked = tracked.filter(|_| claim.is_genuine);
    Ok(tracked.and_then(|tracked| show(&tracked, asked)))
}

fn show(tracked: &Tracked, asked: Option<&StoreView>) -> Option<Shown> {
    let (order, published) = (&tracked.order, &tracked.published);
    let entries = tracked.entries.iter().map(|logged| &logged.entry);
    let tracking = Tracking::of(&published.record.workflow, order, entries, asked)?;
    let newest = tracking.entries.iter().map(|remark| remark.create_time);
    // Labels change with the workflow.
    let change_time = newest
        .chain([tracking.status_time, published.record.stamp.update_time])
        .max();
    Some(Shown {
        workflow: order.workflow.clone(),
        change_time: change_time.unwrap_or(tracking.status_time),
        tracking,
    })
}
