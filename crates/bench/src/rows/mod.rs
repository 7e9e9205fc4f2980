//! The rows, in the order in which they are measured. Those of one stage share a
//! server and a database.

mod creating;
mod deliveries;
mod latency;
mod listing;
mod memory;
mod pending;
mod replicas;
mod rival;
mod size;
mod snapshot;
mod starting;
mod throughput;
mod webhooks;

use crate::{
    failure::Failure,
    output,
    place::{Backend, Contents, Database, Site},
    report::{self, Figure},
    stage::Stage,
};
use rival::Rival;

/// What a row measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Unary,
    OneClient,
    OpenLoop,
    Ceiling,
    Stream,
    Batch,
    Get,
    Deliveries,
    Watched,
    Replicas,
    Snapshot,
    Create,
    CreateSteps,
    Pending,
    Webhooks,
    Memory,
    Large,
    List,
    Start,
}

/// A row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) backend: Backend,
    pub(crate) subject: Subject,
}

const fn postgres(subject: Subject) -> Row {
    Row {
        backend: Backend::Postgres,
        subject,
    }
}

const fn sqlite(subject: Subject) -> Row {
    Row {
        backend: Backend::Sqlite,
        subject,
    }
}

/// All rows.
pub(crate) const ALL: [Row; 34] = [
    postgres(Subject::Unary),
    postgres(Subject::OneClient),
    postgres(Subject::OpenLoop),
    postgres(Subject::Stream),
    postgres(Subject::Batch),
    postgres(Subject::Get),
    postgres(Subject::Deliveries),
    postgres(Subject::Watched),
    postgres(Subject::Replicas),
    postgres(Subject::Snapshot),
    sqlite(Subject::Unary),
    sqlite(Subject::Ceiling),
    sqlite(Subject::OneClient),
    sqlite(Subject::OpenLoop),
    sqlite(Subject::Stream),
    sqlite(Subject::Batch),
    sqlite(Subject::Get),
    sqlite(Subject::Deliveries),
    sqlite(Subject::Watched),
    postgres(Subject::Create),
    postgres(Subject::CreateSteps),
    sqlite(Subject::Create),
    sqlite(Subject::CreateSteps),
    postgres(Subject::Pending),
    sqlite(Subject::Pending),
    postgres(Subject::Webhooks),
    sqlite(Subject::Webhooks),
    postgres(Subject::Memory),
    sqlite(Subject::Memory),
    postgres(Subject::Large),
    sqlite(Subject::Large),
    postgres(Subject::List),
    sqlite(Subject::List),
    sqlite(Subject::Start),
];

impl Row {
    /// Its name on the command line and in the figures.
    pub(crate) fn name(self) -> String {
        let subject = match self.subject {
            Subject::Unary => "unary",
            Subject::OneClient => "one-client",
            Subject::OpenLoop => "open-loop",
            Subject::Ceiling => "ceiling",
            Subject::Stream => "stream",
            Subject::Batch => "batch",
            Subject::Get => "get",
            Subject::Deliveries => "deliveries",
            Subject::Watched => "watched",
            Subject::Replicas => "replicas",
            Subject::Snapshot => "snapshot",
            Subject::Create => "create",
            Subject::CreateSteps => "create-steps",
            Subject::Pending => "pending",
            Subject::Webhooks => "webhooks",
            Subject::Memory => "memory",
            Subject::Large => "large",
            Subject::List => "list",
            Subject::Start => "start",
        };
        format!("{}-{subject}", self.backend.name())
    }

    /// Finds a row by its name.
    pub(crate) fn named(name: &str) -> Result<Self, Failure> {
        let row = ALL.into_iter().find(|row| row.name() == name);
        row.ok_or_else(|| Failure::NoRow {
            name: name.to_owned(),
        })
    }

    /// Whether it has the usual stage: the server on a copy of the usual database.
    fn is_on_stage(self) -> bool {
        !matches!(
            self.subject,
            Subject::Create
                | Subject::CreateSteps
                | Subject::Pending
                | Subject::Webhooks
                | Subject::Memory
                | Subject::Large
                | Subject::List
                | Subject::Start
        )
    }
}

/// The usual stage of one kind of database, and its rival.
pub(crate) struct Scene<'s> {
    pub(crate) stage: Stage<'s>,
    pub(crate) rival_database: Database,
    pub(crate) rival: Rival,
}

