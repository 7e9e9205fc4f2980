//! Targets that take connections and never answer.

use std::{future::pending, time::Duration};

use futures::future::join_all;
use tokio::time::{Instant, timeout};
use waymark_proto::v1;

use super::stage::{Stage, refused};
use crate::{
    Shop,
    attack::document::{self, TRANSITION},
    ledger,
    peer::{Peer, answer},
    shop::Answer,
};

/// How long a good target may take to hear.
const PATIENCE: Duration = Duration::from_mins(1);

impl Stage<'_> {
    pub(super) async fn tests(&self) -> String {
        let peer = silent().await;
        let actions = serde_json::json!({"tell": {"webhook": {"endpoint": "silent"}, "timeout": "5m", "active": false}});
        let made = ledger::create_endpoint(&self.clients, "silent", &peer.url("x")).await;
        let applied = self
            .apply(
                "tested",
                &document::workflow("tested", "true", &actions),
                false,
            )
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
                self.clients.workflows().test_action(request.clone()).await
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

    /// Sends to so many targets that do not answer, and then to one that does.
    pub(super) async fn hanging(&self, name: &str, targets: usize) -> String {
        let peer = silent().await;
        let good = Peer::start(|mut stream, _| async move {
            answer(&mut stream, 200, "").await;
        })
        .await;
        let mut actions = serde_json::Map::new();
        for number in 0..targets {
            let code = format!("hang_{name}{number}");
            let made = ledger::create_endpoint(&self.clients, &code, &peer.url(&code)).await;
            if let Err(status) = made {
                return refused(&status);
            }
            actions.insert(
                code.clone(),
                serde_json::json!({"webhook": {"endpoint": code}, "timeout": "30s"}),
            );
        }
        let (bad, well) = (format!("hanging_{name}"), format!("good_{name}"));
        let document = document::workflow(&bad, "true", &actions.into());
        let applied = self.apply(&bad, &document, false).await;
        let made = ledger::create_endpoint(&self.clients, &well, &good.url(&well)).await;
        let tell = serde_json::json!({"tell": {"webhook": {"endpoint": well}}});
        let document = document::workflow(&well, "true", &tell);
        let also = self.apply(&well, &document, false).await;
        if applied.is_err() || made.is_err() || also.is_err() {
            return format!("not prepared: {applied:?} {made:?} {also:?}");
        }
        let bad = Shop::new(self.clients.clone(), &bad);
        let well = Shop::new(self.clients.clone(), &well);
        for order in 0..40 {
            if let Err(status) = turn(&bad, &order.to_string()).await {
                return refused(&status);
            }
        }
        let began = Instant::now();
        if let Err(status) = turn(&well, "1").await {
            return refused(&status);
        }
        let arrived = timeout(PATIENCE, good.until(1)).await.is_ok();
        format!(
            "a good target hears after {:.2?}, arrived: {arrived}",
            began.elapsed()
        )
    }
}

/// Places an order and takes its step.
async fn turn(shop: &Shop, id: &str) -> Answer<()> {
    shop.create(shop.draft(id, &[])).await?;
    shop.take(id, TRANSITION).await.map(drop)
}

/// A target that takes connections and says nothing.
async fn silent() -> Peer {
    Peer::start(|stream, _| async {
        pending::<()>().await;
        drop(stream);
    })
    .await
}
