//! The life of a server: start, serve, and stop within a deadline.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, runtime::Handle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{body::Body, service::Routes};
use tonic_web::GrpcWebLayer;
use tower::{
    Layer,
    util::{MapResponseLayer, option_layer},
};
use waymark_domain::value::WorkflowCode;
use waymark_persistence::{Clock, DatabaseUrl, DispatcherId, Error, Leaving, StorageState, Store};
use waymark_proto::v1;

use crate::{
    App, Settings,
    background::Background,
    committer::{Committer, Workers},
    connections::{self, Open},
    cross_origin,
    dispatch::{Dispatcher, Parts, TestSlots, Transports, TransportsError},
    error, feeds,
    health::Health,
    history::{Log, Tailer},
    incoming::Acceptor,
    intake::Intake,
    limits::MESSAGE_BYTES_MAX,
    ports::{ListenError, TakenPort},
    preset::{self, PresetError},
    reader::{Reader, Reading},
    services,
    settings::{FeedSettings, HistorySettings, Origin, ServerSettings},
    signals::Stop,
    supervisor::Supervisor,
    telemetry::CallLog,
    threads,
    vitals::Vitals,
    wake::Wake,
};

/// The task that sends deliveries and fires timers, which has leases.
const DISPATCHER: &str = "dispatcher";

/// A server that has its database and lets connections come, and does not serve them yet.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    vitals: Arc<Vitals>,
    workers: Workers,
    reading: Reading,
    history: HistorySettings,
    dispatcher: Dispatcher,
    shutdown_deadline: Duration,
    cancelled_calls_max: usize,
    grpc_web_origins: Vec<Origin>,
    listener: TcpListener,
    address: SocketAddr,
    feeds: Option<feeds::Port>,
}

/// Why a server cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database was made by an older program.
    #[error(
        "the database is older than this program: run `waymark migrate` with the same database_url, then start again"
    )]
    MigrationNeeded(#[source] Error),
    /// The settings lead to no database, to one that takes nobody, or to one of a newer program.
    #[error(transparent)]
    NoDatabase(Error),
    /// The database cannot be opened.
    #[error("the database cannot be opened")]
    Store(#[source] Error),
    /// The preset could not be loaded.
    #[error("the preset cannot be loaded into the empty database")]
    Preset(#[from] PresetError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The system has no thread for commits or reads.
    #[error("a thread cannot be started")]
    Thread(#[source] io::Error),
    /// The outbound transports cannot be opened.
    #[error("the outbound transports cannot be opened")]
    Transports(#[from] TransportsError),
    /// The file of the database was damaged while it was served.
    #[error("the database file is damaged; the log says what was found and what to do")]
    Damaged,
    /// The descriptors that were compiled in cannot be read.
    #[error("the descriptors of the services cannot be read")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// A task that the server cannot do without ended unasked, so it stopped.
    #[error("the task {name} ended unexpectedly; the log says why")]
    TaskEnded {
        /// The task.
        name: &'static str,
    },
}

impl StartError {
    /// Whether the same may work later, when the database answers or a port is free.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Store(error) | Self::NoDatabase(error) => error.is_passing(),
            Self::Preset(error) => error.is_passing(),
            Self::Listen(error) => error.is_taken(),
            Self::MigrationNeeded(_)
            | Self::Damaged
            | Self::Thread(_)
            | Self::Transports(_)
            | Self::Reflection(_)
            | Self::TaskEnded { .. } => false,
        }
    }

    /// Whether the file of the database is damaged.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged | Self::Store(Error::Damaged { .. }) => true,
            Self::Preset(error) => error.is_damage(),
            _ => false,
        }
    }

    /// Whether the settings name a database or an address that cannot be used, whenever that is
    /// tried, until somebody changes something.
    pub fn is_of_settings(&self) -> bool {
        match self {
            Self::MigrationNeeded(_) => true,
            Self::NoDatabase(error) => error.is_of_settings(),
            Self::Listen(error) => !error.is_taken(),
            _ => false,
        }
    }
}

