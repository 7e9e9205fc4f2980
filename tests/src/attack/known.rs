//! Attacks that once worked, each with what became of it: the server died, or everybody else waited.

use std::{future::pending, time::Duration};

use futures::{StreamExt, future::join_all, stream};
use tokio::time::{Instant, timeout};
use tonic::Code;
use waymark_proto::v1::{self, WorkflowFormat, step::Command};

use super::document::{self, TRANSITION};
use crate::{
    Clients, Server, Shop, ledger,
    peer::{Peer, answer},
    raw, world,
};

/// The settings that a server needs for all of them.
pub const SETTINGS: [&str; 2] = ["--set", "webhooks_allowed=127.0.0.0/8"];

/// How many orders with many lines there are to be listed, streamed and moved.
const ORDERS: usize = 1_000;
const LINES: usize = 500;
const PATIENCE: Duration = Duration::from_mins(1);

/// What an attack finds on the server.
#[derive(Debug)]
pub struct Stage<'s> {
    server: &'s Server,
    clients: Clients,
    /// A workflow whose orders have many lines.
    shop: Shop,
}

/// The attacks, each with its name.
pub const NAMES: [&str; 19] = [
    "texts that double",
    "constants to be folded by lint",
    "lists in lists",
    "a guard that adds lists",
    "1,000 steps with a costly guard",
    "2,097,120 empty steps, four times",
    "an order of empty lines",
    "a transition of empty actions",
    "a large workflow, applied and changed",
    "eight lints of a large workflow",
    "eight drawings of a large workflow",
    "eight exports of a large workflow",
    "twelve lists that find nothing",
    "two streams of large orders",
    "bursts of canceled calls",
    "10,000 deadlines of a millisecond",
    "260 shipments in one call",
    "1,100 tests of a target that hangs",
    "ten targets that hang",
];

impl<'s> Stage<'s> {
    /// Places the orders.
    ///
    /// # Panics
    /// Panics where the server does not take them.
    pub async fn set(server: &'s Server) -> Self {
        let clients = server.clients();
        let plain = document::workflow("bulk", "true", &document::written(&[]));
        let shop = world::apply(&clients, "bulk", &plain).await;
        let lines: Vec<v1::OrderLine> = (0..LINES).map(line).collect();
        stream::iter(0..ORDERS)
            .for_each_concurrent(8, |number| {
                let order = v1::Order {
                    lines: lines.clone(),
                    ..shop.draft(&format!("bulk-{number}"), &[])
                };
                let shop = &shop;
                async move { drop(shop.create(order).await.expect("the order is placed")) }
            })
            .await;
        let large = document::large("large", 190, 4, 1_990);
        world::apply(&clients, "large", &large).await;
        Self {
            server,
            clients,
            shop,
        }
    }

    /// Makes one of the attacks, and says what came of it.
    ///
    /// # Panics
    /// Panics for a name that is none of [`NAMES`].
    pub async fn attack(&self, name: &str) -> String {
        match name {
            "texts that double" => {
                let doubling = "{% set x = x ~ x %}".repeat(36);
                let text = format!("{{% set x = \"aaaaaaaa\" %}}{doubling}{{{{ x|length }}}}");
                self.text(text).await
            }
            "constants to be folded by lint" => {
                let sum = ["\"a\"*99000000"; 60].join("~");
                self.lint(&format!("{{{{ {sum} }}}}")).await
            }
            "lists in lists" => {
                let doubling = "{% set x = [x,x] %}".repeat(30);
                self.text(format!("{{% set x = [1] %}}{doubling}{{{{ x }}}}"))
                    .await
            }
            "a guard that adds lists" => {
                let sum = ["order.lines"; 20].join(" + ");
                self.guarded(&format!("order.lines.all(l, size({sum}) > 0)"), 30)
                    .await
            }
            "1,000 steps with a costly guard" => {
                let each = ["l.quantity_ordered > 0.0"; 11].join(" && ");
                self.guarded(&format!("order.lines.all(l, {each})"), 1_000)
                    .await
            }
            "2,097,120 empty steps, four times" => {
                let method = "OrderService/ExecuteSteps";
                self.raw(method, &[10, 0], None, 4).await
            }
            "an order of empty lines" => {
                let method = "OrderService/CreateOrder";
                self.raw(method, &[26, 0], Some(1), 1).await
            }
            "a transition of empty actions" => {
                let method = "TransitionService/CreateTransition";
                self.raw(method, &[114, 0], Some(2), 1).await
            }
            "a large workflow, applied and changed" => self.edits().await,
            "eight lints of a large workflow" => self.eight(lint_large).await,
            "eight drawings of a large workflow" => self.eight(draw_large).await,
            "eight exports of a large workflow" => self.eight(export_large).await,
            "twelve lists that find nothing" => self.lists().await,
            "two streams of large orders" => self.streams().await,
            "bursts of canceled calls" => self.bursts(10, 60, Duration::ZERO).await,
            "10,000 deadlines of a millisecond" => {
                self.bursts(10, 1_000, Duration::from_millis(1)).await
            }
            "260 shipments in one call" => self.shipments().await,
            "1,100 tests of a target that hangs" => self.tests().await,
            "ten targets that hang" => self.hanging().await,
            _ => panic!("there is no attack {name}"),
        }
    }

