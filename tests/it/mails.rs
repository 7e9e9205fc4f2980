//! Mails that steps set off, as a real SMTP server gets them from a running server: who is written to, by whom, with
//! which template, and what the ledger says of it.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::OnceCell;
use waymark_proto::v1::{self, AttemptOutcome, DeliveryState, EntryKind};
use waymark_testkit::smtp::Smtp;
use waymark_tests::{
    Backend, Clients, Server, Shop, feed_reader, ledger,
    refusal::invalid,
    shop::standing,
    world::{apply, fresh_code},
};

on_each_database!(
    a_guest_gets_the_template_for_guests,
    blind_copies_come_with_the_mail_to_the_customer,
    separate_copies_are_mails_of_their_own,
    a_customer_who_is_refused_keeps_nobody_else_from_the_mail,
    copies_of_a_later_mail_do_not_wait_for_the_customer,
    mails_of_one_order_follow_each_other_at_once,
    a_test_sends_to_those_whom_the_server_takes,
    amounts_have_the_digits_of_their_currency,
    a_copy_that_fails_is_noted_and_keeps_nobody_from_the_mail,
    a_comment_that_notifies_reaches_customer_and_copies,
    separate_copies_of_a_comment_come_without_the_customer,
    blind_copies_of_a_comment_come_without_the_customer,
    spaces_around_addresses_do_not_count,
    mails_wait_while_the_server_for_them_is_down,
    markup_in_a_comment_is_text,
    labels_are_those_of_the_store_view_of_the_order,
    the_ledger_says_what_the_server_answered,
    a_mail_leads_to_the_feed_of_its_order,
    each_sender_has_its_address,
    new_orders_are_told_as_the_shop_wants_it,
);

/// A mail server and a Waymark that uses it. The senders are those that the settings name; support has none.
struct Office {
    smtp: Smtp,
    server: Server,
}

static SQLITE: OnceCell<Office> = OnceCell::const_new();
static POSTGRES: OnceCell<Office> = OnceCell::const_new();

/// The office that the tests of a database share.
async fn office(backend: Backend) -> &'static Office {
    let cell = match backend {
        Backend::Sqlite => &SQLITE,
        Backend::Postgres => &POSTGRES,
    };
    let open = async || {
        let smtp = Smtp::start(&[]);
        let server = server(backend, smtp.port, 50).await;
        Office { smtp, server }
    };
    cell.get_or_init(open).await
}

/// A server that looks for what is due so often, though nothing happens.
async fn server(backend: Backend, smtp_port: u16, poll_ms: u32) -> Server {
    let settings = [
        "smtp_host=127.0.0.1",
        &format!("smtp_port={smtp_port}"),
        "smtp_security=none",
        "mail_general=General Contact <general@shop.example>",
        "mail_sales=Sales Representative <sales@shop.example>",
        "mail_custom1=Custom Email 1 <one@shop.example>",
        "mail_custom2=Custom Email 2 <two@shop.example>",
        "feeds_listen=127.0.0.1:0",
        &format!("dispatch_lease={}ms", 10 * poll_ms),
        &format!("dispatch_poll={poll_ms}ms"),
    ];
    let arguments: Vec<&str> = settings.iter().flat_map(|it| ["--set", it]).collect();
    Server::start_with(backend, &arguments).await
}

/// A workflow with mails, and a domain of mail addresses that is its own.
struct Post<'o> {
    shop: Shop,
    smtp: &'o Smtp,
    domain: String,
}

