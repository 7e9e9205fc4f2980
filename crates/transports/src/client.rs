//! The HTTP client of webhooks: HTTP/1.1, by TLS where the URL says so. It knows no proxies,
//! which would resolve names themselves behind every check, follows no redirects and sends nothing
//! twice. What may come before an answer is bounded here.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, ext::on_informational};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::{sync::Notify, task::coop, time::Sleep};

use crate::{resolver::Checked, tls};

/// The most responses with a status of 1xx that may come before the answer. The usual number is
/// none, and a peer may send them for ever.
const INTERIM_MAX: usize = 64;
/// The longest head of a response in bytes, and how much is read at once.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// The interval at which an idle connection asks whether the peer is still there.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// The most of these questions without an answer before it is given up.
const KEEPALIVE_RETRIES: u32 = 3;
/// The longest time for which the peer may leave sent data unacknowledged.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// The reason why no answer came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The time was over.
    #[error("no answer came in time")]
    Timeout,
    /// The peer sent one interim response after the other.
    #[error("more than {INTERIM_MAX} interim responses came")]
    Interim,
    /// There was no connection, or it ended.
    #[error(transparent)]
    Client(#[from] legacy::Error),
}

/// Sends requests. It keeps connections; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pool: legacy::Client<HttpsConnector<HttpConnector<Checked>>, Full<Bytes>>,
}

impl Client {
    /// Makes a client that connects to what the resolver says.
    pub(crate) fn new(resolver: Checked) -> Result<Self, rustls::Error> {
        let mut http = HttpConnector::new_with_resolver(resolver);
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(KEEPALIVE));
        http.set_keepalive_interval(Some(KEEPALIVE));
        http.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
        #[cfg(target_os = "linux")]
        http.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
        let connector = HttpsConnector::from((http, tls::client_config([])?));
        let pool = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .build(connector);
        Ok(Self { pool })
    }

    /// Sends a request and waits for the head of the answer, until the deadline.
    pub(crate) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        deadline: Pin<&mut Sleep>,
    ) -> Result<Response<Incoming>, SendError> {
        let flooded = Arc::new(Notify::new());
        let (flooding, count) = (Arc::clone(&flooded), AtomicUsize::new(0));
        on_informational(&mut request, move |_| {
            if count.fetch_add(1, Ordering::Relaxed) >= INTERIM_MAX {
                flooding.notify_one();
                use_up_turn();
            }
        });
        // Whatever is not awaited any more is canceled, and its connection closed.
        tokio::select! {
            biased;
            () = deadline => Err(SendError::Timeout),
            () = flooded.notified() => Err(SendError::Interim),
            answer = self.pool.request(request) => Ok(answer?),
        }
    }
}

/// Uses up what the task may read before it lets others go on. While there is something to read,
/// hyper would read one interim response after the other, and never see that nobody waits any more.
fn use_up_turn() {
    let mut context = Context::from_waker(Waker::noop());
    // No task may do more in a turn; outside a task, there is no end to it.
    for _ in 0..u8::MAX {
        if !coop::has_budget_remaining() {
            break;
        }
        if let Poll::Ready(part) = coop::poll_proceed(&mut context) {
            part.made_progress();
        }
    }
}
