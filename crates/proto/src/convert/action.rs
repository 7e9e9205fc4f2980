//! Actions, read and shown.

use std::{collections::BTreeMap, str::FromStr};

use waymark_domain::{
    guard::Expression,
    template::Template,
    value::Invalid,
    workflow::{
        ACTIONS_MAX, Action, COPIES_MAX, Channel, CopyMethod, Email, Identity, Notify, Policy,
        Publish, Webhook, Work, Writing,
    },
};

use super::{
    instant::{period_from_wire, period_to_wire},
    order::text,
    violations::{Noted, Path, Violations},
};
use crate::{
    invalid::Problem,
    v1::{self, step_action::Work as WireWork},
};

/// Reads the actions of one place.
pub(crate) fn read_actions(
    found: &mut Violations,
    at: Path<'_>,
    actions: Vec<v1::StepAction>,
) -> Result<Vec<Action>, Noted> {
    found.count(at, actions.len(), ACTIONS_MAX)?;
    let read: Vec<_> = actions
        .into_iter()
        .enumerate()
        .map(|(index, action)| read_action(found, at.index(index), action))
        .collect();
    let read = read.into_iter().collect::<Result<Vec<_>, _>>()?;
    for (index, action) in read.iter().enumerate() {
        if read
            .iter()
            .take(index)
            .any(|other| other.code == action.code)
        {
            return Err(found.note(at.index(index).field("code"), Invalid::Duplicate));
        }
    }
    Ok(read)
}

fn read_action(
    found: &mut Violations,
    at: Path<'_>,
    action: v1::StepAction,
) -> Result<Action, Noted> {
    let v1::StepAction {
        code,
        description,
        work,
        condition,
        policy,
        position,
        active,
    } = action;
    let code = found.text(at.field("code"), &code);
    let description = found.text(at.field("description"), &description);
    let condition = if condition.is_empty() {
        Ok(None)
    } else {
        let condition = Expression::new(&condition);
        found.check(at.field("condition"), condition).map(Some)
    };
    let policy = policy.map(|policy| read_policy(found, at.field("policy"), policy));
    let work = read_work(found, at, work, policy.transpose()?);
    Ok(Action {
        code: code?,
        description: description?,
        work: work?,
        condition: condition?,
        position,
        active: active.unwrap_or(true),
    })
}

fn read_policy(
    found: &mut Violations,
    at: Path<'_>,
    policy: v1::DeliveryPolicy,
) -> Result<Policy, Noted> {
    let v1::DeliveryPolicy {
        attempts,
        backoff,
        timeout,
    } = policy;
    let usual = Policy::default();
    let backoff = backoff.map(|span| period_from_wire(found, at.field("backoff"), span));
    let timeout = timeout.map(|span| period_from_wire(found, at.field("timeout"), span));
    let policy = Policy {
        attempts: match attempts {
            0 => usual.attempts,
            attempts => u32::try_from(attempts).unwrap_or(u32::MAX),
        },
        backoff: backoff.transpose()?.unwrap_or(usual.backoff),
        timeout: timeout.transpose()?.unwrap_or(usual.timeout),
    };
    match policy.problem() {
        Some(problem) => Err(found.note(at, Problem::Text(problem.to_owned()))),
        None => Ok(policy),
    }
}

const WORKS: &str = "webhook, email, publish, comment, set_attributes or transition";

fn read_work(
    found: &mut Violations,
    at: Path<'_>,
    work: Option<WireWork>,
    policy: Option<Policy>,
) -> Result<Work, Noted> {
    let send = |channel| Ok(Work::Send(channel, policy.unwrap_or_default()));
    let writing = match found.choice(at.field("work"), work, WORKS)? {
        WireWork::Webhook(v1::WebhookWork { endpoint }) => {
            let at = at.field("webhook");
            let endpoint = found.text(at.field("endpoint"), &endpoint)?;
            return send(Channel::Webhook(Webhook { endpoint }));
        }
        WireWork::Email(email) => {
            let email = read_email(found, at.field("email"), email)?;
            return send(Channel::Email(email));
        }
        WireWork::Publish(v1::PublishWork { subject }) => {
            let at = at.field("publish");
            let subject = found.text(at.field("subject"), &subject)?;
            return send(Channel::Publish(Publish { subject }));
        }
        WireWork::Comment(comment) => {
            let v1::CommentWork {
                text,
                visible_to_customer,
            } = comment;
            let at = at.field("comment");
            Writing::Comment {
                text: found.text(at.field("text"), &text)?,
                visible_to_customer,
            }
        }
        WireWork::SetAttributes(v1::AttributesWork { attributes }) => {
            let at = at.field("set_attributes");
            Writing::SetAttributes(read_attributes(found, at.field("attributes"), &attributes)?)
        }
        WireWork::Transition(v1::TransitionWork { transition }) => {
            let at = at.field("transition");
            Writing::Transition(found.text(at.field("transition"), &transition)?)
        }
    };
    if policy.is_some() {
        let problem = "means nothing to what is written with the step";
        return Err(found.note(at.field("policy"), Problem::Text(problem.to_owned())));
    }
    Ok(Work::Write(writing))
}

