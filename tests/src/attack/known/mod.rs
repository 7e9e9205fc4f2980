//! Attacks that once worked, each with its result: the server died, or everybody else waited.

mod calls;
mod stage;
mod targets;

use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep};
use waymark_proto::v1::{self, WorkflowFormat, step::Command};

pub use self::stage::Stage;
use self::{
    calls::{draw_large, export_large, lint_large},
    stage::{LINES, line, refused, told},
};
use super::{
    document::{self, TRANSITION},
    request::dense,
    texts::texts,
};
use crate::{Shop, raw, shop::Answer};

/// The settings that a server needs for all of them.
pub const SETTINGS: [&str; 2] = ["--set", "webhooks_allowed=127.0.0.0/8"];

/// The attacks beside [`texts`], each with its name.
const NAMES: [&str; 27] = [
    "a guard that adds lists",
    "a guard that repeats lists in a loop",
    "lists and maps compared by a guard",
    "a pattern that goes back, in a guard",
    "1,000 steps with a costly guard",
    "2,097,120 empty steps, once",
    "2,097,120 empty steps, four times",
    "an order of empty lines",
    "a transition of empty actions",
    "a list by empty ids",
    "aliases of aliases",
    "a large workflow, applied and changed",
    "two lints of a large workflow",
    "eight lints of a large workflow",
    "eight drawings of a large workflow",
    "eight drawings with counts",
    "eight exports of a large workflow",
    "twelve lists that find nothing",
    "two streams of large orders",
    "bursts of canceled calls",
    "10,000 deadlines of a millisecond",
    "260 shipments in one call",
    "70 shipments of lines with long ids",
    "1,100 tests of a target that hangs",
    "two targets that hang",
    "ten targets that hang",
    "100 timers with a costly text",
];

/// The names of all attacks.
pub fn names() -> Vec<&'static str> {
    let texts = texts().into_iter().map(|(name, _)| name);
    texts.chain(NAMES).collect()
}

