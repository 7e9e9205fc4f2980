//! A browser, Chromium without a window, with a page on a site of the test's own: it calls a server by gRPC-Web and
//! writes down what it could read.

use std::{
    convert::Infallible,
    fmt::Write,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::Command,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use prost::Message;
use serde_json::Value;
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle, time::timeout};

use crate::binary::workspace;

/// The page, which asks for two orders, one that there is and one that there is not.
const PAGE: &str = include_str!("browser.html");
/// How long the page may take, on a machine that compiles as well.
const PATIENCE: Duration = Duration::from_mins(1);
/// Where the page writes what it read.
const READ: (&str, &str) = ("<pre id=\"read\">", "</pre>");

/// The site of the page.
#[derive(Debug)]
pub struct Site {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Site {
    /// Starts the site.
    ///
    /// # Panics
    /// Panics where the system has no port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let task = tokio::spawn(async move {
            let over = Arc::<Notify>::default();
            while let Ok((stream, _)) = listener.accept().await {
                let over = Arc::clone(&over);
                let service = service_fn(move |request: Request<Incoming>| {
                    let over = Arc::clone(&over);
                    async move { Ok::<_, Infallible>(answer(request.uri().path(), &over).await) }
                });
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move {
                    // A browser that goes away is no concern of the site.
                    let _ = connection.await;
                });
            }
        });
        Self { address, task }
    }

    /// The origin of its page.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Opens the page in a browser, lets it call `GetOrder` of a server with both messages, and gives what it read, or
    /// why it could not.
    ///
    /// # Panics
    /// Panics where there is no browser, or where the page says nothing.
    pub async fn read(
        &self,
        server: SocketAddr,
        found: &impl Message,
        missing: &impl Message,
    ) -> Value {
        let (found, missing) = (hex(found), hex(missing));
        let origin = self.origin();
        let url = format!("{origin}/?server=http://{server}&found={found}&missing={missing}");
        let page = tokio::task::spawn_blocking(move || open(&url))
            .await
            .expect("the browser shows the page");
        let written = page.split_once(READ.0).and_then(|(_, rest)| {
            let (written, _) = rest.split_once(READ.1)?;
            serde_json::from_str(written).ok()
        });
        written.unwrap_or_else(|| panic!("nothing is written on {page}"))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(path: &str, over: &Notify) -> Response<Full<Bytes>> {
    let (status, body) = match path {
        "/" => (200, PAGE),
        "/over" => {
            over.notify_one();
            (204, "")
        }
        "/until-over" => {
            // The page comes without what it read then, which the test tells.
            let _ = timeout(PATIENCE, over.notified()).await;
            (204, "")
        }
        _ => (404, ""),
    };
    Response::builder()
        .status(status)
        .header("content-type", "text/html; charset=utf-8")
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .expect("an answer")
}

fn hex(message: &impl Message) -> String {
    let bytes = message.encode_to_vec();
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// What a page has become when it has loaded.
fn open(url: &str) -> String {
    let profile = tempfile::tempdir().expect("a directory");
    let output = Command::new("timeout")
        .args(["--kill-after=5", "120"])
        .arg(chromium())
        .args([
            "--headless",
            // It refuses to start as root with one.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            // A proxy of the person who runs the tests does not see this machine's own ports.
            "--no-proxy-server",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(url)
        .output()
        .expect("the browser runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("a page is text")
}

/// Where Chromium is, after it was installed if it had to be.
fn chromium() -> &'static PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let script = workspace().join("tests/chromium.sh");
        let output = Command::new("sh").arg(script).output().expect("sh runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let path = String::from_utf8(output.stdout).expect("a path is text");
        PathBuf::from(path.trim_end())
    })
}