/// Measures rows, in their order.
pub(crate) async fn measure(site: &Site, chosen: &[Row]) -> Result<Vec<Figure>, Failure> {
    let mut figures = Vec::new();
    for backend in [Backend::Postgres, Backend::Sqlite] {
        let rows = ALL
            .into_iter()
            .filter(|row| row.backend == backend && row.is_on_stage() && chosen.contains(row))
            .collect::<Vec<_>>();
        if !rows.is_empty() {
            let mut scene = Scene::open(site, backend).await?;
            for row in rows {
                let measured = on_stage(row, &mut scene).await?;
                tell(&measured);
                figures.extend(measured);
            }
            scene.close().await?;
        }
    }
    for row in ALL {
        if chosen.contains(&row) && !row.is_on_stage() {
            let measured = alone(row, site).await?;
            tell(&measured);
            figures.extend(measured);
        }
    }
    Ok(figures)
}

/// Says on the way what was found.
fn tell(figures: &[Figure]) {
    let table = report::table(figures);
    for line in table.lines().skip(2) {
        output::complain(line);
    }
}

async fn on_stage(row: Row, scene: &mut Scene<'_>) -> Result<Vec<Figure>, Failure> {
    let name = &row.name();
    match row.subject {
        Subject::Unary => throughput::unary(name, scene).await,
        Subject::Ceiling => throughput::ceiling(name, scene).await,
        Subject::Stream => throughput::stream(name, scene).await,
        Subject::Batch => throughput::batch(name, scene).await,
        Subject::Get => throughput::get(name, scene).await,
        Subject::OneClient => latency::one_client(name, scene).await,
        Subject::OpenLoop => latency::open_loop(name, scene).await,
        Subject::Deliveries => deliveries::everything(name, scene).await,
        Subject::Watched => deliveries::one_order_each(name, scene).await,
        Subject::Replicas => replicas::together(name, scene).await,
        Subject::Snapshot => snapshot::held(name, scene).await,
        Subject::Create
        | Subject::CreateSteps
        | Subject::Pending
        | Subject::Webhooks
        | Subject::Memory
        | Subject::Large
        | Subject::List
        | Subject::Start => Ok(Vec::new()),
    }
}

async fn alone(row: Row, site: &Site) -> Result<Vec<Figure>, Failure> {
    let name = &row.name();
    match row.subject {
        Subject::Create => creating::unary(name, site, row.backend).await,
        Subject::CreateSteps => creating::steps(name, site, row.backend).await,
        Subject::Pending => pending::beside(name, site, row.backend).await,
        Subject::Webhooks => webhooks::carried(name, site, row.backend).await,
        Subject::Memory => memory::resident(name, site, row.backend).await,
        Subject::Large => size::large(name, site, row.backend).await,
        Subject::List => listing::asked(name, site, row.backend).await,
        Subject::Start => starting::to_serving(name, site, row.backend).await,
        _ => Ok(Vec::new()),
    }
}

/// Fills the databases that rows need.
pub(crate) async fn fill(site: &Site, chosen: &[Row]) -> Result<(), Failure> {
    for row in chosen {
        let contents = match row.subject {
            Subject::Large | Subject::Start => size::large_contents(site),
            Subject::List => listing::listed_contents(site),
            Subject::Pending | Subject::Webhooks => with_pending(site, row.backend),
            _ => usual(site, row.backend),
        };
        site.kept(row.backend, contents).await?;
    }
    Ok(())
}

/// The usual contents of a database.
pub(crate) fn usual(site: &Site, backend: Backend) -> Contents {
    Contents::Orders(match backend {
        Backend::Postgres => site.pace.postgres_orders,
        Backend::Sqlite => site.pace.sqlite_orders,
    })
}

/// The usual orders beside others whose deliveries are pending.
fn with_pending(site: &Site, backend: Backend) -> Contents {
    Contents::Pending {
        orders: usual(site, backend).orders(),
        pending: site.pace.pending,
    }
}

impl<'s> Scene<'s> {
    async fn open(site: &'s Site, backend: Backend) -> Result<Self, Failure> {
        let contents = usual(site, backend);
        let kept = site.kept(backend, contents).await?;
        let rival_database = site.copy(&kept, "rival").await?;
        let rival = Rival::steps(site, &rival_database).await?;
        Ok(Self {
            stage: Stage::open(site, backend, contents, "measured").await?,
            rival_database,
            rival,
        })
    }

    async fn close(self) -> Result<(), Failure> {
        let site = self.stage.site;
        self.stage.close().await?;
        drop(self.rival);
        site.remove(&self.rival_database).await
    }
}
