//! Signals that tell a server to stop: gently at first, at once if told again.

use std::{fs, future::pending, io};

use rustix::process::Signal;
use tokio::signal::unix::{Signal as Listener, SignalKind, signal};
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
    /// A stop that is wished by the first SIGTERM, SIGINT or SIGHUP, and urgently by a further SIGTERM or SIGINT. A
    /// terminal that closes may send SIGHUP more than once, so that is never urgent; and where it is ignored, it stays so.
    ///
    /// # Errors
    /// Returns the error of the operating system when it lets nobody listen to signals.
    pub fn on_signals() -> io::Result<Self> {
        let stop = Self::default();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let hangup = (!ignores_hangups()).then(|| signal(SignalKind::hangup()));
        let mut hangup = hangup.transpose()?;
        // Listened to, a file that is too large for `ulimit -f` is an error and not the end.
        let too_large = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()))?;
        let stopping = stop.clone();
        tokio::spawn(async move {
            let _too_large = too_large;
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = heard(hangup.as_mut()) => {}
            }
            stopping.gently.cancel();
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            stopping.now.cancel();
        });
        Ok(stop)
    }
}

/// Waits for a signal, for ever where nobody listens to it.
async fn heard(listener: Option<&mut Listener>) {
    match listener {
        Some(listener) => {
            listener.recv().await;
        }
        None => pending().await,
    }
}

/// Whether whoever started the process has it ignore SIGHUP. Only Linux says so.
fn ignores_hangups() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    is_first_ignored(&status)
}

/// Whether the mask of ignored signals in the status of a process has the first of all, SIGHUP.
fn is_first_ignored(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_hangup_is_read_from_the_status() {
        let status = |mask: &str| format!("Name:\twaymark\nSigIgn:\t{mask}\nSigCgt:\t1\n");
        for (mask, is_ignored) in [
            ("0000000000000000", false),
            ("0000000000000001", true),
            ("0000000000001000", false),
            ("0000000000001001", true),
            ("nonsense", false),
        ] {
            assert_eq!(is_first_ignored(&status(mask)), is_ignored, "{mask}");
        }
        assert!(!is_first_ignored(""));
    }
}
