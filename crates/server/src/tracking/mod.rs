//! The customer's view: from the text of a token to what its holder may see.
//! `TrackingService` and the feeds both come through here.

mod seal;

pub(crate) use seal::Seal;

use waymark_domain::{
    actor::Actor,
    tracking::Tracking,
    value::{OrderId, StoreView, Timestamp, WorkflowCode},
};
use waymark_persistence::{
    ChangeMode, CommitError, Error, NewTrackingToken, Store, Tracked, TrackingCall, TrackingError,
    TrackingTokenId,
};

use crate::App;

/// How many entries a customer sees.
const ENTRIES_MAX: usize = 100;

/// What a token shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// What the customer may see, newest entry first.
    pub(crate) tracking: Tracking,
    /// The workflow of the order. Not for customers.
    pub(crate) workflow: WorkflowCode,
    /// When what is shown last changed. What the customer does not see has no part in it.
    pub(crate) change_time: Timestamp,
}

/// Where the feed of an order is, by the newest of its tokens that can be used; empty without one, and unread where
/// feeds are off.
///
/// # Errors
/// Returns [`Error`] when the database cannot be read.
pub(crate) async fn feed_url(
    app: &App,
    workflow: &WorkflowCode,
    id: &OrderId,
) -> Result<String, Error> {
    let newest = match app.feeds() {
        Some(_) => app.store().newest_tracking_token(workflow, id).await?,
        None => None,
    };
    Ok(url_of(app, newest))
}

/// Where the feed of a token is; empty without one, and where feeds are off.
pub(crate) fn url_of(app: &App, token: Option<TrackingTokenId>) -> String {
    let url = app.feeds().zip(token);
    let url = url.map(|(feeds, token)| feeds.of_token(&Seal::of(app.store()).token(token)));
    url.unwrap_or_default()
}

/// Where the customer can follow an order, to be told in a mail: its feed, with a token made for it where it has none
/// that can be used. Empty where feeds are off.
///
/// # Errors
/// Returns [`TrackingError`] when there is no such order any more, or the database failed.
pub(crate) async fn link(
    app: &App,
    workflow: &WorkflowCode,
    id: &OrderId,
) -> Result<String, TrackingError> {
    let Some(feeds) = app.feeds() else {
        return Ok(String::new());
    };
    let token = match newest(app, workflow, id).await? {
        Some(token) => token,
        None => first_token(app, workflow, id).await?,
    };
    Ok(feeds.of_token(&Seal::of(app.store()).token(token)))
}

/// Makes the first token of an order, once for mails that are sent at the same time.
async fn first_token(
    app: &App,
    workflow: &WorkflowCode,
    id: &OrderId,
) -> Result<TrackingTokenId, TrackingError> {
    let _alone = app.linking.lock().await;
    if let Some(token) = newest(app, workflow, id).await? {
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
    let created = app.store().create_tracking_token(&new, &call).await?;
    Ok(created.answer.id)
}

async fn newest(
    app: &App,
    workflow: &WorkflowCode,
    id: &OrderId,
) -> Result<Option<TrackingTokenId>, TrackingError> {
    let newest = app.store().newest_tracking_token(workflow, id).await;
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
    let Tracked {
        order,
        published,
        entries,
    } = tracked;
    let entries = entries.iter().map(|logged| &logged.entry);
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