impl<'o> Post<'o> {
    /// A workflow with these actions in a database of the office; `@@` stands for the domain.
    async fn on(backend: Backend, actions: &str) -> Post<'static> {
        let office = office(backend).await;
        Post::of(&office.server.clients(), &office.smtp, actions).await
    }

    async fn of(clients: &Clients, smtp: &'o Smtp, actions: &str) -> Self {
        let code = fresh_code();
        let domain = format!("{code}.example");
        let document = document(actions, &domain);
        let shop = apply(clients, &code, &document).await;
        Self { shop, smtp, domain }
    }

    /// An order of a customer who has an account.
    fn draft(&self, id: &str) -> v1::Order {
        self.draft_of(id, "anna")
    }

    fn draft_of(&self, id: &str, user: &str) -> v1::Order {
        v1::Order {
            customer: Some(v1::Customer {
                id: "17".into(),
                email: format!("{user}@{}", self.domain),
                name: "Anna Nym".into(),
                guest: false,
            }),
            ..self.shop.draft(id, &[("tea", "2")])
        }
    }

    /// Places an order, and gives what that set off.
    async fn place(&self, order: v1::Order) -> Vec<v1::SetOff> {
        let created = self.shop.create(order).await.unwrap();
        created.entries.into_iter().next().unwrap().set_off
    }

    /// Comments on an order, and gives the entry.
    async fn say(&self, comment: v1::AddCommentRequest) -> v1::HistoryEntry {
        let answer = self.shop.orders().add_comment(comment).await.unwrap();
        answer.into_inner().entries.into_iter().next().unwrap()
    }

    /// A remark for the customer, who is to be told.
    fn news(&self, id: &str, comment: &str) -> v1::AddCommentRequest {
        v1::AddCommentRequest {
            notify_customer: true,
            visible_to_customer: true,
            ..self.shop.remark(id, comment)
        }
    }

    /// Waits for what became of the deliveries; nothing came then that a test has not taken.
    async fn until_all(&self, set_off: &[v1::SetOff], state: DeliveryState) {
        for set_off in set_off {
            ledger::until(&self.shop, &set_off.delivery_id, state).await;
        }
    }

    /// The mails that came for this test, once its deliveries have succeeded: one for each, in the same order.
    async fn mails(&self, set_off: &[v1::SetOff]) -> Vec<Value> {
        self.until_all(set_off, DeliveryState::Succeeded).await;
        let mails = set_off.iter().map(|_| self.smtp.mail_for(&self.domain));
        let mut mails: Vec<_> = mails.collect();
        // Copies come beside the mails to the customer, not after them.
        mails.sort_by_key(|mail| {
            let name = header(mail, "X-Waymark-Delivery").unwrap();
            let id = name.rsplit('_').next();
            let mut ids = set_off.iter().map(|set_off| set_off.delivery_id.as_str());
            ids.position(|known| Some(known) == id)
        });
        assert!(self.smtp.has_no_more_for(&self.domain));
        mails
    }

    /// The one mail that came.
    async fn mail(&self, set_off: &[v1::SetOff]) -> Value {
        let mut mails = self.mails(set_off).await;
        assert_eq!(mails.len(), 1, "{set_off:?}");
        mails.remove(0)
    }
}

fn document(actions: &str, domain: &str) -> String {
    let document = "label: Shop
initial_state: new
comment_status: any_in_state
statuses:
  fresh: {label: Fresh, store_view_labels: {de: Frisch, fr: Frais}}
  packed: {label: Packed, store_view_labels: {de: Gepackt, fr: Emballée}}
states:
  new: {label: New, category: initial, can_start: true, statuses: [fresh, packed]}
";
    format!("{document}{actions}\n").replace("@@", &format!("@{domain}"))
}

/// The names before the `@` of those to whom a mail was handed over.
fn readers(mail: &Value) -> Vec<&str> {
    let addresses = mail["recipients"].as_array().unwrap().iter();
    let names = addresses.map(|address| address.as_str().unwrap().split('@').next().unwrap());
    names.collect()
}

fn destinations(set_off: &[v1::SetOff]) -> Vec<&str> {
    let destinations = set_off.iter().map(|set_off| set_off.destination.as_str());
    destinations
        .map(|destination| destination.split('@').next().unwrap())
        .collect()
}

fn part<'m>(mail: &'m Value, kind: &str) -> &'m str {
    let mut parts = mail["parts"].as_array().unwrap().iter();
    let part = parts.find(|part| part[0] == kind);
    part.expect("there is such a part")[1].as_str().unwrap()
}

fn header<'m>(mail: &'m Value, name: &str) -> Option<&'m str> {
    let mut headers = mail["headers"].as_array().unwrap().iter();
    let found = headers.find(|header| header[0] == name)?;
    found[1].as_str()
}

/// The one address in a header, with its name.
fn named<'m>(mail: &'m Value, header: &str) -> (&'m str, &'m str) {
    let addresses = mail[header].as_array().unwrap();
    assert_eq!(addresses.len(), 1, "{addresses:?}");
    let word = |place: usize| addresses[0][place].as_str().unwrap();
    (word(0), word(1))
}

