//! Actions in documents: what is asked of them, and the way there and back.

use std::collections::BTreeMap;

use super::{
    defaults,
    forms::TextPart,
    layout::{ActionPart, Actions, CommentPart, EmailPart, PublishPart, WebhookPart, WorkflowPart},
    missing::Missing,
    put::{PartField, Positions, put_all, unless_usual},
    remark::REMARKS_MAX,
};
use crate::{
    template::Template,
    value::{ActionCode, Description},
    workflow::{Action, Channel, Policy, Publish, Webhook, Work, Writing},
};

/// The works that there are, for texts about actions that say nothing or too much.
pub(super) const WORKS: &str = "webhook, email, publish, comment, set_attributes or transition";

/// Names actions that say two things, or how often to try what is not tried again, each with what
/// is wrong; the first hundred.
pub(super) fn check(part: &WorkflowPart) -> Vec<(String, String)> {
    let mut problems = Vec::new();
    check_all("on_create", &part.on_create, &mut problems);
    check_all("on_comment", &part.on_comment, &mut problems);
    for (code, operation) in part.operations.iter() {
        let place = format!("operations.{code}.actions");
        check_all(&place, &operation.actions, &mut problems);
    }
    for (code, status) in part.statuses.iter() {
        let place = format!("statuses.{code}.on_enter");
        check_all(&place, &status.on_enter, &mut problems);
    }
    for (code, state) in part.states.iter() {
        let place = |which: &str| format!("states.{code}.{which}");
        check_all(&place("on_enter"), &state.on_enter, &mut problems);
        check_all(&place("on_leave"), &state.on_leave, &mut problems);
    }
    for (code, transition) in part.transitions.iter() {
        let place = format!("transitions.{code}.actions");
        check_all(&place, &transition.actions, &mut problems);
    }
    problems
}

fn check_all(place: &str, actions: &Actions, problems: &mut Vec<(String, String)>) {
    let wrong = actions.iter().flat_map(|(code, part)| {
        let told = problems_of(part).into_iter();
        told.map(move |(field, problem)| (format!("{place}.{code}{field}"), problem))
    });
    problems.extend(wrong.take(REMARKS_MAX.saturating_sub(problems.len())));
}

/// The mistakes of an action, each with the rest of the path of what it is about.
fn problems_of(part: &ActionPart) -> Vec<(String, String)> {
    let sent = [
        part.webhook.is_some(),
        part.email.is_some(),
        part.publish.is_some(),
    ];
    let written = [
        part.comment.is_some(),
        !part.set_attributes.is_empty(),
        part.transition.is_some(),
    ];
    let said = |works: [bool; 3]| works.into_iter().filter(|said| *said).count();
    if said(sent) + said(written) > 1 {
        let problem = format!("must say one thing only: {WORKS}");
        return vec![(String::new(), problem)];
    }
    if said(written) == 1 && has_policy(part) {
        return vec![(String::new(), WRITTEN.to_owned())];
    }
    let problems = policy(part, Policy::default())
        .problems()
        .map(|(field, problem)| (format!(".{field}"), problem.to_owned()));
    problems.collect()
}

/// The answer to an action that is not sent, but shall be tried again.
const WRITTEN: &str =
    "is written with the step, so attempts, backoff and timeout mean nothing to it";

/// Whether an action says how often it is tried.
fn has_policy(part: &ActionPart) -> bool {
    part.attempts.is_some() || part.backoff.is_some() || part.timeout.is_some()
}

/// The policy of an action, where it leaves out what is kept.
fn policy(part: &ActionPart, kept: Policy) -> Policy {
    Policy {
        attempts: part.attempts.unwrap_or(kept.attempts),
        backoff: part.backoff.unwrap_or(kept.backoff),
        timeout: part.timeout.unwrap_or(kept.timeout),
    }
}

