//! Webhooks to a receiver that takes them: how many of a backlog in a second, and
//! how soon one comes when there is nothing else to do.

use std::time::{Duration, Instant};

use super::scene::with_pending;
use crate::{
    failure::Failure,
    hooks,
    place::{Backend, Site},
    receiver::{Manner, Receiver},
    report::{Figure, Rounds, Target},
    stage::Stage,
    tally::{Tally, Window},
    wire::Method,
};

/// The quantiles that are reported of a few hundred webhooks.
const QUANTILES: [(&str, f64); 2] = [("p50", 0.5), ("p99", 0.99)];
const PER_SECOND: f64 = 1_000.0;
const COUNT_SUCCEEDED: &str = "SELECT COUNT(*) AS number FROM deliveries WHERE state = 'succeeded'";
/// The longest that the outbox may take to agree with the receiver.
const PATIENCE: Duration = Duration::from_secs(20);

/// The backlog, then one at a time.
pub(super) async fn delivered(
    name: &str,
    site: &Site,
    backend: Backend,
) -> Result<Vec<Figure>, Failure> {
    let stage = Stage::open(site, backend, with_pending(site, backend), "measured").await?;
    let receiver = Receiver::start(Manner::Takes)?;
    site.settle().await?;
    hooks::switch_on(&stage.connections, &receiver.url()).await?;
    receiver.wait_for(site.pace.pending).await?;
    let rates = parts(&receiver, site)?;
    until_succeeded(&stage, site.pace.pending).await?;
    let mut figures = vec![rates.figure(name, "webhooks/s", Some(Target::AtLeast(PER_SECOND)))];
    let mut latencies = QUANTILES.map(|_| Rounds::default());
    for _ in 0..site.pace.rounds {
        let tally = one_at_a_time(&stage, &receiver).await?;
        for (rounds, (_, share)) in latencies.iter_mut().zip(QUANTILES) {
            rounds.alone(tally.latency_ms(share));
        }
    }
    until_succeeded(&stage, receiver.count()).await?;
    let mut repeated = Rounds::default();
    #[expect(clippy::cast_precision_loss, reason = "none are expected")]
    repeated.alone(receiver.repeated()? as f64);
    figures.push(repeated.figure(
        &format!("{name}/repeated"),
        "webhooks",
        Some(Target::Exactly(0.0)),
    ));
    for (rounds, (quantile, _)) in latencies.iter().zip(QUANTILES) {
        figures.push(rounds.figure(&format!("{name}/{quantile}"), "ms", None));
    }
    stage.close().await?;
    receiver.stop()?;
    Ok(figures)
}

/// The rate of each of as many parts of the backlog as there are rounds, from its first arrival to its last.
#[expect(
    clippy::cast_precision_loss,
    reason = "a rate is shown with four digits"
)]
fn parts(receiver: &Receiver, site: &Site) -> Result<Rounds, Failure> {
    let rounds = site.pace.rounds.max(1);
    let each = site.pace.pending / rounds;
    let mut rates = Rounds::default();
    for part in 0..rounds {
        let first = receiver.arrival(part * each)?;
        let last = receiver.arrival((part + 1) * each - 1)?;
        let took = last.saturating_duration_since(first).as_secs_f64();
        rates.alone((each - 1) as f64 / took);
    }
    Ok(rates)
}

/// Waits until so many deliveries have succeeded by the outbox.
async fn until_succeeded(stage: &Stage<'_>, deliveries: usize) -> Result<(), Failure> {
    let (until, expected) = (Instant::now() + PATIENCE, deliveries as u64);
    loop {
        let found = stage.site.number(&stage.database, COUNT_SUCCEEDED).await?;
        if found == expected {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(Failure::Outbox {
                state: "succeeded",
                expected,
                found,
            });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Creates an order, waits for its webhook, creates the next: from the answer to the arrival.
async fn one_at_a_time(stage: &Stage<'_>, receiver: &Receiver) -> Result<Tally, Failure> {
    let window = Window::after_warm_up(stage.site.pace.round);
    let mut tally = Tally::new(window)?;
    let call = Method::CREATE_ORDER.call()?;
    stage.site.settle().await?;
    while !window.is_over() {
        let number = receiver.count();
        hooks::create(&stage.connections, &call, number).await?;
        let answered = Instant::now();
        receiver.wait_for(number + 1).await?;
        // The webhook may come before the answer is read.
        let waited = receiver
            .arrival(number)?
            .saturating_duration_since(answered);
        tally.count(1, Instant::now().checked_sub(waited).unwrap_or(answered));
    }
    Ok(tally)
}
