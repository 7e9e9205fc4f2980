//! Invented actions, of every kind.

use std::{collections::BTreeMap, time::Duration};

use proptest::{collection, option, prelude::*};

use super::{description, guard, position};
use crate::{
    template::Template,
    value::{ActionCode, EmailAddress, EndpointCode, Period, TemplateName, TransitionCode},
    workflow::{
        Action, Channel, CopyMethod, Email, Identity, Notify, Policy, Publish, Webhook, Work,
        Writing,
    },
};

pub(super) fn period() -> impl Strategy<Value = Period> {
    (1..=86_400_000_u64).prop_map(|millis| Period::new(Duration::from_millis(millis)).unwrap())
}

fn template() -> impl Strategy<Value = Template> {
    prop_oneof![
        "[ -z]{0,20}[a-z]".prop_map(|text| Template::new(&text).unwrap()),
        Just(Template::new("{{ order.id }}: # {{ entry.to_status }}").unwrap()),
        Just(Template::new("{% if order.is_virtual %}\n- yes{% endif %}").unwrap()),
    ]
}

fn email() -> impl Strategy<Value = Email> {
    let name = || "[a-z]{1,8}".prop_map(|name| TemplateName::new(&name).unwrap());
    let identity = prop_oneof![
        Just(Identity::General),
        Just(Identity::Sales),
        Just(Identity::Support),
        Just(Identity::Custom1),
        Just(Identity::Custom2),
    ];
    let customer = prop_oneof![
        Just(Notify::OnRequest),
        Just(Notify::Always),
        Just(Notify::Never),
    ];
    let address = "[a-z]{1,5}@[a-z]{1,5}\\.com".prop_map(|text| EmailAddress::new(&text).unwrap());
    let method = prop_oneof![Just(CopyMethod::Bcc), Just(CopyMethod::Separate)];
    let to = (collection::vec(address, 0..3), method);
    (name(), option::of(name()), identity, customer, to).prop_map(
        |(template, guest_template, identity, customer, (copy_to, copy_method))| Email {
            identity,
            template,
            guest_template,
            customer,
            copy_to,
            copy_method,
        },
    )
}

fn work() -> impl Strategy<Value = Work> {
    let endpoint = "[a-z]{1,8}".prop_map(|code| EndpointCode::new(&code).unwrap());
    let channel = prop_oneof![
        endpoint.prop_map(|endpoint| Channel::Webhook(Webhook { endpoint })),
        email().prop_map(Channel::Email),
        template().prop_map(|subject| Channel::Publish(Publish { subject })),
    ];
    let policy =
        (1..=50_u32, period(), 1..=300_000_u64).prop_map(|(attempts, backoff, timeout)| Policy {
            attempts,
            backoff,
            timeout: Period::new(Duration::from_millis(timeout)).unwrap(),
        });
    let policy = prop_oneof![Just(Policy::default()), policy];
    let writing = prop_oneof![
        (template(), any::<bool>()).prop_map(|(text, visible_to_customer)| Writing::Comment {
            text,
            visible_to_customer
        }),
        collection::btree_map("[ -~]{1,8}", template(), 1..3).prop_map(Writing::SetAttributes),
        "[a-z]{1,8}".prop_map(|code| Writing::Transition(TransitionCode::new(&code).unwrap())),
    ];
    prop_oneof![
        (channel, policy).prop_map(|(channel, policy)| Work::Send(channel, policy)),
        writing.prop_map(Work::Write),
    ]
}

/// Up to three actions of a place.
pub(super) fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = (work(), description(), guard(), position(), any::<bool>());
    let actions = collection::btree_map("[a-z][a-z0-9_]{0,6}", action, 0..3);
    actions.prop_map(|actions: BTreeMap<_, _>| {
        let actions =
            actions
                .into_iter()
                .map(
                    |(code, (work, description, condition, position, active))| Action {
                        code: ActionCode::new(&code).unwrap(),
                        description,
                        work,
                        condition,
                        position,
                        active,
                    },
                );
        actions.collect()
    })
}
