//! Actions in documents: their layout, what is asked of them, and the way there and back.

use serde::{Deserialize, Serialize};

use super::{
    DocumentError,
    apply::{put_all, required, set, set_some},
    export::{Place, codes, text},
    keyed::{Codes, Keyed, Part},
    layout::{Actions, WorkflowPart, part},
};
use crate::{
    guard::Expression,
    template::Template,
    value::{
        ActionCode, Description, EmailAddress, EndpointCode, Invalid, Period, TemplateName,
        TransitionCode,
    },
    workflow::{
        Action, Channel, CopyMethod, Email, Identity, Notify, Policy, Publish, Refusal, Webhook,
        Work, Writing,
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
        let subject = self.publish.as_ref().map(|publish| &publish.subject);
        let text = self.comment.as_ref().map(|comment| &comment.text);
        subject.into_iter().chain(text).map(Part::heap_bytes).sum()
    }
}

impl TryFrom<String> for TextPart {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        Template::new(&text).map(Self)
    }
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookPart {
    endpoint: EndpointCode,
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

/// An event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PublishPart {
    subject: TextPart,
}

/// A comment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommentPart {
    text: TextPart,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    visible_to_customer: bool,
}

/// What can be done, for texts about actions that say nothing or too much.
const WORKS: &str = "webhook, email, publish, comment, set_attributes or transition";

/// Refuses actions that say two things, or how often to try what is not tried again.
pub(super) fn check(part: &WorkflowPart) -> Result<(), DocumentError> {
    check_all("on_create", &part.on_create)?;
    check_all("on_comment", &part.on_comment)?;
    for (code, operation) in part.operations.iter() {
        check_all(&format!("operations.{code}.actions"), &operation.actions)?;
    }
    for (code, status) in part.statuses.iter() {
        check_all(&format!("statuses.{code}.on_enter"), &status.on_enter)?;
    }
    for (code, state) in part.states.iter() {
        check_all(&format!("states.{code}.on_enter"), &state.on_enter)?;
        check_all(&format!("states.{code}.on_leave"), &state.on_leave)?;
    }
    for (code, transition) in part.transitions.iter() {
        check_all(&format!("transitions.{code}.actions"), &transition.actions)?;
    }
    Ok(())
}

fn check_all(place: &str, actions: &Actions) -> Result<(), DocumentError> {
    for (code, part) in actions.iter() {
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
        let has_policy =
            part.attempts.is_some() || part.backoff.is_some() || part.timeout.is_some();
        let policy = Policy {
            attempts: part.attempts.unwrap_or(1),
            backoff: part.backoff.unwrap_or(Policy::TIMEOUT_MAX),
            timeout: part.timeout.unwrap_or(Policy::TIMEOUT_MAX),
        };
        let problem = if said(sent) + said(written) > 1 {
            Some(
                "must say one thing only: webhook, email, publish, comment, set_attributes or transition",
            )
        } else if said(written) == 1 && has_policy {
            Some("is written with the step, so attempts, backoff and timeout mean nothing to it")
        } else {
            policy.problem()
        };
        if let Some(problem) = problem {
            let path = format!("{place}.{code}");
            return Err(DocumentError::Action { path, problem });
        }
    }
    Ok(())
}

/// Changes the actions of a place that exist and appends the others.
pub(super) fn put(actions: &mut Vec<Action>, parts: &Actions, place: &str) -> Result<(), Refusal> {
    put_all(
        actions,
        parts,
        |action| (&action.code, action.position),
        |code, part, old, position| action(code, part, old, position, place),
    )
}

fn action(
    code: &ActionCode,
    part: &ActionPart,
    old: Option<&Action>,
    position: i32,
    place: &str,
) -> Result<Action, Refusal> {
    let given = work(part, place, code)?;
    let mut action = match old {
        Some(old) => old.clone(),
        None => Action {
            code: code.clone(),
            description: Description::default(),
            work: given
                .clone()
                .ok_or_else(|| required(format!("{place}.{code}.{WORKS}")))?,
            condition: None,
            position,
            active: true,
        },
    };
    if let Some(mut work) = given {
        // A part that is merged keeps the policy that it does not speak of.
        if let (Work::Send(_, policy), Work::Send(_, kept)) = (&mut work, &action.work) {
            *policy = *kept;
        }
        action.work = work;
    }
    if let Work::Send(_, policy) = &mut action.work {
        set(&mut policy.attempts, part.attempts.as_ref());
        set(&mut policy.backoff, part.backoff.as_ref());
        set(&mut policy.timeout, part.timeout.as_ref());
    }
    set(&mut action.description, part.description.as_ref());
    set_some(&mut action.condition, part.condition.as_ref());
    set(&mut action.position, part.position.as_ref());
    set(&mut action.active, part.active.as_ref());
    Ok(action)
}

/// What is to be done, where the part says it.
fn work(part: &ActionPart, place: &str, code: &ActionCode) -> Result<Option<Work>, Refusal> {
    let send = |channel| Ok(Some(Work::Send(channel, Policy::default())));
    let write = |writing| Ok(Some(Work::Write(writing)));
    if let Some(webhook) = &part.webhook {
        return send(Channel::Webhook(Webhook {
            endpoint: webhook.endpoint.clone(),
        }));
    }
    if let Some(email) = &part.email {
        let template = email.template.clone();
        return send(Channel::Email(Email {
            template: template.ok_or_else(|| required(format!("{place}.{code}.email.template")))?,
            guest_template: email.guest_template.clone(),
            identity: email.identity.unwrap_or(Identity::Sales),
            customer: email.customer.unwrap_or(Notify::OnRequest),
            copy_to: email
                .copy_to
                .as_ref()
                .map_or_else(Vec::new, |to| to.0.clone()),
            copy_method: email.copy_method.unwrap_or(CopyMethod::Bcc),
        }));
    }
    if let Some(publish) = &part.publish {
        return send(Channel::Publish(Publish {
            subject: publish.subject.0.clone(),
        }));
    }
    if let Some(comment) = &part.comment {
        return write(Writing::Comment {
            text: comment.text.0.clone(),
            visible_to_customer: comment.visible_to_customer,
        });
    }
    if let Some(transition) = &part.transition {
        return write(Writing::Transition(transition.clone()));
    }
    if !part.set_attributes.is_empty() {
        let attributes = part.set_attributes.iter();
        let attributes = attributes.map(|(key, text)| (key.clone(), text.0.clone()));
        return write(Writing::SetAttributes(attributes.collect()));
    }
    Ok(None)
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
                        endpoint: endpoint.clone(),
                    });
                }
                Channel::Email(email) => part.email = Some(email_part(email)),
                Channel::Publish(Publish { subject }) => {
                    part.publish = Some(PublishPart {
                        subject: TextPart(subject.clone()),
                    });
                }
            }
        }
        Work::Write(Writing::Comment {
            text,
            visible_to_customer,
        }) => {
            part.comment = Some(CommentPart {
                text: TextPart(text.clone()),
                visible_to_customer: *visible_to_customer,
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
