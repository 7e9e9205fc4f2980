//! Measures rows. Those of one stage share a server and a database.

mod creating;
mod deliveries;
mod latency;
mod listing;
mod memory;
mod pending;
mod replicas;
mod rival;
mod row;
mod scene;
mod size;
mod snapshot;
mod starting;
mod throughput;
mod webhooks;

pub(crate) use row::{ALL, Row};

use self::{
    row::Subject,
    scene::{Scene, usual, with_pending},
};
use crate::{
    failure::Failure,
    output,
    place::{Backend, Site},
    report::{self, Figure},
};

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
                print_progress(&measured);
                figures.extend(measured);
            }
            scene.close().await?;
        }
    }
    for row in ALL {
        if chosen.contains(&row) && !row.is_on_stage() {
            let measured = alone(row, site).await?;
            print_progress(&measured);
            figures.extend(measured);
        }
    }
    Ok(figures)
}

/// Prints figures while others are still measured.
fn print_progress(figures: &[Figure]) {
    let table = report::table(figures);
    for line in table.lines().skip(2) {
        output::print_error(line);
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
        Subject::Webhooks => webhooks::delivered(name, site, row.backend).await,
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
