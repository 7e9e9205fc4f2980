//! A campaign of generated inputs against one server: each kind in turn, and what came of it.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::{Instant, timeout};
use tonic::{Code, Status};
use waymark_proto::v1::{self, WorkflowFormat};

use super::{document, guard::guard, request, template::template};
use crate::{Clients, Server, Shop, load::Dice, raw};

/// How long the answer to an input may take before its caller gives up.
const PATIENCE: Duration = Duration::from_secs(20);
/// The workflow that is attacked, and its one large order.
const WORKFLOW: &str = "attacked";
const ORDER: &str = "large";
const LINES: usize = 500;

/// What came of inputs.
#[derive(Debug, Default)]
pub struct Account {
    /// How many inputs of a kind there were, and how many of them were taken.
    pub kinds: BTreeMap<&'static str, (usize, usize)>,
    /// How often an answer had a code.
    pub codes: BTreeMap<String, usize>,
    /// The input that took longest, and how long.
    pub slowest: (Duration, String),
    /// Inputs that got no answer, or one that no input should get.
    pub strange: Vec<String>,
}

/// A campaign against one server.
#[derive(Debug)]
pub struct Campaign {
    clients: Clients,
    shop: Shop,
    dice: Dice,
    methods: Vec<request::Method>,
    account: Account,
    /// Texts and guards that the server takes, to be used together.
    taken: Vec<String>,
}

impl Campaign {
    /// Prepares a workflow and an order with many lines and long texts.
    ///
    /// # Panics
    /// Panics where the server does not take them.
    pub async fn against(server: &Server, seed: u64) -> Self {
        let clients = server.clients();
        let shop = Shop::new(clients.clone(), WORKFLOW);
        apply(
            &clients,
            &document::workflow(WORKFLOW, "true", &document::written(&[])),
        )
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
        Self {
            clients,
            shop,
            dice: Dice::new(seed),
            methods: request::methods(),
            account: Account::default(),
            taken: Vec::new(),
        }
    }

    /// Sends one input, or some that belong together. Documents, templates and guards are judged, and what is taken is
    /// carried out; requests are sent as they are.
    pub async fn one(&mut self) {
        match self.dice.below(20) {
            0..=6 => self.template().await,
            7..=11 => self.guard().await,
            12 => self.document().await,
            _ => self.request().await,
        }
    }

    /// How many inputs there were.
    pub fn inputs(&self) -> usize {
        self.account.kinds.values().map(|(all, _)| all).sum()
    }

    /// What came of them.
    pub fn account(&self) -> &Account {
        &self.account
    }

    async fn template(&mut self) {
        let text = template(&mut self.dice);
        let document = document::workflow(
            WORKFLOW,
            "true",
            &document::written(std::slice::from_ref(&text)),
        );
        let is_taken = self
            .judge("template", &text, document, WorkflowFormat::Json)
            .await;
        if is_taken {
            self.taken.push(text);
            if self.taken.len() >= 12 {
                self.carry_out().await;
            }
        }
    }

    /// Applies a workflow with all texts that were taken, and takes its step. A test of one of the actions comes with it.
    async fn carry_out(&mut self) {
        let texts = std::mem::take(&mut self.taken);
        let document = document::workflow(WORKFLOW, "true", &document::written(&texts));
        let input = texts.join("\n---\n");
        let applied = apply(&self.clients, &document).await;
        self.note("applied texts", &input, Instant::now(), applied);
        self.step("step with texts", &input).await;
        let began = Instant::now();
        let test = v1::TestActionRequest {
            workflow: WORKFLOW.to_owned(),
            order_id: ORDER.to_owned(),
            action: format!("transition.{}.a0", document::TRANSITION),
            ignore_condition: true,
            ..Default::default()
        };
        let mut client = self.clients.actions();
        let tested = waiting(client.test_action(test)).await;
        self.note("tested text", &input, began, tested.map(|_| ()));
    }