    /// Applies a workflow with a text, and takes its step where the text is taken.
    async fn text(&self, text: String) -> String {
        let document = document::workflow("texts", "true", &document::written(&[text]));
        if let Err(status) = self.apply("texts", &document).await {
            return refused(&status);
        }
        let shop = Shop::new(self.clients.clone(), "texts");
        shop.place("1", &[]).await;
        told(
            timeout(PATIENCE, shop.take("1", TRANSITION))
                .await
                .map(|taken| taken.map(|_| ())),
        )
    }

    async fn lint(&self, text: &str) -> String {
        let document = document::workflow("texts", "true", &document::written(&[text.to_owned()]));
        let request = v1::LintWorkflowRequest {
            document,
            format: WorkflowFormat::Json.into(),
            ..Default::default()
        };
        told(
            timeout(PATIENCE, self.clients.workflows().lint_workflow(request))
                .await
                .map(|done| done.map(|_| ())),
        )
    }

    /// Applies a guard to the workflow of the large orders, and lets one order take so many steps in one call.
    async fn guarded(&self, guard: &str, steps: usize) -> String {
        let document = document::workflow("bulk", guard, &document::written(&[]));
        if let Err(status) = self.apply("bulk", &document).await {
            return refused(&status);
        }
        let step = |_| v1::Step {
            command: Some(Command::TransitionOrder(self.shop.step(
                "bulk-0",
                v1::transition_order_request::Target::Transition(TRANSITION.to_owned()),
            ))),
        };
        let request = v1::ExecuteStepsRequest {
            steps: (0..steps).map(step).collect(),
            ..Default::default()
        };
        let done = timeout(PATIENCE, self.clients.orders().execute_steps(request)).await;
        match done {
            Ok(Ok(done)) => {
                let results = done.into_inner().results;
                let failed = results
                    .iter()
                    .filter(|result| result.error.is_some())
                    .count();
                format!("{} steps, {failed} failed", results.len())
            }
            Ok(Err(status)) => refused(&status),
            Err(_) => "no answer in a minute".to_owned(),
        }
    }

    /// Sends 4 MiB of one element again and again, inside a field where one is given, on connections of their own.
    async fn raw(&self, method: &str, element: &[u8], field: Option<u32>, times: usize) -> String {
        let body = element.repeat(4 * 1024 * 1024 / element.len() - 16);
        let message = match field {
            None => body,
            Some(number) => {
                let mut message = vec![u8::try_from(number << 3 | 2).unwrap_or(0)];
                prost::encode_length_delimiter(body.len(), &mut message).expect("there is room");
                message.extend(body);
                message
            }
        };
        let calls = (0..times).map(|_| async {
            let clients = self.server.clients();
            raw::call(&clients, method, message.clone()).await
        });
        let answers = join_all(calls).await;
        answers
            .into_iter()
            .next()
            .map_or_else(String::new, |answer| {
                answer.map_or_else(|status| refused(&status), |_| "done".to_owned())
            })
    }

    async fn edits(&self) -> String {
        let began = Instant::now();
        let large = document::large("large", 190, 4, 1_989);
        let mut said = vec![
            self.apply("large", &large)
                .await
                .map_or_else(|status| refused(&status), |()| "applied".to_owned()),
        ];
        said.push(
            self.apply("large", &large)
                .await
                .map_or_else(|status| refused(&status), |()| "applied again".to_owned()),
        );
        for status in ["t1", "t2", "t3"] {
            let request = v1::AssignStatusRequest {
                workflow: "large".to_owned(),
                state: "s9".to_owned(),
                status: status.to_owned(),
                ..Default::default()
            };
            let done = self.clients.states().assign_status(request).await;
            said.push(done.map_or_else(|status| refused(&status), |_| "assigned".to_owned()));
        }
        format!("{}, {:.1?}", said.join(", "), began.elapsed())
    }

    async fn eight<F: Future<Output = Result<(), tonic::Status>>>(
        &self,
        call: impl Fn(Clients) -> F,
    ) -> String {
        let began = Instant::now();
        let answers = join_all((0..8).map(|_| call(self.server.clients()))).await;
        let first = answers
            .iter()
            .find_map(|answer| answer.as_ref().err())
            .map(refused);
        let done = answers.iter().filter(|answer| answer.is_ok()).count();
        format!(
            "{done} of 8 answered, {:.1?} {}",
            began.elapsed(),
            first.unwrap_or_default()
        )
    }

