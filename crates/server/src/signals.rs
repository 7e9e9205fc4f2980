//! How a server is told to stop: gently at first, at once if told again.

use std::io;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Two wishes, the second more urgent.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Finish what is in flight, then stop.
    pub gently: CancellationToken,
    /// Stop at once.
    pub now: CancellationToken,
}

impl Stop {
    /// A stop that is wished by the first SIGTERM or SIGINT, and urgently by the second.
    ///
    /// # Errors
    /// Returns the error of the operating system when it lets nobody listen to signals.
    pub fn on_signals() -> io::Result<Self> {
        let stop = Self::default();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        // Listened to, a file that is too large for `ulimit -f` is an error and not the end.
        let too_large = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()))?;
        let told = stop.clone();
        tokio::spawn(async move {
            let _too_large = too_large;
            for token in [told.gently, told.now] {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                token.cancel();
            }
        });
        Ok(stop)
    }
}