async fn a_guest_gets_the_template_for_guests(backend: Backend) {
    let actions = "on_create: {mail: {email: {template: new_order, guest_template: new_order_guest, customer: always}}}";
    let post = Post::on(backend, actions).await;
    let account = post.place(post.draft("1")).await;
    let mail = post.mail(&account).await;
    let address = format!("anna@{}", post.domain);
    assert_eq!(named(&mail, "to"), ("Anna Nym", address.as_str()));
    assert!(!part(&mail, "text/plain").contains("without an account"));

    let mut order = post.draft("2");
    order.customer = Some(v1::Customer {
        id: String::new(),
        name: "Bea Billing".into(),
        guest: true,
        ..order.customer.unwrap()
    });
    let guest = post.place(order).await;
    let mail = post.mail(&guest).await;
    assert_eq!(named(&mail, "to"), ("Bea Billing", address.as_str()));
    for kind in ["text/plain", "text/html"] {
        let shown = part(&mail, kind);
        assert!(shown.contains("You ordered without an account"), "{shown}");
        assert!(shown.contains("Dear Bea Billing,"), "{shown}");
    }
}

async fn blind_copies_come_with_the_mail_to_the_customer(backend: Backend) {
    let actions = "on_create: {mail: {email: {template: new_order, customer: always, copy_to: [boss@@, depot@@]}}}";
    let post = Post::on(backend, actions).await;
    let set_off = post.place(post.draft("1")).await;
    assert_eq!(destinations(&set_off), ["customer"]);
    let mail = post.mail(&set_off).await;
    assert_eq!(readers(&mail), ["anna", "boss", "depot"]);
    // Nobody sees who else got it.
    let raw = mail["raw"].as_str().unwrap();
    assert!(!raw.contains("boss@") && !raw.contains("depot@"), "{raw}");
    assert_eq!(header(&mail, "Bcc"), None);
}

async fn separate_copies_are_mails_of_their_own(backend: Backend) {
    let actions = "on_create: {mail: {email: {template: new_order, customer: always, copy_to: [boss@@, depot@@], copy_method: separate}}}";
    let post = Post::on(backend, actions).await;
    let set_off = post.place(post.draft("1")).await;
    assert_eq!(destinations(&set_off), ["customer", "boss", "depot"]);
    let mails = post.mails(&set_off).await;
    for (mail, user) in mails.iter().zip(["anna", "boss", "depot"]) {
        assert_eq!(readers(mail), [user]);
        assert_eq!(named(mail, "to").1, format!("{user}@{}", post.domain));
    }
    // A copy says what the mail says.
    let texts: Vec<&str> = mails.iter().map(|mail| part(mail, "text/html")).collect();
    assert_eq!((texts[0], texts[0]), (texts[1], texts[2]));
    let ids: Vec<_> = mails
        .iter()
        .map(|mail| header(mail, "Message-ID"))
        .collect();
    assert!(ids[0] != ids[1] && ids[1] != ids[2], "{ids:?}");
}

/// The delivery of the blind copies of a mail, once they go by themselves.
fn copies_of(set_off: &v1::SetOff) -> String {
    let (place, number) = set_off.delivery_id.rsplit_once('-').unwrap();
    let number: u32 = number.parse().unwrap();
    format!("{place}-{}", number + 1_000)
}

/// How long after its step a delivery changed last.
fn waited(delivery: &v1::Delivery) -> Duration {
    let micros = |instant: Option<prost_types::Timestamp>| {
        let instant = instant.unwrap();
        instant.seconds * 1_000_000 + i64::from(instant.nanos) / 1_000
    };
    let waited = micros(delivery.update_time) - micros(delivery.create_time);
    Duration::from_micros(waited.try_into().unwrap())
}

