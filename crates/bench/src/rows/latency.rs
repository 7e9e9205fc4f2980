//! Latencies: of one client that waits for each step, and of steps that come at
//! a fixed rate.

use super::{rival::Rival, scene::Scene, throughput::IN_FLIGHT};
use crate::{
    failure::Failure,
    load::Kind,
    report::{Figure, Rounds, Target},
    tally::Tally,
};

/// The quantiles that are reported, with their names.
pub(super) const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];

/// One client, one step at a time. On PostgreSQL its median is held against that of a transaction.
pub(super) async fn one_client(name: &str, scene: &mut Scene<'_>) -> Result<Vec<Figure>, Failure> {
    let site = scene.stage.site;
    let mut medians = Rounds::default();
    let mut tallies = Vec::new();
    for _ in 0..site.pace.rounds {
        let transaction = match &scene.rival {
            Rival::Pgbench(pgbench) => {
                site.settle().await?;
                Some(pgbench.run(site, 1, site.pace.round).await?.latency_ms)
            }
            Rival::Plain(_) => None,
        };
        let tally = scene.stage.round(Kind::Unary, 1).await?;
        match transaction {
            Some(transaction) => medians.pair(transaction, tally.latency_ms(0.5)),
            None => medians.alone(tally.latency_ms(0.5)),
        }
        tallies.push(tally);
    }
    let target = match &scene.rival {
        Rival::Pgbench(_) => Some(Target::RatioAtMost(1.5)),
        Rival::Plain(_) => None,
    };
    let mut figures = vec![medians.figure(name, "ms", target)];
    figures.extend(quantiles(name, &tallies).into_iter().skip(1));
    Ok(figures)
}

/// Steps at half the rate that a closed loop reaches.
pub(super) async fn open_loop(name: &str, scene: &mut Scene<'_>) -> Result<Vec<Figure>, Failure> {
    let stage = &scene.stage;
    let rate = stage.rate(Kind::Unary, IN_FLIGHT).await? / 2.0;
    let mut rates = Rounds::default();
    let mut tallies = Vec::new();
    for _ in 0..stage.site.pace.rounds {
        let tally = stage.open_loop(rate, stage.site.pace.round).await?;
        rates.pair(rate, tally.per_second());
        tallies.push(tally);
    }
    let mut figures = vec![rates.figure(name, "steps/s", None)];
    figures.extend(quantiles(name, &tallies));
    Ok(figures)
}

/// The medians of the rounds' quantiles.
fn quantiles(name: &str, tallies: &[Tally]) -> Vec<Figure> {
    let figures = QUANTILES.iter().map(|(quantile, share)| {
        let mut rounds = Rounds::default();
        for tally in tallies {
            rounds.alone(tally.latency_ms(*share));
        }
        rounds.figure(&format!("{name}/{quantile}"), "ms", None)
    });
    figures.collect()
}
