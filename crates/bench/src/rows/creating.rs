//! New orders, each with lines and a customer, against the same rows inserted by
//! hand, one order in each transaction.

use super::{rival::Rival, scene::usual, throughput::IN_FLIGHT};
use crate::{
    failure::Failure,
    load::{CREATE_STEPS, Kind},
    place::{Backend, Site},
    report::{Figure, Rounds, Target},
    stage::Stage,
};

const RATIO_MIN: f64 = 2.0;
/// Calls with many new orders in flight.
const CALLS_IN_FLIGHT: usize = 8;

/// One order in each call.
pub(super) async fn unary(
    name: &str,
    site: &Site,
    backend: Backend,
) -> Result<Vec<Figure>, Failure> {
    by_turns(name, site, backend, (Kind::Create, IN_FLIGHT)).await
}

/// Many orders in each call.
pub(super) async fn steps(
    name: &str,
    site: &Site,
    backend: Backend,
) -> Result<Vec<Figure>, Failure> {
    let orders = CALLS_IN_FLIGHT * CREATE_STEPS;
    by_turns(name, site, backend, (Kind::CreateSteps, orders)).await
}

/// Both databases grow meanwhile, so no other row has them.
async fn by_turns(
    name: &str,
    site: &Site,
    backend: Backend,
    (kind, in_flight): (Kind, usize),
) -> Result<Vec<Figure>, Failure> {
    let contents = usual(site, backend);
    let kept = site.kept(backend, contents).await?;
    let rival_database = site.copy(&kept, "rival").await?;
    let mut rival = Rival::creations(site, &rival_database).await?;
    let stage = Stage::open(site, backend, contents, "measured").await?;
    let mut rounds = Rounds::default();
    for _ in 0..site.pace.rounds {
        let baseline = rival.rate(site, 1).await?;
        rounds.pair(baseline, stage.rate(kind, in_flight).await?);
    }
    stage.close().await?;
    drop(rival);
    site.remove(&rival_database).await?;
    let target = Some(Target::RatioAtLeast(RATIO_MIN));
    Ok(vec![rounds.figure(name, "orders/s", target)])
}