impl Stage<'_> {
    /// Makes one of the attacks, and says how it ended.
    ///
    /// # Panics
    /// Panics for a name that is none of [`names`].
    pub async fn attack(&self, name: &str) -> String {
        if let Some((_, text)) = texts().into_iter().find(|text| text.0 == name) {
            return self.text(&text).await;
        }
        match name {
            "a guard that adds lists" => {
                let sum = ["order.lines"; 20].join(" + ");
                let guard = format!("order.lines.all(l, size({sum}) > 0)");
                self.guarded(&guard, 30).await
            }
            "a guard that repeats lists in a loop" => {
                let guard = "order.lines.map(a, order.lines.map(b, order.lines)).size() > 0";
                self.guarded(guard, 30).await
            }
            "lists and maps compared by a guard" => {
                let guard = "order.lines.all(l, order.lines == order.lines && order == order)";
                self.guarded(guard, 30).await
            }
            "a pattern that goes back, in a guard" => {
                let guard = "order.lines.all(l, l.name.matches('(((a|.)*)*)*!'))";
                self.guarded(guard, 30).await
            }
            "1,000 steps with a costly guard" => {
                let each = ["l.quantity_ordered > 0.0"; 11].join(" && ");
                let guard = format!("order.lines.all(l, {each})");
                self.guarded(&guard, 1_000).await
            }
            "2,097,120 empty steps, once" => {
                self.raw("OrderService/ExecuteSteps", "steps", 1).await
            }
            "2,097,120 empty steps, four times" => {
                self.raw("OrderService/ExecuteSteps", "steps", 4).await
            }
            "an order of empty lines" => {
                self.raw("OrderService/CreateOrder", "order.lines", 1).await
            }
            "a transition of empty actions" => {
                let method = "TransitionService/CreateTransition";
                self.raw(method, "transition.actions", 1).await
            }
            "a list by empty ids" => self.raw("OrderService/ListOrders", "filter.ids", 4).await,
            "aliases of aliases" => self.aliases().await,
            "a large workflow, applied and changed" => self.edits().await,
            _ => self.load(name).await,
        }
    }

    /// Makes one of the attacks that are many calls at once.
    async fn load(&self, name: &str) -> String {
        match name {
            "two lints of a large workflow" => self.several(2, lint_large).await,
            "eight lints of a large workflow" => self.several(8, lint_large).await,
            "eight drawings of a large workflow" => {
                let svg = |clients| draw_large(clients, v1::DiagramFormat::Svg, false);
                self.several(8, svg).await
            }
            "eight drawings with counts" => {
                let counted = |clients| draw_large(clients, v1::DiagramFormat::Mermaid, true);
                self.several(8, counted).await
            }
            "eight exports of a large workflow" => self.several(8, export_large).await,
            "twelve lists that find nothing" => self.lists().await,
            "two streams of large orders" => self.streams().await,
            "bursts of canceled calls" => self.bursts(10, 60, Duration::ZERO).await,
            "10,000 deadlines of a millisecond" => {
                self.bursts(10, 1_000, Duration::from_millis(1)).await
            }
            "260 shipments in one call" => self.shipments("bulk", 260).await,
            "70 shipments of lines with long ids" => self.shipments("long", 70).await,
            "1,100 tests of a target that hangs" => self.tests().await,
            "two targets that hang" => self.hanging("two", 2).await,
            "ten targets that hang" => self.hanging("ten", 10).await,
            "100 timers with a costly text" => self.timers().await,
            _ => panic!("there is no attack {name}"),
        }
    }

    /// Has a text judged in both ways; where a workflow with it is taken as a comment and as an attribute, takes its
    /// step on an order with many lines and tests the action.
    async fn text(&self, text: &str) -> String {
        let texts = [text.to_owned(), text.to_owned()];
        let document = document::workflow("texts", "true", &document::written(&texts));
        let linted = self.lint(&document).await;
        let validated = self.apply("texts", &document, true).await;
        let applied = self.apply("texts", &document, false).await;
        let judged = format!("lint {linted}, dry {}", told(validated));
        if applied.is_err() {
            return format!("{judged}, {}", told(applied));
        }
        let shop = Shop::new(self.clients.clone(), "texts");
        let order = v1::Order {
            lines: (0..LINES).map(line).collect(),
            ..shop.draft("1", &[])
        };
        // It is there from the second text on.
        let _ = shop.create(order).await;
        let taken = shop.take("1", TRANSITION).await.map(drop);
        let request = v1::TestActionRequest {
            workflow: "texts".to_owned(),
            order_id: "1".to_owned(),
            action: format!("transition.{TRANSITION}.a0"),
            ignore_condition: true,
            ..Default::default()
        };
        let tested = self
            .clients
            .workflows()
            .test_action(request)
            .await
            .map(drop);
        format!("{judged}, step {}, test {}", told(taken), told(tested))
    }

    async fn lint(&self, document: &str) -> String {
        let request = v1::LintWorkflowRequest {
            document: document.to_owned(),
            format: WorkflowFormat::Json.into(),
            ..Default::default()
        };
        match self.clients.workflows().lint_workflow(request).await {
            Ok(answer) => format!("{} findings", answer.into_inner().findings.len()),
            Err(status) => refused(&status),
        }
    }

    /// Ten levels of lists, each ten times the one below.
    async fn aliases(&self) -> String {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..10 {
            let below = vec![format!("*a{}", level - 1); 10].join(", ");
            let line = format!("a{level}: &a{level} [{below}]\n");
            bomb.push_str(&line);
        }
        let request = v1::ApplyWorkflowRequest {
            workflow: "texts".to_owned(),
            document: bomb,
            format: WorkflowFormat::Yaml.into(),
            ..Default::default()
        };
        let applied = self.clients.workflows().apply_workflow(request).await;
        told(applied.map(drop))
    }

    /// Orders that time takes on again and again, with the largest text that is taken.
    async fn timers(&self) -> String {
        let loops = "{% for l in order.lines %}{{ l.name|upper|lower|title|trim }}{% endfor %}";
        if let Err(status) = self
            .apply("timed", &document::timed("timed", loops), false)
            .await
        {
            return refused(&status);
        }
        let shop = Shop::new(self.clients.clone(), "timed");
        for number in 0..100 {
            let order = v1::Order {
                lines: (0..LINES).map(line).collect(),
                ..shop.draft(&number.to_string(), &[])
            };
            if let Err(status) = shop.create(order).await {
                return refused(&status);
            }
        }
        sleep(Duration::from_secs(10)).await;
        let version = shop.find("0").await.map(|order| order.version);
        // Time would go on, beside the next attacks as well.
        let calm = document::workflow("timed", "true", &document::written(&[]));
        let ended = self.apply("timed", &calm, false).await;
        format!("order 0 is at version {version:?}, ended: {}", told(ended))
    }

    /// Applies a guard to the workflow of the large orders, and lets one order take so many steps in one call.
    async fn guarded(&self, guard: &str, steps: usize) -> String {
        let document = document::workflow("bulk", guard, &document::written(&[]));
        if let Err(status) = self.apply("bulk", &document, false).await {
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
        match self.clients.orders().execute_steps(request).await {
            Ok(done) => {
                let results = done.into_inner().results;
                let failed = results
                    .iter()
                    .filter(|result| result.error.is_some())
                    .count();
                format!("{} steps, {failed} failed", results.len())
            }
            Err(status) => refused(&status),
        }
    }

    /// Sends 4 MiB of one repeated field with nothing in it, so many times on connections of their own.
    async fn raw(&self, method: &str, path: &str, times: usize) -> String {
        let message = dense(method, path, 4 * 1024 * 1024 - 64);
        let calls = (0..times).map(|_| async {
            let clients = self.server.clients();
            raw::call(&clients, method, message.clone()).await
        });
        let answers = join_all(calls).await;
        let first = answers.into_iter().next();
        first.map_or_else(String::new, |answer| told(answer.map(drop)))
    }

    async fn edits(&self) -> String {
        let began = Instant::now();
        let large = document::large("large", 190, 4, 1_989);
        let mut said = Vec::new();
        // The second time nothing changes.
        for _ in 0..2 {
            said.push(told(self.apply("large", &large, false).await));
        }
        for status in ["t1", "t2", "t3"] {
            let request = v1::AssignStatusRequest {
                workflow: "large".to_owned(),
                state: "s9".to_owned(),
                status: status.to_owned(),
                ..Default::default()
            };
            let done = self.clients.states().assign_status(request).await;
            said.push(told(done.map(drop)));
        }
        format!("{}, {:.1?}", said.join(", "), began.elapsed())
    }

    async fn apply(&self, code: &str, document: &str, validate_only: bool) -> Answer<()> {
        let request = v1::ApplyWorkflowRequest {
            workflow: code.to_owned(),
            document: document.to_owned(),
            validate_only,
            ..Default::default()
        };
        let applied = self.clients.workflows().apply_workflow(request).await;
        applied.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_there_once() {
        let names = names();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }
}
