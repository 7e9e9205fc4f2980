//! What a test stands in: a server, clients of it, and workflows of its own on it.

use std::{
    ops::Deref,
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use tokio::sync::OnceCell;
use waymark_proto::v1::ApplyWorkflowRequest;

use crate::{Backend, Clients, Server, Shop, binary};

/// The server that ordinary scenarios of one backend share.
static SQLITE: OnceCell<Server> = OnceCell::const_new();
static POSTGRES: OnceCell<Server> = OnceCell::const_new();

/// A test's view of a shared server; dereferences to clients.
#[derive(Debug)]
pub struct World {
    server: &'static Server,
    clients: Clients,
    since: usize,
}

impl World {
    /// The shared server of a backend, with a connection of this test.
    pub async fn on(backend: Backend) -> Self {
        let cell = match backend {
            Backend::Sqlite => &SQLITE,
            Backend::Postgres => &POSTGRES,
        };
        let server = cell.get_or_init(|| Server::start(backend)).await;
        Self {
            server,
            clients: server.clients(),
            since: server.log().len(),
        }
    }

    /// The server.
    pub fn server(&self) -> &'static Server {
        self.server
    }

    /// A workflow of this test's own that is as a preset says.
    pub async fn shop(&self, preset: &str) -> Shop {
        apply(&self.clients, &fresh_code(), &binary::preset(preset)).await
    }
}

impl Deref for World {
    type Target = Clients;

    fn deref(&self) -> &Clients {
        &self.clients
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if thread::panicking() {
            self.server.log().show(self.since);
        }
    }
}

/// A code that no other workflow of this test process has.
pub fn fresh_code() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    format!("w{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Applies a YAML document under a code and gives a shop that uses it.
pub async fn apply(clients: &Clients, code: &str, document: &str) -> Shop {
    let request = ApplyWorkflowRequest {
        workflow: code.to_owned(),
        document: document.to_owned(),
        ..Default::default()
    };
    let answer = clients.workflows().apply_workflow(request).await;
    answer.unwrap_or_else(|status| panic!("the document is not applied: {status:?}"));
    Shop::new(clients.clone(), code)
}