/// How a server stopped.
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
        let feeds = take_feeds_port(settings.feeds)?;
        let url = settings.database.url.clone();
        let store = Store::open(settings.database, clock)
            .await
            .map_err(not_opened)?;
        tracing::info!(database.url = %url, partitions = store.partition_count().get(), "opened the database");
        load_preset(&store, &settings.server, &url).await?;
        warn_of_no_default(&store, &settings.server.default_workflow).await;
        let vitals = Arc::new(Vitals::opened());
        let HistorySettings {
            ring_bytes_max,
            streams_max,
            ..
        } = settings.history;
        let log = Log::new(&store, ring_bytes_max, streams_max);
        let wake = Wake::default();
        let (committer, workers) = Committer::new(&store, &log, &wake, &vitals, &settings.commits)
            .map_err(StartError::Thread)?;
        let (reader, reading) = Reader::new().map_err(StartError::Thread)?;
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
            default_workflow: settings.server.default_workflow,
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
            vitals,
            workers,
            reading,
            history: settings.history,
            shutdown_deadline: settings.server.shutdown_deadline,
            cancelled_calls_max: settings.server.cancelled_calls_max,
            grpc_web_origins: settings.server.grpc_web_origins,
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
    #[expect(clippy::too_many_lines, reason = "one life, told from begin to end")]
    pub async fn run(self, stop: Stop) -> Result<Stopped, StartError> {
        let Self {
            app,
            vitals,
            workers,
            reading,
            history,
            dispatcher,
            shutdown_deadline,
            cancelled_calls_max,
            grpc_web_origins,
            listener,
            address,
            feeds,
        } = self;
        let refusing = CancellationToken::new();
        let (health, health_service) = Health::new().await;
        let routes = routes(&app)?.add_service(health_service);
        let acceptor = Acceptor::new(listener, "calls");
        let explained = MapResponseLayer::new(error::explained::<Body>);
        let service = explained.layer(Intake::new().layer(routes.prepare()));
        let service = GrpcWebLayer::new().layer(CallLog.layer(service));
        let service = option_layer(cross_origin::layer(&grpc_web_origins)).layer(service);
        let open = Open::default();
        let told = refusing.clone();
        let serving =
            connections::serve(acceptor, cancelled_calls_max, service, told, open.clone());
        let supervisor = Supervisor::new();
        supervise_work(&app, &supervisor);
        app.committer.start(workers, &supervisor);
        app.reader.start(reading, &app.store, &supervisor);
        let tailing = CancellationToken::new();
        let tailer = tailer(&app, &vitals, history);
        supervisor.spawn("tailer", tailer.run(tailing.clone()));
        let (dispatching, me) = (CancellationToken::new(), dispatcher.me().clone());
        let carrying = dispatcher.run(dispatching.clone(), supervisor.clone());
        let carrying = supervisor.spawn(DISPATCHER, carrying);
        if let Some(port) = feeds {
            let serving = port.serve(app.bulk.clone(), app.detached.clone(), refusing.clone());
            app.detached.spawn(supervisor.watch("feeds", serving));
        }
        let serving = supervisor.spawn("connections", serving);
        tracing::info!("listening on {address}");
        tokio::select! {
            () = supervisor.ended() => {}
            () = health.follow(vitals.watch(), app.store.storage()) => {}
            () = damage(&app.store) => {}
            () = stop.gently.cancelled() => {}
            () = stop.now.cancelled() => {}
        }
        tracing::info!("stopping");
        supervisor.stand_down();
        dispatching.cancel();
        let carried = async {
            // What it did not note is found due again by the next who carries it.
            let _ = carrying.await;
            if supervisor.has_ended(DISPATCHER) {
                give_back(&app.store, &me).await;
            }
        };
        let served = async {
            // How it ended was said already; what it has opened goes on without it.
            let _ = serving.await;
            open.end().await;
        };
        let drained = async { tokio::join!(drain(&app, health, refusing, served), carried) };
        let stopped = tokio::select! {
            ((), ()) = drained => Stopped::Drained,
            () = app.committer.hurry(shutdown_deadline) => Stopped::DeadlinePassed,
            () = stop.now.cancelled() => Stopped::AtOnce,
        };
        tailing.cancel();
        if is_damaged(&app.store) {
            // Closing the database would write to it.
            return Err(StartError::Damaged);
        }
        match stopped {
            Stopped::Drained => {
                close(&app).await;
                if is_damaged(&app.store) {
                    return Err(StartError::Damaged);
                }
                tracing::info!("stopped");
            }
            Stopped::DeadlinePassed => {
                tracing::warn!("stopped with calls in flight: the deadline passed");
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

/// Gives back what a dispatcher had that ended in the middle of its work, so that others carry on
/// at once. Where the database does not answer, they do when its lease has run out.
async fn give_back(store: &Store, me: &DispatcherId) {
    let all = store.partition_count().all().collect();
    let given = store.release_leases(me, &all, Leaving::Broken).await;
    if let Err(error) = given {
        tracing::warn!(
            error = error::chain(&error),
            "leases cannot be given back; others carry on when they have run out"
        );
    }
}

fn is_damaged(store: &Store) -> bool {
    *store.storage().borrow() == StorageState::Damaged
}

/// Waits until the file of the database is found to be damaged.
async fn damage(store: &Store) {
    let mut storage = store.storage();
    let damaged = storage.wait_for(|state| *state == StorageState::Damaged);
    // The store, which outlives this, says so; it is never silent for good.
    let _ = damaged.await;
}

fn tailer(app: &App, vitals: &Arc<Vitals>, history: HistorySettings) -> Tailer {
    Tailer {
        store: app.store.clone(),
        log: Arc::clone(&app.log),
        wake: app.wake.clone(),
        liveness: Arc::clone(vitals),
        poll_interval: history.poll_interval,
        push_interval: history.push_interval,
    }
}

/// Loads the preset that the settings name into a store that lacks it, and tells of a new database.
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
        tracing::warn!(
            database.url = %url,
            preset.name = loaded.unwrap_or("none"),
            "made a new database, since there was none at this place; with create_database=false, none is made"
        );
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

fn not_opened(error: Error) -> StartError {
    match error {
        Error::SchemaOlder { .. } => StartError::MigrationNeeded(error),
        Error::CannotOpen { .. }
        | Error::CannotReach { .. }
        | Error::Locked { .. }
        | Error::Encoding { .. }
        | Error::Rights { .. }
        | Error::SchemaNewer { .. } => StartError::NoDatabase(error),
        error => StartError::Store(error),
    }
}

/// Takes the port for feeds, where they are on.
fn take_feeds_port(settings: FeedSettings) -> Result<Option<feeds::Taken>, ListenError> {
    let FeedSettings { listen, base_url } = settings;
    let taken = listen.map(|address| feeds::Taken::take(address, base_url));
    taken.transpose()
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

async fn close(app: &App) {
    if let Err(error) = app.store.close().await {
        tracing::warn!(
            error = error::chain(&error),
            "the database was not closed well"
        );
    }
}

fn routes(app: &Arc<App>) -> Result<Routes, StartError> {
    macro_rules! service {
        ($room:ident, $contract:ident :: $server:ident :: $name:ident) => {
            $contract::$server::$name::new(services::$room::Service::new(Arc::clone(app)))
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
        };
    }
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(waymark_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // With these grpcurl prints the details of an error instead of their bytes.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    Ok(Routes::default()
        .add_service(service!(
            delivery,
            v1::delivery_service_server::DeliveryServiceServer
        ))
        .add_service(service!(
            endpoint,
            v1::endpoint_service_server::EndpointServiceServer
        ))
        .add_service(service!(
            history,
            v1::history_service_server::HistoryServiceServer
        ))
        .add_service(service!(
            order,
            v1::order_service_server::OrderServiceServer
        ))
        .add_service(service!(
            state,
            v1::state_service_server::StateServiceServer
        ))
        .add_service(service!(
            status,
            v1::status_service_server::StatusServiceServer
        ))
        .add_service(service!(
            tracking,
            v1::tracking_service_server::TrackingServiceServer
        ))
        .add_service(service!(
            transition,
            v1::transition_service_server::TransitionServiceServer
        ))
        .add_service(service!(
            workflow,
            v1::workflow_service_server::WorkflowServiceServer
        ))
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?))
}
