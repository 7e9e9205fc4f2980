//! The life of a server: start, serve, and stop within a deadline.

use std::{net::SocketAddr, sync::Arc};

use tokio::{net::TcpListener, runtime::Handle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::body::Body;
use tonic_web::GrpcWebLayer;
use tower::{
    Layer,
    util::{MapResponse, option_layer},
};
use waymark_domain::value::WorkflowCode;
use waymark_persistence::{Clock, DatabaseUrl, DispatcherId, Leaving, StorageState, Store};

use crate::{
    App, Settings, StartError,
    background::Background,
    committer::{Committer, Workers},
    connections::{self, OpenConnections},
    cross_origin,
    dispatch::{Dispatcher, Parts, TestSlots, Transports},
    error, feeds,
    health::Health,
    history::{Log, Tailer},
    incoming::Acceptor,
    intake::Intake,
    liveness::Liveness,
    ports::TakenPort,
    preset,
    reader::{ReadQueue, Reader},
    routes::routes,
    settings::{FeedSettings, ServerSettings},
    signals::Stop,
    supervisor::Supervisor,
    telemetry::{CallLog, chain},
    threads,
    wake::Wake,
};

/// The task that sends deliveries and fires timers, which has leases.
const DISPATCHER: &str = "dispatcher";

/// A server that has its database and lets connections come, and does not serve them yet.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    liveness: Arc<Liveness>,
    workers: Workers,
    reads: ReadQueue,
    tailer: Tailer,
    dispatcher: Dispatcher,
    settings: ServerSettings,
    listener: TcpListener,
    address: SocketAddr,
    feeds: Option<feeds::Port>,
}

/// The way in which a server stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Every call was answered.
    Drained,
    /// Calls were still in flight when the deadline passed.
    DeadlinePassed,
    /// It was told to stop at once.
    AtOnce,
}

impl Server {
    /// Takes the ports, opens the database, and loads the preset into an empty one. Connections may come once all is
    /// ready.
    ///
    /// # Errors
    /// Returns [`StartError`] when one of these fails.
    pub async fn start(settings: Settings, clock: Clock) -> Result<Self, StartError> {
        threads::keep_one(&Handle::current());
        let port = TakenPort::take("listen", settings.server.listen)?;
        let FeedSettings { listen, base_url } = settings.feeds;
        let feeds = listen.map(|address| feeds::Taken::take(address, base_url));
        let feeds = feeds.transpose()?;
        let url = settings.database.url.clone();
        let store = Store::open(settings.database, clock)
            .await
            .map_err(StartError::not_opened)?;
        tracing::info!(database.url = %url, partitions = store.partition_count().get(), "database opened");
        load_preset(&store, &settings.server, &url).await?;
        warn_of_no_default(&store, &settings.server.default_workflow).await;
        let liveness = Arc::new(Liveness::opened());
        let history = settings.history;
        let log = Log::new(&store, history.ring_bytes_max, history.streams_max);
        let wake = Wake::default();
        let tailer = Tailer {
            store: store.clone(),
            log: Arc::clone(&log),
            wake: wake.clone(),
            liveness: Arc::clone(&liveness),
            poll_interval: history.poll_interval,
            push_interval: history.push_interval,
        };
        let (committer, workers) =
            Committer::new(&store, &log, &wake, &liveness, &settings.commits)
                .map_err(StartError::Thread)?;
        let (reader, reads) = Reader::new().map_err(StartError::Thread)?;
        let links = feeds.as_ref().map(|taken| taken.links().clone());
        let transports = Transports::open(&settings.dispatch, &store, links.clone()).await?;
        let parts = Parts {
            store: store.clone(),
            committer: Arc::new(committer),
            transports: Arc::new(transports),
            test_slots: Arc::new(TestSlots::new(settings.dispatch.in_flight_max)),
            wake,
        };
        let app = App {
            reader,
            bulk: store.for_bulk(),
            store,
            background: Background::start().map_err(StartError::Thread)?,
            kept: Arc::default(),
            committer: Arc::clone(&parts.committer),
            log,
            default_workflow: settings.server.default_workflow.clone(),
            feeds: links,
            webhooks: settings.dispatch.webhooks.clone(),
            stopping: CancellationToken::new(),
            detached: TaskTracker::new(),
            wake: parts.wake.clone(),
            transports: Arc::clone(&parts.transports),
            test_slots: Arc::clone(&parts.test_slots),
        };
        Ok(Self {
            dispatcher: Dispatcher::new(parts, settings.dispatch),
            app: Arc::new(app),
            liveness,
            workers,
            reads,
            tailer,
            settings: settings.server,
            address: port.address(),
            listener: port.listen()?,
            feeds: feeds.map(feeds::Taken::open).transpose()?,
        })
    }

