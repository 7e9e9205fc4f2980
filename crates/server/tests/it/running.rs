//! A server in this process, and the calls that the tests make.

use std::{net::SocketAddr, path::Path};

use tokio::task::JoinHandle;
use tonic::{Streaming, transport::Channel};
use waymark_proto::v1::{
    self, history_service_client::HistoryServiceClient, order_service_client::OrderServiceClient,
};
use waymark_server::{
    Clock, Server, Settings, StartError, Stopped, settings::Sources, signals::Stop,
};

/// A server that runs until it is stopped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) stop: Stop,
    task: JoinHandle<Result<Stopped, StartError>>,
}

/// Settings for a database in `directory`, on a free port.
pub(crate) fn settings(directory: &Path, more: &[(&str, &str)]) -> Settings {
    let url = format!("sqlite://{}", directory.join("test.db").display());
    let flags = [("listen", "127.0.0.1:0"), ("database_url", url.as_str())]
        .into_iter()
        .chain(more.iter().copied());
    let flags = flags
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    Settings::read(&Sources {
        flags,
        ..Sources::default()
    })
    .unwrap()
}

pub(crate) async fn start(directory: &Path, more: &[(&str, &str)]) -> Running {
    start_by(directory, more, Clock::system()).await
}

/// Starts a server that goes by a clock.
pub(crate) async fn start_by(directory: &Path, more: &[(&str, &str)], clock: Clock) -> Running {
    let server = Server::start(settings(directory, more), clock)
        .await
        .unwrap();
    let (address, stop) = (server.address(), Stop::default());
    Running {
        address,
        task: tokio::spawn(server.run(stop.clone())),
        stop,
    }
}

impl Running {
    pub(crate) async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address))
            .unwrap()
            .connect()
            .await
            .unwrap()
    }

    pub(crate) async fn orders(&self) -> OrderServiceClient<Channel> {
        OrderServiceClient::new(self.channel().await)
    }

    pub(crate) async fn history(&self) -> HistoryServiceClient<Channel> {
        HistoryServiceClient::new(self.channel().await)
    }

    pub(crate) async fn watch(
        &self,
        request: v1::WatchHistoryRequest,
    ) -> Streaming<v1::WatchHistoryResponse> {
        self.history()
            .await
            .watch_history(request)
            .await
            .unwrap()
            .into_inner()
    }

    /// Everything from the beginning up to now.
    pub(crate) async fn everything(&self) -> Vec<v1::HistoryEntry> {
        let request = v1::StreamHistoryRequest::default();
        let mut stream = self
            .history()
            .await
            .stream_history(request)
            .await
            .unwrap()
            .into_inner();
        let mut entries = Vec::new();
        while let Some(message) = stream.message().await.unwrap() {
            entries.extend(message.entries);
        }
        entries
    }

    pub(crate) async fn stop(self) -> Stopped {
        self.stop.gently.cancel();
        self.ended().await
    }

    pub(crate) async fn ended(self) -> Stopped {
        self.task.await.unwrap().unwrap()
    }
}

pub(crate) async fn create(orders: &mut OrderServiceClient<Channel>, id: &str) {
    let order = v1::Order {
        id: id.to_owned(),
        ..v1::Order::default()
    };
    let request = v1::CreateOrderRequest {
        order: Some(order),
        ..v1::CreateOrderRequest::default()
    };
    orders.create_order(request).await.unwrap();
}

pub(crate) async fn comment(orders: &mut OrderServiceClient<Channel>, id: &str, text: &str) {
    let request = v1::AddCommentRequest {
        order_id: id.to_owned(),
        comment: text.to_owned(),
        ..v1::AddCommentRequest::default()
    };
    orders.add_comment(request).await.unwrap();
}

/// Offsets of the entries, all of partition 0.
pub(crate) fn offsets(entries: &[v1::HistoryEntry]) -> Vec<i64> {
    entries
        .iter()
        .map(|entry| entry.log_position.as_ref().unwrap().offset)
        .collect()
}

/// Reads until there are `count` entries, and gives them with the last token.
pub(crate) async fn take(
    stream: &mut Streaming<v1::WatchHistoryResponse>,
    count: usize,
) -> (Vec<v1::HistoryEntry>, String) {
    let (mut entries, mut token) = (Vec::new(), String::new());
    while entries.len() < count {
        let message = stream.message().await.unwrap().unwrap();
        entries.extend(message.entries);
        token = message.resume_token;
    }
    (entries, token)
}

/// The reason of an error.
pub(crate) fn reason(status: &tonic::Status) -> String {
    use tonic_types::StatusExt;
    status
        .get_details_error_info()
        .map(|info| info.reason)
        .unwrap_or_default()
}