async fn a_customer_who_is_refused_keeps_nobody_else_from_the_mail(backend: Backend) {
    let actions = "on_create:
  bcc: {email: {template: new_order, customer: always, copy_to: [boss@@]}, attempts: 2, backoff: 1ms, position: 1}
  separate: {email: {template: new_order, customer: always, copy_to: [depot@@], copy_method: separate}, attempts: 2, backoff: 1ms, position: 2}
  merchant: {email: {template: new_order, customer: never, copy_to: [shop@@]}, position: 3}";
    for (user, attempts, outcome) in [
        ("rcpt-451", 2, AttemptOutcome::Failed),
        ("rcpt-550", 1, AttemptOutcome::Refused),
    ] {
        let post = Post::on(backend, actions).await;
        let set_off = post.place(post.draft_of("1", user)).await;
        assert_eq!(
            destinations(&set_off),
            ["customer", "customer", "depot", "copies"]
        );
        let copies = copies_of(&set_off[0]);
        ledger::until_there(&post.shop, &copies).await;
        let others = [&copies, &set_off[2].delivery_id, &set_off[3].delivery_id];
        for id in others {
            let sent = ledger::until(&post.shop, id, DeliveryState::Succeeded).await;
            assert!(waited(&sent) < Duration::from_secs(2), "{sent:?}");
        }
        post.until_all(&set_off[..2], DeliveryState::Dead).await;
        for set_off in &set_off[..2] {
            let given_up = ledger::delivery(&post.shop, &set_off.delivery_id).await;
            assert_eq!(given_up.destination, "customer");
            assert_eq!(given_up.attempts.len(), attempts, "{given_up:?}");
            for attempt in &given_up.attempts {
                assert_eq!(attempt.outcome(), outcome);
            }
        }
        let mails = others.map(|_| post.smtp.mail_for(&post.domain));
        let mut all: Vec<_> = mails.iter().flat_map(readers).collect();
        all.sort_unstable();
        assert_eq!(all, ["boss", "depot", "shop"]);
        // A retry is for the customer alone.
        let mail = &set_off[0].delivery_id;
        ledger::retry(&post.shop, mail).await.unwrap();
        ledger::until_attempts(&post.shop, mail, 2 * attempts).await;
        ledger::until(&post.shop, mail, DeliveryState::Dead).await;
        assert!(post.smtp.has_no_more_for(&post.domain));
        // The order itself does not care.
        let said = post.say(post.shop.remark("1", "go on")).await;
        assert_eq!(said.sequence, 2);
        assert_eq!(standing(&post.shop.get("1").await), ("new", "fresh"));
    }
}

async fn copies_of_a_later_mail_do_not_wait_for_the_customer(backend: Backend) {
    let first =
        "on_create: {mail: {email: {template: new_order, customer: always}, backoff: 10min}}\n";
    let post = Post::on(backend, &format!("{first}{}", about_comments("bcc"))).await;
    let waiting = post.place(post.draft_of("1", "rcpt-451")).await;
    ledger::until_attempts(&post.shop, &waiting[0].delivery_id, 1).await;
    let entry = post.say(post.news("1", "It is packed.")).await;
    assert_eq!(destinations(&entry.set_off), ["customer"]);
    let copies = copies_of(&entry.set_off[0]);
    let refused = ledger::delivery(&post.shop, &waiting[0].delivery_id).await;
    assert_eq!(refused.state(), DeliveryState::Pending);
    assert_eq!(readers(&post.smtp.mail_for(&post.domain)), ["boss"]);
    let sent = ledger::until(&post.shop, &copies, DeliveryState::Succeeded).await;
    assert!(waited(&sent) < Duration::from_secs(2), "{sent:?}");
    // The customer gets both in turn.
    let behind = ledger::delivery(&post.shop, &entry.set_off[0].delivery_id).await;
    assert_eq!(behind.state(), DeliveryState::Pending);
    assert_eq!((behind.attempts.len(), behind.due_time), (0, None));
}

async fn a_test_sends_to_those_whom_the_server_takes(backend: Backend) {
    let actions = "on_comment: {mail: {email: {template: order_update, customer: always, copy_to: [boss@@]}}}";
    let post = Post::on(backend, actions).await;
    post.place(post.draft_of("1", "rcpt-550")).await;
    let request = v1::TestActionRequest {
        workflow: post.shop.workflow(),
        order_id: "1".into(),
        action: "comment.mail".into(),
        ..Default::default()
    };
    let answer = post.shop.workflows().test_action(request).await.unwrap();
    let tested = answer.into_inner().deliveries;
    let told: Vec<_> = tested
        .iter()
        .map(|sent| {
            let attempt = sent.attempt.as_ref().unwrap();
            (sent.destination.as_str(), attempt.outcome(), attempt.code)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("customer", AttemptOutcome::Refused, 550),
            ("copies", AttemptOutcome::Accepted, 250)
        ]
    );
    assert_eq!(readers(&post.smtp.mail_for(&post.domain)), ["boss"]);
}

async fn amounts_have_the_digits_of_their_currency(backend: Backend) {
    let actions = "on_create: {mail: {email: {template: new_order, customer: always}}}";
    let post = Post::on(backend, actions).await;
    for (currency, expected) in [
        ("EUR", "Total: 123.45 EUR"),
        ("JPY", "Total: 12345 JPY"),
        ("KWD", "Total: 12.345 KWD"),
        ("CLF", "Total: 1.2345 CLF"),
        ("", "Total: 123.45"),
    ] {
        let order = v1::Order {
            currency: currency.into(),
            grand_total: 12_345,
            ..post.draft(&format!("in-{currency}"))
        };
        let set_off = post.place(order).await;
        let mail = post.mail(&set_off).await;
        let text = part(&mail, "text/plain");
        assert!(text.lines().any(|line| line == expected), "{text}");
    }
}

