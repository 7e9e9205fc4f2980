//! A whole run: clients and watchers are started, faults happen, and in the end everything is read back and judged.

use std::{fmt, fs, path::PathBuf, sync::Arc, time::Duration};

use tokio::task::JoinSet;
use tonic::{Response, Streaming};
use waymark_proto::v1::{
    EntryKind, GetOrderRequest, HistoryEntry, ListHistoryRequest, StreamHistoryRequest, StreamHistoryResponse,
};

use super::{client::Clientele, dice::Dice, recorder::Recorder, watch::{Plan, Watching}};
use crate::{
    Clients, binary,
    validator::{self, Answer, Breach, End, Filter, Message, OrderKey, Record, Session, Start},
};

/// How many streams are opened in the end from tokens that watchers got.
const RESUMES: usize = 40;

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
        let Self { done, refused, unavailable, doubts, entries, sessions } = self;
        let unknown = doubts.len();
        write!(f, "{done} done, {refused} refused, {unavailable} unavailable, {unknown} unknown, ")?;
        write!(f, "{entries} entries, {sessions} streams")
    }
}

impl Run {
    /// Starts clients and watchers. Each takes one of `servers`: a list of servers to try in turn.
    pub fn start(name: &str, workflow: &str, clientele: Clientele, plans: Vec<Plan>, servers: &[Vec<Clients>]) -> Self {
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
        Self { name: name.to_owned(), recorder, clients, watchers }
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
        let log = export(&self.recorder, clients, "log", &Filter::default(), Start::Beginning).await;
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
        let path = write(&self.name, &record, &breaches);
        let shown: Vec<_> = breaches.iter().take(12).collect();
        panic!("{} ({summary}): {} breaches, see {}: {shown:#?}", self.name, breaches.len(), path.display());
    }
}

fn summary(record: &Record) -> Summary {
    let mut summary =
        Summary { entries: record.log.len(), sessions: record.sessions.len(), ..Summary::default() };
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

fn write(name: &str, record: &Record, breaches: &[Breach]) -> PathBuf {
    let target = binary::path().ancestors().nth(2).expect("target/<profile>/waymark");
    let path = target.join("faults").join(format!("{name}-{}.txt", record.seed));
    fs::create_dir_all(path.parent().expect("a directory")).expect("the directory is made");
    fs::write(&path, told(record, breaches)).expect("the record is written");
    path
}

/// A record as text: breaches, then one line for each step, message and entry.
fn told(record: &Record, breaches: &[Breach]) -> String {
    let mut lines: Vec<_> = breaches.iter().map(|breach| format!("BREACH {breach:?}")).collect();
    lines.extend(record.steps.iter().map(|step| format!("STEP {step:?}")));
    lines.extend(record.reads.iter().map(|read| format!("READ {read:?}")));
    for session in &record.sessions {
        let Session { watcher, filter, start, opened, end, messages } = session;
        lines.push(format!("STREAM {watcher} {filter:?} {start:?} at {opened}, {end:?}"));
        lines.extend(messages.iter().map(|message| {
            let places: Vec<_> = message.entries.iter().map(place).collect();
            let Message { at, resume_token, checkpoint, .. } = message;
            format!("  MESSAGE at {at} checkpoint {checkpoint} token {resume_token} {}", places.join(" "))
        }));
    }
    lines.extend(record.log.iter().map(|entry| format!("ENTRY {} {entry:?}", place(entry))));
    lines.join("\n")
}

fn place(entry: &HistoryEntry) -> String {
    let position = entry.log_position.unwrap_or_default();
    format!("{}:{}={}#{}", position.partition, position.offset, entry.order_id, entry.sequence)
}

/// Reads a `StreamHistory` to its end, and records it as a session.
async fn export(recorder: &Recorder, clients: &Clients, name: &str, filter: &Filter, start: Start) -> Vec<HistoryEntry> {
    let opened = recorder.now();
    let resume_token = if let Start::Token(token) = &start { token.clone() } else { String::new() };
    let request = StreamHistoryRequest {
        workflows: filter.workflows.clone(),
        order_ids: filter.order_ids.clone(),
        kinds: filter.kinds.clone(),
        statuses: filter.statuses.clone(),
        status_changes_only: filter.status_changes_only,
        resume_token,
    };
    let answer = clients.history().stream_history(request).await;
    let mut stream: Streaming<StreamHistoryResponse> = answer.map(Response::into_inner).expect("history is streamed");
    let mut messages = Vec::new();
    while let Some(message) = stream.message().await.expect("the stream ends in order") {
        messages.push(Message {
            at: recorder.now(),
            entries: message.entries,
            resume_token: message.resume_token,
            checkpoint: message.checkpoint,
            partition_count: message.partition_count,
        });
    }
    let entries = messages.iter().flat_map(|message| message.entries.clone()).collect();
    let (watcher, filter) = (name.to_owned(), filter.clone());
    recorder.add_session(Session { watcher, filter, start, opened, messages, end: End::UpToNow });
    entries
}

/// Reads the history of each order that the load may have placed, and the order.
async fn read_orders(recorder: &Recorder, clients: &Clients) {
    let orders: std::collections::BTreeSet<_> = recorder.record().log.iter().map(OrderKey::of).collect();
    for key in orders {
        let request =
            GetOrderRequest { workflow: key.workflow.clone(), id: key.id.clone(), ..GetOrderRequest::default() };
        let order = clients.orders().get_order(request).await.expect("the order exists").into_inner().order;
        let history = list(clients, &key).await;
        let mut record = recorder.record();
        record.orders.insert(key.clone(), order.expect("an order"));
        record.histories.insert(key, history);
    }
}

async fn list(clients: &Clients, key: &OrderKey) -> Vec<HistoryEntry> {
    let mut entries = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListHistoryRequest {
            workflow: key.workflow.clone(),
            order_id: key.id.clone(),
            page_size: 37,
            page_token,
            ..ListHistoryRequest::default()
        };
        let page = clients.history().list_history(request).await.expect("history is listed").into_inner();
        entries.extend(page.entries);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return entries;
        }
    }
}

/// Goes on from tokens of all watchers, the last checkpoint of each among them, with the same and with other filters.
async fn resume(recorder: &Recorder, clients: &Clients) {
    let mut dice = Dice::new(recorder.record().seed);
    let filters = [
        Filter::default(),
        Filter { status_changes_only: true, ..Filter::default() },
        Filter { kinds: vec![EntryKind::Commented.into(), EntryKind::Held.into()], ..Filter::default() },
    ];
    let mut tokens = Vec::new();
    let mut last_checkpoints = Vec::new();
    for session in &recorder.record().sessions {
        let own = session.messages.iter().map(|message| (message.resume_token.clone(), session.filter.clone()));
        tokens.extend(own);
        let checkpoint = session.messages.iter().rfind(|message| message.checkpoint);
        last_checkpoints.extend(checkpoint.map(|message| (message.resume_token.clone(), session.filter.clone())));
    }
    for number in 0..RESUMES {
        let from = if number % 3 == 0 { &last_checkpoints } else { &tokens };
        let (token, same) = dice.pick(from).clone();
        // StreamHistory has no choice of partitions.
        let same = Filter { partitions: Vec::new(), ..same };
        let filter = if number % 2 == 0 { &same } else { dice.pick(&filters) };
        let _ = export(recorder, clients, &format!("resumed {number}"), filter, Start::Token(token)).await;
    }
    let is_quick = recorder.now() < u64::try_from(Duration::from_secs(600).as_micros()).expect("short");
    assert!(is_quick, "a run that lasts so long is no test");
}
