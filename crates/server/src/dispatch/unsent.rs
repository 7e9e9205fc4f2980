//! What the action of a delivery says now, which may be something else than when it was set off.

use std::time::Duration;

use waymark_domain::{
    delivery::Delivery,
    history::{Destination, Readers},
    value::Timestamp,
    workflow::{ActionPath, Channel, Policy, Work, Workflow},
};
use waymark_persistence::NextStep;

use super::carrier::later;

/// How long a delivery rests whose action is switched off: longer than it takes until all that
/// waits is looked at again. It goes at once when the action is switched on.
pub(super) const REST: Duration = Duration::from_hours(1);

/// What is said where an action no longer sends what it sent.
pub(super) const CHANGED: &str = "the action does something else now";
/// What is said where an action no longer sends copies.
const NO_COPIES: &str = "the action sends no copies any more";
/// How the word about an action that is switched off begins and ends.
const OFF_BEGINS: &str = "its action ";
const OFF_ENDS: &str = " is switched off";

/// Why a delivery is not sent, as its workflow is now, each in words for the merchant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unsent {
    /// Its action is switched off: it waits.
    Off(String),
    /// Its action is gone or does something else: it will never be sent.
    Lost(String),
    /// There is nobody any more to whom it would go.
    Needless(String),
}

impl Unsent {
    /// Why, in words for the merchant.
    pub(crate) fn problem(&self) -> &str {
        match self {
            Self::Off(problem) | Self::Lost(problem) | Self::Needless(problem) => problem,
        }
    }

    /// What becomes of the delivery.
    pub(super) fn next(self, now: Timestamp) -> NextStep {
        match self {
            Self::Off(problem) => NextStep::Retry {
                at: later(now, REST),
                problem,
            },
            Self::Lost(problem) => NextStep::GiveUp { problem },
            Self::Needless(problem) => NextStep::Skip { problem },
        }
    }
}

/// By what means and how often a delivery is sent, as its workflow is now.
///
/// # Errors
/// Returns [`Unsent`] for one that is not sent.
pub(crate) fn way<'w>(
    workflow: &'w Workflow,
    delivery: &Delivery,
) -> Result<(&'w Channel, Policy), Unsent> {
    let path = &delivery.action;
    let Some(action) = workflow.action(path) else {
        let problem = format!("the workflow has no action {path} any more");
        return Err(Unsent::Lost(problem));
    };
    let (channel, policy) = match &action.work {
        Work::Send(channel, policy) if leads_to(channel, &delivery.to) => (channel, *policy),
        Work::Send(..) | Work::Write(_) => return Err(Unsent::Lost(CHANGED.to_owned())),
    };
    if !action.active {
        return Err(Unsent::Off(switched_off(path)));
    }
    if delivery.to == Destination::Readers(Readers::Copies)
        && matches!(channel, Channel::Email(email) if email.copy_to.is_empty())
    {
        return Err(Unsent::Needless(NO_COPIES.to_owned()));
    }
    Ok((channel, policy))
}

/// Whether the problem of a delivery says that its action is switched off.
pub(crate) fn says_off(problem: &str) -> bool {
    problem.starts_with(OFF_BEGINS) && problem.ends_with(OFF_ENDS)
}

fn switched_off(path: &ActionPath) -> String {
    format!("{OFF_BEGINS}{path}{OFF_ENDS}")
}

fn leads_to(channel: &Channel, to: &Destination) -> bool {
    matches!(
        (channel, to),
        (Channel::Webhook(_), Destination::Endpoint(_))
            | (Channel::Email(_), Destination::Readers(_))
            | (Channel::Publish(_), Destination::Subject)
    )
}