    async fn lists(&self) -> String {
        let began = Instant::now();
        let calls = (0..12).map(|_| async {
            let filter = v1::OrderFilter {
                attributes: [("no".to_owned(), "where".to_owned())].into(),
                ..Default::default()
            };
            let request = v1::ListOrdersRequest {
                workflows: vec!["bulk".to_owned()],
                filter: Some(filter),
                page_size: 1_000,
                ..Default::default()
            };
            self.server.clients().orders().list_orders(request).await
        });
        let answers = join_all(calls).await;
        let done = answers.iter().filter(|answer| answer.is_ok()).count();
        let first = answers
            .iter()
            .find_map(|answer| answer.as_ref().err())
            .map(refused);
        format!(
            "{done} of 12 answered, {:.1?} {}",
            began.elapsed(),
            first.unwrap_or_default()
        )
    }

    async fn streams(&self) -> String {
        let began = Instant::now();
        let read = join_all((0..2).map(|_| async {
            let request = v1::StreamHistoryRequest {
                workflows: vec!["bulk".to_owned()],
                ..Default::default()
            };
            let mut entries = 0;
            let mut stream = self
                .server
                .clients()
                .history()
                .stream_history(request)
                .await?
                .into_inner();
            while let Some(message) = stream.message().await? {
                entries += message.entries.len();
            }
            Ok::<_, tonic::Status>(entries)
        }))
        .await;
        format!("{read:?} entries, {:.1?}", began.elapsed())
    }

    /// Bursts of calls that are given up after so long, on a connection with a watch.
    async fn bursts(&self, bursts: usize, calls: usize, after: Duration) -> String {
        let clients = self.server.clients();
        let request = v1::WatchHistoryRequest::default();
        let mut watch = clients
            .history()
            .watch_history(request)
            .await
            .expect("a watch")
            .into_inner();
        let mut foreign = 0;
        for _ in 0..bursts {
            let burst = (0..calls).map(|_| {
                let shop = self.shop.over(clients.clone());
                async move { timeout(after, shop.find("bulk-0")).await }
            });
            let ended = join_all(burst).await.into_iter().flatten();
            foreign += ended
                .filter(|answer| {
                    answer
                        .as_ref()
                        .is_err_and(|status| status.code() == Code::Unavailable)
                })
                .count();
        }
        let marker = self
            .shop
            .over(self.server.clients())
            .comment("bulk-1", "still there", "")
            .await;
        let seen = async {
            loop {
                match watch.message().await {
                    Ok(Some(message))
                        if message
                            .entries
                            .iter()
                            .any(|entry| entry.order_id == "bulk-1") =>
                    {
                        return true;
                    }
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => return false,
                }
            }
        };
        let lives = marker.is_ok()
            && timeout(Duration::from_secs(10), seen)
                .await
                .unwrap_or(false);
        format!(
            "the watch beside it {}, {foreign} UNAVAILABLE",
            if lives { "lives" } else { "ENDED" }
        )
    }

    async fn shipments(&self) -> String {
        let step = |number: usize| v1::Step {
            command: Some(Command::RecordOperation(self.shop.operation(
                &format!("bulk-{number}"),
                "ship",
                &[],
            ))),
        };
        let request = v1::ExecuteStepsRequest {
            steps: (0..260).map(step).collect(),
            return_orders: true,
            ..Default::default()
        };
        let answer = self.clients.orders().execute_steps(request).await;
        answer.map_or_else(
            |status| refused(&status),
            |answer| {
                let answer = answer.into_inner();
                format!(
                    "{} results in {} bytes",
                    answer.results.len(),
                    prost::Message::encoded_len(&answer)
                )
            },
        )
    }

    async fn tests(&self) -> String {
        let peer = silent().await;
        let actions = serde_json::json!({"tell": {"webhook": {"endpoint": "silent"}, "timeout": "5m", "active": false}});
        let made = ledger::create_endpoint(&self.clients, "silent", &peer.url("x")).await;
        let applied = self
            .apply("tested", &document::workflow("tested", "true", &actions))
            .await;
        if made.is_err() || applied.is_err() {
            return format!("not prepared: {made:?} {applied:?}");
        }
        let shop = Shop::new(self.clients.clone(), "tested");
        shop.place("1", &[]).await;
        let request = v1::TestActionRequest {
            workflow: "tested".to_owned(),
            order_id: "1".to_owned(),
            action: format!("transition.{TRANSITION}.tell"),
            ignore_condition: true,
            ..Default::default()
        };
        let calls = (0..1_100).map(|_| {
            timeout(Duration::from_secs(2), async {
                self.clients.actions().test_action(request.clone()).await
            })
        });
        let answers = join_all(calls).await;
        let refusals = answers
            .iter()
            .flatten()
            .filter_map(|answer| answer.as_ref().err());
        let first = refusals.clone().next().map(refused);
        let sockets = std::fs::read_dir(format!("/proc/{}/fd", self.server.process().id()))
            .map_or(0, Iterator::count);
        format!(
            "{} refused, {sockets} files open then {}",
            refusals.count(),
            first.unwrap_or_default()
        )
    }

