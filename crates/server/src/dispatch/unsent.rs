//! The action of a delivery as it is now, which may be something else than when it set it off.

use std::time::Duration;

use waymark_domain::{
    delivery::Delivery,
    history::{Destination, Readers},
    value::Timestamp,
    workflow::{ActionPath, Channel, Email, Policy, Work, Workflow},
};
use waymark_persistence::NextStep;

use super::pauses::later;

/// How long a delivery rests whose action is switched off: longer than it takes until all that
/// waits is looked at again. It goes at once when the action is switched on.
pub(super) const REST: Duration = Duration::from_hours(1);

pub(super) const CHANGED: &str = "the action does something else now";
const NO_COPIES: &str = "the action sends no copies any more";
const NO_COPY: &str = "the action sends no copy to this address any more";
/// The beginning and the end of the problem of an action that is switched off.
const OFF_BEGINS: &str = "its action ";
const OFF_ENDS: &str = " is switched off";
/// The words between that and the problem before.
const BEFORE: &str = "; before that: ";

/// Why a delivery is not sent, as its workflow is now, each in words for the merchant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unsent {
    /// Its action is switched off: it waits.
    Off(String),
    /// Its action is gone or does something else: it will never be sent.
    Lost(String),
    /// There is nobody any more to whom it would go.
    Needless(String),
}

impl Unsent {
    pub(super) fn problem(&self) -> &str {
        match self {
            Self::Off(problem) | Self::Lost(problem) | Self::Needless(problem) => problem,
        }
    }

    /// The next step of the delivery, whose problem so far is `said`.
    pub(super) fn next(self, now: Timestamp, said: &str) -> NextStep {
        match self {
            Self::Off(problem) => NextStep::Retry {
                at: later(now, REST),
                problem: match before_off(said).unwrap_or(said) {
                    "" => problem,
                    earlier => format!("{problem}{BEFORE}{earlier}"),
                },
            },
            Self::Lost(problem) => NextStep::GiveUp { problem },
            Self::Needless(problem) => NextStep::Skip { problem },
        }
    }
}

/// The channel and the policy by which a delivery is sent, as its workflow is now.
///
/// # Errors
/// Returns [`Unsent`] for one that is not sent.
pub(super) fn way<'w>(
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
    if let (Channel::Email(email), Destination::Readers(readers)) = (channel, &delivery.to)
        && let Some(problem) = needless(email, readers)
    {
        return Err(Unsent::Needless(problem.to_owned()));
    }
    Ok((channel, policy))
}

/// Why there is nobody any more to whom a mail would go; none where there is somebody.
fn needless(email: &Email, readers: &Readers) -> Option<&'static str> {
    match readers {
        Readers::Copies => email.copy_to.is_empty().then_some(NO_COPIES),
        Readers::Copy(address) => (!email.copy_to.contains(address)).then_some(NO_COPY),
        Readers::Customer | Readers::CustomerAlone | Readers::CustomerRefused => None,
    }
}

/// The problem before an action was switched off, where that is what a problem says; empty for none.
pub(super) fn before_off(problem: &str) -> Option<&str> {
    let (_, rest) = problem.strip_prefix(OFF_BEGINS)?.split_once(OFF_ENDS)?;
    if rest.is_empty() {
        return Some(rest);
    }
    rest.strip_prefix(BEFORE)
}

pub(super) fn switched_off(path: &ActionPath) -> String {
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

#[cfg(test)]
mod tests {
    use waymark_domain::{
        value::EmailAddress,
        workflow::{CopyMethod, Identity, Notify},
    };

    use super::*;

    #[test]
    fn copies_that_nobody_wants_any_more_are_needless() {
        let address = |text: &str| -> EmailAddress { text.parse().unwrap() };
        let email = |copies: &[&str]| Email {
            identity: Identity::Sales,
            template: "new_order".parse().unwrap(),
            guest_template: None,
            customer: Notify::Always,
            copy_to: copies.iter().copied().map(address).collect(),
            copy_method: CopyMethod::Separate,
        };
        let copy = || Readers::Copy(address("a@example.com"));
        let both = &["b@example.com", "a@example.com"][..];
        let none = &both[..0];
        for (copies, readers, expected) in [
            (both, copy(), None),
            (&both[..1], copy(), Some(NO_COPY)),
            (none, copy(), Some(NO_COPY)),
            (both, Readers::Copies, None),
            (none, Readers::Copies, Some(NO_COPIES)),
            (none, Readers::Customer, None),
            (none, Readers::CustomerAlone, None),
            (none, Readers::CustomerRefused, None),
        ] {
            let told = format!("{copies:?} {readers:?}");
            assert_eq!(needless(&email(copies), &readers), expected, "{told}");
        }
    }

    #[test]
    fn what_was_said_before_an_action_was_switched_off_is_kept() {
        let off = "its action create.tell is switched off";
        for (problem, expected) in [
            (off, Some("")),
            (
                "its action create.tell is switched off; before that: busy",
                Some("busy"),
            ),
            ("its action create.tell is switched off and on", None),
            ("busy", None),
            ("", None),
        ] {
            assert_eq!(before_off(problem), expected, "{problem}");
        }
    }
}
