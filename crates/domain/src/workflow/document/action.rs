//! Actions in documents: their layout, what is asked of them, and the way there and back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    apply::{Missing, put_all, set, set_codes, set_some},
    export::{Place, codes, flag, text},
    keyed::{Codes, Keyed, Part},
    layout::{Actions, WorkflowPart, part},
    remark::REMARKS_MAX,
};
use crate::{
    guard::Expression,
    template::Template,
    value::{
        ActionCode, Description, EmailAddress, EndpointCode, Invalid, Period, TemplateName,
        TransitionCode,
    },
    workflow::{
        Action, Channel, CopyMethod, Email, Identity, Notify, Policy, Publish, Webhook, Work,
        Writing,
    },
};

part! {
    /// An action: exactly one of the six things that can be done, and when.
    ActionPart {
        description: Description,
        webhook: WebhookPart,
        email: EmailPart,
        publish: PublishPart,
        comment: CommentPart,
        transition: TransitionCode,
        condition: Expression,
        attempts: u32,
        backoff: Period,
        timeout: Period,
        position: i32,
        active: bool,
    }
    maps { set_attributes: Keyed<String, TextPart> }
}

/// A text with placeholders, which a document must have right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct TextPart(Template);

impl Part for TextPart {
    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}

impl Part for ActionPart {
    fn heap_bytes(&self) -> usize {
        let subject = self.publish.as_ref().and_then(|part| part.subject.as_ref());
        let text = self.comment.as_ref().and_then(|part| part.text.as_ref());
        subject.into_iter().chain(text).map(Part::heap_bytes).sum()
    }

    fn stand_in() -> Option<Self> {
        Some(Self::default())
    }
}

impl TryFrom<String> for TextPart {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Template::new(&text).map(Self)
    }
}

part! {
    /// A webhook.
    WebhookPart { endpoint: EndpointCode }
    maps {}
}

part! {
    /// A mail.
    EmailPart {
        template: TemplateName,
        guest_template: TemplateName,
        identity: Identity,
        customer: Notify,
        copy_to: Codes<EmailAddress>,
        copy_method: CopyMethod,
    }
    maps {}
}

part! {
    /// An event.
    PublishPart { subject: TextPart }
    maps {}
}

part! {
    /// A comment.
    CommentPart {
        text: TextPart,
        visible_to_customer: bool,
    }
    maps {}
}

/// What can be done, for texts about actions that say nothing or too much.
pub(super) const WORKS: &str = "webhook, email, publish, comment, set_attributes or transition";

/// Names actions that say two things, or how often to try what is not tried again, each with what is wrong; the first
/// hundred.
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

/// What is wrong with an action, each with the rest of the path of what it is about.
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

/// What an action is answered with that is not sent, but shall be tried again.
const WRITTEN: &str =
    "is written with the step, so attempts, backoff and timeout mean nothing to it";

/// Whether an action says how often it is tried.
fn has_policy(part: &ActionPart) -> bool {
    part.attempts.is_some() || part.backoff.is_some() || part.timeout.is_some()
}

/// How often an action is tried, where it leaves out what is kept.
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
        None => Action {
            code: code.clone(),
            description: Description::default(),
            work: given?,
            condition: None,
            position,
            active: true,
        },
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
    set(&mut action.description, part.description.as_ref());
    set_some(&mut action.condition, part.condition.as_ref());
    set(&mut action.position, part.position.as_ref());
    set(&mut action.active, part.active.as_ref());
    Some(action)
}

/// Whether a part says that its action is written with the step.
fn is_written(part: &ActionPart) -> bool {
    part.comment.is_some() || part.transition.is_some() || !part.set_attributes.is_empty()
}

/// What is to be done, where the part says it, on top of what was to be done: of the same kind of work, what the part
/// does not name is kept, and of whatever is sent, how often it is tried.
fn work(part: &ActionPart, old: Option<&Work>, at: &str, missing: &mut Missing) -> Option<Work> {
    let (channel_before, policy) = match old {
        Some(Work::Send(channel, policy)) => (Some(channel), *policy),
        Some(Work::Write(_)) | None => (None, Policy::default()),
    };
    let written = match old {
        Some(Work::Write(writing)) => Some(writing),
        Some(Work::Send(..)) | None => None,
    };
    let send = |channel: Option<Channel>| channel.map(|channel| Work::Send(channel, policy));
    if let Some(part) = &part.webhook {
        return send(webhook(part, channel_before, at, missing));
    }
    if let Some(part) = &part.email {
        return send(email(part, channel_before, at, missing));
    }
    if let Some(part) = &part.publish {
        return send(publish(part, channel_before, at, missing));
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
    let kept = match old {
        Some(Channel::Webhook(Webhook { endpoint })) => Some(endpoint.clone()),
        Some(Channel::Email(_) | Channel::Publish(_)) | None => None,
    };
    let endpoint = part.endpoint.clone().or(kept);
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
        Some(Channel::Webhook(_) | Channel::Publish(_)) | None => Email {
            identity: Identity::Sales,
            template: missing.unless(part.template.clone(), || format!("{at}.email.template"))?,
            guest_template: None,
            customer: Notify::OnRequest,
            copy_to: Vec::new(),
            copy_method: CopyMethod::Bcc,
        },
    };
    set(&mut email.template, part.template.as_ref());
    set_some(&mut email.guest_template, part.guest_template.as_ref());
    set(&mut email.identity, part.identity.as_ref());
    set(&mut email.customer, part.customer.as_ref());
    set_codes(&mut email.copy_to, part.copy_to.as_ref());
    set(&mut email.copy_method, part.copy_method.as_ref());
    Some(Channel::Email(email))
}

