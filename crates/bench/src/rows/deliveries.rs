//! A thousand watchers: how much they are sent and how soon, and what they cost
//! those who do not watch.

use std::time::{Duration, Instant};

use super::{latency::QUANTILES, scene::Scene, throughput::IN_FLIGHT};
use crate::{
    failure::Failure,
    load::Kind,
    report::{Figure, Rounds, Target},
    stage::Stage,
    tally::Tally,
    watch::{Seen, Watchers, Wish},
};

pub(super) const WATCHERS: usize = 1_000;
/// A little more than the 500 that the target names, so that a delivery on the edge of a round does not decide.
pub(super) const STEPS_PER_SECOND: f64 = 510.0;
const DELIVERIES_PER_SECOND: f64 = 500_000.0;
const LATENCY_MS_MAX: f64 = 50.0;

/// A thousand watchers of everything.
pub(super) async fn everything(name: &str, scene: &mut Scene<'_>) -> Result<Vec<Figure>, Failure> {
    let stage = &scene.stage;
    let (mut rates, mut lost) = (Rounds::default(), Rounds::default());
    let mut latencies = QUANTILES.map(|_| Rounds::default());
    for _ in 0..stage.site.pace.rounds {
        let round = round(stage, stage.site.pace.round).await?;
        rates.alone(round.deliveries_per_second);
        lost.alone(round.lost);
        for (rounds, (_, share)) in latencies.iter_mut().zip(QUANTILES) {
            rounds.alone(round.seen.latency_ms(share));
        }
    }
    let mut figures = vec![
        rates.figure(
            name,
            "deliveries/s",
            Some(Target::AtLeast(DELIVERIES_PER_SECOND)),
        ),
        lost.figure(
            &format!("{name}/lost"),
            "entries",
            Some(Target::Exactly(0.0)),
        ),
    ];
    for (rounds, (quantile, _)) in latencies.iter().zip(QUANTILES) {
        let target = (quantile == "p99").then_some(Target::AtMost(LATENCY_MS_MAX));
        figures.push(rounds.figure(&format!("{name}/{quantile}"), "ms", target));
    }
    Ok(figures)
}

struct Round {
    deliveries_per_second: f64,
    lost: f64,
    seen: Seen,
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a rate is shown with four digits"
)]
async fn round(stage: &Stage<'_>, length: Duration) -> Result<Round, Failure> {
    let watchers = Watchers::start(stage.server.address(), WATCHERS, Wish::Everything).await?;
    let load = stage.open_loop(STEPS_PER_SECOND, length);
    let (tally, deliveries_per_second) =
        futures::future::try_join(load, async { Ok(sample(&watchers, length).await) }).await?;
    let expected = tally.all() * WATCHERS as u64;
    watchers.wait_for(tally.all()).await;
    let seen = watchers.stop()?;
    Ok(Round {
        deliveries_per_second,
        lost: expected.saturating_sub(seen.deliveries) as f64,
        seen,
    })
}

/// The rate of deliveries over most of a round.
#[expect(
    clippy::cast_precision_loss,
    reason = "a rate is shown with four digits"
)]
async fn sample(watchers: &Watchers, length: Duration) -> f64 {
    tokio::time::sleep(length / 5).await;
    let (begun, before) = (Instant::now(), watchers.delivered());
    tokio::time::sleep(length * 4 / 5).await;
    let delivered = watchers.delivered() - before;
    delivered as f64 / begun.elapsed().as_secs_f64()
}

/// Load while a thousand watch one order each, against load that nobody watches.
pub(super) async fn one_order_each(
    name: &str,
    scene: &mut Scene<'_>,
) -> Result<Vec<Figure>, Failure> {
    let stage = &scene.stage;
    let mut rounds = Rounds::default();
    for _ in 0..stage.site.pace.rounds {
        let baseline = stage.rate(Kind::Unary, IN_FLIGHT).await?;
        let watchers = Watchers::start(stage.server.address(), WATCHERS, Wish::OneOrder).await?;
        let tally: Tally = stage.round(Kind::Unary, IN_FLIGHT).await?;
        watchers.stop()?;
        rounds.pair(baseline, tally.per_second());
    }
    Ok(vec![rounds.figure(
        name,
        "steps/s",
        Some(Target::RatioAtLeast(0.9)),
    )])
}
