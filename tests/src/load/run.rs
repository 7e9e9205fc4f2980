//! A whole run: clients and watchers are started, faults happen, and in the end everything is read back and judged.

use std::{fmt, sync::Arc};

use tokio::task::JoinSet;

use super::{
    account,
    client::Clientele,
    dice::Dice,
    reading::{export, read_orders, resume},
    recorder::Recorder,
    watch::{Plan, Watching},
};
use crate::{
    Clients,
    validator::{self, Answer, Filter, Record, Start},
};

/// A run that goes on.
#[derive(Debug)]
pub struct Run {
    name: String,
    recorder: Arc<Recorder>,
    clients: JoinSet<()>,
    watchers: Vec<Watching>,
}

/// What a run came to.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Steps that were acknowledged.
    pub done: usize,
    /// Steps that were refused.
    pub refused: usize,
    /// Tries that were answered that nothing was written.
    pub unavailable: usize,
    /// Tries of which it was not known, with what was told.
    pub doubts: Vec<String>,
    /// Entries in the log.
    pub entries: usize,
    /// Streams.
    pub sessions: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            done,
            refused,
            unavailable,
            doubts,
            entries,
            sessions,
        } = self;
        let unknown = doubts.len();
        write!(
            f,
            "{done} done, {refused} refused, {unavailable} unavailable, {unknown} unknown, "
        )?;
        write!(f, "{entries} entries, {sessions} streams")
    }
}

impl Run {
    /// Starts clients and watchers. Each takes one of `servers`: a list of servers to try in turn.
    pub fn start(
        name: &str,
        workflow: &str,
        clientele: Clientele,
        plans: Vec<Plan>,
        servers: &[Vec<Clients>],
    ) -> Self {
        let seed = Dice::seed();
        eprintln!("{name}: WAYMARK_TEST_SEED={seed}");
        let recorder = Arc::new(Recorder::new(workflow, seed));
        let mut dice = Dice::new(seed);
        let watchers = plans.into_iter().enumerate().map(|(number, plan)| {
            let servers = servers[number % servers.len()].clone();
            Watching::start(plan, recorder.clone(), servers, Dice::new(dice.number()))
        });
        let watchers = watchers.collect();
        let clients = clientele.start(&recorder, servers);
        Self {
            name: name.to_owned(),
            recorder,
            clients,
            watchers,
        }
    }

    /// What was recorded so far.
    pub fn recorder(&self) -> &Arc<Recorder> {
        &self.recorder
    }

    /// Ends the load, reads everything back from `clients`, and holds it against the promises.
    ///
    /// # Panics
    /// Panics where a promise was broken, after the record was written below the target directory.
    pub async fn judge(mut self, clients: &Clients) -> Summary {
        self.recorder.end_load();
        while let Some(ended) = self.clients.join_next().await {
            ended.expect("a client does not panic");
        }
        let log = export(
            &self.recorder,
            clients,
            "log",
            &Filter::default(),
            Start::Beginning,
        )
        .await;
        for watcher in self.watchers.drain(..) {
            watcher.finish(&log).await;
        }
        self.recorder.record().log = log;
        read_orders(&self.recorder, clients).await;
        resume(&self.recorder, clients).await;
        let record = self.recorder.record().clone();
        let breaches = validator::check(&record);
        let summary = summary(&record);
        if breaches.is_empty() {
            eprintln!("{}: {summary}", self.name);
            return summary;
        }
        let path = account::write(&self.name, &record, &breaches);
        let shown: Vec<_> = breaches.iter().take(12).collect();
        panic!(
            "{} ({summary}): {} breaches, see {}: {shown:#?}",
            self.name,
            breaches.len(),
            path.display()
        );
    }
}

fn summary(record: &Record) -> Summary {
    let mut summary = Summary {
        entries: record.log.len(),
        sessions: record.sessions.len(),
        ..Summary::default()
    };
    for answer in record.steps.iter().flat_map(|step| &step.tries) {
        match answer {
            Answer::Done(_) => summary.done += 1,
            Answer::Refused(..) => summary.refused += 1,
            Answer::Unavailable(_) => summary.unavailable += 1,
            Answer::Unknown(words) => summary.doubts.push(words.clone()),
        }
    }
    summary
}