fn publish(
    part: &PublishPart,
    old: Option<&Channel>,
    at: &str,
    missing: &mut Missing,
) -> Option<Channel> {
    let kept = match old {
        Some(Channel::Publish(Publish { subject })) => Some(subject.clone()),
        Some(Channel::Webhook(_) | Channel::Email(_)) | None => None,
    };
    let subject = part.subject.as_ref().map(|text| text.0.clone()).or(kept);
    let subject = missing.unless(subject, || format!("{at}.publish.subject"))?;
    Some(Channel::Publish(Publish { subject }))
}

fn comment(
    part: &CommentPart,
    old: Option<&Writing>,
    at: &str,
    missing: &mut Missing,
) -> Option<Writing> {
    let (kept, was_visible) = match old {
        Some(Writing::Comment {
            text,
            visible_to_customer,
        }) => (Some(text.clone()), *visible_to_customer),
        Some(Writing::SetAttributes(_) | Writing::Transition(_)) | None => (None, false),
    };
    let text = part.text.as_ref().map(|text| text.0.clone()).or(kept);
    Some(Writing::Comment {
        text: missing.unless(text, || format!("{at}.comment.text"))?,
        visible_to_customer: part.visible_to_customer.unwrap_or(was_visible),
    })
}

/// The actions of a place as documents have them.
pub(super) fn action_parts(actions: &[Action]) -> Actions {
    let mut place = Place::default();
    let parts = actions.iter().map(|action| {
        let position = place.written(action.position);
        (
            action.code.clone(),
            ActionPart {
                position,
                ..action_part(action)
            },
        )
    });
    parts.collect()
}

/// An action without its position.
fn action_part(action: &Action) -> ActionPart {
    let Action {
        code: _,
        description,
        work,
        condition,
        position: _,
        active,
    } = action;
    let mut part = ActionPart {
        description: text(description),
        condition: condition.clone(),
        active: Some(*active).filter(|active| !active),
        ..ActionPart::default()
    };
    match work {
        Work::Send(channel, policy) => {
            let usual = Policy::default();
            part.attempts = Some(policy.attempts).filter(|is| *is != usual.attempts);
            part.backoff = Some(policy.backoff).filter(|is| *is != usual.backoff);
            part.timeout = Some(policy.timeout).filter(|is| *is != usual.timeout);
            match channel {
                Channel::Webhook(Webhook { endpoint }) => {
                    part.webhook = Some(WebhookPart {
                        endpoint: Some(endpoint.clone()),
                    });
                }
                Channel::Email(email) => part.email = Some(email_part(email)),
                Channel::Publish(Publish { subject }) => {
                    part.publish = Some(PublishPart {
                        subject: Some(TextPart(subject.clone())),
                    });
                }
            }
        }
        Work::Write(Writing::Comment {
            text,
            visible_to_customer,
        }) => {
            part.comment = Some(CommentPart {
                text: Some(TextPart(text.clone())),
                visible_to_customer: flag(*visible_to_customer),
            });
        }
        Work::Write(Writing::SetAttributes(attributes)) => {
            let attributes = attributes.iter();
            part.set_attributes = attributes
                .map(|(key, text)| (key.clone(), TextPart(text.clone())))
                .collect();
        }
        Work::Write(Writing::Transition(code)) => part.transition = Some(code.clone()),
    }
    part
}

fn email_part(email: &Email) -> EmailPart {
    let Email {
        identity,
        template,
        guest_template,
        customer,
        copy_to,
        copy_method,
    } = email;
    EmailPart {
        template: Some(template.clone()),
        guest_template: guest_template.clone(),
        identity: Some(*identity).filter(|is| *is != Identity::Sales),
        customer: Some(*customer).filter(|is| *is != Notify::OnRequest),
        copy_to: codes(copy_to),
        copy_method: Some(*copy_method).filter(|is| *is != CopyMethod::Bcc),
    }
}
