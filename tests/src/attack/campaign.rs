//! A campaign of generated inputs against one server: each kind in turn, and what came of it.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use tonic::Status;
use waymark_proto::v1::{self, WorkflowFormat};

use super::{
    account::Account, document, guard::guard, journal::Journal, request, template::template,
};
use crate::{Clients, Server, Shop, load::Dice, raw, shop::Answer};

/// How long the answer to an input may take before its caller gives up.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a stream is listened to, which may rightly say nothing.
const MOMENT: Duration = Duration::from_millis(200);
/// The large order of the workflow that is attacked.
const ORDER: &str = "large";
const LINES: usize = 500;
/// How many texts that were taken one by one are tried together.
const TEXTS_TOGETHER: usize = 12;

/// A campaign against one server.
#[derive(Debug)]
pub struct Campaign {
    clients: Clients,
    shop: Shop,
    dice: Dice,
    methods: Vec<request::Method>,
    journal: Journal,
    account: Account,
    /// Texts that the server takes, to be used together.
    taken: Vec<String>,
}

impl Campaign {
    /// Prepares a workflow of its own, and in it an order with many lines and long texts. What is sent later is noted
    /// in the journal.
    ///
    /// # Panics
    /// Panics where the server does not take them.
    pub async fn against(server: &Server, workflow: &str, seed: u64, journal: &Journal) -> Self {
        let clients = server.clients();
        let shop = Shop::new(clients.clone(), workflow);
        let campaign = Self {
            clients,
            shop: shop.clone(),
            dice: Dice::new(seed),
            methods: request::methods(),
            journal: journal.clone(),
            account: Account::default(),
            taken: Vec::new(),
        };
        let plain = campaign.workflow("true", &[]);
        applying(&shop, plain, WorkflowFormat::Json, false)
            .await
            .expect("a plain workflow is taken");
        let line = |number: usize| v1::OrderLine {
            id: format!("{number:0>120}"),
            sku: "a".repeat(120),
            name: "b".repeat(120),
            quantity_ordered: "3".to_owned(),
            ..Default::default()
        };
        let order = v1::Order {
            lines: (0..LINES).map(line).collect(),
            attributes: [("a".to_owned(), "a".repeat(3_900))].into(),
            ..shop.draft(ORDER, &[])
        };
        shop.create(order).await.expect("a large order is taken");
        campaign
    }

    /// Sends one input, or some that belong together. Documents, templates and guards are judged, and what is taken is
    /// carried out; requests are sent as they are.
    pub async fn one(&mut self) {
        match self.dice.below(20) {
            0..=6 => self.template().await,
            7..=11 => self.guard().await,
            12 | 13 => self.document().await,
            _ => self.request().await,
        }
    }

    /// What came of the inputs.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Ends it with what came of the inputs.
    pub fn into_account(self) -> Account {
        self.account
    }

    fn workflow(&self, guard: &str, texts: &[String]) -> String {
        document::workflow(&self.shop.workflow(), guard, &document::written(texts))
    }

    async fn template(&mut self) {
        let text = template(&mut self.dice);
        let document = self.workflow("true", std::slice::from_ref(&text));
        let is_taken = self
            .judge("template", &text, document, WorkflowFormat::Json)
            .await;
        if is_taken {
            self.taken.push(text);
            if self.taken.len() >= TEXTS_TOGETHER {
                self.carry_out().await;
            }
        }
    }

    /// Applies a workflow with all texts that were taken, and takes its step. A test of one of the actions comes with it.
    async fn carry_out(&mut self) {
        let texts = std::mem::take(&mut self.taken);
        let document = self.workflow("true", &texts);
        let input = texts.join("\n---\n");
        self.applied("applied texts", &input, document, WorkflowFormat::Json)
            .await;
        self.step("step with texts", &input).await;
        let test = v1::TestActionRequest {
            workflow: self.shop.workflow(),
            order_id: ORDER.to_owned(),
            action: format!("transition.{}.a0", document::TRANSITION),
            ignore_condition: true,
            ..Default::default()
        };
        let mut client = self.clients.workflows();
        // What came of it is in the account.
        let _ = self
            .send("tested text", &input, client.test_action(test))
            .await;
    }