async fn a_copy_that_fails_is_noted_and_keeps_nobody_from_the_mail(backend: Backend) {
    let actions = "on_create:
  bcc: {email: {template: new_order, customer: always, copy_to: [rcpt-550@@, boss@@]}, position: 1}
  separate: {email: {template: new_order, customer: always, copy_to: [rcpt-550@@, boss@@], copy_method: separate}, position: 2}";
    let post = Post::on(backend, actions).await;
    let set_off = post.place(post.draft("1")).await;
    assert_eq!(
        destinations(&set_off),
        ["customer", "customer", "rcpt-550", "boss"]
    );
    let [bcc, customer, refused, boss] = set_off.as_slice() else {
        panic!("{set_off:?}");
    };
    let refused = ledger::until(&post.shop, &refused.delivery_id, DeliveryState::Dead).await;
    let attempt = &refused.attempts[0];
    assert_eq!(
        (attempt.outcome(), attempt.code),
        (AttemptOutcome::Refused, 550)
    );
    assert_eq!(attempt.answer, b"no room for rcpt-550");
    let taken = [bcc.clone(), customer.clone(), boss.clone()];
    let mails = post.mails(&taken).await;
    let all: Vec<_> = mails.iter().map(readers).collect();
    assert_eq!(all, [vec!["anna", "boss"], vec!["anna"], vec!["boss"]]);
    let bcc = ledger::delivery(&post.shop, &bcc.delivery_id).await;
    let answer = String::from_utf8(bcc.attempts[0].answer.clone()).unwrap();
    let noted = format!("no copy to rcpt-550@{}: 550", post.domain);
    assert!(answer.contains(&noted), "{answer}");
}

/// What waits in a lane goes when what was before it has ended, and not with the next look for what is due.
async fn mails_of_one_order_follow_each_other_at_once(backend: Backend) {
    // So long between two looks that a slow machine cannot make up for one.
    const POLL_MS: u32 = 30_000;
    let smtp = Smtp::start(&[]);
    let server = server(backend, smtp.port, POLL_MS).await;
    let actions = "on_comment:
  bcc: {email: {template: order_update, customer: always, copy_to: [boss@@]}, backoff: 1m, position: 1}
  merchant: {email: {template: order_update, customer: never, copy_to: [shop@@]}, position: 2}";
    let post = Post::of(&server.clients(), &smtp, actions).await;
    post.place(post.draft_of("1", "rcpt-451")).await;
    let mut others = Vec::new();
    for number in 0..10 {
        let entry = post.say(post.news("1", &format!("News {number}"))).await;
        let [customer, merchant] = entry.set_off.as_slice() else {
            panic!("{:?}", entry.set_off);
        };
        others.extend([copies_of(customer), merchant.delivery_id.clone()]);
    }
    for id in &others {
        ledger::until_there(&post.shop, id).await;
        let sent = ledger::until(&post.shop, id, DeliveryState::Succeeded).await;
        let most = Duration::from_millis(u64::from(POLL_MS / 2));
        assert!(waited(&sent) < most, "{sent:?}");
    }
}

/// Mails about comments, with blind copies and with separate ones.
fn about_comments(copy_method: &str) -> String {
    format!(
        "on_comment: {{mail: {{email: {{template: order_update, copy_to: [boss@@], copy_method: {copy_method}}}}}}}"
    )
}

async fn a_comment_that_notifies_reaches_customer_and_copies(backend: Backend) {
    for (copy_method, expected) in [
        ("bcc", vec![vec!["anna", "boss"]]),
        ("separate", vec![vec!["anna"], vec!["boss"]]),
    ] {
        let post = Post::on(backend, &about_comments(copy_method)).await;
        assert_eq!(post.place(post.draft("1")).await, []);
        let entry = post.say(post.news("1", "It is packed.")).await;
        let mails = post.mails(&entry.set_off).await;
        let all: Vec<_> = mails.iter().map(readers).collect();
        assert_eq!(all, expected);
        for mail in &mails {
            assert!(part(mail, "text/plain").contains("It is packed."));
            assert!(part(mail, "text/html").contains("It is packed."));
        }
    }
}

