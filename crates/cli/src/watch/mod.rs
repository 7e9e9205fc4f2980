//! `waymark watch`: history, one JSON object a line, over every interruption.

mod consumer;
mod json;
mod progress;

use std::{process::ExitCode, time::Duration};

use tokio::time::sleep;
use tonic::{Streaming, transport::Channel};
use waymark_proto::v1::{
    self, StreamHistoryRequest, StreamHistoryResponse, WatchHistoryRequest, WatchHistoryResponse,
    history_service_client::HistoryServiceClient,
};

use crate::{
    arguments::{EntryKind, Watch, WatchFrom},
    connection,
    failure::Failure,
    output,
};
use consumer::Consumer;
use progress::Progress;

/// The pause before connecting again, doubled each time up to the longest one.
const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Passes history on until the end, which only `--until-now` has.
pub(crate) async fn run(arguments: Watch) -> Result<ExitCode, Failure> {
    let consumer = Consumer::of(&arguments)?;
    let mut progress = Progress::load(arguments.resume_file.as_deref())?;
    let mut pause = PAUSE_MIN;
    loop {
        let heard = progress.messages();
        let failure = match follow(&arguments, &consumer, &mut progress).await {
            Ok(()) => return Ok(ExitCode::SUCCESS),
            Err(failure) => failure,
        };
        if arguments.no_reconnect || !failure.is_transient() {
            return Err(failure);
        }
        if progress.messages() > heard {
            pause = PAUSE_MIN;
        }
        let millis = pause.as_millis();
        output::print_error(&format!("waymark: {failure}; trying again in {millis} ms"));
        sleep(pause).await;
        pause = pause.saturating_mul(2).min(PAUSE_MAX);
    }
}

/// Follows one connection to its end; `Ok` only where the history has one.
async fn follow(
    arguments: &Watch,
    consumer: &Consumer,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let channel = connection::connect(&arguments.server).await?;
    let mut client = HistoryServiceClient::new(channel);
    if arguments.until_now {
        let mut stream = stream(&mut client, arguments, progress).await?;
        while let Some(message) = stream.message().await.map_err(Failure::of_call)? {
            let whole = || json::lines("waymark.v1.StreamHistoryResponse", [&message]);
            take(arguments, consumer, &message.entries, whole).await?;
            progress.keep(message.resume_token)?;
        }
        return Ok(());
    }
    let mut stream = watch(&mut client, arguments, progress).await?;
    while let Some(message) = stream.message().await.map_err(Failure::of_call)? {
        let whole = || json::lines("waymark.v1.WatchHistoryResponse", [&message]);
        take(arguments, consumer, &message.entries, whole).await?;
        progress.keep(message.resume_token)?;
    }
    Err(Failure::StreamEnded)
}

/// Lets the consumer take a message, if there is anything for it.
async fn take(
    arguments: &Watch,
    consumer: &Consumer,
    entries: &[v1::HistoryEntry],
    whole: impl FnOnce() -> Result<String, Failure>,
) -> Result<(), Failure> {
    if entries.is_empty() && !consumer.wants_checkpoints(arguments.messages) {
        return Ok(());
    }
    let text = if consumer.wants_messages(arguments.messages) {
        whole()?
    } else {
        json::lines("waymark.v1.HistoryEntry", entries)?
    };
    consumer.take(text).await
}

async fn stream(
    client: &mut HistoryServiceClient<Channel>,
    arguments: &Watch,
    progress: &Progress,
) -> Result<Streaming<StreamHistoryResponse>, Failure> {
    let request = StreamHistoryRequest {
        workflows: arguments.workflows.clone(),
        order_ids: arguments.orders.clone(),
        kinds: kinds(arguments),
        statuses: arguments.statuses.clone(),
        status_changes_only: arguments.status_changes_only,
        resume_token: progress.token().to_owned(),
    };
    let stream = client.stream_history(request).await;
    Ok(stream.map_err(Failure::of_call)?.into_inner())
}

async fn watch(
    client: &mut HistoryServiceClient<Channel>,
    arguments: &Watch,
    progress: &Progress,
) -> Result<Streaming<WatchHistoryResponse>, Failure> {
    let start = match (progress.token(), arguments.from) {
        ("", WatchFrom::Now) => v1::WatchStart::Now,
        ("", WatchFrom::Beginning) => v1::WatchStart::Beginning,
        _ => v1::WatchStart::Unspecified,
    };
    let interval = Duration::from_millis(arguments.checkpoint_interval_ms);
    let request = WatchHistoryRequest {
        workflows: arguments.workflows.clone(),
        order_ids: arguments.orders.clone(),
        kinds: kinds(arguments),
        statuses: arguments.statuses.clone(),
        status_changes_only: arguments.status_changes_only,
        resume_token: progress.token().to_owned(),
        start: start.into(),
        partitions: arguments.partitions.clone(),
        checkpoint_interval: prost_types::Duration::try_from(interval).ok(),
    };
    let stream = client.watch_history(request).await;
    Ok(stream.map_err(Failure::of_call)?.into_inner())
}

fn kinds(arguments: &Watch) -> Vec<i32> {
    let kind = |kind: &EntryKind| match kind {
        EntryKind::Created => v1::EntryKind::Created,
        EntryKind::Transitioned => v1::EntryKind::Transitioned,
        EntryKind::Commented => v1::EntryKind::Commented,
        EntryKind::Held => v1::EntryKind::Held,
        EntryKind::Released => v1::EntryKind::Released,
        EntryKind::OperationRecorded => v1::EntryKind::OperationRecorded,
        EntryKind::Updated => v1::EntryKind::Updated,
        EntryKind::Imported => v1::EntryKind::Imported,
    };
    arguments.kinds.iter().map(kind).map(i32::from).collect()
}
