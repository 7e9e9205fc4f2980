//! Counts and latencies of the measured part of a run.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::failure::Failure;

/// The measured part of a run, after a warm-up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) begin: Instant,
    pub(crate) end: Instant,
}

impl Window {
    /// A window that begins after a tenth of its length.
    pub(crate) fn after_warm_up(length: Duration) -> Self {
        let begin = Instant::now() + length / 10;
        Self {
            begin,
            end: begin + length,
        }
    }

    /// Its length.
    pub(crate) fn length(&self) -> Duration {
        self.end.saturating_duration_since(self.begin)
    }

    /// Whether nothing new is to be begun.
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.end
    }
}

/// An empty count of latencies in microseconds. It does not grow: a count that may grow takes what is too
/// large for something small.
pub(crate) fn latencies() -> Result<Histogram<u64>, Failure> {
    Ok(Histogram::new_with_max(LATENCY_US_MAX, 3)?)
}

/// The counts and latencies of a run.
#[derive(Debug)]
pub(crate) struct Tally {
    window: Window,
    /// The pieces that ended within the window.
    measured: u64,
    /// All pieces that ended.
    all: u64,
    latency_us: Histogram<u64>,
}

/// Latencies beyond two minutes count as two minutes, and are known to three digits.
const LATENCY_US_MAX: u64 = 120_000_000;

impl Tally {
    pub(crate) fn new(window: Window) -> Result<Self, Failure> {
        Ok(Self {
            window,
            measured: 0,
            all: 0,
            latency_us: latencies()?,
        })
    }

    /// Counts `pieces` that ended now and began at `begun`.
    pub(crate) fn count(&mut self, pieces: u64, begun: Instant) {
        let now = Instant::now();
        self.all += pieces;
        if now < self.window.begin || now >= self.window.end {
            return;
        }
        self.measured += pieces;
        let micros = u64::try_from((now - begun).as_micros()).unwrap_or(u64::MAX);
        self.latency_us.saturating_record(micros);
    }

    /// All pieces that ended, within the window or not.
    pub(crate) fn all(&self) -> u64 {
        self.all
    }

    /// The pieces that ended in a second of the window.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate is shown with four digits"
    )]
    pub(crate) fn per_second(&self) -> f64 {
        self.measured as f64 / self.window.length().as_secs_f64()
    }

    /// The latency in milliseconds below which a share of the calls stayed.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a latency is known to three digits"
    )]
    pub(crate) fn latency_ms(&self, quantile: f64) -> f64 {
        self.latency_us.value_at_quantile(quantile) as f64 / 1_000.0
    }
}