    async fn guard(&mut self) {
        let text = guard(&mut self.dice);
        let document = document::workflow(WORKFLOW, &text, &document::written(&[]));
        let is_taken = self
            .judge("guard", &text, document.clone(), WorkflowFormat::Json)
            .await;
        if !is_taken {
            return;
        }
        let applied = apply(&self.clients, &document).await;
        self.note("applied guard", &text, Instant::now(), applied);
        self.step("step with guard", &text).await;
        let began = Instant::now();
        let ask = v1::ListAvailableTransitionsRequest {
            workflow: WORKFLOW.to_owned(),
            order_id: ORDER.to_owned(),
            include_blocked: true,
            ..Default::default()
        };
        let mut client = self.clients.orders();
        let asked = waiting(client.list_available_transitions(ask)).await;
        self.note("listed guard", &text, began, asked.map(|_| ()));
    }

    async fn document(&mut self) {
        let (text, format) = document::document(&mut self.dice);
        let shown: String = text.chars().take(2_000).collect();
        self.judge("document", &shown, text, format).await;
    }

    /// Lints, or asks what applying would do; says whether there was nothing against it.
    async fn judge(
        &mut self,
        kind: &'static str,
        input: &str,
        document: String,
        format: WorkflowFormat,
    ) -> bool {
        let began = Instant::now();
        if self.dice.chance(50) {
            let mut client = self.clients.workflows();
            let lint = v1::LintWorkflowRequest {
                workflow: String::new(),
                document,
                format: format.into(),
            };
            let answer = waiting(client.lint_workflow(lint)).await;
            let is_clean = answer.as_ref().is_ok_and(|answer| {
                let findings = &answer.get_ref().findings;
                findings
                    .iter()
                    .all(|finding| finding.severity() != v1::LintSeverity::Error)
            });
            self.note(kind, input, began, answer.map(|_| ()));
            return is_clean;
        }
        let mut client = self.clients.workflows();
        let apply = v1::ApplyWorkflowRequest {
            workflow: WORKFLOW.to_owned(),
            document,
            format: format.into(),
            validate_only: true,
            ..Default::default()
        };
        let answer = waiting(client.apply_workflow(apply)).await;
        let is_clean = answer.is_ok();
        self.note(kind, input, began, answer.map(|_| ()));
        is_clean
    }

    async fn step(&mut self, kind: &'static str, input: &str) {
        let began = Instant::now();
        let shop = self.shop.clone();
        let taken = waiting(shop.take(ORDER, document::TRANSITION)).await;
        self.note(kind, input, began, taken.map(|_| ()));
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
        let began = Instant::now();
        let answer = if method.streams_answers {
            waiting(raw::first(&self.clients, &method.name, message)).await
        } else {
            waiting(raw::call(&self.clients, &method.name, message))
                .await
                .map(Some)
        };
        self.note("request", &shown, began, answer.map(|_| ()));
    }

    fn note(
        &mut self,
        kind: &'static str,
        input: &str,
        began: Instant,
        answer: Result<(), Status>,
    ) {
        let took = began.elapsed();
        let count = self.account.kinds.entry(kind).or_default();
        count.0 += 1;
        count.1 += usize::from(answer.is_ok());
        if took > self.account.slowest.0 {
            self.account.slowest = (took, format!("{kind}: {input}"));
        }
        let code = answer.as_ref().map_or_else(
            |status| format!("{:?}", status.code()),
            |()| "Ok".to_owned(),
        );
        *self.account.codes.entry(code).or_default() += 1;
        if let Err(status) = answer
            && matches!(
                status.code(),
                Code::Internal
                    | Code::Unknown
                    | Code::Unavailable
                    | Code::DeadlineExceeded
                    | Code::DataLoss
            )
        {
            self.account.strange.push(format!(
                "{kind}: {:?} {}: {input}",
                status.code(),
                status.message()
            ));
        }
    }
}

/// Applies a document as it is.
async fn apply(clients: &Clients, document: &str) -> Result<(), Status> {
    let request = v1::ApplyWorkflowRequest {
        workflow: WORKFLOW.to_owned(),
        document: document.to_owned(),
        format: WorkflowFormat::Json.into(),
        ..Default::default()
    };
    let mut client = clients.workflows();
    waiting(client.apply_workflow(request)).await.map(|_| ())
}

async fn waiting<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    timeout(PATIENCE, call)
        .await
        .unwrap_or_else(|_| Err(Status::deadline_exceeded("the caller gave up")))
}
