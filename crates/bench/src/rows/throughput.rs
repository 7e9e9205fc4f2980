//! Rates in a closed loop.

use super::scene::Scene;
use crate::{
    baseline::select::Selects,
    failure::Failure,
    load::Kind,
    report::{Figure, Rounds, Target},
};

/// Steps in flight where little waits.
pub(super) const IN_FLIGHT: usize = 64;
/// Steps in flight where batches are full.
pub(super) const MANY_IN_FLIGHT: usize = 512;
/// Calls of a hundred steps in flight.
const BATCHES_IN_FLIGHT: usize = 8;

impl Scene<'_> {
    /// One round of what makes steps by hand, so many in each transaction where that can be chosen.
    async fn rival_rate(&mut self, steps_per_transaction: u32) -> Result<f64, Failure> {
        self.rival
            .rate(self.stage.site, steps_per_transaction)
            .await
    }
}

/// Single steps against the same change by hand.
pub(super) async fn unary(name: &str, scene: &mut Scene<'_>) -> Result<Vec<Figure>, Failure> {
    let mut rounds = Rounds::default();
    for _ in 0..scene.stage.site.pace.rounds {
        let baseline = scene.rival_rate(1).await?;
        rounds.pair(baseline, scene.stage.rate(Kind::Unary, IN_FLIGHT).await?);
    }
    Ok(vec![rounds.figure(
        name,
        "steps/s",
        Some(Target::RatioAtLeast(3.0)),
    )])
}

/// Single steps against the most that the database can take.
pub(super) async fn ceiling(name: &str, scene: &mut Scene<'_>) -> Result<Vec<Figure>, Failure> {
    let mut rounds = Rounds::default();
    let steps = u32::try_from(MANY_IN_FLIGHT).unwrap_or(u32::MAX);
    for _ in 0..scene.stage.site.pace.rounds {
        let baseline = scene.rival_rate(steps).await?;
        rounds.pair(
            baseline,
            scene.stage.rate(Kind::Unary, MANY_IN_FLIGHT).await?,
        );
    }
    Ok(vec![rounds.figure(
        name,
        "steps/s",
        Some(Target::RatioAtLeast(0.7)),
    )])
}

/// Steps on streams against single ones.
pub(super) async fn stream(name: &str, scene: &mut Scene<'_>) -> Result<Vec<Figure>, Failure> {
    against_unary(name, scene, Kind::Stream, MANY_IN_FLIGHT).await
}

/// A hundred steps in each call against single ones.
pub(super) async fn batch(name: &str, scene: &mut Scene<'_>) -> Result<Vec<Figure>, Failure> {
    let steps = BATCHES_IN_FLIGHT * crate::load::BATCH_STEPS;
    against_unary(name, scene, Kind::Batch, steps).await
}

async fn against_unary(
    name: &str,
    scene: &mut Scene<'_>,
    kind: Kind,
    in_flight: usize,
) -> Result<Vec<Figure>, Failure> {
    let mut rounds = Rounds::default();
    for _ in 0..scene.stage.site.pace.rounds {
        let baseline = scene.stage.rate(Kind::Unary, IN_FLIGHT).await?;
        rounds.pair(baseline, scene.stage.rate(kind, in_flight).await?);
    }
    Ok(vec![rounds.figure(
        name,
        "steps/s",
        Some(Target::RatioAtLeast(1.5)),
    )])
}

/// Reads against point selects.
pub(super) async fn get(name: &str, scene: &mut Scene<'_>) -> Result<Vec<Figure>, Failure> {
    let stage = &scene.stage;
    let site = stage.site;
    let mut selects = Selects::open(site, &scene.rival_database, IN_FLIGHT).await?;
    let mut rounds = Rounds::default();
    for _ in 0..site.pace.rounds {
        let baseline = selects.run(stage.orders, site.pace.round).await?;
        rounds.pair(baseline, stage.rate(Kind::Get, IN_FLIGHT).await?);
    }
    Ok(vec![rounds.figure(
        name,
        "orders/s",
        Some(Target::RatioAtLeast(0.5)),
    )])
}
