//! One action, run without a step.

use std::sync::Arc;

use futures::future::join_all;
use waymark_domain::{
    delivery::Attempt,
    history::{Destination, SetOff},
    order::Order,
    workflow::ActionPath,
};
use waymark_persistence::{Batched, Error, Published};

use super::{carrier, content::Occasion};
use crate::{App, tracking};

/// What is tested: an action, as if the last entry of an order had set it off.
#[derive(Debug, Clone)]
pub(crate) struct Tested {
    /// The workflow of the order.
    pub(crate) published: Arc<Published>,
    /// The order as it stands.
    pub(crate) order: Order,
    /// Its last entry.
    pub(crate) entry: Batched,
    /// The action.
    pub(crate) action: ActionPath,
}

/// Carries what an action sends, all of it at once, and says what came of each. Nothing is noted
/// anywhere, and nothing is tried again.
///
/// # Errors
/// Returns [`Error`] when the database cannot be read; nothing was carried then.
pub(crate) async fn test(
    app: &App,
    tested: Tested,
    destinations: Vec<Destination>,
) -> Result<Vec<(Destination, Attempt)>, Error> {
    let Tested {
        published,
        order,
        entry,
        action,
    } = tested;
    let endpoints = carrier::endpoints(&app.store).await?;
    let occasion = Occasion {
        feed_url: tracking::feed_url(app, &order.workflow, &order.id).await?,
        entry,
        order,
        published,
    };
    let carried = destinations.into_iter().map(async |to| {
        let set_off = SetOff {
            action: action.clone(),
            to: to.clone(),
        };
        (to, app.carrier.test(set_off, &occasion, &endpoints).await)
    });
    Ok(join_all(carried).await)
}
