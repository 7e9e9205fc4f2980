//! Arbitrary values of the domain, within their rules.

use std::{fmt::Debug, str::FromStr, time::Duration};

use proptest::{collection, option, prelude::*};
use waymark_domain::{
    actor::{Actor, ActorKind},
    guard::Expression,
    order::{Customer, NewLine, NewOrder},
    template::Template,
    value::{ActionCode, Attributes, EmailAddress, Money, Period},
    workflow::{
        Action, Channel, CopyMethod, Email, Identity, Notify, Policy, Publish, Status, Transition,
        Trigger, Webhook, Work, Writing,
    },
};

/// Values from texts that match a pattern.
fn text<T>(pattern: &'static str) -> impl Strategy<Value = T>
where
    T: FromStr + Debug,
    T::Err: Debug,
{
    pattern.prop_map(|text| text.parse().unwrap())
}

fn code<T>() -> impl Strategy<Value = T>
where
    T: FromStr + Debug,
    T::Err: Debug,
{
    text("[a-z][a-z0-9_]{0,31}")
}

const LABEL: &str = "[A-Za-zäöü][ -~äöü]{0,30}";
const ONE_LINE: &str = "[ -~äöü€]{0,40}";
const LINES_OF_TEXT: &str = "[ -~äöü€\n\t]{0,40}";
const ASCII: &str = "[!-~]{1,40}";
const STORE_VIEW: &str = "[A-Za-z0-9_-]{1,32}";

/// Somebody who may call.
pub(crate) fn actor() -> impl Strategy<Value = Actor> {
    let kinds = [ActorKind::User, ActorKind::Integration, ActorKind::Customer];
    (
        prop::sample::select(kinds.to_vec()),
        text(ONE_LINE),
        text(ONE_LINE),
        collection::vec(text(ASCII), 0..4),
    )
        .prop_map(|(kind, id, on_behalf_of, roles)| Actor {
            kind,
            id,
            on_behalf_of,
            roles,
        })
}

pub(crate) fn status() -> impl Strategy<Value = Status> {
    (
        code(),
        text(LABEL),
        collection::btree_map(text(STORE_VIEW), text(LABEL), 0..4),
        text(LINES_OF_TEXT),
        option::of(text("#[0-9a-fA-F]{6}")),
        any::<i32>(),
        any::<bool>(),
    )
        .prop_map(
            |(code, label, store_view_labels, description, color, position, retired)| Status {
                code,
                label,
                store_view_labels,
                description,
                color,
                position,
                retired,
                on_enter: Vec::new(),
            },
        )
}

fn trigger() -> impl Strategy<Value = Trigger> {
    prop_oneof![
        Just(Trigger::Manual),
        Just(Trigger::Automatic),
        collection::vec(code(), 1..4).prop_map(Trigger::OnOperations),
        period().prop_map(Trigger::After),
    ]
}

fn period() -> impl Strategy<Value = Period> {
    (1..10_000_000_u64).prop_map(|millis| Period::new(Duration::from_millis(millis)).unwrap())
}

fn work() -> impl Strategy<Value = Work> {
    let template = || "[ -z]{0,20}[a-z]".prop_map(|text| Template::new(&text).unwrap());
    let address = "[a-z]{1,5}@[a-z]{1,5}\\.com".prop_map(|text| EmailAddress::new(&text).unwrap());
    let email = (
        code(),
        option::of(code()),
        collection::vec(address, 0..4),
        0..30_usize,
    );
    let email = email.prop_map(|(template, guest_template, copy_to, dice)| {
        let identities = [
            Identity::General,
            Identity::Sales,
            Identity::Support,
            Identity::Custom1,
            Identity::Custom2,
        ];
        Email {
            identity: identities[dice % 5],
            template,
            guest_template,
            customer: [Notify::OnRequest, Notify::Always, Notify::Never][dice % 3],
            copy_to,
            copy_method: [CopyMethod::Bcc, CopyMethod::Separate][dice % 2],
        }
    });
    let channel = prop_oneof![
        code().prop_map(|endpoint| Channel::Webhook(Webhook { endpoint })),
        email.prop_map(Channel::Email),
        template().prop_map(|subject| Channel::Publish(Publish { subject })),
    ];
    let policy =
        (1..=50_u32, period(), 1..=300_000_u64).prop_map(|(attempts, backoff, timeout)| Policy {
            attempts,
            backoff,
            timeout: Period::new(Duration::from_millis(timeout)).unwrap(),
        });
    let writing = prop_oneof![
        (template(), any::<bool>()).prop_map(|(text, visible_to_customer)| Writing::Comment {
            text,
            visible_to_customer
        }),
        collection::btree_map("[ -~]{1,8}", template(), 1..3).prop_map(Writing::SetAttributes),
        code().prop_map(Writing::Transition),
    ];
    prop_oneof![
        (channel, policy).prop_map(|(channel, policy)| Work::Send(channel, policy)),
        writing.prop_map(Work::Write),
    ]
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let condition = "[a-z][ -~]{0,60}".prop_map(|text| Expression::new(&text).unwrap());
    let action = (
        work(),
        text(LINES_OF_TEXT),
        option::of(condition),
        any::<i32>(),
        any::<bool>(),
    );
    let actions = collection::btree_map("[a-z][a-z0-9_]{0,6}", action, 0..3);
    actions.prop_map(|actions| {
        let actions = actions.into_iter();
        let actions =
            actions.map(
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

pub(crate) fn transition() -> impl Strategy<Value = Transition> {
    let names = (code(), text(LABEL), text(LINES_OF_TEXT));
    let ways = (
        collection::vec(code(), 0..4),
        collection::vec(code(), 0..4),
        code(),
        option::of(code()),
    );
    let guard = "[a-z][ -~]{0,60}".prop_map(|text| Expression::new(&text).unwrap());
    let conduct = (
        option::of(guard),
        trigger(),
        (option::of(code()), any::<[bool; 3]>()),
        collection::vec(text(ASCII), 0..4),
        actions(),
        any::<i32>(),
    );
    (names, ways, conduct).prop_map(|(names, ways, conduct)| {
        let (code, label, description) = names;
        let (from_statuses, from_states, to_state, to_status) = ways;
        let (guard, trigger, recorded, roles, actions, position) = conduct;
        let (operation, [reverse, visible_to_customer, notify_customer]) = recorded;
        Transition {
            code,
            label,
            description,
            from_statuses,
            from_states,
            to_state,
            to_status,
            guard,
            trigger,
            operation,
            reverse,
            visible_to_customer,
            notify_customer,
            roles,
            actions,
            position,
        }
    })
}

fn customer() -> impl Strategy<Value = Customer> {
    let texts = (
        text(LINES_OF_TEXT),
        text("([a-z]{1,9}@[a-z]{1,9}\\.example)?"),
        text(LINES_OF_TEXT),
    );
    (texts, any::<bool>()).prop_map(|((id, email, name), guest)| Customer {
        id,
        email,
        name,
        guest,
    })
}

fn money() -> impl Strategy<Value = Money> {
    (0_i64..=1_000_000_000_000_000).prop_map(|minor_units| Money::new(minor_units).unwrap())
}

fn lines() -> impl Strategy<Value = Vec<NewLine>> {
    let line = (
        text(LINES_OF_TEXT),
        text(LINES_OF_TEXT),
        text("[1-9][0-9]{0,11}(\\.[0-9]{1,4})?"),
        any::<bool>(),
        option::of(money()),
    );
    collection::btree_map(text(ASCII), line, 0..5).prop_map(|lines| {
        let lines = lines.into_iter();
        let line = |(id, (sku, name, ordered, is_virtual, total))| NewLine {
            id,
            sku,
            name,
            ordered,
            is_virtual,
            total,
        };
        lines.map(line).collect()
    })
}

/// Orders that name where they start.
pub(crate) fn new_order() -> impl Strategy<Value = NewOrder> {
    let names = (code(), text(ASCII), code(), code());
    let price = (option::of(text("[A-Z]{3}")), money());
    let shop = (
        option::of(text(STORE_VIEW)),
        customer(),
        collection::btree_map("[ -~äöü]{1,20}", LINES_OF_TEXT, 0..5),
    );
    (names, price, shop, lines()).prop_map(|(names, price, shop, lines)| {
        let (workflow, id, state, status) = names;
        let (currency, grand_total) = price;
        let (store_view, customer, attributes) = shop;
        NewOrder {
            workflow,
            id,
            state: Some(state),
            status: Some(status),
            lines,
            currency,
            grand_total,
            store_view,
            customer,
            attributes: Attributes::new(attributes).unwrap(),
            expected_version: None,
        }
    })
}
