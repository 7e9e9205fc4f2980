//! A receiver of webhooks on loopback, which answers as a test says.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// A webhook as it came.
#[derive(Debug, Clone)]
pub struct Hook {
    /// The path that it was posted to.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: serde_json::Value,
    /// Its body as it came, over which its signature goes.
    pub text: String,
}

impl Hook {
    /// Its `webhook-id`.
    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    /// A header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("headers are text"))
    }

    /// The order that it is about.
    pub fn order(&self) -> &str {
        self.body["data"]["order"]["id"]
            .as_str()
            .expect("an order has an id")
    }
}

/// Answers with a status; it sees the hook and how many came to its path with its id before it.
type Answer = Arc<dyn Fn(&Hook, usize) -> u16 + Send + Sync>;

/// A receiver of webhooks.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    hooks: Arc<Mutex<Vec<Hook>>>,
    count: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Starts a receiver.
    ///
    /// # Panics
    /// Panics where the system has no port.
    pub async fn start(answer: impl Fn(&Hook, usize) -> u16 + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let hooks: Arc<Mutex<Vec<Hook>>> = Arc::default();
        let (tell, count) = watch::channel(0);
        let answer: Answer = Arc::new(answer);
        let (kept, tell) = (Arc::clone(&hooks), Arc::new(tell));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, kept, tell) = (answer.clone(), kept.clone(), tell.clone());
                let service = service_fn(move |request| {
                    let (answer, kept, tell) = (answer.clone(), kept.clone(), tell.clone());
                    async move {
                        let hook = read(request).await;
                        let status = {
                            let mut hooks = kept.lock().expect("no test panics here");
                            let before = hooks.iter().filter(|other| other.id() == hook.id());
                            let status = answer(&hook, before.count());
                            hooks.push(hook);
                            status
                        };
                        tell.send_modify(|count| *count += 1);
                        let answer = Response::builder().status(status);
                        Ok::<_, Infallible>(
                            answer
                                .body(Full::new(Bytes::from("noted")))
                                .expect("a status"),
                        )
                    }
                });
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move {
                    // A client that goes away is no concern of the receiver.
                    let _ = connection.await;
                });
            }
        });
        Self {
            address,
            hooks,
            count,
            task,
        }
    }

    /// The URL of a path on it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// What has come so far.
    ///
    /// # Panics
    /// Panics where the receiver panicked.
    pub fn hooks(&self) -> Vec<Hook> {
        self.hooks.lock().expect("no test panics here").clone()
    }

    /// Waits until so many have come.
    ///
    /// # Panics
    /// Panics where they do not come in time.
    pub async fn until(&self, count: usize) -> Vec<Hook> {
        self.until_all(|hooks| hooks.len() >= count).await
    }

    /// Waits until what has come is as a test wants it.
    ///
    /// # Panics
    /// Panics where it does not become so in time.
    pub async fn until_all(&self, is_so: impl Fn(&[Hook]) -> bool) -> Vec<Hook> {
        let mut count = self.count.clone();
        let come = count.wait_for(|_| is_so(&self.hooks()));
        let come = tokio::time::timeout(std::time::Duration::from_secs(30), come).await;
        assert!(come.is_ok(), "only these came in time: {:?}", self.hooks());
        self.hooks()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read(request: Request<Incoming>) -> Hook {
    let (parts, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .expect("the body comes whole")
        .to_bytes();
    Hook {
        path: parts.uri.path().trim_start_matches('/').to_owned(),
        headers: parts.headers,
        body: serde_json::from_slice(&body).expect("the body is JSON"),
        text: String::from_utf8(body.into()).expect("JSON is UTF-8"),
    }
}
