//! Load on a database with ten million entries against load on one with ten
//! thousand.

use super::throughput::IN_FLIGHT;
use crate::{
    failure::Failure,
    load::Kind,
    place::{Backend, Contents, Site},
    report::{Figure, Rounds, Target},
    stage::Stage,
};

/// The contents of the large database.
pub(super) fn large_contents(site: &Site) -> Contents {
    Contents::Large {
        orders: site.pace.large_orders,
        small: site.pace.small_orders,
    }
}

/// The same load on two servers by turns.
pub(super) async fn large(
    name: &str,
    site: &Site,
    backend: Backend,
) -> Result<Vec<Figure>, Failure> {
    let contents = large_contents(site);
    // Not copied: it stays large, and what each run adds is little beside it.
    let database = site.kept(backend, contents).await?;
    site.warm(&database).await?;
    let large = Stage::on(site, database, contents.orders()).await?;
    let small = Contents::Small(site.pace.small_orders);
    let small = Stage::open(site, backend, small, "measured").await?;
    let mut rounds = Rounds::default();
    for _ in 0..site.pace.rounds {
        let baseline = small.rate(Kind::Unary, IN_FLIGHT).await?;
        rounds.pair(baseline, large.rate(Kind::Unary, IN_FLIGHT).await?);
    }
    small.close().await?;
    large.server.stop().await?;
    Ok(vec![rounds.figure(
        name,
        "steps/s",
        Some(Target::RatioAtLeast(0.8)),
    )])
}