    /// The address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until told to stop, then finishes what is in flight. Calls that would not end by themselves are ended.
    ///
    /// # Errors
    /// Returns [`StartError`] when the connections cannot be served, when the file of the database
    /// is damaged, or when a task ended that the server cannot do without.
    #[expect(clippy::too_many_lines, reason = "one life, from start to end")]
    pub async fn run(self, stop: Stop) -> Result<Stopped, StartError> {
        let Self {
            app,
            liveness,
            workers,
            reads,
            tailer,
            dispatcher,
            settings,
            listener,
            address,
            feeds,
        } = self;
        let refusing = CancellationToken::new();
        let (health, health_service) = Health::new().await;
        let routes = routes(&app)?.add_service(health_service);
        let acceptor = Acceptor::new(listener, "calls");
        let service = MapResponse::new(Intake::new(routes.prepare()), error::explained::<Body>);
        let service = GrpcWebLayer::new().layer(CallLog(service));
        let service = option_layer(cross_origin::layer(&settings.grpc_web_origins)).layer(service);
        let open = OpenConnections::default();
        let serving = connections::serve(
            acceptor,
            settings.cancelled_calls_max,
            service,
            refusing.clone(),
            open.clone(),
        );
        let supervisor = Supervisor::new();
        supervise_work(&app, &supervisor);
        app.committer.start(workers, &supervisor);
        app.reader.start(reads, &app.store, &supervisor);
        let tailing = CancellationToken::new();
        supervisor.spawn("tailer", tailer.run(tailing.clone()));
        let (dispatching, me) = (CancellationToken::new(), dispatcher.me().clone());
        let dispatched = dispatcher.run(dispatching.clone(), supervisor.clone());
        let dispatched = supervisor.spawn(DISPATCHER, dispatched);
        if let Some(port) = feeds {
            let serving = port.serve(app.bulk.clone(), app.detached.clone(), refusing.clone());
            app.detached.spawn(supervisor.watch("feeds", serving));
        }
        let serving = supervisor.spawn("connections", serving);
        tracing::info!("listening on {address}");
        tokio::select! {
            () = supervisor.ended() => {}
            () = health.follow(liveness.watch(), app.store.storage()) => {}
            () = damage(&app.store) => {}
            () = stop.gently.cancelled() => {}
            () = stop.now.cancelled() => {}
        }
        tracing::info!("stopping");
        supervisor.stand_down();
        dispatching.cancel();
        let dispatched = async {
            // What it did not record is found due again by the next owner of the lease.
            let _ = dispatched.await;
            if supervisor.has_ended(DISPATCHER) {
                release_leases(&app.store, &me).await;
            }
        };
        let served = async {
            // How it ended was said already; what it has opened goes on without it.
            let _ = serving.await;
            open.end().await;
        };
        let drained = async { tokio::join!(drain(&app, health, refusing, served), dispatched) };
        let stopped = tokio::select! {
            ((), ()) = drained => Stopped::Drained,
            () = app.committer.hurry(settings.shutdown_deadline) => Stopped::DeadlinePassed,
            () = stop.now.cancelled() => Stopped::AtOnce,
        };
        tailing.cancel();
        // Closing a damaged database would write to it.
        if stopped == Stopped::Drained
            && !is_damaged(&app.store)
            && let Err(error) = app.store.close().await
        {
            tracing::warn!(error = chain(&error), "database close failed");
        }
        if is_damaged(&app.store) {
            return Err(StartError::Damaged);
        }
        match stopped {
            Stopped::Drained => tracing::info!("stopped"),
            Stopped::DeadlinePassed => {
                tracing::warn!("shutdown deadline passed with calls in flight");
            }
            Stopped::AtOnce => tracing::warn!("stopped at once"),
        }
        match supervisor.first() {
            Some(name) => Err(StartError::TaskEnded { name }),
            None => Ok(stopped),
        }
    }
}

/// Runs what has to go on behind the store and its neighbours.
fn supervise_work(app: &App, supervisor: &Supervisor) {
    for (name, work) in app.store.work() {
        supervisor.spawn(name, work);
    }
    if let Some(ended) = app.transports.publisher_ended() {
        supervisor.spawn("publisher", ended);
    }
}

/// Releases the leases of a dispatcher that ended in the middle of its work, so that others take
/// over at once. Where the database does not answer, they do when its leases have run out.
async fn release_leases(store: &Store, me: &DispatcherId) {
    let all = store.partition_count().all().collect();
    let released = store.release_leases(me, &all, Leaving::Broken).await;
    if let Err(error) = released {
        tracing::warn!(
            error = chain(&error),
            "lease release failed: other replicas take over when the leases run out"
        );
    }
}

fn is_damaged(store: &Store) -> bool {
    *store.storage().borrow() == StorageState::Damaged
}

async fn damage(store: &Store) {
    let mut storage = store.storage();
    let damaged = storage.wait_for(|state| *state == StorageState::Damaged);
    // The store, which outlives this, says so; it is never silent for good.
    let _ = damaged.await;
}

/// Loads the preset that the settings name into a store that lacks it, and logs a new database.
async fn load_preset(
    store: &Store,
    settings: &ServerSettings,
    url: &DatabaseUrl,
) -> Result<(), StartError> {
    let mut loaded = None;
    if let Some(name) = &settings.preset
        && preset::load(store, name, &settings.default_workflow).await?
    {
        loaded = Some(name.as_str());
    }
    if store.is_new() {
        preset::log_created(url, loaded.unwrap_or("none"));
    }
    Ok(())
}

/// Says that calls which name no workflow will find none. An operator may make it yet, so the server starts.
async fn warn_of_no_default(store: &Store, code: &WorkflowCode) {
    // What cannot be read is said by whoever needs it.
    if let Ok(None) = store.workflow(code).await {
        tracing::warn!(
            workflow.code = %code,
            "default_workflow names a workflow that does not exist: calls that name none are answered WORKFLOW_NOT_FOUND"
        );
    }
}

/// Ends the streams, refuses new calls, and waits for those in flight and for what they set off.
async fn drain(
    app: &App,
    health: Health,
    refusing: CancellationToken,
    served: impl Future<Output = ()>,
) {
    health.retire().await;
    app.stopping.cancel();
    refusing.cancel();
    health.release();
    served.await;
    app.detached.close();
    app.detached.wait().await;
    app.committer.close().await;
}
