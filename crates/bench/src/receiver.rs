//! A receiver of webhooks in a thread of its own. It costs as little as one can
//! that speaks HTTP properly: server and database share the processors with it.

use std::{
    collections::HashSet,
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    time::timeout,
};

use crate::failure::Failure;

/// The longest that nothing may come while something is missing.
const PATIENCE: Duration = Duration::from_secs(20);

/// The way in which it treats webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Answers 204 to webhooks with an id and a signature.
    Takes,
    /// Reads, and never answers.
    Hangs,
}

/// A receiver that listens.
#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    post: Arc<Post>,
    count: watch::Receiver<usize>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<Result<(), Failure>>,
}

#[derive(Debug)]
struct Post {
    manner: Manner,
    came: Mutex<Arrivals>,
    count: watch::Sender<usize>,
}

/// The webhooks that came.
#[derive(Debug, Default)]
struct Arrivals {
    ids: HashSet<Bytes>,
    /// The instant at which each id came for the first time, in turn.
    first: Vec<Instant>,
    repeated: usize,
}

impl Receiver {
    /// Starts a receiver on a free port of loopback.
    pub(crate) fn start(manner: Manner) -> Result<Self, Failure> {
        let no_port = "no port for the receiver of webhooks";
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.map_err(Failure::io(no_port))?;
        let nonblocking = listener.set_nonblocking(true);
        nonblocking.map_err(Failure::io(no_port))?;
        let address = listener.local_addr().map_err(Failure::io(no_port))?;
        let (sender, count) = watch::channel(0);
        let post = Arc::new(Post {
            manner,
            came: Mutex::default(),
            count: sender,
        });
        let (stop, stopped) = oneshot::channel();
        let listening = Arc::clone(&post);
        let thread = thread::Builder::new()
            .name("receiver".to_owned())
            .spawn(move || run(listener, &listening, stopped))
            .map_err(Failure::io("no thread for the receiver of webhooks"))?;
        Ok(Self {
            address,
            post,
            count,
            stop,
            thread,
        })
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    /// The number of different webhooks that came.
    pub(crate) fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Waits until so many different ones have come.
    pub(crate) async fn wait_for(&self, wanted: usize) -> Result<(), Failure> {
        let mut count = self.count.clone();
        loop {
            let came = *count.borrow_and_update();
            if came >= wanted {
                return Ok(());
            }
            let missing = Failure::Missing { came, wanted };
            match timeout(PATIENCE, count.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Err(missing),
            }
        }
    }

    /// The instant at which the webhook came that had so many different ones before it.
    pub(crate) fn arrival(&self, number: usize) -> Result<Instant, Failure> {
        let came = self.post.came.lock().map_err(|_| Failure::Interrupted)?;
        let arrival = came.first.get(number).copied();
        arrival.ok_or(Failure::Missing {
            came: came.first.len(),
            wanted: number.saturating_add(1),
        })
    }

    /// The number of webhooks that came again.
    pub(crate) fn repeated(&self) -> Result<usize, Failure> {
        let came = self.post.came.lock().map_err(|_| Failure::Interrupted)?;
        Ok(came.repeated)
    }

    /// Ends it.
    ///
    /// # Errors
    /// Returns the failure by which it had ended before.
    pub(crate) fn stop(self) -> Result<(), Failure> {
        drop(self.stop);
        self.thread.join().map_err(|_| Failure::Interrupted)?
    }
}

fn run(
    listener: std::net::TcpListener,
    post: &Arc<Post>,
    stopped: oneshot::Receiver<()>,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::io("no runtime for the receiver of webhooks"))?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)
            .map_err(Failure::io("the receiver of webhooks cannot listen"))?;
        tokio::select! {
            // Dropped, it is stopped as well.
            _ = stopped => Ok(()),
            failure = listen(&listener, post) => Err(failure),
        }
    })
}

async fn listen(listener: &TcpListener, post: &Arc<Post>) -> Failure {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => return Failure::io("the receiver of webhooks")(error),
        };
        let post = Arc::clone(post);
        let service = service_fn(move |request| {
            let post = Arc::clone(&post);
            async move { Ok::<_, Infallible>(post.received(request).await) }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // A sender that goes away is no concern of the receiver; what it did not bring is missed.
            connection.await.ok();
        });
    }
}

impl Post {
    async fn received(&self, request: Request<Incoming>) -> Response<Empty<Bytes>> {
        let (head, body) = request.into_parts();
        let is_whole = body.collect().await.is_ok();
        let id = head.headers.get("webhook-id");
        let is_signed = head.headers.contains_key("webhook-signature");
        let status = match id {
            Some(id) if is_signed && is_whole => self.record(Bytes::copy_from_slice(id.as_bytes())),
            _ => StatusCode::BAD_REQUEST,
        };
        if self.manner == Manner::Hangs {
            std::future::pending::<()>().await;
        }
        let mut response = Response::new(Empty::new());
        *response.status_mut() = status;
        response
    }

    fn record(&self, id: Bytes) -> StatusCode {
        let Ok(mut came) = self.came.lock() else {
            return StatusCode::INTERNAL_SERVER_ERROR;
        };
        if came.ids.insert(id) {
            came.first.push(Instant::now());
            self.count.send_replace(came.first.len());
        } else {
            came.repeated += 1;
        }
        StatusCode::NO_CONTENT
    }
}
