//! Many calls at once: of large workflows, of large orders, and such as nobody waits for.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, timeout};
use tonic::Code;
use waymark_proto::v1::{self, WorkflowFormat, step::Command};

use super::stage::{Stage, refused};
use crate::{Clients, attack::document, shop::Answer};

impl Stage<'_> {
    pub(super) async fn several<F: Future<Output = Answer<()>>>(
        &self,
        times: usize,
        call: impl Fn(Clients) -> F,
    ) -> String {
        let began = Instant::now();
        let answers = join_all((0..times).map(|_| call(self.server.clients()))).await;
        let first = answers
            .iter()
            .find_map(|answer| answer.as_ref().err())
            .map(refused);
        let done = answers.iter().filter(|answer| answer.is_ok()).count();
        format!(
            "{done} of {times} answered, {:.1?} {}",
            began.elapsed(),
            first.unwrap_or_default()
        )
    }

    pub(super) async fn lists(&self) -> String {
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

    pub(super) async fn streams(&self) -> String {
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
    pub(super) async fn bursts(&self, bursts: usize, calls: usize, after: Duration) -> String {
        let clients = self.server.clients();
        let request = v1::WatchHistoryRequest::default();
        let mut watch = match clients.history().watch_history(request).await {
            Ok(watch) => watch.into_inner(),
            Err(status) => return refused(&status),
        };
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

    /// Ships all of so many orders, whose ids begin like that, in one call.
    pub(super) async fn shipments(&self, orders: &str, count: usize) -> String {
        let step = |number: usize| v1::Step {
            command: Some(Command::RecordOperation(self.shop.operation(
                &format!("{orders}-{number}"),
                "ship",
                &[],
            ))),
        };
        let request = v1::ExecuteStepsRequest {
            steps: (0..count).map(step).collect(),
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
}

pub(super) async fn lint_large(clients: Clients) -> Answer<()> {
    let request = v1::LintWorkflowRequest {
        document: document::large("drawn", 190, 4, 1_990),
        format: WorkflowFormat::Json.into(),
        ..Default::default()
    };
    let done = clients.workflows().lint_workflow(request).await;
    done.map(drop)
}

pub(super) async fn draw_large(
    clients: Clients,
    format: v1::DiagramFormat,
    counts: bool,
) -> Answer<()> {
    let request = v1::DiagramWorkflowRequest {
        workflow: "large".to_owned(),
        format: format.into(),
        counts,
        ..Default::default()
    };
    let done = clients.workflows().diagram_workflow(request).await;
    done.map(drop)
}

pub(super) async fn export_large(clients: Clients) -> Answer<()> {
    let request = v1::ExportWorkflowRequest {
        workflow: "large".to_owned(),
        ..Default::default()
    };
    let done = clients.workflows().export_workflow(request).await;
    done.map(drop)
}