/// Comments without a word to the customer, and gives the mail.
async fn silently(backend: Backend, copy_method: &str, destination: &str) {
    let post = Post::on(backend, &about_comments(copy_method)).await;
    post.place(post.draft("1")).await;
    let silent = v1::AddCommentRequest {
        notify_customer: false,
        ..post.news("1", "He rang twice.")
    };
    let entry = post.say(silent).await;
    assert!(!entry.notify_customer);
    assert_eq!(destinations(&entry.set_off), [destination]);
    let mail = post.mail(&entry.set_off).await;
    assert_eq!(readers(&mail), ["boss"]);
    let raw = mail["raw"].as_str().unwrap();
    assert!(!raw.contains("anna@"), "{raw}");
}

async fn separate_copies_of_a_comment_come_without_the_customer(backend: Backend) {
    silently(backend, "separate", "boss").await;
}

async fn blind_copies_of_a_comment_come_without_the_customer(backend: Backend) {
    silently(backend, "bcc", "copies").await;
}

async fn spaces_around_addresses_do_not_count(backend: Backend) {
    let actions = "on_create: {mail: {email: {template: new_order, customer: always, copy_to: [' boss@@ ', \"\\tdepot@@\"]}}}";
    let post = Post::on(backend, actions).await;
    let set_off = post.place(post.draft("1")).await;
    assert_eq!(
        readers(&post.mail(&set_off).await),
        ["anna", "boss", "depot"]
    );
    let stored = post.shop.export(v1::WorkflowFormat::Yaml).await;
    let written = format!("boss@{0}, depot@{0}", post.domain);
    assert!(stored.contains(&written), "{stored}");
    // Addresses are a list; a text with two of them is none.
    for addresses in ["['boss@@, depot@@']", "['boss@@ depot@@']", "[' ']"] {
        let actions = format!(
            "on_create: {{mail: {{email: {{template: new_order, copy_to: {addresses}}}}}}}"
        );
        let document = document(&actions, &post.domain);
        let request = post.shop.document(&document, v1::WorkflowFormat::Yaml);
        let answer = post.shop.workflows().apply_workflow(request).await;
        invalid(answer, "document");
    }
}

async fn mails_wait_while_the_server_for_them_is_down(backend: Backend) {
    let port = Smtp::start(&[]).port;
    let server = server(backend, port, 50).await;
    let clients = server.clients();
    let actions = "on_create:
  patient: {email: {template: new_order, customer: always}, condition: order.id == 'patient', attempts: 50, backoff: 30ms}
  hasty: {email: {template: new_order, customer: always, copy_to: [boss@@], copy_method: separate}, condition: order.id == 'hasty', attempts: 3, backoff: 1ms}";
    let shop = apply(&clients, "w", &document(actions, "home.example")).await;
    let place = async |id: &str| {
        let customer = v1::Customer {
            email: format!("{id}@home.example"),
            ..Default::default()
        };
        let order = v1::Order {
            customer: Some(customer),
            ..shop.draft(id, &[])
        };
        let created = shop.create(order).await.unwrap();
        let set_off = created.entries[0].set_off.iter();
        let ids: Vec<_> = set_off.map(|sent| sent.delivery_id.clone()).collect();
        ids
    };
    let patient = place("patient").await.remove(0);
    let waiting = ledger::until_attempts(&clients, &patient, 2).await;
    assert_eq!(waiting.state(), DeliveryState::Pending);
    assert!(waiting.due_time.is_some());
    let attempt = &waiting.attempts[0];
    assert_eq!(
        (attempt.outcome(), attempt.code),
        (AttemptOutcome::Failed, 0)
    );
    assert!(attempt.problem.contains("mail server"), "{attempt:?}");
    assert_eq!(waiting.problem, attempt.problem);
    // The order moves on.
    shop.comment("patient", "go on", "packed").await.unwrap();
    assert_eq!(standing(&shop.get("patient").await), ("new", "packed"));
    let [hasty, copy] = place("hasty").await.try_into().unwrap();
    let given_up = ledger::until(&clients, &hasty, DeliveryState::Dead).await;
    assert_eq!(given_up.attempts.len(), 3);
    let given_up = ledger::until(&clients, &copy, DeliveryState::Dead).await;
    assert_eq!(given_up.attempts.len(), 3);

    let smtp = Smtp::start(&["--port", &port.to_string()]);
    ledger::retry(&clients, &patient).await.unwrap();
    let mail = smtp.mail();
    assert_eq!(readers(&mail), ["patient"]);
    // It tells of the order as its step left it.
    assert!(part(&mail, "text/plain").contains("Its status is: Fresh"));
    ledger::until(&clients, &patient, DeliveryState::Succeeded).await;
    ledger::retry(&clients, &hasty).await.unwrap();
    let resent = ledger::until(&clients, &hasty, DeliveryState::Succeeded).await;
    assert_eq!(resent.attempts.len(), 4);
    assert_eq!(readers(&smtp.mail()), ["hasty"]);
    // Its copy is a mail of its own.
    assert!(smtp.has_no_more());
    ledger::retry(&clients, &copy).await.unwrap();
    ledger::until(&clients, &copy, DeliveryState::Succeeded).await;
    assert_eq!(readers(&smtp.mail()), ["boss"]);
    assert!(smtp.has_no_more());
}