fn read_email(found: &mut Violations, at: Path<'_>, email: v1::EmailWork) -> Result<Email, Noted> {
    let v1::EmailWork {
        identity,
        template,
        guest_template,
        customer,
        copy_to,
        copy_method,
    } = email;
    let identity = found.number(at.field("identity"), identity);
    let template = found.text(at.field("template"), &template);
    let guest_template = found.optional(at.field("guest_template"), &guest_template);
    let customer = found.number(at.field("customer"), customer);
    let copy_to = found.list(at.field("copy_to"), &copy_to, COPIES_MAX);
    let copy_method = found.number(at.field("copy_method"), copy_method);
    Ok(Email {
        identity: match identity? {
            v1::SenderIdentity::Unspecified | v1::SenderIdentity::Sales => Identity::Sales,
            v1::SenderIdentity::General => Identity::General,
            v1::SenderIdentity::Support => Identity::Support,
            v1::SenderIdentity::Custom1 => Identity::Custom1,
            v1::SenderIdentity::Custom2 => Identity::Custom2,
        },
        template: template?,
        guest_template: guest_template?,
        customer: match customer? {
            v1::CustomerNotice::Unspecified | v1::CustomerNotice::OnRequest => Notify::OnRequest,
            v1::CustomerNotice::Always => Notify::Always,
            v1::CustomerNotice::Never => Notify::Never,
        },
        copy_to: copy_to?,
        copy_method: match copy_method? {
            v1::CopyMethod::Unspecified | v1::CopyMethod::Bcc => CopyMethod::Bcc,
            v1::CopyMethod::Separate => CopyMethod::Separate,
        },
    })
}

fn read_attributes(
    found: &mut Violations,
    at: Path<'_>,
    attributes: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Template>, Noted> {
    if attributes.is_empty() {
        return Err(found.note(at, Invalid::Empty));
    }
    let read: Vec<_> = attributes
        .iter()
        .map(|(key, text)| {
            let template = found.check(at.key(key), Template::from_str(text))?;
            Ok((key.clone(), template))
        })
        .collect();
    read.into_iter().collect()
}

/// Writes the actions of one place.
pub(crate) fn actions_to_wire(actions: &[Action]) -> Vec<v1::StepAction> {
    actions.iter().map(action_to_wire).collect()
}

fn action_to_wire(action: &Action) -> v1::StepAction {
    let Action {
        code,
        description,
        work,
        condition,
        position,
        active,
    } = action;
    let (work, policy) = match work {
        Work::Send(channel, policy) => {
            let Policy {
                attempts,
                backoff,
                timeout,
            } = policy;
            let policy = v1::DeliveryPolicy {
                // At most 50.
                attempts: i32::try_from(*attempts).unwrap_or(i32::MAX),
                backoff: Some(period_to_wire(*backoff)),
                timeout: Some(period_to_wire(*timeout)),
            };
            (channel_to_wire(channel), Some(policy))
        }
        Work::Write(writing) => (writing_to_wire(writing), None),
    };
    v1::StepAction {
        code: code.to_string(),
        description: description.to_string(),
        work: Some(work),
        condition: text(condition.as_ref()),
        policy,
        position: *position,
        active: Some(*active),
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
            WireWork::SetAttributes(v1::AttributesWork {
                attributes: texts
                    .map(|(key, text)| (key.clone(), text.to_string()))
                    .collect(),
            })
        }
        Writing::Transition(code) => WireWork::Transition(v1::TransitionWork {
            transition: code.to_string(),
        }),
    }
}

fn email_to_wire(email: &Email) -> v1::EmailWork {
    let Email {
        identity,
        template,
        guest_template,
        customer,
        copy_to,
        copy_method,
    } = email;
    let identity = match identity {
        Identity::General => v1::SenderIdentity::General,
        Identity::Sales => v1::SenderIdentity::Sales,
        Identity::Support => v1::SenderIdentity::Support,
        Identity::Custom1 => v1::SenderIdentity::Custom1,
        Identity::Custom2 => v1::SenderIdentity::Custom2,
    };
    let customer = match customer {
        Notify::OnRequest => v1::CustomerNotice::OnRequest,
        Notify::Always => v1::CustomerNotice::Always,
        Notify::Never => v1::CustomerNotice::Never,
    };
    let copy_method = match copy_method {
        CopyMethod::Bcc => v1::CopyMethod::Bcc,
        CopyMethod::Separate => v1::CopyMethod::Separate,
    };
    v1::EmailWork {
        identity: identity.into(),
        template: template.to_string(),
        guest_template: text(guest_template.as_ref()),
        customer: customer.into(),
        copy_to: copy_to.iter().map(ToString::to_string).collect(),
        copy_method: copy_method.into(),
    }
}
