//! Load while a hundred thousand deliveries of other orders are pending and their
//! receiver is down, against load on a database without any.

use super::{
    scene::{usual, with_pending},
    throughput::IN_FLIGHT,
};
use crate::{
    failure::Failure,
    hooks,
    load::Kind,
    place::{Backend, Site, free_port},
    receiver::{Manner, Receiver},
    report::{Figure, Rounds, Target},
    stage::Stage,
};

const RATIO_MIN: f64 = 0.85;
const COUNT_ATTEMPTS: &str = "SELECT COUNT(*) AS number FROM delivery_attempts";
const COUNT_PENDING: &str = "SELECT COUNT(*) AS number FROM deliveries WHERE state = 'pending'";

/// The same load on two servers by turns, with a receiver that refuses connections and with one that hangs.
pub(super) async fn beside(
    name: &str,
    site: &Site,
    backend: Backend,
) -> Result<Vec<Figure>, Failure> {
    let free = Stage::open(site, backend, usual(site, backend), "measured").await?;
    let laden = Stage::open(site, backend, with_pending(site, backend), "pending").await?;
    let turns = Turns {
        free: &free,
        laden: &laden,
    };
    let nobody = format!("http://127.0.0.1:{}/", free_port()?);
    let refused = turns.rounds(&nobody).await?;
    if refused.attempts == 0 {
        return Err(Failure::NothingTried);
    }
    let receiver = Receiver::start(Manner::Hangs)?;
    let hanging = turns.rounds(&receiver.url()).await?;
    if receiver.count() == 0 {
        return Err(Failure::NothingTried);
    }
    let pending = site.number(&laden.database, COUNT_PENDING).await?;
    let expected = site.pace.pending as u64;
    if pending != expected {
        return Err(Failure::Outbox {
            state: "pending",
            expected,
            found: pending,
        });
    }
    free.close().await?;
    laden.close().await?;
    receiver.stop()?;
    let target = Some(Target::RatioAtLeast(RATIO_MIN));
    Ok(vec![
        refused.rates.figure(name, "steps/s", target),
        hanging
            .rates
            .figure(&format!("{name}/hanging"), "steps/s", target),
    ])
}

/// The two servers that are measured by turns.
struct Turns<'t> {
    free: &'t Stage<'t>,
    laden: &'t Stage<'t>,
}

/// The rates, and the number of attempts to deliver that ended meanwhile.
struct Measured {
    rates: Rounds,
    attempts: u64,
}

impl Turns<'_> {
    /// The endpoint is at `url`, and switched off while the other server is measured.
    async fn rounds(&self, url: &str) -> Result<Measured, Failure> {
        let site = self.laden.site;
        let mut rates = Rounds::default();
        let before = site.number(&self.laden.database, COUNT_ATTEMPTS).await?;
        for _ in 0..site.pace.rounds {
            let baseline = self.free.rate(Kind::Unary, IN_FLIGHT).await?;
            hooks::switch_on(&self.laden.connections, url).await?;
            rates.pair(baseline, self.laden.rate(Kind::Unary, IN_FLIGHT).await?);
            hooks::switch_off(&self.laden.connections).await?;
        }
        let after = site.number(&self.laden.database, COUNT_ATTEMPTS).await?;
        Ok(Measured {
            rates,
            attempts: after.saturating_sub(before),
        })
    }
}