async fn markup_in_a_comment_is_text(backend: Backend) {
    let post = Post::on(backend, &about_comments("bcc")).await;
    post.place(post.draft("1")).await;
    let comment = "<b>Bold</b> & <script>alert('1')</script>\n<img src=x onerror=alert(1)>";
    let entry = post.say(post.news("1", comment)).await;
    let mail = post.mail(&entry.set_off).await;
    assert!(part(&mail, "text/plain").contains(comment));
    let page = part(&mail, "text/html");
    for markup in ["<b>", "<script", "<img"] {
        assert!(!page.contains(markup), "{page}");
    }
    assert!(page.contains("&lt;b&gt;Bold&lt;"), "{page}");
    // A line of the comment is a line of the page.
    assert!(page.contains("<br>&lt;img src=x"), "{page}");

    // Nor is what is said for the house shown to the customer.
    let inside = v1::AddCommentRequest {
        visible_to_customer: false,
        ..post.news("1", "a difficult customer")
    };
    let entry = post.say(inside).await;
    let mail = post.mail(&entry.set_off).await;
    assert!(!mail["raw"].as_str().unwrap().contains("difficult"));
}

async fn labels_are_those_of_the_store_view_of_the_order(backend: Backend) {
    let post = Post::on(backend, &about_comments("bcc")).await;
    for (store_view, label) in [("de", "Gepackt"), ("fr", "Emballée"), ("", "Packed")] {
        let id = format!("in-{store_view}");
        let order = v1::Order {
            store_view: store_view.into(),
            ..post.draft(&id)
        };
        post.place(order).await;
        let packed = v1::AddCommentRequest {
            status: "packed".into(),
            // What the caller wants to see is not what the customer reads.
            store_view: "fr".into(),
            ..post.news(&id, "")
        };
        let entry = post.say(packed).await;
        let mail = post.mail(&entry.set_off).await;
        assert_eq!(
            header(&mail, "Subject"),
            Some(format!("Your order {id}: {label}").as_str())
        );
        for kind in ["text/plain", "text/html"] {
            let shown = part(&mail, kind);
            assert!(shown.contains(label), "{shown}");
        }
    }
}

async fn the_ledger_says_what_the_server_answered(backend: Backend) {
    let post = Post::on(backend, &about_comments("bcc")).await;
    post.place(post.draft("1")).await;
    post.say(post.news("1", "told")).await;
    post.say(post.shop.remark("1", "not told")).await;
    let entries = post.shop.entries("1").await;
    let said: Vec<_> = entries
        .iter()
        .filter(|entry| entry.kind() == EntryKind::Commented)
        .map(|entry| (entry.notify_customer, destinations(&entry.set_off)))
        .collect();
    assert_eq!(said, [(true, vec!["customer"]), (false, vec!["copies"])]);
    let told = &entries[1];
    let set_off = &told.set_off[0];
    assert_eq!(
        (set_off.action.as_str(), set_off.kind.as_str()),
        ("comment.mail", "email")
    );
    let delivery = ledger::until(&post.shop, &set_off.delivery_id, DeliveryState::Succeeded).await;
    assert_eq!((delivery.sequence, delivery.order_id.as_str()), (2, "1"));
    let [attempt] = delivery.attempts.as_slice() else {
        panic!("one attempt is enough: {delivery:?}");
    };
    assert_eq!(
        (attempt.outcome(), attempt.code, attempt.problem.as_str()),
        (AttemptOutcome::Accepted, 250, "")
    );
    assert_eq!(attempt.answer, b"2.0.0 queued as 4711");
    let began = attempt.start_time.unwrap();
    let written = told.create_time.unwrap();
    assert!((began.seconds, began.nanos) >= (written.seconds, written.nanos));
    // The other comment is told to the shop alone, in a lane of its own.
    let mails = [(); 2].map(|()| post.smtp.mail_for(&post.domain));
    let names: Vec<_> = mails
        .iter()
        .map(|mail| header(mail, "X-Waymark-Delivery").unwrap())
        .collect();
    let told = names
        .iter()
        .filter(|name| name.ends_with(&set_off.delivery_id));
    assert_eq!(told.count(), 1, "{names:?}");
}