/// Changes the actions of a place that exist and appends the others.
pub(super) fn put(actions: &mut Vec<Action>, parts: &Actions, place: &str, missing: &mut Missing) {
    put_all(
        actions,
        parts,
        |action| (&action.code, action.position),
        |code, part, old, position| {
            let at = format!("{place}.{code}");
            action(code, part, old, position, &at, missing)
        },
    );
}

fn action(
    code: &ActionCode,
    part: &ActionPart,
    old: Option<&Action>,
    position: i32,
    at: &str,
    missing: &mut Missing,
) -> Option<Action> {
    let given = work(part, old.map(|old| &old.work), at, missing);
    let mut action = match old {
        Some(old) => Action {
            work: given.unwrap_or_else(|| old.work.clone()),
            ..old.clone()
        },
        None => bare(code, given?, position),
    };
    match &mut action.work {
        Work::Send(_, kept) => {
            let given = policy(part, *kept);
            // What is wrong with it was told as the document was read.
            if given.problem().is_none() {
                *kept = given;
            }
        }
        // One that says itself that it is written was told as the document was read.
        Work::Write(_) if has_policy(part) && !is_written(part) => missing.refuse(at, WRITTEN),
        Work::Write(_) => {}
    }
    part.put_into(&mut action);
    Some(action)
}

/// An action that says nothing but what is done.
fn bare(code: &ActionCode, work: Work, position: i32) -> Action {
    Action {
        code: code.clone(),
        description: Description::default(),
        work,
        condition: None,
        position,
        active: true,
    }
}

/// Whether a part says that its action is written with the step.
fn is_written(part: &ActionPart) -> bool {
    part.comment.is_some() || part.transition.is_some() || !part.set_attributes.is_empty()
}

/// The work that a part names, on top of the old one: of the same kind of work, what the part does
/// not name is kept, and of whatever is sent, how often it is tried.
fn work(part: &ActionPart, old: Option<&Work>, at: &str, missing: &mut Missing) -> Option<Work> {
    let (channel, policy, written) = match old {
        Some(Work::Send(channel, policy)) => (Some(channel), *policy, None),
        Some(Work::Write(writing)) => (None, Policy::default(), Some(writing)),
        None => (None, Policy::default(), None),
    };
    let send = |channel: Option<Channel>| channel.map(|channel| Work::Send(channel, policy));
    if let Some(part) = &part.webhook {
        return send(webhook(part, channel, at, missing));
    }
    if let Some(part) = &part.email {
        return send(email(part, channel, at, missing));
    }
    if let Some(part) = &part.publish {
        return send(publish(part, channel, at, missing));
    }
    if let Some(part) = &part.comment {
        return comment(part, written, at, missing).map(Work::Write);
    }
    if let Some(transition) = &part.transition {
        return Some(Work::Write(Writing::Transition(transition.clone())));
    }
    if !part.set_attributes.is_empty() {
        let mut attributes = match written {
            Some(Writing::SetAttributes(attributes)) => attributes.clone(),
            Some(Writing::Comment { .. } | Writing::Transition(_)) | None => BTreeMap::new(),
        };
        let given = part.set_attributes.iter();
        attributes.extend(given.map(|(key, text)| (key.clone(), text.0.clone())));
        return Some(Work::Write(Writing::SetAttributes(attributes)));
    }
    if old.is_none() {
        missing.note(format!("{at}.{WORKS}"));
    }
    None
}

fn webhook(
    part: &WebhookPart,
    old: Option<&Channel>,
    at: &str,
    missing: &mut Missing,
) -> Option<Channel> {
    let mut endpoint = match old {
        Some(Channel::Webhook(Webhook { endpoint })) => Some(endpoint.clone()),
        Some(Channel::Email(_) | Channel::Publish(_)) | None => None,
    };
    endpoint.put(part.endpoint.as_ref());
    let endpoint = missing.unless(endpoint, || format!("{at}.webhook.endpoint"))?;
    Some(Channel::Webhook(Webhook { endpoint }))
}