    async fn guard(&mut self) {
        let text = guard(&mut self.dice);
        let document = self.workflow(&text, &[]);
        let is_taken = self
            .judge("guard", &text, document.clone(), WorkflowFormat::Json)
            .await;
        if !is_taken {
            return;
        }
        self.applied("applied guard", &text, document, WorkflowFormat::Json)
            .await;
        self.step("step with guard", &text).await;
        let ask = v1::ListAvailableTransitionsRequest {
            workflow: self.shop.workflow(),
            order_id: ORDER.to_owned(),
            include_blocked: true,
            ..Default::default()
        };
        let mut client = self.clients.orders();
        let _ = self
            .send(
                "listed guard",
                &text,
                client.list_available_transitions(ask),
            )
            .await;
    }

    async fn document(&mut self) {
        let (text, format) = document::document(&mut self.dice, &self.shop.workflow());
        let shown: String = text.chars().take(2_000).collect();
        let is_taken = self.judge("document", &shown, text.clone(), format).await;
        // Some are stored too; the plain workflow comes back with the next guard or text.
        if is_taken && self.dice.chance(30) {
            self.applied("applied document", &shown, text, format).await;
        }
    }

    /// Lints, or asks what applying would do; says whether there was nothing against it.
    async fn judge(
        &mut self,
        kind: &'static str,
        input: &str,
        document: String,
        format: WorkflowFormat,
    ) -> bool {
        if self.dice.chance(50) {
            let call = applying(&self.shop, document, format, true);
            return self.send(kind, input, call).await.is_ok();
        }
        let lint = v1::LintWorkflowRequest {
            workflow: String::new(),
            document,
            format: format.into(),
            ..Default::default()
        };
        let mut client = self.clients.workflows();
        let answer = self.send(kind, input, client.lint_workflow(lint)).await;
        answer.is_ok_and(|answer| {
            let findings = answer.into_inner().findings;
            findings
                .iter()
                .all(|finding| finding.severity() != v1::LintSeverity::Error)
        })
    }

    async fn applied(
        &mut self,
        kind: &'static str,
        input: &str,
        document: String,
        format: WorkflowFormat,
    ) {
        let call = applying(&self.shop, document, format, false);
        let _ = self.send(kind, input, call).await;
    }

    async fn step(&mut self, kind: &'static str, input: &str) {
        let shop = self.shop.clone();
        let call = shop.take(ORDER, document::TRANSITION);
        let _ = self.send(kind, input, call).await;
    }

    async fn request(&mut self) {
        let method = self.dice.pick(&self.methods).clone();
        // Most are small, so that there are many; some fill a message.
        let size = match self.dice.below(400) {
            0 => 2_000_000,
            1..=10 => 100_000,
            _ => 1 + self.dice.below(1_200),
        };
        let mut message = method.message(&mut self.dice, size);
        message.truncate(4 * 1024 * 1024);
        let shown = format!(
            "{} {} bytes {:02x?}",
            method.name,
            message.len(),
            message.get(..message.len().min(120)).unwrap_or_default()
        );
        let clients = self.clients.clone();
        if method.streams_answers {
            let call = raw::first(&clients, &method.name, message);
            let _ = self.send("stream", &shown, for_a_moment(call)).await;
        } else {
            let call = raw::call(&clients, &method.name, message);
            let _ = self.send("request", &shown, call).await;
        }
    }

    /// Sends one input, and notes what came of it.
    async fn send<T>(
        &mut self,
        kind: &'static str,
        input: &str,
        call: impl Future<Output = Answer<T>>,
    ) -> Answer<T> {
        let under_way = self.journal.begin(kind, input);
        let began = Instant::now();
        let answer = timeout(PATIENCE, call)
            .await
            .unwrap_or_else(|_| Err(Status::deadline_exceeded("the caller gave up")));
        drop(under_way);
        let refusal = answer.as_ref().err();
        self.account.note(kind, input, began.elapsed(), refusal);
        answer
    }
}

/// Applies a document as it is, or asks what that would do.
fn applying(
    shop: &Shop,
    document: String,
    format: WorkflowFormat,
    validate_only: bool,
) -> impl Future<Output = Answer<()>> + use<> {
    let request = v1::ApplyWorkflowRequest {
        workflow: shop.workflow(),
        document,
        format: format.into(),
        validate_only,
        ..Default::default()
    };
    let mut client = shop.workflows();
    async move { client.apply_workflow(request).await.map(drop) }
}

/// Waits for the first message of a stream.
async fn for_a_moment<T>(call: impl Future<Output = Answer<Option<T>>>) -> Answer<Option<T>> {
    timeout(MOMENT, call).await.unwrap_or(Ok(None))
}