    async fn hanging(&self) -> String {
        let peer = silent().await;
        let good = Peer::start(|mut stream, _| async move {
            answer(&mut stream, 200, "").await;
        })
        .await;
        let mut actions = serde_json::Map::new();
        for number in 0..10 {
            let code = format!("hang{number}");
            if let Err(status) =
                ledger::create_endpoint(&self.clients, &code, &peer.url(&code)).await
            {
                return refused(&status);
            }
            actions.insert(
                code.clone(),
                serde_json::json!({"webhook": {"endpoint": code}, "timeout": "30s"}),
            );
        }
        let applied = self
            .apply(
                "hanging",
                &document::workflow("hanging", "true", &actions.into()),
            )
            .await;
        let made = ledger::create_endpoint(&self.clients, "good", &good.url("good")).await;
        let tell = serde_json::json!({"tell": {"webhook": {"endpoint": "good"}}});
        let also = self
            .apply("good", &document::workflow("good", "true", &tell))
            .await;
        if applied.is_err() || made.is_err() || also.is_err() {
            return format!("not prepared: {applied:?} {made:?} {also:?}");
        }
        let (bad, good_shop) = (
            Shop::new(self.clients.clone(), "hanging"),
            Shop::new(self.clients.clone(), "good"),
        );
        for order in 0..40 {
            bad.place(&order.to_string(), &[]).await;
            bad.take(&order.to_string(), TRANSITION)
                .await
                .expect("the step is taken");
        }
        good_shop.place("1", &[]).await;
        let began = Instant::now();
        good_shop
            .take("1", TRANSITION)
            .await
            .expect("the step is taken");
        let arrived = timeout(PATIENCE, good.until(1)).await.is_ok();
        format!(
            "a good target hears after {:.2?}, arrived: {arrived}",
            began.elapsed()
        )
    }

    async fn apply(&self, code: &str, document: &str) -> Result<(), tonic::Status> {
        let request = v1::ApplyWorkflowRequest {
            workflow: code.to_owned(),
            document: document.to_owned(),
            ..Default::default()
        };
        self.clients
            .workflows()
            .apply_workflow(request)
            .await
            .map(|_| ())
    }
}

fn line(number: usize) -> v1::OrderLine {
    v1::OrderLine {
        id: format!("{number:0>36}"),
        sku: format!("sku-{number}"),
        name: "An article of a name that is neither short nor long".to_owned(),
        quantity_ordered: "2".to_owned(),
        ..Default::default()
    }
}

async fn lint_large(clients: Clients) -> Result<(), tonic::Status> {
    let request = v1::LintWorkflowRequest {
        document: document::large("drawn", 190, 4, 1_990),
        format: WorkflowFormat::Json.into(),
        ..Default::default()
    };
    let done = clients.workflows().lint_workflow(request).await;
    done.map(drop)
}

async fn draw_large(clients: Clients) -> Result<(), tonic::Status> {
    let request = v1::DiagramWorkflowRequest {
        workflow: "large".to_owned(),
        format: v1::DiagramFormat::Svg.into(),
        ..Default::default()
    };
    let done = clients.workflows().diagram_workflow(request).await;
    done.map(drop)
}

async fn export_large(clients: Clients) -> Result<(), tonic::Status> {
    let request = v1::ExportWorkflowRequest {
        workflow: "large".to_owned(),
        ..Default::default()
    };
    let done = clients.workflows().export_workflow(request).await;
    done.map(drop)
}

/// A target that takes connections and says nothing.
async fn silent() -> Peer {
    Peer::start(|stream, _| async {
        pending::<()>().await;
        drop(stream);
    })
    .await
}

fn told(done: Result<Result<(), tonic::Status>, tokio::time::error::Elapsed>) -> String {
    match done {
        Ok(Ok(())) => "done".to_owned(),
        Ok(Err(status)) => refused(&status),
        Err(_) => "no answer in a minute".to_owned(),
    }
}

fn refused(status: &tonic::Status) -> String {
    let text: String = status.message().chars().take(90).collect();
    format!("{:?}: {text}", status.code())
}
