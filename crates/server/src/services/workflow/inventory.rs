//! The inventory of this server: endpoints, templates of mails, servers, and what actions of a
//! workflow name that is not there.

use std::collections::BTreeSet;

use waymark_domain::{
    value::EndpointCode,
    workflow::{Channel, Email, Finding, Rule, Work, Workflow},
};
use waymark_transports::publish::check_subject;

use crate::{App, Error};

/// How many characters of a subject are shown.
const SUBJECT_SHOWN_MAX: usize = 100;

/// The inventory as it is now.
#[derive(Debug)]
pub(super) struct Inventory {
    endpoints: BTreeSet<EndpointCode>,
    /// The names of templates; none where they are not known.
    templates: Option<BTreeSet<String>>,
    /// Why no mail is sent at all, if none is.
    no_mails: Option<&'static str>,
    /// Why no event is published at all, if none is.
    no_events: Option<&'static str>,
}

impl Inventory {
    /// Looks at endpoints, templates and settings.
    pub(super) async fn read(app: &App) -> Result<Self, Error> {
        let endpoints = app.store().endpoints().await?.into_iter();
        let templates = app.transports.templates().clone();
        let templates = app.compute(move || templates.names()).await?;
        Ok(Self {
            endpoints: endpoints.map(|endpoint| endpoint.code).collect(),
            templates,
            no_mails: app.transports.problem("email"),
            no_events: app.transports.problem("publish"),
        })
    }

    /// The findings about the active actions of a workflow.
    pub(super) fn findings(&self, workflow: &Workflow) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (trigger, action) in workflow.actions().filter(|(_, action)| action.active) {
            let problems = match &action.work {
                Work::Send(channel, _) => self.problems(channel),
                Work::Write(_) => Vec::new(),
            };
            findings.extend(problems.into_iter().map(|(rule, problem)| {
                let message = format!("has the action {} that {problem}", action.code);
                Finding::new(rule, trigger.subject(), message)
            }));
        }
        findings
    }

    fn problems(&self, channel: &Channel) -> Vec<(Rule, String)> {
        match channel {
            Channel::Webhook(webhook) if self.endpoints.contains(&webhook.endpoint) => Vec::new(),
            Channel::Webhook(webhook) => {
                let problem = format!(
                    "posts to endpoint {}, which this server does not have: nothing is sent until somebody creates it",
                    webhook.endpoint
                );
                vec![(Rule::UnknownEndpoint, problem)]
            }
            Channel::Email(email) => self.of_mail(email),
            Channel::Publish(publish) => self.of_event(publish.subject.as_str()),
        }
    }

    fn of_mail(&self, email: &Email) -> Vec<(Rule, String)> {
        let waits = self
            .no_mails
            .map(|problem| format!("sends a mail, but {problem}: it waits"));
        let named = [Some(&email.template), email.guest_template.as_ref()];
        let is_unknown = |name: &str| {
            let known = self.templates.as_ref();
            known.is_some_and(|known| !known.contains(name))
        };
        let unknown = named
            .into_iter()
            .flatten()
            .filter(|name| is_unknown(name.as_str()));
        let unknown = unknown.map(|name| {
            format!(
                "sends a mail of template {name}, of which this server has no subject or no body"
            )
        });
        let problems = waits.into_iter().chain(unknown);
        problems
            .map(|problem| (Rule::UnknownTemplate, problem))
            .collect()
    }

    fn of_event(&self, subject: &str) -> Vec<(Rule, String)> {
        let mut problems = Vec::new();
        if let Some(problem) = self.no_events {
            problems.push(format!("publishes an event, but {problem}: it waits"));
        }
        if let Err(invalid) = check_subject(&filled_in(subject)) {
            let shown: String = subject.chars().take(SUBJECT_SHOWN_MAX).collect();
            problems.push(format!(
                "publishes to `{shown}`, where no event may go: {invalid}"
            ));
        }
        let problems = problems.into_iter();
        problems
            .map(|problem| (Rule::UnmatchedSubject, problem))
            .collect()
    }
}

/// A subject with an `x` for each placeholder and tag, so that what is wrong with it is wrong
/// whatever these come to.
fn filled_in(template: &str) -> String {
    let mut subject = String::new();
    let mut rest = template;
    while let Some((before, tag)) = rest.split_once('{') {
        subject.push_str(before);
        let (end, sample) = match tag.chars().next() {
            Some('{') => ("}}", "x"),
            Some('%') => ("%}", "x"),
            Some('#') => ("#}", ""),
            Some(_) | None => {
                subject.push('{');
                rest = tag;
                continue;
            }
        };
        let tag = tag.get(1..).unwrap_or_default();
        let (inner, after) = split_at_end(tag, end).unwrap_or((tag, ""));
        if inner.starts_with('-') {
            subject.truncate(subject.trim_end().len());
        }
        subject.push_str(sample);
        rest = if inner.ends_with('-') {
            after.trim_start()
        } else {
            after
        };
    }
    subject.push_str(rest.strip_suffix('\n').unwrap_or(rest));
    subject
}

/// What stands before and behind the end of a tag, which does not count between quotes.
fn split_at_end<'t>(text: &'t str, end: &str) -> Option<(&'t str, &'t str)> {
    let mut quote = None;
    for (index, sign) in text.char_indices() {
        match quote {
            Some(open) if open == sign => quote = None,
            Some(_) => {}
            None if matches!(sign, '\'' | '"') && end != "#}" => quote = Some(sign),
            None => {
                let here = text.get(index..)?;
                if let Some(after) = here.strip_prefix(end) {
                    return Some((text.get(..index)?, after));
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_stand_for_something() {
        for (template, expected) in [
            ("orders.shipped", "orders.shipped"),
            (
                "orders.{{ order.workflow }}.{{ entry.to_status }}",
                "orders.x.x",
            ),
            ("orders.{{ order.attributes['a}}b'] }}", "orders.x"),
            ("orders. {{- order.id -}} .new", "orders.x.new"),
            ("{# a note #}orders", "orders"),
            ("{#- it's #}orders", "orders"),
            (
                "orders.{% if order.is_virtual %}a{% else %}b{% endif %}",
                "orders.xaxbx",
            ),
            ("a{b}", "a{b}"),
            ("orders\n", "orders"),
            ("orders.{{ x", "orders.x"),
        ] {
            assert_eq!(filled_in(template), expected, "{template}");
        }
    }

    #[test]
    fn only_what_is_wrong_whatever_it_comes_to_is_told() {
        let inventory = Inventory {
            endpoints: BTreeSet::new(),
            templates: None,
            no_mails: None,
            no_events: None,
        };
        for (subject, is_told) in [
            ("orders.{{ order.workflow }}", false),
            ("{{ order.id }}", false),
            ("orders.* >", true),
            ("orders..{{ order.id }}", true),
            ("orders.{{ order.id }}.", true),
            ("$JS.{{ order.id }}", true),
            ("my orders", true),
        ] {
            assert_eq!(
                !inventory.of_event(subject).is_empty(),
                is_told,
                "{subject}"
            );
        }
    }
}
