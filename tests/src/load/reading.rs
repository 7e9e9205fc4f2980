//! What stands in the end: all history as one stream, each order with its history, and streams from tokens that were
//! given out.

use std::collections::BTreeSet;

use tonic::{Status, Streaming};
use waymark_proto::v1::{
    EntryKind, GetOrderRequest, HistoryEntry, ListHistoryRequest, StreamHistoryRequest,
    StreamHistoryResponse,
};

use super::{dice::Dice, recorder::Recorder};
use crate::{
    Clients,
    validator::{End, Filter, Message, OrderKey, Session, Start},
};

/// How many streams are opened in the end from tokens that watchers got.
const RESUMES: usize = 40;

/// Reads a `StreamHistory` to its end, and records it as a session.
pub(super) async fn export(
    recorder: &Recorder,
    clients: &Clients,
    name: &str,
    filter: &Filter,
    start: Start,
) -> Vec<HistoryEntry> {
    let opened = recorder.now();
    let resume_token = if let Start::Token(token) = &start {
        token.clone()
    } else {
        String::new()
    };
    let request = StreamHistoryRequest {
        workflows: filter.workflows.clone(),
        order_ids: filter.order_ids.clone(),
        kinds: filter.kinds.clone(),
        statuses: filter.statuses.clone(),
        status_changes_only: filter.status_changes_only,
        resume_token,
    };
    let mut messages = Vec::new();
    if let Err(status) = read(recorder, clients, request, &mut messages).await {
        recorder.protest(format!("{name}: {status:?}"));
    }
    let entries = messages
        .iter()
        .flat_map(|message| message.entries.clone())
        .collect();
    let (watcher, filter) = (name.to_owned(), filter.clone());
    recorder.add_session(Session {
        watcher,
        filter,
        start,
        opened,
        messages,
        end: End::UpToNow,
    });
    entries
}

async fn read(
    recorder: &Recorder,
    clients: &Clients,
    request: StreamHistoryRequest,
    messages: &mut Vec<Message>,
) -> Result<(), Status> {
    let mut stream: Streaming<StreamHistoryResponse> = clients
        .history()
        .stream_history(request)
        .await?
        .into_inner();
    while let Some(message) = stream.message().await? {
        messages.push(Message {
            at: recorder.now(),
            entries: message.entries,
            resume_token: message.resume_token,
            checkpoint: message.checkpoint,
            partition_count: message.partition_count,
        });
    }
    Ok(())
}

/// Reads the history of each order that the load may have placed, and the order.
pub(super) async fn read_orders(recorder: &Recorder, clients: &Clients) {
    let orders: BTreeSet<_> = recorder.record().log.iter().map(OrderKey::of).collect();
    for key in orders {
        let request = GetOrderRequest {
            workflow: key.workflow.clone(),
            order_id: key.id.clone(),
            ..GetOrderRequest::default()
        };
        let order = clients
            .orders()
            .get_order(request)
            .await
            .expect("the order exists")
            .into_inner()
            .order;
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
        let page = clients
            .history()
            .list_history(request)
            .await
            .expect("history is listed")
            .into_inner();
        entries.extend(page.entries);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return entries;
        }
    }
}

/// Goes on from tokens of all watchers, the last checkpoint of each among them, with the same and with other filters.
pub(super) async fn resume(recorder: &Recorder, clients: &Clients) {
    let mut dice = Dice::new(recorder.record().seed);
    let filters = [
        Filter::default(),
        Filter {
            status_changes_only: true,
            ..Filter::default()
        },
        Filter {
            kinds: vec![EntryKind::Commented.into(), EntryKind::Held.into()],
            ..Filter::default()
        },
    ];
    let mut tokens = Vec::new();
    let mut last_checkpoints = Vec::new();
    for session in &recorder.record().sessions {
        let own = session
            .messages
            .iter()
            .map(|message| (message.resume_token.clone(), session.filter.clone()));
        tokens.extend(own);
        let checkpoint = session.messages.iter().rfind(|message| message.checkpoint);
        last_checkpoints.extend(
            checkpoint.map(|message| (message.resume_token.clone(), session.filter.clone())),
        );
    }
    for number in 0..RESUMES {
        let from = if number % 3 == 0 {
            &last_checkpoints
        } else {
            &tokens
        };
        let (token, same) = dice.pick(from).clone();
        // StreamHistory has no choice of partitions.
        let same = Filter {
            partitions: Vec::new(),
            ..same
        };
        let filter = if number % 2 == 0 {
            &same
        } else {
            dice.pick(&filters)
        };
        let _ = export(
            recorder,
            clients,
            &format!("resumed {number}"),
            filter,
            Start::Token(token),
        )
        .await;
    }
}
