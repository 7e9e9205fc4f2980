//! Watchers that record what they are sent, come again after every break, and stay until they have everything.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use prost_types::Duration as WireDuration;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tonic::{Status, Streaming};
use waymark_proto::v1::{HistoryEntry, WatchHistoryRequest, WatchHistoryResponse, WatchStart};

use super::{dice::Dice, recorder::Recorder, verdict::judge};
use crate::{
    Clients,
    validator::{Answer, End, Filter, Message, Session, Start},
};

/// How long a watcher may take to get the last entries after the load ended.
const CATCH_UP_MAX: Duration = Duration::from_secs(30);

/// A watcher to be.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its name, unique in the run.
    pub name: &'static str,
    /// What it asks for.
    pub filter: Filter,
    /// From where.
    pub start: Start,
    /// Of a hundred messages, after how many it breaks the stream itself and comes again.
    pub restless_percent: usize,
    /// How long it takes over each message while the load goes on.
    pub pause: Duration,
}

/// How far each partition must be delivered; none while the load goes on.
type Goal = Option<BTreeMap<i32, i64>>;

/// A watcher at work.
#[derive(Debug)]
pub(super) struct Watching {
    filter: Filter,
    goal: watch::Sender<Goal>,
    task: JoinHandle<()>,
}

impl Watching {
    pub(super) fn start(
        plan: Plan,
        recorder: Arc<Recorder>,
        servers: Vec<Clients>,
        dice: Dice,
    ) -> Self {
        let (goal, goals) = watch::channel(None);
        let filter = plan.filter.clone();
        let watcher = Watcher {
            plan,
            recorder,
            servers,
            dice,
            goals,
            delivered: BTreeMap::new(),
            turn: 0,
        };
        Self {
            filter,
            goal,
            task: tokio::spawn(watcher.run()),
        }
    }

    /// Tells it what the log has in the end, and waits until it has got what it asked for, or time is up.
    pub(super) async fn finish(self, log: &[HistoryEntry]) {
        let matching = log
            .iter()
            .filter(|entry| self.filter.matches(entry))
            .filter_map(|entry| entry.log_position);
        let goal = matching
            .map(|position| (position.partition, position.offset))
            .collect();
        // A watcher that is gone has failed, which its task tells.
        let _ = self.goal.send(Some(goal));
        self.task.await.expect("a watcher does not panic");
    }
}

struct Watcher {
    plan: Plan,
    recorder: Arc<Recorder>,
    servers: Vec<Clients>,
    dice: Dice,
    goals: watch::Receiver<Goal>,
    delivered: BTreeMap<i32, i64>,
    turn: usize,
}

impl Watcher {
    async fn run(mut self) {
        let mut start = self.plan.start.clone();
        let mut deadline = None;
        loop {
            let opened = self.recorder.now();
            let server = self.servers[self.turn % self.servers.len()].clone();
            let mut session = Session {
                watcher: self.plan.name.to_owned(),
                filter: self.plan.filter.clone(),
                start: start.clone(),
                opened,
                messages: Vec::new(),
                end: End::Cut,
            };
            match server
                .history()
                .watch_history(request(&self.plan.filter, &start))
                .await
            {
                Ok(answer) => {
                    self.receive(answer.into_inner(), &mut session, &mut deadline)
                        .await;
                }
                Err(status) => self.judge(&status),
            }
            if let Some(last) = session.messages.last() {
                start = Start::Token(last.resume_token.clone());
            }
            let is_over =
                self.has_all() || deadline.is_some_and(|deadline| Instant::now() > deadline);
            if is_over {
                session.end = End::Complete;
            }
            self.recorder.add_session(session);
            if is_over {
                return;
            }
            self.turn += 1;
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Takes in messages until the stream breaks, the watcher has all or breaks it, or time is up.
    async fn receive(
        &mut self,
        mut stream: Streaming<WatchHistoryResponse>,
        session: &mut Session,
        deadline: &mut Option<Instant>,
    ) {
        while !self.has_all() {
            if self.goals.borrow().is_some() {
                deadline.get_or_insert_with(|| Instant::now() + CATCH_UP_MAX);
            }
            let until = deadline.unwrap_or_else(|| Instant::now() + Duration::from_hours(1));
            let message = tokio::select! {
                message = timeout(until.saturating_duration_since(Instant::now()), stream.message()) => message,
                // Looks at the goal, which has come or is never to come.
                changed = self.goals.changed(), if deadline.is_none() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
            };
            match message {
                Ok(Ok(Some(message))) => self.take(message, session),
                Ok(Ok(None)) => {
                    return self
                        .recorder
                        .protest(format!("{}: ended without a status", self.plan.name));
                }
                Ok(Err(status)) => return self.judge(&status),
                Err(_) => return,
            }
            if deadline.is_none() && self.dice.chance(self.plan.restless_percent) {
                return;
            }
            if deadline.is_none() && !self.plan.pause.is_zero() {
                sleep(self.plan.pause).await;
            }
        }
    }

    fn take(&mut self, message: WatchHistoryResponse, session: &mut Session) {
        for position in message
            .entries
            .iter()
            .filter_map(|entry| entry.log_position)
        {
            let delivered = self.delivered.entry(position.partition).or_default();
            *delivered = position.offset.max(*delivered);
        }
        session.messages.push(Message {
            at: self.recorder.now(),
            entries: message.entries,
            resume_token: message.resume_token,
            checkpoint: message.checkpoint,
            partition_count: message.partition_count,
        });
    }

    fn has_all(&self) -> bool {
        let goal = self.goals.borrow();
        let is_there = |(partition, offset): (&i32, &i64)| {
            self.delivered.get(partition).is_some_and(|d| d >= offset)
        };
        goal.as_ref().is_some_and(|goal| goal.iter().all(is_there))
    }

    fn judge(&self, status: &Status) {
        if let Answer::Refused(..) = judge(status) {
            self.recorder
                .protest(format!("{}: {status:?}", self.plan.name));
        }
    }
}

fn request(filter: &Filter, start: &Start) -> WatchHistoryRequest {
    let filter = filter.clone();
    let (from, resume_token) = match start {
        Start::Beginning => (WatchStart::Beginning, String::new()),
        Start::Now => (WatchStart::Now, String::new()),
        Start::Token(token) => (WatchStart::Unspecified, token.clone()),
    };
    WatchHistoryRequest {
        workflows: filter.workflows,
        order_ids: filter.order_ids,
        kinds: filter.kinds,
        statuses: filter.statuses,
        status_changes_only: filter.status_changes_only,
        partitions: filter.partitions,
        resume_token,
        start: from.into(),
        checkpoint_interval: Some(WireDuration {
            seconds: 0,
            nanos: 200_000_000,
        }),
    }
}
