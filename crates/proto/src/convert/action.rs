//! Actions, read and shown.

use std::{collections::BTreeMap, str::FromStr};

use waymark_domain::{
    guard::Expression,
    template::Template,
    value::Invalid,
    workflow::{
        ACTIONS_MAX, Action, COPIES_MAX, Channel, Email, Policy, Publish, Webhook, Work, Writing,
    },
};

use super::{
    instant::{period_from_wire, period_to_wire},
    violations::{Path, Read},
};
use crate::{
    invalid::Problem,
    v1::{self, step_action::Work as WireWork},
};

/// Reads the actions of one place.
pub(crate) fn read_actions(at: Path<'_>, actions: Vec<v1::StepAction>) -> Read<Vec<Action>> {
    let read: Vec<Action> = at.each(actions, ACTIONS_MAX, read_action)?;
    for (index, action) in read.iter().enumerate() {
        let mut earlier = read.iter().take(index);
        if earlier.any(|other| other.code == action.code) {
            return Err(at.index(index).field("code").note(Invalid::Duplicate));
        }
    }
    Ok(read)
}

reader! {
    fn read_action(StepAction) -> Action {
        code: text(code),
        description: text(description),
        condition: borrowed(condition; read_expression),
        work: with(policy, work; |at| {
            let policy = policy.map(|policy| read_policy(at.field("policy"), policy));
            read_work(at, work, policy.transpose()?)
        }),
        position: same(position),
        active: or(active; true),
    }
}

/// Reads an expression where empty means none.
pub(crate) fn read_expression(at: Path<'_>, text: &str) -> Read<Option<Expression>> {
    if text.is_empty() {
        return Ok(None);
    }
    at.check(Expression::new(text)).map(Some)
}

fn read_policy(at: Path<'_>, policy: v1::DeliveryPolicy) -> Read<Policy> {
    let v1::DeliveryPolicy {
        attempts,
        backoff,
        timeout,
    } = policy;
    let usual = Policy::default();
    let backoff = backoff.map(|span| period_from_wire(at.field("backoff"), span));
    let timeout = timeout.map(|span| period_from_wire(at.field("timeout"), span));
    let policy = Policy {
        attempts: match attempts {
            0 => usual.attempts,
            attempts => u32::try_from(attempts).unwrap_or(u32::MAX),
        },
        backoff: backoff.transpose()?.unwrap_or(usual.backoff),
        timeout: timeout.transpose()?.unwrap_or(usual.timeout),
    };
    match policy.problem() {
        Some(problem) => Err(at.note(Problem::Text(problem.to_owned()))),
        None => Ok(policy),
    }
}

const WORKS: &str = "webhook, email, publish, comment, set_attributes or transition";

fn read_work(at: Path<'_>, work: Option<WireWork>, policy: Option<Policy>) -> Read<Work> {
    let send = |channel| Ok(Work::Send(channel, policy.unwrap_or_default()));
    let writing = match at.field("work").choice(work, WORKS)? {
        WireWork::Webhook(v1::WebhookWork { endpoint }) => {
            let endpoint = at.field("webhook").field("endpoint").text(&endpoint)?;
            return send(Channel::Webhook(Webhook { endpoint }));
        }
        WireWork::Email(email) => {
            let email = read_email(at.field("email"), email)?;
            return send(Channel::Email(email));
        }
        WireWork::Publish(v1::PublishWork { subject }) => {
            let subject = at.field("publish").field("subject").text(&subject)?;
            return send(Channel::Publish(Publish { subject }));
        }
        WireWork::Comment(comment) => {
            let v1::CommentWork {
                text,
                visible_to_customer,
            } = comment;
            Writing::Comment {
                text: at.field("comment").field("text").text(&text)?,
                visible_to_customer,
            }
        }
        WireWork::SetAttributes(v1::AttributesWork { attributes }) => {
            let at = at.field("set_attributes");
            Writing::SetAttributes(read_attributes(at.field("attributes"), &attributes)?)
        }
        WireWork::Transition(v1::TransitionWork { transition }) => {
            let at = at.field("transition");
            Writing::Transition(at.field("transition").text(&transition)?)
        }
    };
    if policy.is_some() {
        let problem = "means nothing to what is written with the step";
        return Err(at.field("policy").note(Problem::Text(problem.to_owned())));
    }
    Ok(Work::Write(writing))
}

reader! {
    fn read_email(EmailWork) -> Email {
        identity: number(identity),
        template: text(template),
        guest_template: optional(guest_template),
        customer: number(customer),
        copy_to: list(copy_to; COPIES_MAX),
        copy_method: number(copy_method),
    }
}

fn read_attributes(
    at: Path<'_>,
    attributes: &BTreeMap<String, String>,
) -> Read<BTreeMap<String, Template>> {
    if attributes.is_empty() {
        return Err(at.note(Invalid::Empty));
    }
    let read = attributes.iter().map(|(key, text)| {
        let template = at.key(key).check(Template::from_str(text))?;
        Ok((key.clone(), template))
    });
    read.collect::<Vec<_>>().into_iter().collect()
}

/// Writes the actions of one place.
pub(crate) fn actions_to_wire(actions: &[Action]) -> Vec<v1::StepAction> {
    actions.iter().map(action_to_wire).collect()
}

fn action_to_wire(action: &Action) -> v1::StepAction {
    let (work, policy) = match &action.work {
        Work::Send(channel, policy) => (channel_to_wire(channel), Some(policy_to_wire(*policy))),
        Work::Write(writing) => (writing_to_wire(writing), None),
    };
    message!(StepAction from action: Action { work, active };
        text: code, description;
        optional: condition;
        same: position;
        .. work: Some(work),
        policy,
        active: Some(action.active),
    )
}

fn policy_to_wire(policy: Policy) -> v1::DeliveryPolicy {
    v1::DeliveryPolicy {
        // At most 50.
        attempts: i32::try_from(policy.attempts).unwrap_or(i32::MAX),
        backoff: Some(period_to_wire(policy.backoff)),
        timeout: Some(period_to_wire(policy.timeout)),
    }
}

fn channel_to_wire(channel: &Channel) -> WireWork {
    match channel {
        Channel::Webhook(Webhook { endpoint }) => WireWork::Webhook(v1::WebhookWork {
            endpoint: endpoint.to_string(),
        }),
        Channel::Email(email) => WireWork::Email(email_to_wire(email)),
        Channel::Publish(Publish { subject }) => WireWork::Publish(v1::PublishWork {
            subject: subject.to_string(),
        }),
    }
}

fn writing_to_wire(writing: &Writing) -> WireWork {
    match writing {
        Writing::Comment {
            text,
            visible_to_customer,
        } => WireWork::Comment(v1::CommentWork {
            text: text.to_string(),
            visible_to_customer: *visible_to_customer,
        }),
        Writing::SetAttributes(attributes) => {
            let texts = attributes.iter();
            let texts = texts.map(|(key, text)| (key.clone(), text.to_string()));
            let attributes = texts.collect();
            WireWork::SetAttributes(v1::AttributesWork { attributes })
        }
        Writing::Transition(code) => WireWork::Transition(v1::TransitionWork {
            transition: code.to_string(),
        }),
    }
}

fn email_to_wire(email: &Email) -> v1::EmailWork {
    message!(EmailWork from email: Email;
        number: identity, customer, copy_method;
        text: template;
        optional: guest_template;
        texts: copy_to;
    )
}
