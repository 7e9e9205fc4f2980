//! Keeps the one connection to NATS: makes it, and makes it again whenever it is lost.

use std::time::Duration;

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep},
};

use super::{
    connector::Connector,
    link::{self, Link},
    session::Request,
    settings::Address,
};

/// The pause before the second attempt to connect in a row; each next one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(4);
/// A connection that was shorter counts as an attempt that failed: a server that lets us in and
/// throws us out again is not asked without a pause.
const LASTING: Duration = Duration::from_secs(4);

/// Keeps a connection to one of some servers.
pub(super) struct Client {
    pub(super) addresses: Vec<Address>,
    pub(super) connector: Connector,
    pub(super) requests: mpsc::Receiver<Request>,
}

impl Client {
    /// Connects and sends what is asked for, until nobody follows `link` any more.
    pub(super) async fn run(mut self, link: watch::Sender<Link>) {
        tokio::select! {
            () = link.closed() => {}
            () = self.keep(&link) => {}
        }
    }

    async fn keep(&mut self, link: &watch::Sender<Link>) {
        let mut failures = 0_u32;
        for address in self.addresses.iter().cycle() {
            sleep(pause(failures)).await;
            failures = failures.saturating_add(1);
            match self.connector.open(address).await {
                Ok(session) => {
                    link::connected(link);
                    let since = Instant::now();
                    let problem = session.run(&mut self.requests, link).await;
                    link::lost(problem, link);
                    if since.elapsed() >= LASTING {
                        failures = 0;
                    }
                }
                Err(problem) => link::report(problem.to_string(), link),
            }
        }
    }
}

/// The pause after so many failures in a row.
fn pause(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => Duration::ZERO,
        Some(more) => PAUSE_MIN
            .saturating_mul(2_u32.saturating_pow(more))
            .min(PAUSE_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_limit() {
        for (failures, wanted_ms) in [(0, 0), (1, 10), (2, 20), (9, 2_560), (10, 4_000)] {
            assert_eq!(pause(failures), Duration::from_millis(wanted_ms));
        }
        assert_eq!(pause(u32::MAX), PAUSE_MAX);
    }
}