fn email(
    part: &EmailPart,
    old: Option<&Channel>,
    at: &str,
    missing: &mut Missing,
) -> Option<Channel> {
    let mut email = match old {
        Some(Channel::Email(email)) => email.clone(),
        Some(Channel::Webhook(_) | Channel::Publish(_)) | None => {
            let template = part.template.as_ref();
            defaults::email(missing.unless(template, || format!("{at}.email.template"))?)
        }
    };
    part.put_into(&mut email);
    Some(Channel::Email(email))
}

fn publish(
    part: &PublishPart,
    old: Option<&Channel>,
    at: &str,
    missing: &mut Missing,
) -> Option<Channel> {
    let mut subject = match old {
        Some(Channel::Publish(Publish { subject })) => Some(subject.clone()),
        Some(Channel::Webhook(_) | Channel::Email(_)) | None => None,
    };
    subject.put(template(part.subject.as_ref()));
    let subject = missing.unless(subject, || format!("{at}.publish.subject"))?;
    Some(Channel::Publish(Publish { subject }))
}

fn comment(
    part: &CommentPart,
    old: Option<&Writing>,
    at: &str,
    missing: &mut Missing,
) -> Option<Writing> {
    let (mut text, was_visible) = match old {
        Some(Writing::Comment {
            text,
            visible_to_customer,
        }) => (Some(text.clone()), *visible_to_customer),
        Some(Writing::SetAttributes(_) | Writing::Transition(_)) | None => (None, false),
    };
    text.put(template(part.text.as_ref()));
    Some(Writing::Comment {
        text: missing.unless(text, || format!("{at}.comment.text"))?,
        visible_to_customer: part.visible_to_customer.unwrap_or(was_visible),
    })
}

fn template(text: Option<&TextPart>) -> Option<&Template> {
    text.map(|text| &text.0)
}

/// Writes the actions of a place.
pub(super) fn action_parts(actions: &[Action]) -> Actions {
    let mut positions = Positions::default();
    let parts = actions.iter().map(|action| {
        let position = positions.usual(action.position);
        let usual = bare(&action.code, action.work.clone(), position);
        let mut part = ActionPart::of(action, &usual);
        match &action.work {
            Work::Send(channel, policy) => send_part(channel, policy, &mut part),
            Work::Write(writing) => write_part(writing, &mut part),
        }
        (action.code.clone(), part)
    });
    parts.collect()
}

fn send_part(channel: &Channel, policy: &Policy, part: &mut ActionPart) {
    let usual = Policy::default();
    part.attempts = unless_usual(&policy.attempts, &usual.attempts);
    part.backoff = unless_usual(&policy.backoff, &usual.backoff);
    part.timeout = unless_usual(&policy.timeout, &usual.timeout);
    match channel {
        Channel::Webhook(Webhook { endpoint }) => {
            let endpoint = Some(endpoint.clone());
            part.webhook = Some(WebhookPart { endpoint });
        }
        Channel::Email(email) => {
            let usual = defaults::email(&email.template);
            part.email = Some(EmailPart::of(email, &usual));
        }
        Channel::Publish(Publish { subject }) => {
            let subject = Some(TextPart(subject.clone()));
            part.publish = Some(PublishPart { subject });
        }
    }
}

fn write_part(writing: &Writing, part: &mut ActionPart) {
    match writing {
        Writing::Comment {
            text,
            visible_to_customer,
        } => {
            part.comment = Some(CommentPart {
                text: Some(TextPart(text.clone())),
                visible_to_customer: unless_usual(visible_to_customer, &false),
            });
        }
        Writing::SetAttributes(attributes) => {
            let attributes = attributes.clone().into_iter();
            part.set_attributes = attributes.map(|(key, it)| (key, TextPart(it))).collect();
        }
        Writing::Transition(code) => part.transition = Some(code.clone()),
    }
}