async fn a_mail_leads_to_the_feed_of_its_order(backend: Backend) {
    let actions = "on_create: {mail: {email: {template: new_order, customer: always}}}\n";
    let post = Post::on(backend, &format!("{actions}{}", about_comments("bcc"))).await;
    let set_off = post.place(post.draft("1")).await;
    let first = post.mail(&set_off).await;
    let link = link(&first);
    assert!(part(&first, "text/html").contains(&link));
    let entry = post.say(post.news("1", "It is packed.")).await;
    let second = post.mail(&entry.set_off).await;
    assert!(part(&second, "text/plain").contains(&link), "one link");
    assert_eq!(post.shop.get("1").await.feed_url, link);
    let feed = feed_reader::read(&link, "", "");
    assert_eq!((feed.status, feed.entries.len()), (200, 1));
    assert!(feed.entries[0].html.contains("It is packed."));
}

/// The link in the text of a mail.
fn link(mail: &Value) -> String {
    let mut words = part(mail, "text/plain").split_whitespace();
    let link = words.find(|word| word.starts_with("http://127.0.0.1:"));
    link.expect("there is a link").to_owned()
}

async fn each_sender_has_its_address(backend: Backend) {
    let identities = ["general", "sales", "support", "custom1", "custom2"];
    let action = |identity: &&str| {
        format!(
            "  {identity}: {{email: {{template: new_order, customer: always, identity: {identity}}}, condition: order.id == '{identity}'}}\n"
        )
    };
    let actions: String = identities.iter().map(action).collect();
    let unsaid = "  unsaid: {email: {template: new_order, customer: always}, condition: order.id == 'unsaid'}";
    let post = Post::on(backend, &format!("on_create:\n{actions}{unsaid}")).await;
    for (identity, sender) in [
        ("general", ("General Contact", "general@shop.example")),
        ("sales", ("Sales Representative", "sales@shop.example")),
        // It has no address of its own.
        ("support", ("General Contact", "general@shop.example")),
        ("custom1", ("Custom Email 1", "one@shop.example")),
        ("custom2", ("Custom Email 2", "two@shop.example")),
        ("unsaid", ("Sales Representative", "sales@shop.example")),
    ] {
        let set_off = post.place(post.draft(identity)).await;
        let mail = post.mail(&set_off).await;
        assert_eq!(named(&mail, "sender"), sender, "{identity}");
        assert_eq!(mail["from"], sender.1, "{identity}");
        assert!(part(&mail, "text/plain").contains(sender.0), "{identity}");
    }
}

async fn new_orders_are_told_as_the_shop_wants_it(backend: Backend) {
    let settings = |identity: &str, copy_method: &str| {
        format!(
            "on_create:
  confirmation:
    email:
      identity: {identity}
      template: new_order
      guest_template: new_order_guest
      customer: always
      copy_to: [boss@@, depot@@]
      copy_method: {copy_method}"
        )
    };
    let post = Post::on(backend, &settings("support", "separate")).await;
    let confirmed = |mail: &Value| {
        let text = part(mail, "text/plain");
        assert!(text.contains("We have received your order"), "{text}");
        assert!(text.contains("2 x tea"), "{text}");
        assert!(text.contains("Total: 100.00 EUR"), "{text}");
    };
    let set_off = post.place(post.draft("1")).await;
    let mails = post.mails(&set_off).await;
    let all: Vec<_> = mails.iter().map(readers).collect();
    assert_eq!(all, [["anna"], ["boss"], ["depot"]]);
    mails.iter().for_each(confirmed);

    // What is set otherwise counts from the next order on.
    let changed = document(&settings("custom1", "bcc"), &post.domain);
    apply(&post.shop, &post.shop.workflow(), &changed).await;
    let mut order = post.draft("2");
    order.customer.as_mut().unwrap().guest = true;
    let set_off = post.place(order).await;
    let mail = post.mail(&set_off).await;
    assert_eq!(readers(&mail), ["anna", "boss", "depot"]);
    assert_eq!(named(&mail, "sender").0, "Custom Email 1");
    assert!(part(&mail, "text/html").contains("without an account"));
    confirmed(&mail);
}
